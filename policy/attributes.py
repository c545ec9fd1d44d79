"""Declared attributes: from the strings of a decision to typed, nullable values, alike in every engine.

A value that does not have the form of its type is NULL, and a rule that meets NULL counts as met: a person decides.
"""

from collections.abc import Mapping

import polars as pl

from policy.clickhouse_eval import text_literal
from policy.words import ColumnType

# Narrow on purpose: what every engine reads alike. Eighteen digits fit into 64 bits.
INT_FORM = r"^-?[0-9]{1,18}$"
FLOAT_FORM = r"^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?$"


def typed(column: str, kind: ColumnType) -> pl.Expr:
    """A column of strings as values of a type; NULL where a string has not its form."""
    text = pl.col(column)
    if kind is ColumnType.STRING:
        return text
    if kind is ColumnType.BOOL:
        return text.replace_strict(_BOOLS, default=None, return_dtype=pl.Boolean)
    if kind is ColumnType.INT:
        return pl.when(text.str.contains(INT_FORM)).then(text).cast(pl.Int64, strict=False).alias(column)
    number = pl.when(text.str.contains(FLOAT_FORM)).then(text).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number).alias(column)


def clickhouse_projection(attributes: Mapping[str, ColumnType], column: str = "attributes") -> list[str]:
    """SELECT expressions that give the attributes in a `Map(String, String)` column the same typed values.

    Run them with `SETTINGS precise_float_parsing = 1`: ClickHouse's quicker parser may miss the nearest float.
    """
    return [f"{_expression(name, kind, column)} AS `{name}`" for name, kind in attributes.items()]


_BOOLS = {"true": True, "false": False}


def _expression(name: str, kind: ColumnType, column: str) -> str:
    key = text_literal(name)
    text = f"if(mapContains({column}, {key}), {column}[{key}], NULL)"
    if kind is ColumnType.STRING:
        return text
    if kind is ColumnType.BOOL:
        return f"multiIf({text} = 'true', true, {text} = 'false', false, NULL)"
    if kind is ColumnType.INT:
        return f"if(match(ifNull({text}, ''), {text_literal(INT_FORM)}), toInt64OrNull({text}), NULL)"
    number = f"toFloat64OrNull({text})"
    return f"if(match(ifNull({text}, ''), {text_literal(FLOAT_FORM)}) AND isFinite({number}), {number}, NULL)"
