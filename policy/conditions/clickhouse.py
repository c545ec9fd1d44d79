"""Conditions as ClickHouse SQL, for history."""

import struct
from typing import assert_never

from interlock.policy.conditions.ast import (
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
    kind_of,
)
from interlock.policy.vocabulary import ColumnType


def to_clickhouse(condition: Condition) -> str:
    """A boolean expression over Nullable columns, NULL where the condition is unknown."""
    match condition:
        case Compare(operator, left, right):
            return f"({_term(left)} {operator} {_term(right)})"
        case In(term, values):
            # IN compares bits, by which -0.0 is not 0.0; adding zero makes it 0.0 and changes nothing else.
            zero = " + toFloat64(0)" if kind_of(term) is ColumnType.FLOAT else ""
            listed = ", ".join(_term(value) for value in values)
            return f"({_term(term)}{zero} IN ({listed}))"
        case IsNull(term):
            return f"({_term(term)} IS NULL)"
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


def _term(term: Term) -> str:
    match term:
        case Column(name, _, as_float):
            return f"toFloat64(`{name}`)" if as_float else f"`{name}`"
        case Literal(bool() as value):
            return "true" if value else "false"
        case Literal(str() as value):
            return text_literal(value)
        case Literal(int() as value):
            return f"toInt64({value})"
        case Literal(value):
            # The bits of the double: its decimal text could be read as another double.
            return f"reinterpretAsFloat64(unhex('{_little_endian_hex(float(value))}'))"
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
            return f"ifNull({argument}, {_term(function.default)})"
        case _:
            assert_never(function.name)


def _little_endian_hex(number: float) -> str:
    return struct.pack("<d", number).hex()
