"""Conditions in plain Python: the truth for one row, and the sentence a reviewer reads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any, assert_never

from interlock.policy.conditions.ast import (
    MAY_BE_ENCRYPTED,
    All,
    AnyOf,
    Column,
    Compare,
    Condition,
    Function,
    FunctionName,
    In,
    IsNull,
    Literal,
    Not,
    Term,
    Truth,
)
from interlock.policy.vocabulary import ColumnType
from interlock.schemas.sealed_text import PREFIX as ENCRYPTED

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a row has in place of a value that was given and has not the form of its type. `text`: what was given."""

    text: str
    kind: ColumnType

    def __str__(self) -> str:
        if self.text.startswith(ENCRYPTED):
            return "encrypted"
        return f"'{self.text}', not {_FORMS[self.kind]}"


_FORMS = {
    ColumnType.STRING: "a text",
    ColumnType.INT: "a whole number",
    ColumnType.FLOAT: "a number",
    ColumnType.BOOL: "true or false",
}

OPERATORS = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_SIGNS = {"=": "=", "<>": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}


def evaluate(condition: Condition, row: Row) -> bool | None:
    """True, False, or None for unknown (Kleene's three truth values).

    An absent column is NULL. A number that is not finite is Unreadable: whatever asks for it is unknown.
    """
    match condition:
        case Compare(operator, left, right):
            left_value, right_value = value(left, row), value(right, row)
            if _is_unknown(left_value) or _is_unknown(right_value):
                return None
            return bool(OPERATORS[operator](left_value, right_value))
        case In(term, values):
            member = value(term, row)
            return None if _is_unknown(member) else any(member == literal.value for literal in values)
        case IsNull(term):
            given = value(term, row)
            return None if isinstance(given, Unreadable) else given is None
        case Truth(term):
            flag = value(term, row)
            return None if _is_unknown(flag) else bool(flag)
        case Not(of):
            inner = evaluate(of, row)
            return None if inner is None else not inner
        case All(parts):
            truths = [evaluate(part, row) for part in parts]
            return False if False in truths else None if None in truths else True
        case AnyOf(parts):
            truths = [evaluate(part, row) for part in parts]
            return True if True in truths else None if None in truths else False
        case _:
            assert_never(condition)


def explain(condition: Condition, row: Row) -> str:
    """Why the condition counts as met for this row, for example "amount 12,000 > 10,000"; empty if it does not."""
    return "; ".join(dict.fromkeys(_why(condition, row, wanted=True)))


def value(term: Term, row: Row) -> Any:
    """The value of a term in a row; None for NULL, Unreadable for what was given and cannot be read."""
    match term:
        case Column(name, kind, as_float):
            cell = row.get(name)
            if isinstance(cell, float) and not math.isfinite(cell):
                return Unreadable(str(cell), kind)  # as in a batch: no rule can judge what is no number
            if name == MAY_BE_ENCRYPTED and isinstance(cell, str) and cell.startswith(ENCRYPTED):
                return Unreadable(cell, kind)
            return float(cell) if as_float and isinstance(cell, int) else cell
        case Literal(constant):
            return constant
        case Function():
            return _function_value(term, row)
        case _:
            assert_never(term)


def _function_value(function: Function, row: Row) -> Any:
    argument = value(function.of, row)
    match function.name:
        case FunctionName.ABS:
            return argument if _is_unknown(argument) else abs(argument)
        case FunctionName.LENGTH:
            return argument if _is_unknown(argument) else len(argument)
        case FunctionName.COALESCE:
            assert function.default is not None
            return function.default.value if argument is None else argument
        case _:
            assert_never(function.name)


def _is_unknown(cell: object) -> bool:
    return cell is None or isinstance(cell, Unreadable)


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
        case Compare() | In() | IsNull() | Truth():
            return [_sentence(condition, row, wanted)]
        case _:
            assert_never(condition)


def _sentence(condition: Compare | In | IsNull | Truth, row: Row, wanted: bool) -> str:
    match condition:
        case IsNull(term):
            return _doubt([term], row) or f"{_name(term)} is given"
        case Compare(operator, left, right):
            if doubt := _doubt([left, right], row):
                return doubt
            sign = _SIGNS[operator] if wanted else f"not {_SIGNS[operator]}"
            return f"{_named_value(left, row)} {sign} {_named_value(right, row)}"
        case In(term, values):
            if doubt := _doubt([term], row):
                return doubt
            listed = ", ".join(_formatted(literal.value) for literal in values)
            return f"{_named_value(term, row)} {'in' if wanted else 'not in'} ({listed})"
        case Truth(term):
            if doubt := _doubt([term], row):
                return doubt
            return _name(term) if wanted else f"not {_name(term)}"
        case _:
            assert_never(condition)


def _doubt(terms: Sequence[Term], row: Row) -> str:
    """Which of the terms have no value, and why; empty if all have one."""
    cells = [(_name(term), value(term, row)) for term in terms]
    missing = [name for name, cell in cells if cell is None]
    unreadable = [f"{name} is {cell}" for name, cell in cells if isinstance(cell, Unreadable)]
    return " and ".join([*unreadable, *([f"{' and '.join(missing)} is missing"] if missing else [])])


def _name(term: Term) -> str:
    match term:
        case Column(name):
            return name.replace("_", " ")
        case Literal(constant):
            return _formatted(constant)
        case Function():
            return _function_name(term)
        case _:
            assert_never(term)


def _function_name(function: Function) -> str:
    match function.name:
        case FunctionName.ABS | FunctionName.LENGTH:
            return f"{function.name} of {_name(function.of)}"
        case FunctionName.COALESCE:
            return _name(function.of)
        case _:
            assert_never(function.name)


def _named_value(term: Term, row: Row) -> str:
    text = _formatted(value(term, row))
    return text if isinstance(term, Literal) else f"{_name(term)} {text}"


def _formatted(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell == int(cell) else f"{cell:,.6g}"
    return str(cell)
