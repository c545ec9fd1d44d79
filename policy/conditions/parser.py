"""Conditions: SQL boolean expressions over typed columns, reduced to a small tree that every engine evaluates alike.

sqlglot parses the text; anything but column references, literals, comparisons, boolean logic and a few functions is
refused. Numbers of different types are compared as floats. The tree says so, and no engine applies rules of its own.
LIKE, lower and upper are left out because the engines differ: in case folding beyond ASCII, and in what `\\` escapes.
"""

import difflib
import math
import re
from collections.abc import Mapping
from typing import assert_never

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from interlock.errors import InterlockError
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

NUMBERS = (ColumnType.INT, ColumnType.FLOAT)


class ConditionError(InterlockError, ValueError):
    """A condition that is not understood, or not allowed; the text says why."""


class UnknownColumnError(ConditionError):
    """A condition over a column that does not exist."""


_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def _function_node(name: FunctionName) -> tuple[type[exp.Expr], set[str]]:
    """The node that sqlglot makes of a function, and the parts of it that are read."""
    match name:
        case FunctionName.ABS:
            return exp.Abs, {"this"}
        case FunctionName.LENGTH:
            return exp.Length, {"this"}
        case FunctionName.COALESCE:
            return exp.Coalesce, {"this", "expressions", "is_nvl"}
        case _:
            assert_never(name)


_FUNCTIONS = {_function_node(name)[0]: name for name in FunctionName}

# The nodes allowed in a condition, with the parts of each that are read. Other parts that sqlglot knows (BETWEEN
# SYMMETRIC, a second argument of length) are refused: to overlook them would change the meaning.
_PARTS: dict[type[exp.Expr], set[str]] = {
    **{kind: {"this", "expression"} for kind in (*_COMPARISONS, exp.And, exp.Or, exp.Is)},
    **{kind: {"this"} for kind in (exp.Paren, exp.Not, exp.Column, exp.Boolean, exp.Neg)},
    **dict(map(_function_node, FunctionName)),
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions"},
    exp.Literal: {"this", "is_string"},
    exp.Null: set(),
}

# Deeper nesting than any person writes; keeps every evaluator far from the recursion limit.
MAX_DEPTH = 50

# Enough for a list of a few thousand codes; the parsers of all engines take far more.
MAX_LENGTH = 50_000

# Far beyond any threshold, and exactly representable in every engine's 64-bit integer.
_MAX_INT = 10**18 - 1


