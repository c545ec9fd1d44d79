"""Bounds that no value keeps: a rule with such a condition never fires, except where a value is missing.

Only constants that bound one and the same term in one AND are compared, which is how such a mistake is made: the bounds
of BETWEEN in the wrong order, a bound mistyped.
"""

from collections.abc import Iterator
from typing import Any

from interlock.policy.conditions.ast import All, AnyOf, Compare, Condition, Literal, Not, Term

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}

Bound = tuple[Any, bool]  # a constant, and whether the term may not be equal to it


def contradiction(condition: Condition) -> str | None:
    """The first pair of bounds that contradict each other, in words; None if there is none."""
    match condition:
        case All(parts):
            found = _within(condition)
            return found or next(filter(None, map(contradiction, parts)), None)
        case AnyOf(parts):
            return next(filter(None, map(contradiction, parts)), None)
        case Not(of):
            return contradiction(of)
        case _:
            return None


def _within(conjunction: All) -> str | None:
    lowest: dict[Term, Bound] = {}
    highest: dict[Term, Bound] = {}
    for term, operator, constant in _bounds(conjunction):
        bound = constant, operator in ("<", ">")
        if operator in (">", ">=", "="):
            lowest[term] = max(lowest.get(term, bound), bound)
        if operator in ("<", "<=", "="):
            # Of two bounds with one constant the strict one is the closer, also from above.
            known = highest.get(term, bound)
            highest[term] = min(known, bound, key=lambda each: (each[0], not each[1]))
        low, high = lowest.get(term), highest.get(term)
        if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
            above, below = ("above" if low[1] else "at least"), ("below" if high[1] else "at most")
            return f"no value is {above} {low[0]!r} and {below} {high[0]!r}"
    return None


def _bounds(conjunction: All) -> Iterator[tuple[Term, str, Any]]:
    for part in conjunction.of:
        match part:
            case All():
                yield from _bounds(part)
            case Compare(operator, Literal(value), right) if operator in _MIRRORED and not isinstance(right, Literal):
                yield right, _MIRRORED[operator], value
            case Compare(operator, left, Literal(value)) if operator in _MIRRORED and not isinstance(left, Literal):
                yield left, operator, value
