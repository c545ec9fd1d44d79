"""Ids for planted cases that look like those of the decisions around them."""

import hashlib
import re
from collections.abc import Container, Iterable
from itertools import chain, count

# A UUID, a hash or another random id, whose every digit may be another one.
_RANDOM = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f][0-9a-f-]{14,}[0-9a-f]|[0-9A-F][0-9A-F-]{14,}[0-9A-F])(?![0-9A-Za-z])"
)

# The last number in an id, which counts the decisions of its producer.
_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


# Where decisions are counted and a thousand in a row became tasks, a number that nobody has used is as good.
_NEIGHBOURS = 1_000


def plausible_id(pattern: str, secret: str, known: Container[str], recent: Iterable[str]) -> str:
    """An id that no task of `known` has, made like `pattern`; `secret` decides which, so that nobody can tell it.

    Random ids get other digits. Where decisions are counted, it is a number below the newest one of `recent`, that no
    task has: of a decision that took effect unseen, so that it stands among its neighbours.
    """
    if _RANDOM.search(pattern):
        return _first_free(pattern, secret, known)
    counted = _NUMBER.fullmatch(pattern)
    if counted is None:
        return _first_free(f"{pattern}-00000000-00000000", secret, known)
    before, number, after = counted.groups()
    width = len(number)
    length = len(before) + len(after)
    numbers = (
        int(digits)
        for task_id in recent
        if task_id.startswith(before) and task_id.endswith(after) and len(task_id) > length
        if (digits := task_id[len(before) : len(task_id) - len(after)]).isascii() and digits.isdecimal()
        if len(digits) == width or not number.startswith("0")
    )
    greatest = max(numbers, default=int(number))
    neighbours = range(greatest - 1, max(greatest - _NEIGHBOURS, 0) - 1, -1)
    ids = (f"{before}{each:0{width}}{after}" for each in chain(neighbours, count(greatest + 1)))
    return next(task_id for task_id in ids if task_id not in known)


def _first_free(pattern: str, secret: str, known: Container[str]) -> str:
    attempt = 0
    while (found := _with_other_digits(pattern, f"{secret}/{attempt}")) in known or found == pattern:
        attempt += 1
    return found


def _with_other_digits(pattern: str, secret: str) -> str:
    """The pattern with every digit of its random parts drawn anew."""

    def drawn(match: re.Match[str]) -> str:
        stream = hashlib.shake_256(f"{secret}/{pattern}".encode()).hexdigest(len(match[0]))
        digits = stream if match[0] == match[0].lower() else stream.upper()
        return "".join("-" if old == "-" else new for old, new in zip(match[0], digits, strict=False))

    return _RANDOM.sub(drawn, pattern)
