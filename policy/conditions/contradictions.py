"""Conditions that nothing can meet, and conditions that everything meets.

A rule whose condition is never true never fires, except where a value is missing: a bound was mistyped, the bounds of
BETWEEN exchanged, an AND written for an OR. What is called never true is so for every row; of comparisons of two
columns with each other, and of very large conditions, it is not always noticed.
"""

from itertools import product
from typing import assert_never

from interlock.policy.conditions.ast import All, AnyOf, Compare, Condition, In, IsNull, Literal, Not, Term, Truth
from interlock.policy.conditions.demands import Demand, impossible

_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}

# Ways in which a condition may come true that are looked at. Conditions of people have a handful; each takes some
# microseconds.
_MAX_WAYS = 500

# Each is a list of what must hold together.
_Ways = list[tuple[Demand, ...]]


def contradiction(condition: Condition) -> str | None:
    """Why the condition, or the first part of it that is so, is never true, in words; None if nothing is wrong."""
    match condition:
        case All(parts) | AnyOf(parts):
            whole = _never(condition) if isinstance(condition, All) else None
            return whole or next(filter(None, map(contradiction, parts)), None)
        case Not(of):
            return contradiction(of) or _never(condition)
        case Compare() | In() | IsNull() | Truth():
            return _never(condition)
        case _:
            assert_never(condition)


def holds_always(condition: Condition) -> bool:
    """Whether the condition is true or, where a value is missing, unknown for every row."""
    return _never(Not(condition)) is not None


def _never(condition: Condition) -> str | None:
    """Why the condition is true for no row; None if it may be true for one."""
    try:
        ways = _ways(condition, wanted=True)
    except _TooManyError:
        return None
    reasons = [impossible(way) for way in ways]
    if None in reasons:
        return None
    return reasons[0]


class _TooManyError(Exception):
    """The condition has more ways to come true than are looked at."""


def _ways(condition: Condition, *, wanted: bool) -> _Ways:
    """All ways in which the condition becomes true, or false: what must then hold together."""
    match condition:
        case All(parts) | AnyOf(parts):
            each = [_ways(part, wanted=wanted) for part in parts]
            if isinstance(condition, All) is wanted:
                return _together(each)
            return _bounded([way for ways in each for way in ways])
        case Not(of):
            return _ways(of, wanted=not wanted)
        case Compare(operator, left, right):
            return [(_compared(operator if wanted else _NEGATED[operator], left, right),)]
        case In(term, values):
            constants = tuple(literal.value for literal in values)
            return [(Demand(term, "in" if wanted else "not in", constants),)]
        case IsNull(term):
            return [(Demand(term, "missing" if wanted else "given"),)]
        case Truth(term):
            return [(Demand(term, "in", (wanted,)),)]
        case _:
            assert_never(condition)


def _together(each: list[_Ways]) -> _Ways:
    size = 1
    for ways in each:
        size *= len(ways)
        if size > _MAX_WAYS:
            raise _TooManyError
    return [tuple(demand for way in chosen for demand in way) for chosen in product(*each)]


def _bounded(ways: _Ways) -> _Ways:
    if len(ways) > _MAX_WAYS:
        raise _TooManyError
    return ways


def _compared(operator: str, left: Term, right: Term) -> Demand:
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right, operator = right, left, _MIRRORED[operator]
    if isinstance(right, Literal):
        return Demand(left, operator, (right.value,))
    return Demand(left, operator, other=right)
