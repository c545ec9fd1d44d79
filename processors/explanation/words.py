"""Numbers, moments and names as an explanation writes them: the same on every machine, in English and UTC."""

import math
from collections.abc import Sequence
from datetime import datetime

from interlock.processors.review.times import DAY, HOUR, MINUTE, SECOND, micros
from interlock.schemas.times import moment

# Not strftime's, which speaks the language of the machine.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

# In place of what somebody wrote and cannot be read any more.
ERASED = "[cannot be read any more]"

# Digits after which two shares that still look alike are called the same.
_MOST_DIGITS = 6


def when(micros: int) -> str:
    """A moment, for example "3 January 2026, 14:05:09 UTC"."""
    at = moment(micros)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M:%S} UTC"


def day(micros: int) -> str:
    """The day of UTC, for example "3 January 2026"."""
    at = moment(micros)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def iso(micros: int) -> str:
    """The same for programs, exactly: 2026-01-03T14:05:09.000123Z."""
    return f"{moment(micros).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def from_iso(text: str) -> int:
    """The inverse of `iso`."""
    return micros(datetime.fromisoformat(text))


def duration(seconds: float) -> str:
    """A length of time in its two largest units, for example "2 hours 5 minutes"."""
    whole = int(abs(seconds))
    if whole < 1:
        return "less than a second"
    for size, name, smaller, smaller_name in (
        (DAY, "day", HOUR, "hour"),
        (HOUR, "hour", MINUTE, "minute"),
        (MINUTE, "minute", 1, "second"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return counted(whole // size, name) + (f" {counted(rest, smaller_name)}" if rest else "")
    return counted(whole, "second")


def after(start: int, at: int) -> str:
    """How long after `start` something happened, for example "4 minutes later"; empty where it did not come later."""
    return f"{duration((at - start) / SECOND)} later" if at - start >= SECOND else ""


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shares(*values: float) -> tuple[str, ...]:
    """Shares of 1 as percentages, with so many digits that values which differ look different: 94.96 % is not 95 %."""
    for digits in range(1, _MOST_DIGITS + 1):
        texts = tuple(_percent(value, digits) for value in values)
        if len(set(texts)) == len(set(values)):
            return texts
    return texts


def share(value: float) -> str:
    """A share of 1 as a percentage."""
    return shares(value)[0]


def signed(value: float) -> str:
    """A number with its sign, in three digits."""
    return f"{value:+.3g}".replace("-", "−")


def quoted(text: str) -> str:
    """A word of somebody else."""
    return f"“{text}”"


def listed(items: Sequence[str]) -> str:
    """Some things in a sentence."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """Begins with a capital letter and ends with a full stop; empty for nothing."""
    return stopped(f"{text[0].upper()}{text[1:]}") if text else ""


def stopped(text: str) -> str:
    """Ends with a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def plain(code: str) -> str:
    """A code such as adverse_action as words."""
    return code.replace("_", " ").replace("-", " ")


def _percent(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "not a number"
    text = f"{value * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.')} %"
