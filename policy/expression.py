"""Conditions: SQL boolean expressions over typed columns, reduced to a small tree that every engine evaluates alike.

sqlglot parses the text; anything but column references, literals, comparisons, boolean logic and a few functions is
refused. Numbers of different types are compared as floats, stated in the tree, so that no engine's own rules apply.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from policy.words import ColumnType

NUMBERS = (ColumnType.INT, ColumnType.FLOAT)


class ConditionError(ValueError):
    """A condition that is not understood, or not allowed; the text says why."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of type `kind`; `as_float`: an int column compared with floats."""

    name: str
    kind: ColumnType
    as_float: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Function:
    """`abs` of a number (as a float), `length` of a string in characters, `coalesce` of a column and a literal."""

    name: str
    of: "Term"
    default: Literal | None = None


Term = Column | Literal | Function


@dataclass(frozen=True, slots=True)
class Compare:
    """`operator` is one of = <> < <= > >=."""

    operator: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class In:
    """Membership in a list of literals."""

    term: Term
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """True where the term has no value; never unknown itself."""

    term: Term


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean column or constant by itself."""

    term: Term


@dataclass(frozen=True, slots=True)
class Not:
    """Negation; unknown stays unknown."""

    of: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction with three truth values."""

    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Disjunction with three truth values."""

    of: tuple["Condition", ...]


Condition = Compare | In | IsNull | Truth | Not | All | AnyOf

_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}

# Deeper nesting than any person writes; keeps every evaluator far from the recursion limit.
MAX_DEPTH = 50

# Far beyond any threshold, and exactly representable in every engine's 64-bit integer.
_MAX_INT = 10**18 - 1


def parse_condition(text: str, columns: Mapping[str, ColumnType]) -> Condition:
    """The tree of a condition over `columns`; raises ConditionError."""
    try:
        parsed = sqlglot.parse(text)
    except (SqlglotError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise ConditionError(f"not a condition: {first}") from error
    if len(parsed) != 1 or parsed[0] is None:
        raise ConditionError("write one condition")
    return _Reader(columns).condition(parsed[0], 0)


class _Reader:
    def __init__(self, columns: Mapping[str, ColumnType]) -> None:
        self._columns = columns

    def condition(self, node: exp.Expr, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise ConditionError(f"nested more than {MAX_DEPTH} levels deep")
        deeper = depth + 1
        if isinstance(node, exp.Paren):
            return self.condition(node.this, deeper)
        if isinstance(node, exp.And | exp.Or):
            parts = tuple(self.condition(part, deeper) for part in node.flatten())
            return All(parts) if isinstance(node, exp.And) else AnyOf(parts)
        if isinstance(node, exp.Not):
            return Not(self.condition(node.this, deeper))
        if isinstance(node, exp.Is):
            return self._is(node)
        if isinstance(node, exp.Between):
            low = self._compare(">=", node.this, node.args["low"])
            return All((low, self._compare("<=", node.this, node.args["high"])))
        if isinstance(node, exp.In):
            return self._in(node)
        for kind, operator in _COMPARISONS.items():
            if isinstance(node, kind):
                return self._compare(operator, node.this, node.expression)
        term = self._term(node)
        if kind_of(term) is not ColumnType.BOOL:
            raise ConditionError(f"{node.sql()} is not true or false by itself: compare it with something")
        return Truth(term)

    def _is(self, node: exp.Is) -> Condition:
        if isinstance(node.expression, exp.Null):
            return IsNull(self._term(node.this))
        raise ConditionError(f"{node.sql()}: after IS only NULL and NOT NULL are understood")

    def _in(self, node: exp.In) -> Condition:
        if not node.expressions:
            raise ConditionError(f"{node.sql()}: IN needs a list of values in parentheses")
        term = self._term(node.this)
        values = []
        for item in node.expressions:
            value = self._term(item)
            if not isinstance(value, Literal):
                raise ConditionError(f"{item.sql()}: only constants may stand in the list of IN")
            term, right = _comparable(term, value, node)
            assert isinstance(right, Literal)
            values.append(right)
        if kind_of(term) is ColumnType.FLOAT:
            values = [Literal(float(value.value)) for value in values]
        return In(term, tuple(values))

    def _compare(self, operator: str, left_node: exp.Expr, right_node: exp.Expr) -> Condition:
        node = exp.EQ(this=left_node.copy(), expression=right_node.copy())
        left, right = _comparable(self._term(left_node), self._term(right_node), node)
        if kind_of(left) is ColumnType.BOOL and operator not in ("=", "<>"):
            raise ConditionError(f"{node.sql()}: true and false have no order")
        return Compare(operator, left, right)

    def _term(self, node: exp.Expr) -> Term:
        if isinstance(node, exp.Paren):
            return self._term(node.this)
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Boolean):
            return Literal(bool(node.this))
        if isinstance(node, exp.Literal | exp.Neg):
            return _number_or_text(node)
        if isinstance(node, exp.Abs | exp.Length | exp.Coalesce):
            return self._function(node)
        if isinstance(node, exp.Null):
            raise ConditionError("a comparison with NULL is never true: write IS NULL or IS NOT NULL")
        raise ConditionError(
            f"{node.sql()[:60]}: not allowed in a condition (allowed: comparisons, AND, OR, NOT, IN, BETWEEN, "
            f"IS NULL, abs, length, coalesce)"
        )

    def _column(self, node: exp.Column) -> Column:
        name = node.name
        if len(node.parts) == 1 and name in self._columns:
            return Column(name, self._columns[name])
        near = difflib.get_close_matches(name, self._columns, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; declare it under the domain's attributes"
        raise ConditionError(f"unknown column {node.sql()}{hint}")

    def _function(self, node: exp.Expr) -> Function:
        of = self._term(node.this)
        kind = kind_of(of)
        if isinstance(node, exp.Abs):
            if kind not in NUMBERS:
                raise ConditionError(f"{node.sql()}: abs needs a number")
            return Function("abs", as_float(of))
        if isinstance(node, exp.Length):
            if kind is not ColumnType.STRING:
                raise ConditionError(f"{node.sql()}: length needs a string")
            return Function("length", of)
        rest = node.expressions
        default = self._term(rest[0]) if len(rest) == 1 else None
        if not isinstance(default, Literal):
            raise ConditionError(f"{node.sql()}: coalesce takes a column and one constant")
        of, right = _comparable(of, default, node)
        assert isinstance(right, Literal)
        return Function("coalesce", of, right)


def kind_of(term: Term) -> ColumnType:
    """The type of a term's values."""
    if isinstance(term, Column):
        return ColumnType.FLOAT if term.as_float else term.kind
    if isinstance(term, Literal):
        if isinstance(term.value, bool):
            return ColumnType.BOOL
        if isinstance(term.value, int):
            return ColumnType.INT
        return ColumnType.FLOAT if isinstance(term.value, float) else ColumnType.STRING
    if term.name == "length":
        return ColumnType.INT
    return ColumnType.FLOAT if term.name == "abs" else kind_of(term.of)


