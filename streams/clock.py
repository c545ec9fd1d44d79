"""Time as an argument: the only place that reads a real clock, and a clock that stands still until it is moved."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> int:
        """Microseconds since the epoch."""
        ...


class SystemClock:
    """The time of the machine."""

    def now(self) -> int:
        return time.time_ns() // 1000


class SteadyClock:
    """The time of the machine when it was made, and from then on what has really passed: nobody can set it."""

    # While a laptop or a virtual machine sleeps the monotonic clock stands, and that of the boot, where there is one,
    # goes on.
    _SOURCE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def __init__(self) -> None:
        self._start = time.time_ns() - time.clock_gettime_ns(self._SOURCE)

    def now(self) -> int:
        return (self._start + time.clock_gettime_ns(self._SOURCE)) // 1000


class ManualClock:
    """A clock for tests: it moves only when `advance` moves it."""

    # 2026-01-01T00:00:00Z: a plausible time, so that plausibility checks on timestamps hold in tests.
    START = 1_767_225_600_000_000

    def __init__(self, start: int = START) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves forward."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back (by {seconds} s)")
        self._now += round(seconds * 1_000_000)
