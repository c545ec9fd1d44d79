"""Conditions in plain Python: the truth for one row, and the sentence a reviewer reads."""

import math
from collections.abc import Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from interlock.policy.conditions.ast import (
    All,
    AnyOf,
    Column,
    Compare,
    Condition,
    Function,
    In,
    IsNull,
    Literal,
    Not,
    Term,
    Truth,
)

Row = Mapping[str, Any]

_OPERATORS = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_SIGNS = {"=": "=", "<>": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}


def evaluate(condition: Condition, row: Row) -> bool | None:
    """True, False, or None for unknown (Kleene's three truth values). A column that is absent is NULL, as is a number
    that is not finite."""
    match condition:
        case Compare(operator, left, right):
            a, b = value(left, row), value(right, row)
            return None if a is None or b is None else bool(_OPERATORS[operator](a, b))
        case In(term, values):
            a = value(term, row)
            return None if a is None else any(a == one.value for one in values)
        case IsNull(term):
            return value(term, row) is None
        case Truth(term):
            a = value(term, row)
            return None if a is None else bool(a)
        case Not(of):
            inner = evaluate(of, row)
            return None if inner is None else not inner
        case All(parts):
            truths = [evaluate(part, row) for part in parts]
            return False if False in truths else None if None in truths else True
        case AnyOf(parts):
            truths = [evaluate(part, row) for part in parts]
            return True if True in truths else None if None in truths else False


def explain(condition: Condition, row: Row) -> str:
    """Why the condition counts as met for this row, for example "amount 12,000 > 10,000"; empty if it does not."""
    return "; ".join(_why(condition, row, wanted=True))


def value(term: Term, row: Row) -> Any:
    """The value of a term in a row; None for NULL."""
    match term:
        case Column(name, _, as_float):
            found = row.get(name)
            if isinstance(found, float) and not math.isfinite(found):
                return None  # as in a batch: no rule can judge what is no number
            return float(found) if as_float and found is not None else found
        case Literal(constant):
            return constant
        case Function("abs", of):
            number = value(of, row)
            return None if number is None else abs(number)
        case Function("length", of):
            text = value(of, row)
            return None if text is None else len(text)
        case Function(_, of, default):
            assert default is not None
            found = value(of, row)
            return default.value if found is None else found
    raise AssertionError(term)


def _why(condition: Condition, row: Row, wanted: bool) -> list[str]:
    """The parts that make `condition` be `wanted` or unknown."""
    truth = evaluate(condition, row)
    if truth is not None and truth is not wanted:
        return []
    match condition:
        case All(parts) | AnyOf(parts):
            return [reason for part in parts for reason in _why(part, row, wanted)]
        case Not(of):
            return _why(of, row, not wanted)
    return [_sentence(condition, row, wanted)]


def _sentence(condition: Condition, row: Row, wanted: bool) -> str:
    match condition:
        case IsNull(term):
            return f"{_name(term)} is {'missing' if value(term, row) is None else 'given'}"
        case Compare(operator, left, right):
            missing = [_name(term) for term in (left, right) if value(term, row) is None]
            if missing:
                return f"{' and '.join(missing)} is missing"
            sign = _SIGNS[operator] if wanted else f"not {_SIGNS[operator]}"
            return f"{_named_value(left, row)} {sign} {_named_value(right, row)}"
        case In(term, values):
            if value(term, row) is None:
                return f"{_name(term)} is missing"
            listed = ", ".join(_shown(one.value) for one in values)
            return f"{_named_value(term, row)} {'in' if wanted else 'not in'} ({listed})"
        case Truth(term):
            if value(term, row) is None:
                return f"{_name(term)} is missing"
            return _name(term) if wanted else f"not {_name(term)}"
    raise AssertionError(condition)


def _name(term: Term) -> str:
    match term:
        case Column(name):
            return name.replace("_", " ")
        case Literal(constant):
            return _shown(constant)
        case Function(name, of):
            return _name(of) if name == "coalesce" else f"{name} of {_name(of)}"
    raise AssertionError(term)


def _named_value(term: Term, row: Row) -> str:
    shown = _shown(value(term, row))
    return shown if isinstance(term, Literal) else f"{_name(term)} {shown}"


def _shown(found: Any) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int):
        return f"{found:,}"
    if isinstance(found, float):
        return f"{found:,.0f}" if found == int(found) else f"{found:,.6g}"
    return str(found)
