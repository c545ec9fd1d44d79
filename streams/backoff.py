"""Trouble told once: one log line when it begins, one when it is over, and growing pauses in between."""

import logging

from interlock.streams.clock import Clock

log = logging.getLogger(__name__)

# The first attempt is immediate: most failures are single. Then doubling, up to what an operator who has just
# repaired something is willing to wait.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0


class Outage:
    """Counts failures in a row."""

    def __init__(self, clock: Clock, least_pause: float = 0.0) -> None:
        """`least_pause`: seconds, also before the first attempt."""
        self._clock = clock
        self._least_pause = least_pause
        self._failures = 0
        self._since = 0
        self._said = ""

    def failed(self, reason: str, remedy: str) -> None:
        """Logs a failure, unless it is the same again."""
        if self._failures == 0:
            self._since = self._clock.now()
        self._failures += 1
        level = logging.DEBUG if reason == self._said else logging.WARNING
        log.log(level, "%s; %s", reason, remedy)
        self._said = reason

    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        if self._failures == 0:
            return 0.0
        if self._failures == 1:
            return self._least_pause
        # The exponent is bounded because an outage may last for days.
        pause = FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 2, 10)
        return min(LONGEST_PAUSE_SECONDS, max(self._least_pause, pause))

    def over(self) -> None:
        """Logs the end if there was a beginning."""
        if self._failures:
            seconds = (self._clock.now() - self._since) / 1e6
            log.info("Kafka works again after %.1f s and %d failures; nothing was lost", seconds, self._failures)
            self._failures, self._said = 0, ""
