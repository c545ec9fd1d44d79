"""Conditions as Polars expressions, for whole batches in the stream."""

from collections.abc import Callable, Sequence
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import assert_never

import polars as pl

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
)
from interlock.schemas.sealed_text import PREFIX as ENCRYPTED

_OPERATORS = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def to_polars(condition: Condition) -> pl.Expr:
    """A boolean expression, NULL where the condition is unknown.

    Where a condition asks whether a value was given, the frame also needs the column `Column.unreadable`.
    """
    match condition:
        case Compare(operator, left, right):
            result: pl.Expr = _OPERATORS[operator](_term(left), _term(right))
            return result
        case In(term, values):
            return _term(term).is_in([value.value for value in values])
        case IsNull(term):
            return _where_readable(term, _term(term).is_null())
        case Truth(term):
            return _term(term)
        case Not(of):
            return ~to_polars(of)
        case All(parts):
            return _folded(and_, [to_polars(part) for part in parts])
        case AnyOf(parts):
            return _folded(or_, [to_polars(part) for part in parts])
        case _:
            assert_never(condition)


def _folded(operator: Callable[[pl.Expr, pl.Expr], pl.Expr], parts: Sequence[pl.Expr]) -> pl.Expr:
    """The parts joined by one operator, as a balanced tree: a chain of thousands would overflow the stack of Polars."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return operator(_folded(operator, parts[:half]), _folded(operator, parts[half:]))


def _term(term: Term) -> pl.Expr:
    match term:
        case Column(name) if name == MAY_BE_ENCRYPTED:
            return pl.when(_is_plain(name)).then(pl.col(name))
        case Column(name, _, as_float):
            return pl.col(name).cast(pl.Float64) if as_float else pl.col(name)
        case Literal(value):
            return pl.lit(value)
        case Function():
            return _function(term)
        case _:
            assert_never(term)


def _function(function: Function) -> pl.Expr:
    argument = _term(function.of)
    match function.name:
        case FunctionName.ABS:
            return argument.abs()
        case FunctionName.LENGTH:
            return argument.str.len_chars().cast(pl.Int64)
        case FunctionName.COALESCE:
            assert function.default is not None
            return _where_readable(function.of, argument.fill_null(_term(function.default)))
        case _:
            assert_never(function.name)


def _where_readable(term: Term, result: pl.Expr) -> pl.Expr:
    """`result`, and NULL where a value of the term was given that cannot be read."""
    column = column_of(term)
    if column is not None and column.name == MAY_BE_ENCRYPTED:
        return pl.when(_is_plain(column.name).fill_null(True)).then(result)
    if column is None or column.unreadable is None:
        return result
    return pl.when(~pl.col(column.unreadable)).then(result)


def _is_plain(name: str) -> pl.Expr:
    return ~pl.col(name).str.starts_with(ENCRYPTED)