def parse_condition(text: str, columns: Mapping[str, ColumnType]) -> Condition:
    """The tree of a condition over `columns`; raises ConditionError, UnknownColumnError for a name not among them."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"longer than {MAX_LENGTH:,} characters")
    try:
        parsed = sqlglot.parse(text)
    except RecursionError as error:
        raise ConditionError(f"nested more than {MAX_DEPTH} levels deep") from error
    except SqlglotError as error:
        raise ConditionError(f"not a condition: {_first_line(error)}") from error
    if len(parsed) != 1 or parsed[0] is None:
        raise ConditionError("write one condition")
    return _Reader(columns).condition(parsed[0], 0)


def _first_line(error: SqlglotError) -> str:
    # The lines after the first mark the position with terminal colours, which a log or web page would show as rubbish.
    line = str(error).splitlines()[0].rstrip(".")
    return re.sub(r"Required keyword: '\w+' missing for <class '[\w.]*?(\w+)'>", r"\1 lacks a part", line)


class _Reader:
    def __init__(self, columns: Mapping[str, ColumnType]) -> None:
        self._columns = columns

    def condition(self, node: exp.Expr, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise ConditionError(f"nested more than {MAX_DEPTH} levels deep")
        _only_known_parts(node)
        deeper = depth + 1
        match node:
            case exp.Paren():
                return self.condition(node.this, deeper)
            case exp.And() | exp.Or():
                parts = tuple(self.condition(part, deeper) for part in node.flatten())
                return All(parts) if isinstance(node, exp.And) else AnyOf(parts)
            case exp.Not():
                return Not(self.condition(node.this, deeper))
            case exp.Is():
                return self._is(node)
            case exp.Between():
                low = self._compare(node, ">=", node.this, node.args["low"])
                return All((low, self._compare(node, "<=", node.this, node.args["high"])))
            case exp.In():
                return self._in(node)
        if type(node) in _COMPARISONS:
            return self._compare(node, _COMPARISONS[type(node)], node.this, node.expression)
        term = self._term(node)
        if kind_of(term) is not ColumnType.BOOL:
            raise ConditionError(f"{_sql(node)} is not true or false by itself: compare it with something")
        return Truth(term)

    def _is(self, node: exp.Is) -> Condition:
        if isinstance(node.expression, exp.Null):
            return IsNull(self._term(node.this))
        raise ConditionError(f"{_sql(node)}: after IS only NULL and NOT NULL are understood")

    def _in(self, node: exp.In) -> Condition:
        if not node.expressions:
            raise ConditionError(f"{_sql(node)}: IN needs a list of values in parentheses")
        term = self._term(node.this)
        values = []
        for item in node.expressions:
            value = self._term(item)
            if not isinstance(value, Literal):
                raise ConditionError(f"{_sql(item)}: only constants may stand in the list of IN")
            term, right = _comparable(term, value, node)
            assert isinstance(right, Literal)
            values.append(right)
        if kind_of(term) is ColumnType.FLOAT:
            values = [Literal(float(value.value)) for value in values]
        return In(term, tuple(values))

    def _compare(self, node: exp.Expr, operator: str, left_node: exp.Expr, right_node: exp.Expr) -> Condition:
        """`node`: the comparison as it was written, for the message of an error."""
        left, right = _comparable(self._term(left_node), self._term(right_node), node)
        if kind_of(left) is ColumnType.BOOL and operator not in ("=", "<>"):
            raise ConditionError(f"{_sql(node)}: true and false have no order")
        return Compare(operator, left, right)

    def _term(self, node: exp.Expr) -> Term:
        _only_known_parts(node)
        match node:
            case exp.Paren():
                return self._term(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Boolean():
                return Literal(bool(node.this))
            case exp.Literal() | exp.Neg():
                return _number_or_text(node)
            case exp.Null():
                raise ConditionError("a comparison with NULL is never true: write IS NULL or IS NOT NULL")
        if type(node) in _FUNCTIONS:
            return self._function(_FUNCTIONS[type(node)], node)
        raise ConditionError(f"{_sql(node)} stands where a column or constant should: it is a condition by itself")

    def _column(self, node: exp.Column) -> Column:
        name = node.name
        if name in self._columns:
            return Column(name, self._columns[name])
        near = difflib.get_close_matches(name.lower(), self._columns, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; declare it under the domain's attributes"
        quoted = node.this.args.get("quoted")
        hint += " (text stands in single quotes)" if quoted and not near else ""
        raise UnknownColumnError(f"unknown column {_sql(node)}{hint}")

    def _function(self, name: FunctionName, node: exp.Expr) -> Function:
        argument = self._term(node.this)
        match name:
            case FunctionName.ABS:
                if kind_of(argument) not in NUMBERS:
                    raise ConditionError(f"{_sql(node)}: abs needs a number")
                return Function(name, _as_float(argument))
            case FunctionName.LENGTH:
                if kind_of(argument) is not ColumnType.STRING:
                    raise ConditionError(f"{_sql(node)}: length needs a string")
                return Function(name, argument)
            case FunctionName.COALESCE:
                others = node.expressions
                default = self._term(others[0]) if len(others) == 1 else None
                if not isinstance(default, Literal):
                    raise ConditionError(f"{_sql(node)}: coalesce takes a column and one constant")
                argument, default = _comparable(argument, default, node)
                assert isinstance(default, Literal)
                return Function(name, argument, default)
            case _:
                assert_never(name)


_A = {
    ColumnType.STRING: "a string",
    ColumnType.INT: "an int",
    ColumnType.FLOAT: "a float",
    ColumnType.BOOL: "a bool",
}


def _as_float(term: Term) -> Term:
    """The same number as a float."""
    if kind_of(term) is ColumnType.FLOAT:
        return term
    if isinstance(term, Literal):
        return Literal(float(term.value))
    if isinstance(term, Column):
        return Column(term.name, term.kind, as_float=True)
    match term.name:
        case FunctionName.ABS:
            return term
        case FunctionName.LENGTH:
            raise ConditionError("length is a whole number: compare it with one")
        case FunctionName.COALESCE:
            assert term.default is not None
            return Function(term.name, _as_float(term.of), Literal(float(term.default.value)))
        case _:
            assert_never(term.name)


def _comparable(left: Term, right: Term, node: exp.Expr) -> tuple[Term, Term]:
    kinds = kind_of(left), kind_of(right)
    if kinds[0] is kinds[1]:
        return left, right
    if kinds[0] in NUMBERS and kinds[1] in NUMBERS:
        return _as_float(left), _as_float(right)
    raise ConditionError(f"{_sql(node)}: cannot compare {_A[kinds[0]]} with {_A[kinds[1]]}")


def _only_known_parts(node: exp.Expr) -> None:
    extra = {name for name, value in node.args.items() if value} - _PARTS.get(type(node), set())
    if type(node) not in _PARTS or extra:
        raise ConditionError(
            f"{_sql(node)}: not allowed in a condition (allowed: comparisons, AND, OR, NOT, IN, BETWEEN, IS NULL, "
            f"{', '.join(FunctionName)})"
        )


def _sql(node: exp.Expr) -> str:
    """The node as text, short enough for one line of an error."""
    text = node.sql()
    return text if len(text) <= 60 else text[:57] + "..."


def _number_or_text(node: exp.Expr) -> Literal:
    sign = 1
    if isinstance(node, exp.Neg):
        sign, node = -1, node.this
    if not isinstance(node, exp.Literal):
        raise ConditionError(f"-{_sql(node)}: only a number may have a sign")
    if node.is_string:
        if sign < 0:
            raise ConditionError(f"-{_sql(node)}: only a number may have a sign")
        return Literal(str(node.this))
    text = str(node.this)
    if text.isdigit():
        if int(text) > _MAX_INT:
            raise ConditionError(f"{text} is too large")
        return Literal(sign * int(text))
    number = sign * float(text) + 0.0  # there is no -0.0: the engines differ on whether it equals 0.0
    if not math.isfinite(number):
        raise ConditionError(f"{text} is too large")
    return Literal(number)
