"""The bad-message breaker. When too many messages are bad, the cause is a deployment rather than the messages: to stop
loses nothing, while a topic emptied into the dead letters loses its order and its time."""

from collections import deque

from interlock.errors import InterlockError


class TooManyBadMessagesError(InterlockError):
    """The router must stop. Nothing of the batch was routed; it is read again after the restart."""


class Breaker:
    """Opens when more than `max_share` of the latest `window` messages were bad."""

    # At the start of a quiet topic a few bad messages are a large share of very little: the share counts from here on.
    WINDOW = 1000

    def __init__(self, max_share: float, window: int = WINDOW) -> None:
        self._max_share = max_share
        self._window = window
        self._batches: deque[tuple[int, int]] = deque()  # size and bad messages of each
        self._total = 0
        self._bad = 0

    @property
    def share(self) -> float:
        """The share of bad messages among the latest ones."""
        return self._bad / self._total if self._total else 0.0

    def observe(self, total: int, bad: int) -> None:
        """Counts a batch; raises TooManyBadMessagesError when the share is exceeded."""
        self._batches.append((total, bad))
        self._total += total
        self._bad += bad
        while self._batches and self._total - self._batches[0][0] >= self._window:
            old_total, old_bad = self._batches.popleft()
            self._total -= old_total
            self._bad -= old_bad
        if self._total >= self._window and self._bad > self._max_share * self._total:
            raise TooManyBadMessagesError(
                f"{self._bad} of the latest {self._total} messages are bad, more than the allowed share of "
                f"{self._max_share:g}. Nothing was lost: look at `interlock dead-letters list`, mend the producer or "
                f"its schema, and start the router again (INTERLOCK_ROUTER__MAX_BAD_SHARE=1 lets everything pass)."
            )
