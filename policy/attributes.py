"""Declared attributes: from the strings of a decision to typed, nullable values, alike in every engine.

A text without the form of its type gives no value, and a column beside the values says that one was given: to rules it
is unknown, also where they ask IS NULL or use coalesce. A rule that is unknown counts as met: a person decides. That
holds for what the producer encrypted too, of any type: whoever routes has no keys.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from interlock.policy.conditions.ast import unreadable_column
from interlock.policy.conditions.clickhouse import text_literal
from interlock.policy.conditions.python import Unreadable
from interlock.policy.model import Policy
from interlock.policy.vocabulary import ColumnType
from interlock.schemas.sealed_text import PREFIX as ENCRYPTED

# Narrow on purpose, so that every engine reads it alike. ClickHouse reads up to 38 digits as Int128 without overflow;
# beyond 64 bits there is no value. A fraction of zeros, as data frames write it, says a whole number too.
INT_FORM = r"^-?[0-9]{1,38}(\.0{1,40})?$"
_PLAIN_INT_FORM = r"^-?[0-9]{1,38}$"
_ZERO_FRACTION = r"\.0+$"

# Two digits of exponent: every number of this form is finite.
FLOAT_FORM = r"^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$"

# The faster parser of ClickHouse may miss the nearest float; queries with the projection need this setting.
CLICKHOUSE_SETTINGS = "precise_float_parsing = 1"

# As JSON, Python and .NET, and spreadsheets write them.
BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def attribute_columns(policy: Policy) -> dict[str, ColumnType]:
    """The type of every declared attribute, by name."""
    return policy.attribute_types()


def from_strings(
    texts: Sequence[pl.Series], kinds: Mapping[str, ColumnType], unreadable: Collection[str] = ()
) -> list[pl.Series]:
    """Series of strings as typed series, NULL where a string is missing or does not have the form of its type.

    `kinds`: the type by the name of a series. `unreadable`: of which series the column that tells both apart is wanted
    too (`Column.unreadable`).
    """
    columns = pl.DataFrame(texts).select(_typed(text.name, kinds[text.name]) for text in texts).get_columns()
    for index, text in enumerate(texts):
        if kinds[text.name] is ColumnType.INT and columns[index].null_count() > text.null_count():
            columns[index] = _with_zero_fractions(text)
    flags = [
        (text.is_not_null() & column.is_null()).alias(unreadable_column(text.name))
        for text, column in zip(texts, columns, strict=True)
        if text.name in unreadable
    ]
    return columns + flags


def row_of(attributes: Mapping[str, str], kinds: Mapping[str, ColumnType]) -> dict[str, Any]:
    """The declared attributes of one decision, for conditions in Python."""
    texts = [pl.Series(name, [attributes.get(name)], dtype=pl.String) for name in kinds]
    row: dict[str, Any] = {}
    for column in from_strings(texts, kinds) if texts else ():
        name, text = column.name, attributes.get(column.name)
        row[name] = Unreadable(text, kinds[name]) if text is not None and column[0] is None else column[0]
    return row


def _typed(column: str, kind: ColumnType) -> pl.Expr:
    text = pl.col(column)
    if kind is ColumnType.STRING:
        return pl.when(~text.str.starts_with(ENCRYPTED)).then(text).alias(column)
    if kind is ColumnType.BOOL:
        return text.replace_strict(BOOLS, default=None, return_dtype=pl.Boolean)
    form, dtype = (_PLAIN_INT_FORM, pl.Int64) if kind is ColumnType.INT else (FLOAT_FORM, pl.Float64)
    return pl.when(text.str.contains(form)).then(text).cast(dtype, strict=False).alias(column)


def _with_zero_fractions(text: pl.Series) -> pl.Series:
    """Whole numbers, some with a fraction of zeros: only where there may be one, because this is slower."""
    column = pl.col(text.name)
    number = column.str.replace(_ZERO_FRACTION, "").cast(pl.Int64, strict=False)
    return text.to_frame().select(pl.when(column.str.contains(INT_FORM)).then(number).alias(text.name)).to_series()


def clickhouse_projection(policy: Policy, column: str = "attributes") -> str:
    """The SELECT list that gives the attributes in a `Map(String, String)` column the same typed, Nullable values, and
    for each the column `Column.unreadable`.

    Empty if none is declared. Run the query with CLICKHOUSE_SETTINGS.
    """
    selected = []
    for name, kind in attribute_columns(policy).items():
        value = _expression(name, kind, column)
        selected.append(f"{value} AS `{name}`")
        given = f"mapContains({column}, {text_literal(name)})"
        selected.append(f"{given} AND isNull({value}) AS `{unreadable_column(name)}`")
    return ", ".join(selected)


def _expression(name: str, kind: ColumnType, column: str) -> str:
    key = text_literal(name)
    # The last entry of a key, as in every reader that makes a dictionary of a map; `{column}[key]` is the first.
    last = f"arrayLast((value, name) -> name = {key}, mapValues({column}), mapKeys({column}))"
    text = f"if(mapContains({column}, {key}), {last}, NULL)"
    if kind is ColumnType.STRING:
        return f"if(startsWith(ifNull({text}, ''), {text_literal(ENCRYPTED)}), NULL, {text})"
    if kind is ColumnType.BOOL:
        yes, no = (", ".join(text_literal(form) for form in BOOLS if BOOLS[form] is flag) for flag in (True, False))
        return f"multiIf({text} IN ({yes}), true, {text} IN ({no}), false, NULL)"
    if kind is ColumnType.INT:
        digits = f"replaceRegexpOne({text}, {text_literal(_ZERO_FRACTION)}, '')"
        number = f"toInt128OrNull({digits})"
        fits = f"{number} BETWEEN toInt128('-9223372036854775808') AND toInt128('9223372036854775807')"
        return f"if(match(ifNull({text}, ''), {text_literal(INT_FORM)}) AND {fits}, toInt64OrNull({digits}), NULL)"
    return f"if(match(ifNull({text}, ''), {text_literal(FLOAT_FORM)}), toFloat64OrNull({text}), NULL)"
