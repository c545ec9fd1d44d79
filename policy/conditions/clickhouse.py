"""Conditions as ClickHouse SQL, for history."""

import struct
from typing import assert_never

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
    column_of,
    kind_of,
)
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType
from interlock.schemas.sealed_text import PREFIX as ENCRYPTED


def to_clickhouse(condition: Condition) -> str:
    """A boolean expression over Nullable columns, NULL where the condition is unknown.

    Where a condition asks whether a value was given, the rows also need the column `Column.unreadable` of an attribute.
    """
    match condition:
        case Compare(operator, left, right):
            return f"({_term(left)} {operator} {_term(right)})"
        case In(term, values):
            # IN compares bits, by which -0.0 is not 0.0; adding zero makes it 0.0 and changes nothing else.
            zero = " + toFloat64(0)" if kind_of(term) is ColumnType.FLOAT else ""
            listed = ", ".join(_term(value) for value in values)
            return f"({_term(term)}{zero} IN ({listed}))"
        case IsNull(term):
            return _where_readable(term, f"({_term(term)} IS NULL)")
        case Truth(term):
            return f"({_term(term)} = true)"
        case Not(of):
            return f"(NOT {to_clickhouse(of)})"
        case All(parts):
            return "(" + " AND ".join(to_clickhouse(part) for part in parts) + ")"
        case AnyOf(parts):
            return "(" + " OR ".join(to_clickhouse(part) for part in parts) + ")"
        case _:
            assert_never(condition)


def matched(condition: Condition) -> str:
    """1 where the condition holds or is unknown, else 0: in doubt, a person decides."""
    return f"ifNull({to_clickhouse(condition)}, 1)"


def text_literal(text: str) -> str:
    """A ClickHouse string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def float_literal(number: float) -> str:
    """A Float64 by its bits: decimal text could be read as another double."""
    return f"reinterpretAsFloat64(unhex('{struct.pack('<d', number).hex()}'))"


def _term(term: Term) -> str:
    match term:
        case Column(name) if name == MAY_BE_ENCRYPTED:
            return f"if({_is_encrypted(name)}, NULL, `{name}`)"
        case Column(name, kind, as_float):
            if name in ROUTING_COLUMNS and kind is ColumnType.FLOAT:
                return f"if(isFinite(`{name}`), `{name}`, NULL)"
            return f"toFloat64(`{name}`)" if as_float else f"`{name}`"
        case Literal(bool() as value):
            return "true" if value else "false"
        case Literal(str() as value):
            return text_literal(value)
        case Literal(int() as value):
            return f"toInt64({value})"
        case Literal(value):
            return float_literal(float(value))
        case Function():
            return _function(term)
        case _:
            assert_never(term)


def _function(function: Function) -> str:
    argument = _term(function.of)
    match function.name:
        case FunctionName.ABS:
            return f"abs({argument})"
        case FunctionName.LENGTH:
            return f"toInt64(lengthUTF8({argument}))"
        case FunctionName.COALESCE:
            assert function.default is not None
            return _where_readable(function.of, f"ifNull({argument}, {_term(function.default)})")
        case _:
            assert_never(function.name)


def _where_readable(term: Term, result: str) -> str:
    """`result`, and NULL where a value of the term was given that cannot be read."""
    column = column_of(term)
    if column is not None and column.name == MAY_BE_ENCRYPTED:
        return f"if({_is_encrypted(column.name)}, NULL, {result})"
    if column is None or column.unreadable is None:
        return result
    # A number of the routing fields is there or not, and may be NaN; attributes come as texts.
    unreadable = (
        f"ifNull(NOT isFinite(`{column.name}`), false)" if column.name in ROUTING_COLUMNS else f"`{column.unreadable}`"
    )
    return f"if({unreadable}, NULL, {result})"


def _is_encrypted(name: str) -> str:
    return f"startsWith(ifNull(`{name}`, ''), {text_literal(ENCRYPTED)})"
