"""One rule text, three engines: Polars in the stream, ClickHouse on history, plain Python for the explanation."""

import json
from collections.abc import Iterator
from typing import Any

import chdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from interlock.policy.attributes import (
    CLICKHOUSE_SETTINGS,
    attribute_columns,
    clickhouse_projection,
    from_strings,
    row_of,
)
from interlock.policy.conditions.ast import FunctionName, unreadable_column
from interlock.policy.conditions.clickhouse import matched, to_clickhouse
from interlock.policy.conditions.parser import ConditionError, parse_condition
from interlock.policy.conditions.polars import to_polars
from interlock.policy.conditions.python import Unreadable, evaluate, explain
from interlock.policy.load import parse
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType
from tests.policy.strategies import COLUMNS, DOUBTFUL, conditions, in_columns, rows

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
_SCHEMA |= {unreadable_column(name): pl.Boolean for name in DOUBTFUL}


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[Any]:
    """A connection for all queries: to open one takes longer than to answer a hundred."""
    connection = chdb.connect(":memory:")
    yield connection
    connection.close()


def _clickhouse(clickhouse: Any, texts: list[str], data: list[dict[str, Any]]) -> list[list[bool | None]]:
    flags = [(unreadable_column(name), pa.bool_()) for name in DOUBTFUL]
    schema = pa.schema([*((name, _ARROW[kind]) for name, kind in COLUMNS.items()), *flags])
    table = pa.Table.from_pylist(in_columns(data), schema=schema)  # noqa: F841 - chdb finds it by its name
    parsed = [parse_condition(text, COLUMNS) for text in texts]
    columns = ", ".join(
        f"toInt8({to_clickhouse(tree)}) AS c{i}, {matched(tree)} AS m{i}" for i, tree in enumerate(parsed)
    )
    answer = clickhouse.query(f"SELECT {columns} FROM Python(table)", "JSONCompactColumns")

    result = json.loads(answer.bytes())
    for i in range(len(texts)):
        certain = [True if value is None else bool(value) for value in result[2 * i]]
        assert [bool(value) for value in result[2 * i + 1]] == certain
    return [[None if value is None else bool(value) for value in result[2 * i]] for i in range(len(texts))]


# ClickHouse takes a query at a time: few queries over many conditions and rows.
@given(st.lists(conditions(), min_size=5, max_size=25), st.lists(rows(), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_polars_clickhouse_and_python_agree_on_every_condition_and_row(
    clickhouse: Any, texts: list[str], data: list[dict[str, Any]]
) -> None:
    frame = pl.DataFrame(in_columns(data, finite=True), schema=_SCHEMA)
    in_clickhouse = _clickhouse(clickhouse, texts, data)
    for text, from_clickhouse in zip(texts, in_clickhouse, strict=True):
        condition = parse_condition(text, COLUMNS)
        in_python = [evaluate(condition, row) for row in data]
        in_polars = frame.select(pl.when(pl.lit(True)).then(to_polars(condition)).alias("x"))["x"].to_list()
        if len(in_polars) == 1:  # a condition without columns is one value for all
            in_polars *= len(data)
        assert in_polars == in_python, text
        assert from_clickhouse == in_python, text


def test_the_random_conditions_use_every_function() -> None:
    unused = set(FunctionName)

    def uses_the_last_one(text: str) -> bool:
        unused.difference_update([name for name in unused if f"{name}(" in text])
        return not unused

    # Any condition will do: most of the time would go into making it short.
    generate = settings(max_examples=2000, database=None, phases=[Phase.generate])
    find(conditions(), uses_the_last_one, settings=generate)


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
        ("age > 21", {"age": Unreadable("35,0", ColumnType.INT)}, "age is '35,0', not a whole number"),
        ("age IS NOT NULL AND age < 21", {"age": Unreadable("x", ColumnType.INT)}, "age is 'x', not a whole number"),
        ("coalesce(amount, 0) > 5", {"amount": float("nan")}, "amount is 'nan', not a number"),
        ("NOT member", {"member": Unreadable("1", ColumnType.BOOL)}, "member is '1', not true or false"),
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
        ("country > 5", "^country > 5: cannot compare a string with an int$"),
        ("novel AND country <= 5", "^country <= 5: cannot compare a string with an int$"),
        ("age BETWEEN 1 AND 'x'", "^age BETWEEN 1 AND 'x': cannot compare an int with a string$"),
        ("novel > FALSE", "^novel > FALSE: true and false have no order$"),
        ("amount = NULL", "IS NULL"),
        ("amount + 5 > 6", "not allowed"),
        ("sleep(3) = 1", "not allowed"),
        ("amount > (SELECT 1)", "not allowed"),
        ("amount IN (SELECT 1)", "not allowed"),
        ("amount BETWEEN SYMMETRIC 5 AND 1", "not allowed"),
        ("length(country, 'utf16') > 1", "not allowed"),
        ("length(city) > 1.5", "length is a whole number"),
        ("novel IS TRUE", "only NULL and NOT NULL"),
        ("country LIKE 'D%'", "not allowed"),
        ("lower(country) = 'de'", "not allowed"),
        ("amount > 5 AS x", "not allowed"),
        ("amount > 5 = novel", "it is a condition by itself"),
        ("Amount > 5", "did you mean amount?"),
        ('country = "DE"', "text stands in single quotes"),
        ("amount AND", "And lacks a part"),
        ("abs(country) = 1", "abs needs a number"),
        ("length(amount) = 1", "length needs a string"),
        ("coalesce(amount, confidence) > 1", "a column and one constant"),
        ("amount IN (1, confidence)", "only constants"),
        ("-country = 'x'", "only a number may have a sign"),
        ("novel OR " * 6000 + "novel", "longer than 50,000 characters"),
        ("(" * 3000 + "novel" + ")" * 3000, "nested"),
        ("amount >", "not a condition"),
        ("amount > 1; DROP TABLE x", "one condition"),
        ("", "one condition"),
        ("t.amount > 5", "t.amount: not allowed"),
        ("amount > 1e999", "too large"),
        ("age > 9999999999999999999", "too large"),
        ("NOT " * 60 + "novel", "nested"),
    ],
)
def test_anything_but_a_plain_condition_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ConditionError, match=complaint.replace("(", r"\(")):
        parse_condition(text, COLUMNS)


