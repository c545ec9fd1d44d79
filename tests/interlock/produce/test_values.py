"""Cells as people write them: numbers, times and typed columns have one meaning in every format, or a line error."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interlock.errors import UsageError
from interlock.produce import values
from interlock.produce.layout import Layout
from interlock.produce.values import CellError
from tests.interlock.produce.files import CONSTANTS, NOW, mapping, outcome


def parquet(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"confidence": [0.5], **columns}), path)
    return path


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1.200,50", 1200.5), ("0,85", 0.85), ("1200", 1200), ("-3,5e2", -350), ("1 200 000,5", 1200000.5), (0.5, 0.5)],
)
def test_a_decimal_comma_is_read_where_the_option_says_so(cell: Any, number: float) -> None:
    assert float(values.number(cell, ",")) == number


@pytest.mark.parametrize("cell", ["0.85", "1.2", "1,200.50", "1,2,3", "", "twelve", True])
def test_with_decimal_commas_a_decimal_point_is_an_error(cell: Any) -> None:
    with pytest.raises(CellError, match="is no number"):
        values.number(cell, ",")


@pytest.mark.parametrize("cell", ["0,85", "1.200,50", "1200,5"])
def test_without_the_option_a_decimal_comma_is_an_error_that_names_it(cell: str) -> None:
    with pytest.raises(CellError, match="say --decimal , if it separates decimals"):
        values.number(cell, ".")


def test_decimal_commas_hold_for_attributes_too_and_the_input_stays_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("decision_id;confidence;dti;note\na;0,9;60,5;3,5 rooms\n")
    columns = mapping(attributes={"dti": "dti", "note": "note"}, input=("dti",), layout=Layout(decimal=","))
    ((decision,), _) = outcome(path, columns)
    assert decision.confidence == 0.9
    assert decision.attributes == {"dti": "60.5", "note": "3,5 rooms"}
    assert json.loads(decision.input) == {"dti": "60,5"}


@pytest.mark.parametrize(
    "cell",
    [
        "2026-01-31 10:00:00",
        "2026-01-31T10:00",
        datetime(2026, 1, 31, 10),  # noqa: DTZ001 - naive on purpose
        "2026-01-31T10:00:00+01:00",
        "2026-01-31T09:00:00Z",
    ],
)
def test_a_time_that_names_no_zone_is_in_the_zone_of_the_option_in_every_format(cell: Any) -> None:
    zone = Layout(timezone="Europe/Berlin").zone
    assert values.time(cell, zone, NOW) == datetime(2026, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["2026-01-31", date(2026, 1, 31)])
def test_a_date_begins_with_its_midnight_in_that_zone(cell: Any) -> None:
    assert values.time(cell, Layout(timezone="Europe/Berlin").zone, NOW) == datetime(2026, 1, 30, 23, tzinfo=UTC)
    assert values.time(cell, Layout().zone, NOW) == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    ["20240131", "45322.4", 20240131, 45322.4, 0, -1, "2024013110", 202401311030, 10**400, float("nan"), Decimal("7")],
)
def test_a_number_that_is_no_time_is_an_error_and_never_1970(cell: Any) -> None:
    with pytest.raises(CellError, match="is a number that is no time"):
        values.time(cell, UTC, NOW)


@pytest.mark.parametrize("cell", [1_700_000_000, "1700000000.0", 1_700_000_000_000, 1_700_000_000_000_000_000])
def test_a_number_that_can_only_be_seconds_or_parts_of_them_since_1970_is_that(cell: Any) -> None:
    assert values.time(cell, UTC, NOW) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["1999-12-31", "1970-01-01T00:00:00Z", datetime(1, 1, 1)])  # noqa: DTZ001 - naive on purpose
def test_a_time_before_2000_is_an_error(cell: Any) -> None:
    with pytest.raises(CellError, match="is before the year 2000"):
        values.plausible(cell, values.time(cell, UTC, NOW))


def test_an_earlier_decision_about_the_same_subject_may_be_older(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = '{"decision_id":"a","confidence":0.5,"history":{"previous_decisions":[%s]}}\n'
    previous = '{"decision_id":"b","outcome":"x","decided_at":%s}'
    path.write_text(line % (previous % '"1995-05-01"') + line.replace("a", "c", 1) % (previous % "19950501"))
    ((decision,), errors) = outcome(path)
    assert decision.history.previous_decisions[0].decided_at.year == 1995
    assert len(errors) == 1


@pytest.mark.parametrize("cell", ["31.01.2024", "1/31/2024", "yesterday", True, [1], time(1)])
def test_other_forms_of_a_time_are_errors_that_show_the_right_one(cell: Any) -> None:
    with pytest.raises(CellError, match="is no time"):
        values.time(cell, UTC, NOW)


def test_the_one_rule_for_times_holds_in_csv_json_and_parquet(tmp_path: Path) -> None:
    text = tmp_path / "a.csv"
    text.write_text("decision_id,confidence,created_at\na,0.5,2026-01-31 10:00:00\n")
    lines = tmp_path / "a.jsonl"
    decided = '"history":{"previous_decisions":[{"decision_id":"b","outcome":"x","decided_at":"2026-01-31 10:00"}]}'
    lines.write_text(f'{{"decision_id":"a","confidence":0.5,"created_at":"2026-01-31 10:00:00",{decided}}}\n')
    table = parquet(tmp_path, decision_id=["a"], created_at=pa.array([datetime(2026, 1, 31, 10)], pa.timestamp("ns")))  # noqa: DTZ001
    for zone, hour in (("UTC", 10), ("America/New_York", 15)):
        for path in (text, lines, table):
            ((decision,), _) = outcome(path, mapping(layout=Layout(timezone=zone)))
            assert decision.created_at == datetime(2026, 1, 31, hour, tzinfo=UTC), path
            for previous in decision.history.previous_decisions:
                assert previous.decided_at == decision.created_at


def test_a_zone_that_nobody_knows_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown time zone 'Europe/Berln'; did you mean Europe/Berlin\?"):
        outcome(tmp_path / "a.csv", mapping(layout=Layout(timezone="Europe/Berln")))


TYPED = {
    "day": pa.array([date(2024, 1, 31)]),
    "moment": pa.array([datetime(2024, 1, 31, 10)], pa.timestamp("ns")),  # noqa: DTZ001
    "zoned": pa.array([datetime(2024, 1, 31, 10, tzinfo=UTC)]),
    "clock": pa.array([time(9, 30)], pa.time64("ns")),
    "length": pa.array([timedelta(hours=1, minutes=30)]),
    "price": pa.array([Decimal("1234.50")], pa.decimal128(12, 2)),
    "code": pa.array([b"caf\xc3\xa9"]),
    "count": pa.array([7], pa.uint64()),
    "kind": pa.array(["gold"]).dictionary_encode(),
    "flag": pa.array([True]),
}


def test_typed_columns_have_a_text_in_attributes_and_a_json_form_in_the_input(tmp_path: Path) -> None:
    path = parquet(tmp_path, decision_id=["a"], **TYPED)
    columns = mapping(attributes={name: name for name in TYPED}, input=tuple(TYPED))
    ((decision,), errors) = outcome(path, columns)
    assert errors == []
    assert decision.attributes == {
        "day": "2024-01-31",
        "moment": "2024-01-31T10:00:00",
        "zoned": "2024-01-31T10:00:00+00:00",
        "clock": "09:30:00",
        "length": "5400",
        "price": "1234.50",
        "code": "café",
        "count": "7",
        "kind": "gold",
        "flag": "true",
    }
    assert json.loads(decision.input) == {**decision.attributes, "length": 5400, "count": 7, "flag": True}


def test_nested_columns_belong_into_the_input(tmp_path: Path) -> None:
    nested = {
        "person": pa.array([{"born": date(1990, 1, 31), "scores": [0.5, None], "raw": b"x"}]),
        "tags": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    }
    path = parquet(tmp_path, decision_id=["a"], **nested)
    ((decision,), _) = outcome(path, mapping(input=("person", "tags")))
    assert json.loads(decision.input) == {
        "person": {"born": "1990-01-31", "scores": [0.5, None], "raw": "x"},
        "tags": {"a": 1},
    }
    _, (error,) = outcome(path, mapping(attributes={"person": "person"}, ignore=("tags",)))
    assert error == "1: attributes.person: an attribute is a string, a number, true or false, not dict"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [([17], "17"), ([17.0], "17"), ([Decimal("17")], "17"), ([b"x-17"], "x-17"), ([date(2026, 1, 1)], "2026-01-01")],
)
def test_ids_and_versions_may_be_numbers(tmp_path: Path, ids: list[Any], expected: str) -> None:
    path = parquet(tmp_path, decision_id=pa.array(ids), version=[3])
    columns = mapping(constants={**CONSTANTS, "model_version": 7}, ignore=("version",))
    ((decision,), errors) = outcome(path, columns)
    assert (decision.decision_id, decision.model_version, errors) == (expected, "7", [])
    others = {name: value for name, value in CONSTANTS.items() if name != "model_version"}
    assert outcome(path, mapping(constants=others, fields={"model_version": "version"}))[0][0].model_version == "3"


def test_an_id_whose_last_digits_a_float_has_lost_is_an_error(tmp_path: Path) -> None:
    path = parquet(tmp_path, decision_id=[1234567890123456789.0])
    _, (error,) = outcome(path)
    assert error.startswith("1: decision_id: is a floating-point number, which cannot hold so many digits: write it as")


def test_a_constant_that_is_no_value_of_its_field_is_told_before_anything_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path, decision_id=["a"])
    with pytest.raises(UsageError, match=r"--set created_at: is a number that is no time: .* \(found '20240131'\)"):
        outcome(path, mapping(constants={**CONSTANTS, "created_at": "20240131"}))


def test_a_cell_of_a_mapped_column_that_is_no_value_is_told_once_with_its_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("decision_id,the.score,when\na,high,20240131\n")
    _, errors = outcome(path, mapping(fields={"confidence": "the.score", "created_at": "when"}))
    assert [error.partition(" (found")[0] for error in errors[0].splitlines()] == [
        "2: confidence (column 'the.score'): is no number",
        "2: created_at (column 'when'): is a number that is no time: write 2026-01-31 or 2026-01-31 10:00:00",
    ]


def test_an_input_column_of_any_type_has_a_json_form(tmp_path: Path) -> None:
    path = parquet(tmp_path, decision_id=["a"], input=pa.array([{"raw": b"x", "length": timedelta(seconds=90)}]))
    assert outcome(path)[0][0].input == '{"raw":"x","length":90}'
