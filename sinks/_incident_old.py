"""One outage: when to try again, and two lines in the log however long it lasts."""

from collections.abc import Callable

import structlog

log = structlog.get_logger()

# From a fifth of a second, so that a restart costs little, to five seconds, so that a database which is back is used
# soon and one that is overwhelmed gets room.
FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0


class Incident:
    """`what`: the trouble as a sentence. Open from the first failure to the next success."""

    def __init__(self, what: str, monotonic: Callable[[], float]) -> None:
        self._what = what
        self._monotonic = monotonic
        self._since: float | None = None
        self._wait = FIRST_WAIT
        self._again_at = 0.0

    @property
    def open(self) -> bool:
        return self._since is not None

    def is_time(self) -> bool:
        """Whether to try (again)."""
        return not self.open or self._monotonic() >= self._again_at

    def remaining(self) -> float:
        """Seconds until it is time; 0 when there is no incident."""
        return max(0.0, self._again_at - self._monotonic()) if self.open else 0.0

    def begin(self, error: str) -> None:
        """An attempt failed."""
        now = self._monotonic()
        if self._since is None:
            self._since = now
            self._wait = FIRST_WAIT
            log.warning(self._what, error=error, consequence="tried again until it does; nothing is lost")
        else:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._again_at = now + self._wait

    def over(self) -> None:
        """An attempt succeeded."""
        if self._since is not None:
            log.info("works again", trouble=self._what, seconds=round(self._monotonic() - self._since, 1))
            self._since = None