_WORDS = [
    *("amount", "age", "country", "novel", "5", "-1.5", "'DE'", "TRUE", "NULL", "AND", "OR", "NOT", "IN", "BETWEEN"),
    *("IS", "(", ")", ",", "=", "<>", ">", "<=", "abs(", "length(", "coalesce(", "SYMMETRIC", "CASE", "WHEN", "END"),
    *(
        "SELECT",
        "*",
        "+",
        "||",
        "::int",
        "LIKE",
        ";",
        "--",
        "/*",
        "'",
        '"',
        "`",
        "{{",
        "@",
        "$1",
        "?",
        "²",
        "\0",
        "[",
        "]",
    ),
]


@given(st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join) | st.text(max_size=20))
@settings(max_examples=400, deadline=None)
def test_whatever_the_text_it_is_a_condition_for_all_engines_or_an_error_that_says_why(text: str) -> None:
    try:
        condition = parse_condition(text, COLUMNS)
    except ConditionError:
        return
    row = dict.fromkeys(COLUMNS)
    (in_polars,) = pl.DataFrame(in_columns([row]), schema=_SCHEMA).select(to_polars(condition)).to_series()
    assert in_polars == evaluate(condition, row)
    assert to_clickhouse(condition)


def test_a_list_of_thousands_of_codes_is_no_problem() -> None:
    codes = ", ".join(f"'{code}'" for code in range(6000))
    chain = " OR ".join(f"age = {code}" for code in range(3000))
    for text in (f"country IN ({codes})", chain):
        condition = parse_condition(text, COLUMNS)
        row = {**dict.fromkeys(COLUMNS), "country": "5999", "age": 2999}
        assert evaluate(condition, row) is True
        assert pl.DataFrame(in_columns([row]), schema=_SCHEMA).select(to_polars(condition)).item() is True


def test_zero_is_zero_whatever_its_sign(clickhouse: Any) -> None:
    texts = ["amount = 0", "amount = -0.0", "amount IN (0.0, 7.5)", "amount IN (-0.0)", "amount >= 0", "amount < 0"]
    data = [{**dict.fromkeys(COLUMNS), "amount": zero} for zero in (0.0, -0.0)]
    for text, from_clickhouse in zip(texts, _clickhouse(clickhouse, texts, data), strict=True):
        condition = parse_condition(text, COLUMNS)
        in_polars = pl.DataFrame(in_columns(data), schema=_SCHEMA).select(to_polars(condition)).to_series().to_list()
        assert in_polars == from_clickhouse == [evaluate(condition, row) for row in data] == [text[-3:] != "< 0"] * 2


def test_a_number_that_is_not_finite_is_none_to_the_reviewer_as_it_was_to_the_rule() -> None:
    condition = parse_condition("amount > 10000", COLUMNS)
    for number in (float("nan"), float("inf")):
        assert evaluate(condition, {"amount": number}) is None
        assert explain(condition, {"amount": number}) == f"amount is '{number}', not a number"