def as_float(term: Term) -> Term:
    """The same number as a float."""
    if kind_of(term) is ColumnType.FLOAT:
        return term
    if isinstance(term, Literal):
        return Literal(float(term.value))
    if isinstance(term, Column):
        return Column(term.name, term.kind, as_float=True)
    if term.name == "coalesce":
        assert term.default is not None
        return Function("coalesce", as_float(term.of), Literal(float(term.default.value)))
    raise ConditionError("length is a whole number: compare it with one")


def _comparable(left: Term, right: Term, node: exp.Expr) -> tuple[Term, Term]:
    kinds = kind_of(left), kind_of(right)
    if kinds[0] is kinds[1]:
        return left, right
    if kinds[0] in NUMBERS and kinds[1] in NUMBERS:
        return as_float(left), as_float(right)
    raise ConditionError(f"{node.sql()}: cannot compare a {kinds[0]} with a {kinds[1]}")


def _number_or_text(node: exp.Expr) -> Literal:
    sign = 1
    if isinstance(node, exp.Neg):
        sign, node = -1, node.this
    if not isinstance(node, exp.Literal):
        raise ConditionError(f"-{node.sql()}: only a number may have a sign")
    if node.is_string:
        if sign < 0:
            raise ConditionError(f"-{node.sql()}: only a number may have a sign")
        return Literal(str(node.this))
    text = str(node.this)
    if text.isdigit():
        if int(text) > _MAX_INT:
            raise ConditionError(f"{text} is too large")
        return Literal(sign * int(text))
    number = sign * float(text)
    if not math.isfinite(number):
        raise ConditionError(f"{text} is too large")
    return Literal(number)
