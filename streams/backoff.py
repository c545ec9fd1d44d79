"""How long to wait after failures in a row, and two lines in the log however long they last."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Backoff:
    """Begins with the first failure and is over with the next success. Not for several threads."""

    def __init__(
        self,
        what: str,
        *,
        least_seconds: float = 0.0,
        first_seconds: float = 0.1,
        longest_seconds: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what`: the service that fails, for the log. The pause after the first failure is `least_seconds`, because
        most failures are single; later pauses begin at `first_seconds` and double, up to what an operator who has
        just repaired something is willing to wait."""
        self._what = what
        self._least_seconds = least_seconds
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._monotonic = monotonic
        self._failures = 0
        self._began = 0.0
        self._retry_at = 0.0
        self._last_kind = ""

    def failed(self, reason: str, consequence: str, kind: str | None = None) -> None:
        """Counts a failure. Logs it unless it is of the same kind as the failure before.

        `kind`: by default the reason; needed where equal failures have texts that differ.
        """
        kind = reason if kind is None else kind
        repeated = self._failures > 0 and kind == self._last_kind
        now = self._monotonic()
        if self._failures == 0:
            self._began = now
        self._failures += 1
        self._retry_at = now + self.pause()
        self._last_kind = kind
        log.log(logging.DEBUG if repeated else logging.WARNING, "%s; %s", reason, consequence)

    def succeeded(self) -> None:
        """Logs the end of the failures, if there were any, and starts again."""
        if self._failures:
            seconds = self._monotonic() - self._began
            log.info(
                "%s works again after %.1f s and %d failures; nothing was lost", self._what, seconds, self._failures
            )
            self._failures = 0

    def pause(self) -> float:
        """Seconds between the latest failure and the next attempt; 0 if the latest attempt succeeded."""
        if self._failures == 0:
            return 0.0
        if self._failures == 1:
            return self._least_seconds
        # The exponent is bounded because an outage may last for days.
        pause = self._first_seconds * 2.0 ** min(self._failures - 2, 10)
        return min(self._longest_seconds, max(self._least_seconds, pause))

    def remaining(self) -> float:
        """Seconds from now to the next attempt; 0 if it is due."""
        return max(0.0, self._retry_at - self._monotonic()) if self._failures else 0.0

    @property
    def is_due(self) -> bool:
        """Whether to make the next attempt now."""
        return self.remaining() == 0.0
