"""One rule text, three engines: Polars in the stream, ClickHouse on history, plain Python for the explanation."""

import json
from typing import Any

import chdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import COLUMNS, conditions, rows

from policy.attributes import clickhouse_projection, typed
from policy.clickhouse_eval import matched, to_clickhouse
from policy.explain import evaluate, explain
from policy.expression import ConditionError, parse_condition
from policy.polars_eval import to_polars
from policy.words import ColumnType

_ARROW = {
    ColumnType.FLOAT: pa.float64(),
    ColumnType.INT: pa.int64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOL: pa.bool_(),
}
_POLARS = {
    ColumnType.FLOAT: pl.Float64,
    ColumnType.INT: pl.Int64,
    ColumnType.STRING: pl.String,
    ColumnType.BOOL: pl.Boolean,
}
_SCHEMA = {name: _POLARS[kind] for name, kind in COLUMNS.items()}


def _clickhouse(texts: list[str], data: list[dict[str, Any]]) -> list[list[bool | None]]:
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in COLUMNS.items()])
    table = pa.Table.from_pylist(data, schema=schema)  # noqa: F841 - chdb finds it by its name
    parsed = [parse_condition(text, COLUMNS) for text in texts]
    columns = ", ".join(f"toInt8({to_clickhouse(one)}) AS c{i}, {matched(one)} AS m{i}" for i, one in enumerate(parsed))
    result = chdb.query(f"SELECT {columns} FROM Python(table)", "JSONCompactColumns")

    found = json.loads(result.bytes())
    for i in range(len(texts)):
        certain = [True if value is None else bool(value) for value in found[2 * i]]
        assert [bool(value) for value in found[2 * i + 1]] == certain
    return [[None if value is None else bool(value) for value in found[2 * i]] for i in range(len(texts))]


@given(st.lists(conditions(), min_size=1, max_size=20), st.lists(rows(), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_polars_clickhouse_and_python_agree_on_every_condition_and_row(
    texts: list[str], data: list[dict[str, Any]]
) -> None:
    frame = pl.DataFrame(data, schema=_SCHEMA)
    in_clickhouse = _clickhouse(texts, data)
    for text, from_clickhouse in zip(texts, in_clickhouse, strict=True):
        condition = parse_condition(text, COLUMNS)
        in_python = [evaluate(condition, row) for row in data]
        in_polars = frame.select(pl.when(pl.lit(True)).then(to_polars(condition)).alias("x"))["x"].to_list()
        if len(in_polars) == 1:  # a condition without columns is one value for all
            in_polars *= len(data)
        assert in_polars == in_python, text
        assert from_clickhouse == in_python, text


@given(conditions(), rows())
def test_what_counts_as_met_has_an_explanation_and_what_does_not_has_none(text: str, row: dict[str, Any]) -> None:
    condition = parse_condition(text, COLUMNS)
    met = evaluate(condition, row) is not False
    assert bool(explain(condition, row)) is met


@pytest.mark.parametrize(
    ("text", "row", "sentence"),
    [
        ("amount > 10000", {"amount": 12_000.0}, "amount 12,000 > 10,000"),
        ("amount > 10000", {}, "amount is missing"),
        ("novel", {"novel": True}, "novel"),
        ("NOT novel", {"novel": False}, "not novel"),
        ("country IN ('DE', 'FR')", {"country": "FR"}, "country FR in (DE, FR)"),
        ("country NOT IN ('DE')", {"country": "US"}, "country US not in (DE)"),
        ("age < 21 AND country = 'DE'", {"age": 19, "country": "DE"}, "age 19 < 21; country DE = DE"),
        ("age < 21 OR country = 'DE'", {"age": 30, "country": "DE"}, "country DE = DE"),
        ("age IS NULL", {}, "age is missing"),
        ("age > 21 AND country = 'DE'", {"country": "US"}, ""),
    ],
)
def test_an_explanation_is_a_sentence_a_reviewer_can_read(text: str, row: dict[str, Any], sentence: str) -> None:
    assert explain(parse_condition(text, COLUMNS), row) == sentence


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("amuont > 5", "unknown column amuont; did you mean amount?"),
        ("shoe_size > 5", "unknown column shoe_size; declare it"),
        ("amount", "is not true or false by itself"),
        ("amount = 'much'", "cannot compare a float with a string"),
        ("country > 5", "cannot compare a string with a int"),
        ("amount = NULL", "IS NULL"),
        ("amount + 5 > 6", "not allowed"),
        ("sleep(3) = 1", "not allowed"),
        ("amount > (SELECT 1)", "not allowed"),
        ("amount IN (SELECT 1)", "IN needs a list"),
        ("amount >", "not a condition"),
        ("amount > 1; DROP TABLE x", "one condition"),
        ("", "one condition"),
        ("novel > FALSE", "no order"),
        ("t.amount > 5", "unknown column t.amount"),
        ("amount > 1e999", "too large"),
        ("age > 9999999999999999999", "too large"),
        ("NOT " * 60 + "novel", "nested"),
    ],
)
def test_anything_but_a_plain_condition_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ConditionError, match=complaint.replace("(", r"\(")):
        parse_condition(text, COLUMNS)


_ATTRIBUTE_TEXTS = (
    st.none()
    | st.sampled_from(
        [
            *("9" * 18, "9" * 19),
            "1",
            "-7",
            "007",
            "1.5",
            "-0.1",
            "1e5",
            "1E-3",
            "true",
            "false",
            "True",
            "",
            " 1",
            "1 ",
            "nan",
            "inf",
            "0x1f",
            "1.7976931348623157e308",
            "1e309",
            "1_000",
            "٣",
            "0.1000000000000000055511151231257827",
        ]
    )
    | st.floats(allow_nan=False).map(repr)
    | st.integers().map(str)
)


@given(st.lists(_ATTRIBUTE_TEXTS, min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_attributes_are_read_alike_by_polars_and_clickhouse(texts: list[str | None]) -> None:
    kinds = {f"a_{kind}": kind for kind in ColumnType}
    table = pa.table(  # noqa: F841 - chdb finds it by its name
        {
            "attributes": pa.array(
                [{n: t for n in kinds if t is not None} for t in texts], pa.map_(pa.string(), pa.string())
            )
        }
    )
    projection = ", ".join(clickhouse_projection(kinds))
    query = f"SELECT {projection} FROM Python(table) SETTINGS precise_float_parsing = 1"
    found = chdb.query(query, "Arrow")
    in_clickhouse = pa.ipc.open_file(found.bytes()).read_all()
    for name, kind in kinds.items():
        in_polars = pl.DataFrame({name: pl.Series(texts, dtype=pl.String)}).select(typed(name, kind))[name].to_list()
        theirs = [v.decode() if isinstance(v, bytes) else v for v in in_clickhouse.column(name).to_pylist()]
        assert in_polars == theirs, kind