_ATTRIBUTE_TEXTS = (
    st.none()
    | st.sampled_from(
        [
            *("9" * 18, "9" * 19, "9" * 38, "9" * 39, "0" * 37 + "7", "0" * 38 + "7"),
            *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
            *("35.0", "-7.00", "35.", "35.01", "9223372036854775807.0", "9223372036854775808.0"),
            *("True", "FALSE", "tRUE"),
            *("+1", "-", ".5", "5.", "1e", "1\n", "1\0", "1\r", "-0", "-0.0", "1e-400", "true\n"),
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
            f"enc:v1:{'0' * 32}:AAAA",
            "enc:v1:",
        ]
    )
    | st.floats(allow_nan=False).map(repr)
    | st.integers().map(str)
)


@given(st.lists(_ATTRIBUTE_TEXTS, min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_attributes_are_read_alike_by_polars_and_clickhouse(clickhouse: Any, texts: list[str | None]) -> None:
    declared = ", ".join(f"a_{kind}: {kind}" for kind in ColumnType)
    policy = parse(f"name: x\ndomains: {{d: {{models: [m], outcomes: [o, other], attributes: {{{declared}}}}}}}\n", "x")
    kinds = attribute_columns(policy)
    table = pa.table(  # noqa: F841 - chdb finds it by its name
        {
            "attributes": pa.array(
                [{n: t for n in kinds if t is not None} for t in texts], pa.map_(pa.string(), pa.string())
            )
        }
    )
    query = f"SELECT {clickhouse_projection(policy)} FROM Python(table) SETTINGS {CLICKHOUSE_SETTINGS}"
    result = clickhouse.query(query, "Arrow")
    in_clickhouse = pa.ipc.open_file(result.bytes()).read_all()
    for name, kind in kinds.items():
        series = from_strings([pl.Series(name, texts, dtype=pl.String)], {name: kind}, [name])
        theirs = [v.decode() if isinstance(v, bytes) else v for v in in_clickhouse.column(name).to_pylist()]
        in_polars = series[0].to_list()
        assert in_polars == theirs, kind
        in_python = [row_of({} if text is None else {name: text}, {name: kind})[name] for text in texts]
        assert [None if isinstance(value, Unreadable) else value for value in in_python] == in_polars
        flags = [isinstance(value, Unreadable) for value in in_python]
        assert series[1].to_list() == flags
        assert [bool(flag) for flag in in_clickhouse.column(unreadable_column(name)).to_pylist()] == flags


def test_of_a_key_that_stands_twice_the_last_entry_counts_in_history_too(clickhouse: Any) -> None:
    policy = parse(
        "name: x\ndomains: {d: {models: [m], outcomes: [o, other], attributes: {country: string, age: int}}}\n", "x"
    )
    entries = [("country", "US"), ("age", "x"), ("country", "DE"), ("age", "35")]
    table = pa.table({"attributes": pa.array([entries], pa.map_(pa.string(), pa.string()))})  # noqa: F841
    query = f"SELECT {clickhouse_projection(policy)} FROM Python(table) SETTINGS {CLICKHOUSE_SETTINGS}"
    (row,) = json.loads(clickhouse.query(query, "JSONCompact").bytes())["data"]
    assert [row[0], bool(row[1]), int(row[2]), bool(row[3])] == ["DE", False, 35, False]


def test_an_encrypted_subject_is_unknown_to_every_engine(clickhouse: Any) -> None:
    subjects = ["ann", f"enc:v1:{'0' * 32}:AAAA", "", None]
    table = pa.table({"subject_id": pa.array(subjects, pa.string())})  # noqa: F841 - chdb finds it by its name
    for text, expected in {
        "subject_id = 'ann'": [True, None, False, None],
        "subject_id IN ('ann')": [True, None, False, None],
        "subject_id IS NULL": [False, None, False, True],
        "coalesce(subject_id, 'ann') = 'ann'": [True, None, False, True],
    }.items():
        condition = parse_condition(text, ROUTING_COLUMNS)
        assert [evaluate(condition, {"subject_id": one}) for one in subjects] == expected, text
        frame = pl.DataFrame({"subject_id": subjects}, schema={"subject_id": pl.String})
        assert frame.select(to_polars(condition))[:, 0].to_list() == expected, text
        query = f"SELECT toInt8({to_clickhouse(condition)}) AS met FROM Python(table)"
        (found,) = json.loads(clickhouse.query(query, "JSONCompactColumns").bytes())
        assert [None if met is None else bool(met) for met in found] == expected, text
