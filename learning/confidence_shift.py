"""Whether a model's confidence differs from what the same hours of other days lead to expect.

Confidence has a rhythm: others come in the morning than at night, and at weekends. A monitor that compares now with
before, as ADWIN does, reports every evening. This one compares the latest decisions with the same hours of earlier
days, and from two known weeks on with the same hours of the same weekdays. It looks at the last 128, 256, 512 …
decisions; a shift is told when it exceeds five of its standard errors, so that its sign is sure, and its interval lies
beyond the least one of interest.

A standard error has three parts: how few the latest decisions are, how few those of the same hours were, and how much
days differ for no reason (the moment estimate of DerSimonian and Laird 1986). A day that is a little unlike the others
is then no shift. What a shift means is told in errors that the model itself expects (the mean doubt of its calibrated
confidence, as CBPE of NannyML), because nobody acts on a hundredth of confidence.
"""

import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from interlock.learning.arrays import Floats

# Standard errors: a normal deviate is that far off once in 1.7 million looks. False warnings: bench/gates/drift.py.
SURE = 5.0

# For 128 decisions the mean of a bounded value is near enough to normal; a look costs a fifth of a millisecond.
_BLOCK, _SMALLEST = 64, 128

# The largest window finds a hundredth in confidences that differ by .25.
_BLOCKS = 256

# Days of one window: a week has every hour. Days of the reference: eight weeks, for the mean of one hour.
_WINDOW_DAYS, _REFERENCE_DAYS = 7, 56

# A single other day cannot tell how much days differ. Two weeks know every weekday twice.
_FEWEST_DAYS, _WEEKS_KNOWN = 2, 14

# Where the distribution of an hour is kept, finer towards 1: expectations of smooth functions are exact to some 1e-3.
_KNOTS = (
    *(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88, 0.91, 0.94, 0.96, 0.98, 0.99, 0.995, 1),
)

_NORMAL_95 = 1.96

_HOUR = 3_600_000_000
_HOURS = 24

# Looks after which references are computed anew: late decisions, and partitions that are read back, add to past days.
_REFRESH = 64


# Weekday and hour of the day.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shift:
    """`size`: mean confidence minus what was expected, between `low` and `high` (95 %). `errors`, `errors_low`,
    `errors_high`: the same in expected errors, as a share. `decisions` in the window, `days` in the reference;
    `weekly`: compared with the same weekdays."""

    size: float
    low: float
    high: float
    mean: float
    errors: float
    errors_low: float
    errors_high: float
    decisions: int
    days: int
    weekly: bool


@dataclass(frozen=True, slots=True)
class _Reference:
    """By weekday and hour: decisions, their mean, days with any. `noise`: variance within an hour of a day; `between`:
    of days; `mix`: weights of the knots."""

    count: list[list[float]]
    mean: list[list[float]]
    days: list[list[float]]
    mix: Floats
    noise: float
    between: float
    weekly: bool


class _Block:
    """Some consecutive decisions. `hours`: how many of each hour, their sum and their sum of squares."""

    __slots__ = ("hours", "latest", "values")

    def __init__(self) -> None:
        self.hours: dict[int, tuple[int, float, float]] = {}
        self.values: list[tuple[int, float]] = []
        self.latest = 0

    def add(self, hour: int, value: float) -> None:
        self.values.append((hour, value))
        n, total, squares = self.hours.get(hour, (0, 0.0, 0.0))
        self.hours[hour] = n + 1, total + value, squares + value * value
        self.latest = hour


