"""Declared attributes: from the strings of a decision to typed, nullable values, alike in every engine.

A value without the form of its type is NULL. A rule over NULL counts as met: a person decides.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from interlock.policy.conditions.clickhouse import text_literal
from interlock.policy.model import Policy
from interlock.policy.vocabulary import ColumnType

# Narrow on purpose, so that every engine reads it alike. ClickHouse reads up to 38 digits as Int128 without overflow;
# beyond 64 bits the value is NULL.
INT_FORM = r"^-?[0-9]{1,38}$"

# Two digits of exponent: every number of this form is finite.
FLOAT_FORM = r"^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$"

# The faster parser of ClickHouse may miss the nearest float; queries with the projection need this setting.
CLICKHOUSE_SETTINGS = "precise_float_parsing = 1"

_BOOLS = {"true": True, "false": False}


def attribute_columns(policy: Policy) -> dict[str, ColumnType]:
    """The type of every declared attribute, by name."""
    return policy.attribute_types()


def typed(column: str, kind: ColumnType) -> pl.Expr:
    """A column of strings as values of a type; NULL where a string does not have the form of the type."""
    text = pl.col(column)
    if kind is ColumnType.STRING:
        return text
    if kind is ColumnType.BOOL:
        return text.replace_strict(_BOOLS, default=None, return_dtype=pl.Boolean)
    form, dtype = (INT_FORM, pl.Int64) if kind is ColumnType.INT else (FLOAT_FORM, pl.Float64)
    return pl.when(text.str.contains(form)).then(text).cast(dtype, strict=False).alias(column)


def from_strings(texts: Sequence[pl.Series], kinds: Mapping[str, ColumnType]) -> list[pl.Series]:
    """Series of strings as typed series; `kinds`: the type by the name of a series."""
    return pl.DataFrame(texts).select(typed(text.name, kinds[text.name]) for text in texts).get_columns()


def clickhouse_projection(policy: Policy, column: str = "attributes") -> str:
    """The SELECT list that gives the attributes in a `Map(String, String)` column the same typed, Nullable values.

    Empty if none is declared. Run the query with CLICKHOUSE_SETTINGS.
    """
    return ", ".join(
        f"{_expression(name, kind, column)} AS `{name}`" for name, kind in attribute_columns(policy).items()
    )


def _expression(name: str, kind: ColumnType, column: str) -> str:
    key = text_literal(name)
    text = f"if(mapContains({column}, {key}), {column}[{key}], NULL)"
    if kind is ColumnType.STRING:
        return text
    if kind is ColumnType.BOOL:
        return f"multiIf({text} = 'true', true, {text} = 'false', false, NULL)"
    if kind is ColumnType.INT:
        number = f"toInt128OrNull({text})"
        fits = f"{number} BETWEEN toInt128('-9223372036854775808') AND toInt128('9223372036854775807')"
        return f"if(match(ifNull({text}, ''), {text_literal(INT_FORM)}) AND {fits}, toInt64OrNull({text}), NULL)"
    return f"if(match(ifNull({text}, ''), {text_literal(FLOAT_FORM)}), toFloat64OrNull({text}), NULL)"
