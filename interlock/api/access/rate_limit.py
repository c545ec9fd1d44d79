"""A limit to how many requests one token or person makes: a token bucket for each, in this process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

# Those who have been quiet have full buckets, which need not be kept.
_MOST_BUCKETS = 10_000


class RateLimiter:
    """Allows `burst` requests at once and `per_second` in the long run. Safe to share between threads."""

    def __init__(
        self, per_second: float = 50.0, burst: int = 200, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when
        self._lock = threading.Lock()

    def wait(self, who: str) -> float:
        """Counts a request. 0 if it is allowed, else the seconds until the next one will be."""
        now = self._monotonic()
        with self._lock:
            left, since = self._buckets.get(who, (float(self._burst), now))
            left = min(self._burst, left + (now - since) * self._per_second)
            allowed = left >= 1
            self._buckets[who] = (left - 1 if allowed else left, now)
            self._buckets.move_to_end(who)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_second