class ShiftMonitor:
    """The confidence of one model version. Sums of an hour do not depend on the order of its decisions, so that records
    of several partitions may come in any order.

    `least`: the smallest shift of interest.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        # By day: decisions, sum and sum of squares by hour; and the weights of the knots.
        self._sums: dict[int, Floats] = {}
        self._mixes: dict[int, Floats] = {}
        self._blocks: deque[_Block] = deque(maxlen=_BLOCKS)
        self._block = _Block()
        self._references: dict[tuple[int, int], _Reference | None] = {}
        self._looks = 0

    def update(
        self, confidence: float, at: int, doubt: Callable[[Floats], Floats], since: int | None = None
    ) -> Shift | None:
        """Adds a decision, confidence in [0, 1], `at` in microseconds since the epoch. `doubt`: how often the model is
        wrong by its confidence. `since`: of an earlier shift; days up to it are of another world. The shift, at every
        look at which there is one."""
        hour = at // _HOUR
        self._count(confidence, hour)
        self._block.add(hour, confidence)
        if len(self._block.values) < _BLOCK:
            return None
        self._blocks.append(self._block)
        self._block = _Block()
        self._looks += 1
        if self._looks % _REFRESH == 0:
            self._references.clear()
        # The day of the shift itself is partly of the old world.
        return self._look(doubt, -(10**9) if since is None else since // (_HOUR * _HOURS) + 1)

    def forget_window(self) -> None:
        """Starts the window anew, after a shift was told."""
        self._blocks.clear()
        self._block = _Block()

    def _count(self, confidence: float, hour: int) -> None:
        day, clock = divmod(hour, _HOURS)
        if day not in self._sums:
            if len(self._sums) > _REFERENCE_DAYS + _WINDOW_DAYS:
                furthest = max(self._sums, key=lambda known: abs(known - day))  # a stray time must not push out others
                del self._sums[furthest], self._mixes[furthest]
            self._sums[day] = np.zeros((_HOURS, 3))
            self._mixes[day] = np.zeros((_HOURS, len(_KNOTS)))
        self._sums[day][clock] += (1.0, confidence, confidence * confidence)
        knot = min(bisect_right(_KNOTS, confidence), len(_KNOTS) - 1)
        part = (confidence - _KNOTS[knot - 1]) / (_KNOTS[knot] - _KNOTS[knot - 1])
        mix = self._mixes[day][clock]
        mix[knot - 1] += 1 - part
        mix[knot] += part

    def _look(self, doubt: Callable[[Floats], Floats], since: int) -> Shift | None:
        """The surest shift of all windows."""
        while abs(self._blocks[-1].latest - self._blocks[0].latest) > _WINDOW_DAYS * _HOURS:
            self._blocks.popleft()
        surest = 0.0
        found = None
        hours: dict[int, tuple[int, float, float]] = {}
        size = _SMALLEST // _BLOCK
        for number, block in enumerate(reversed(self._blocks), 1):
            for hour, (n, total, squares) in block.hours.items():
                known = hours.get(hour, (0, 0.0, 0.0))
                hours[hour] = known[0] + n, known[1] + total, known[2] + squares
            if number == size:
                size *= 2
                shift = self._compared(number, hours, doubt, since)
                if shift is not None and shift[0] > surest:
                    surest, found = shift
        return found

    def _compared(
        self,
        blocks: int,
        hours: dict[int, tuple[int, float, float]],
        doubt: Callable[[Floats], Floats],
        since: int,
    ) -> tuple[float, Shift] | None:
        """How many standard errors, and the shift of the latest so many blocks, if it is one."""
        reference = self._reference(min(hours) // _HOURS, since)
        if reference is None:
            return None
        total, size, squares = 0, 0.0, 0.0
        places: Counter[_Place] = Counter()
        days: Counter[int] = Counter()
        for hour, (n, its_sum, its_squares) in hours.items():
            weekday, clock = place = _place(hour)
            if reference.days[weekday][clock] < _FEWEST_DAYS:
                continue
            mean = reference.mean[weekday][clock]
            total += n
            size += its_sum - n * mean
            squares += its_squares - 2 * mean * its_sum + n * mean * mean
            places[place] += n
            days[hour // _HOURS] += n
        if total < _SMALLEST or abs(size) <= self._least * total:
            return None
        size /= total
        # Of skewed values, high ones vary little: by their own variance alone every stroke of luck would look sure.
        variance = max(squares / total - size**2, reference.noise) / total
        shares = {place: n / total for place, n in places.items()}
        variance += sum(s**2 * reference.noise / reference.count[place[0]][place[1]] for place, s in shares.items())
        compared = sum(s * reference.days[place[0]][place[1]] for place, s in shares.items())
        variance += reference.between * (sum((n / total) ** 2 for n in days.values()) + 1 / compared)
        error = math.sqrt(max(variance, 0.0))
        if abs(size) <= max(SURE * error, self._least + _NORMAL_95 * error):
            return None
        latest = islice(reversed(self._blocks), blocks)
        values = np.array([value for block in latest for hour, value in block.values if _place(hour) in shares])
        mix = np.sum([s * reference.mix[place] for place, s in shares.items()], axis=0)
        errors = float(doubt(values).mean() - mix @ doubt(np.array(_KNOTS)))
        # As many times wider as the doubt of a decision varies against its confidence.
        spread = max(float(values.std()), 1e-9)
        margin, errors_margin = (_NORMAL_95 * error * each for each in (1, float(doubt(values).std()) / spread))
        return abs(size) / error, Shift(
            size, size - margin, size + margin, float(values.mean()),
            errors, errors - errors_margin, errors + errors_margin, total, round(compared), reference.weekly,
        )  # fmt: skip

    def _reference(self, before: int, since: int) -> _Reference | None:
        key = before, since
        if key not in self._references:
            self._references[key] = self._computed(before, since)
        return self._references[key]

    def _computed(self, before: int, since: int) -> _Reference | None:
        """Of the days in [since, before)."""
        days = sorted(day for day in self._sums if max(since, before - _REFERENCE_DAYS) <= day < before)
        if len(days) < _FEWEST_DAYS:
            return None
        sums = np.stack([self._sums[day] for day in days])
        mixes = np.stack([self._mixes[day] for day in days])
        weekly = before - days[0] >= _WEEKS_KNOWN
        weekday = np.array([_weekday(day) for day in days])
        groups = [weekday == which for which in range(7)] if weekly else [np.full(len(days), True)] * 7
        n, s, ss = sums[..., 0], sums[..., 1], sums[..., 2]
        count = np.array([n[group].sum(axis=0) for group in groups])
        mean = np.array([s[group].sum(axis=0) for group in groups]) / np.maximum(count, 1)
        seen = np.array([(n[group] > 0).sum(axis=0) for group in groups])
        mix = np.array([mixes[group].sum(axis=0) for group in groups]) / np.maximum(count, 1)[..., None]
        cells = n > 0
        noise = float((ss - s**2 / np.maximum(n, 1)).sum() / max(n.sum() - cells.sum(), 1))
        return _Reference(
            count.tolist(), mean.tolist(), seen.tolist(), mix, noise,
            _between(n, s, mean[weekday], count[weekday], noise), weekly,
        )  # fmt: skip


def _between(n: Floats, s: Floats, mean: Floats, count: Floats, noise: float) -> float:
    """How much the same hours of different days differ, beyond what chance gives: their variance."""
    cells = n > 0
    spread = float((n * (s / np.maximum(n, 1) - mean) ** 2).sum())
    groups = float((n / np.maximum(count, 1)).sum())
    size = float(n.sum() - (n**2 / np.maximum(count, 1)).sum())
    return max(0.0, (spread - (cells.sum() - groups) * noise) / size) if size > 0 else 0.0


def _weekday(day: int) -> int:
    return (day + 3) % 7  # the epoch was a Thursday


def _place(hour: int) -> _Place:
    day, clock = divmod(hour, _HOURS)
    return _weekday(day), clock
