"""Where an axis has labels: round numbers, and round times."""

import math
from datetime import datetime, timedelta

from interlock.console.text import number

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

# Steps that a person counts in, in seconds; longer ones are whole numbers of weeks.
_STEPS = (
    1,
    5,
    15,
    30,
    _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    30 * _MINUTE,
    _HOUR,
    3 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
    2 * _DAY,
    7 * _DAY,
)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that cover the range: 1, 2 or 5 times a power of ten apart. One or two where it has no width."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return []
    width = (high / wanted) - (low / wanted)
    # Below it neighbouring floats are further apart than a step.
    if width <= max(abs(low), abs(high)) * 1e-12 or width < 1e-300:
        return [low] if low == high else [low, high]
    power = math.floor(math.log10(width))
    if power > 300:
        return [low, high]
    step = next(factor * 10.0**power for factor in (1, 2, 5, 10) if factor * 10.0**power >= width * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def above(value: float) -> float:
    """The end of an axis that begins at zero: a round number not below the value."""
    if value <= 0 or value > 1e300 or value < 1e-300:
        return value or 1.0
    step = ticks(0, value)
    return value if len(step) < 2 or step[-1] >= value else step[-1] + (step[1] - step[0])


def short(value: float) -> str:
    """A label: 1,200, 25k, 3.5M, 0.05."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e15:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:,.4g}{letter}".replace("-", "−")
    text = str(number(float(f"{value:.6g}")))
    return "0" if text in ("−0", "-0") else text


def time_ticks(first: datetime, last: datetime, wanted: int = 6) -> list[tuple[datetime, str]]:
    """Round times in a range with their labels: 14:30 within days, 03-01 beyond, the date where a new day begins."""
    seconds = (last - first).total_seconds()
    if seconds <= 0:
        return [(first, f"{first:%m-%d %H:%M}")]
    week = 7 * _DAY
    step = next((step for step in _STEPS if seconds / step <= wanted), math.ceil(seconds / wanted / week) * week)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = math.ceil((first - midnight).total_seconds() / step)
    found = []
    for index in range(begin, begin + wanted + 2):
        try:
            at = midnight + timedelta(seconds=index * step)
        except OverflowError:
            break
        if at > last:
            break
        found.append((at, _time_label(at, step)))
    return found


def _time_label(at: datetime, step: int) -> str:
    if step >= _DAY:
        return f"{at:%m-%d}" if step < 7 * _DAY * 8 else at.date().isoformat()[:7]
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        return f"{at:%m-%d}"
    return f"{at:%H:%M}" if step >= _MINUTE else f"{at:%H:%M:%S}"
