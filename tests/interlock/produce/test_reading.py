"""Files of decisions: every line is a decision, or an error that names file, line and field."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interlock.errors import InterlockError
from interlock.produce.formats import open_rows
from interlock.produce.layout import Layout
from interlock.produce.mapping import ColumnMapping, extended, load_mapping
from interlock.produce.reading import LineError, read
from interlock.schemas.models import Decision

ROOT = Path(__file__).parents[3]

NOW = datetime(2026, 1, 1, tzinfo=UTC)

GOOD = {
    "decision_id": "1",
    "domain": "d",
    "model_id": "m",
    "model_version": "1",
    "prediction": "approve",
    "confidence": 0.9,
}


def rows(path: Path, mapping: ColumnMapping | None = None) -> list[Decision | LineError]:
    return list(read(path, mapping or ColumnMapping(), lambda: NOW))


def errors(path: Path, mapping: ColumnMapping | None = None) -> list[str]:
    return [str(row) for row in rows(path, mapping) if isinstance(row, LineError)]


def decisions(path: Path, mapping: ColumnMapping | None = None) -> list[Decision]:
    return [row for row in rows(path, mapping) if isinstance(row, Decision)]


def test_json_lines_name_line_and_field_of_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        json.dumps(GOOD),
        "",
        json.dumps({**GOOD, "confidence": 7}),
        "rubbish",
        "[1]",
        json.dumps({**GOOD, "alternatives": [{"option": "x"}]}),
        json.dumps({**GOOD, "explanation": {"reason": "x"}}),
        json.dumps({**GOOD, "decision_id": "2"}),
    ]
    path.write_text("\n".join(lines))
    assert [row.decision_id for row in decisions(path)] == ["1", "2"]
    assert errors(path) == [
        f"{path}:3: confidence: Input should be less than or equal to 1 (found 7)",
        f"{path}:4: not JSON: Expecting value at character 1",
        f"{path}:5: a JSON array: send one object a line, as jq -c '.[]' writes them",
        f"{path}:6: alternatives.0.confidence: is missing",
        f"{path}:7: explanation.reason: is no field of it (found 'x')",
    ]


def test_json_that_is_not_utf_8_spoils_its_own_line_only(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps(GOOD).encode()
    other = good.replace(b'"1"', b'"2"', 1)
    path.write_bytes(good + b"\n" + good.replace(b"approve", b"\xff\xfe") + b"\n" + other + b"\n")
    assert len(decisions(path)) == 2
    assert errors(path)[0].startswith(f"{path}:2: is not UTF-8: byte 0xFF at character 91; say --encoding")


def test_csv_cells_become_typed_fields_and_empty_ones_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('\ufeffid,score,amount,country,novel\na,0.5,,"DE, or so",true\nb,0.9,12.5,,false\n')
    mapping = ColumnMapping(
        fields={"decision_id": "id", "confidence": "score", "amount": "amount", "novel": "novel"},
        constants={"domain": "d", "model_id": "m", "model_version": "1", "prediction": "approve"},
        attributes={"country": "country"},
        input=("country",),
    )
    a, b = decisions(path, mapping)
    assert (a.decision_id, a.confidence, a.amount, a.novel) == ("a", 0.5, None, True)
    assert (a.attributes, json.loads(a.input)) == ({"country": "DE, or so"}, {"country": "DE, or so"})
    assert (b.amount, b.attributes, b.created_at) == (12.5, {}, NOW)


def test_a_csv_row_that_is_too_long_too_short_or_no_text_spoils_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    header = ",".join(GOOD).encode()
    row = ",".join(map(str, GOOD.values())).encode()
    wrong = row.replace(b"0.9", b"high")
    path.write_bytes(
        b"\n".join([header, row, row + b",more", b"1,2", row.replace(b"m", b"\xff"), wrong, b"2" + row[1:]]) + b"\n"
    )
    assert len(decisions(path)) == 2
    assert errors(path) == [
        f"{path}:3: has 7 columns, the first line names 6",
        f"{path}:4: has 2 columns, the first line names 6",
        f"{path}:5: is not UTF-8: byte 0xFF at character 5; say --encoding, which is cp1252 for what Excel and older "
        "systems write in Western Europe and America",
        f"{path}:6: confidence: is no number (found 'high')",
    ]


def test_parquet_rows_are_counted_from_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = [{**GOOD, "decision_id": str(i), "confidence": 0.1 * i} for i in range(12)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    with open_rows(path, Layout()) as opened:
        assert opened.total == 12
    assert len(decisions(path)) == 11
    assert errors(path) == [f"{path}:12: confidence: Input should be less than or equal to 1 (found 1.1)"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_an_empty_file_has_no_decisions(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.touch()
    assert rows(path) == []


def test_what_cannot_be_read_at_all_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InterlockError, match="No such file"):
        rows(tmp_path / "none.csv")
    (tmp_path / "a.doc").touch()
    with pytest.raises(InterlockError, match=r"cannot tell what this is; known endings: \.csv, \.tsv, \.txt, \.jsonl"):
        rows(tmp_path / "a.doc")
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(InterlockError, match=r'a workbook: save the sheet as "CSV UTF-8"'):
        rows(tmp_path / "a.xlsx")
    (tmp_path / "a.parquet").write_text("no parquet")
    with pytest.raises(InterlockError, match=r"cannot read .*a\.parquet"):
        rows(tmp_path / "a.parquet")


def test_a_column_that_a_table_does_not_have_is_named_with_a_similar_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,score\n1,0.5\n")
    with pytest.raises(InterlockError, match=r"no column 'scores' \(did you mean score\?\)"):
        rows(path, ColumnMapping(fields={"confidence": "scores"}))


def test_a_mapping_file_that_is_wrong_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text("fields: {confidense: score}")
    with pytest.raises(InterlockError, match=r"mapping\.yaml:1: fields\.confidense: .*did you mean confidence\?"):
        load_mapping(path)
    path.write_text("columns: {}")
    with pytest.raises(InterlockError, match=r"mapping\.yaml:1: columns: unknown key \(known: fields, set"):
        load_mapping(path)
    path.write_text("fields: [")
    with pytest.raises(InterlockError, match=r"mapping\.yaml:1: not YAML: .*, column 10"):
        load_mapping(path)
    with pytest.raises(InterlockError, match="write FIELD=COLUMN"):
        extended(ColumnMapping(), maps=["confidence"])


def test_the_mapping_shipped_with_the_example_fits_its_data() -> None:
    directory = ROOT / "examples" / "employment"
    mapping = load_mapping(directory / "mapping.yaml")
    result = rows(directory / "sample.parquet", mapping)
    assert len(result) > 1000
    assert all(isinstance(row, Decision) for row in result)
    assert len({row.decision_id for row in result if isinstance(row, Decision)}) == len(result)


def test_a_line_that_a_later_reader_could_not_take_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = '{"a":' * 3_000 + "1" + "}" * 3_000
    less_deep = '{"a":' * 65 + "1" + "}" * 65
    whole = json.dumps(GOOD)[:-1]
    odd = [
        ', "input": {"income": NaN}}',
        ', "input": "{\\"ratio\\": -Infinity}"}',
        ', "input": {"text": "so sad \\ud83d"}}',
        ', "input": "{\\"text\\": \\"\\\\ud83d\\"}"}',
        ', "attributes": {"mood": "\\ud83d"}}',
        ', "attributes": {"\\ud83d": "x"}}',
        ', "explanation": {"reasoning": "\\ud83d"}}',
        ', "alternatives": [{"option": "a", "confidence": 0.1, "pros": ["\\ud83d"]}]}',
        ', "subject_id": "\\ud83d"}',
        f', "input": {deep}}}',
        f', "input": {less_deep}}}',
        ', "input": {"n": ' + "1" * 5_000 + "}}",
        ', "created_at": "0001-01-01T00:00:00+14:00"}',
        ', "vector": [1e300]}',
    ]
    path.write_text("\n".join(whole + end for end in [*odd, "}"]))
    assert len(decisions(path)) == 1
    complaints = [error.removeprefix(f"{path}:") for error in errors(path)]
    assert [int(error.partition(":")[0]) for error in complaints] == list(range(1, len(odd) + 1))
    for error, said in zip(
        complaints,
        [
            "not JSON: NaN at character",
            "input: not JSON: -Infinity; write null (at character 11)",
            "Such text has no UTF-8 (U+D83D at character 8)",
            "input: has half of a surrogate pair",
            "attributes.mood: has half of a surrogate pair",
            "attributes.",
            "explanation.reasoning: has half of a surrogate pair",
            "alternatives.0.pros.0: has half of a surrogate pair",
            "subject_id: has half of a surrogate pair",
            "nested deeper than 64 levels",
            "input: nested deeper than 64 levels",
            "has a number of more than 4,300 digits",
            "created_at: is before the year 2000",
            "vector.0: Input should be less than or equal to",
        ],
        strict=True,
    ):
        assert said in error


def test_columns_of_tables_become_json_with_null_for_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    late = pa.array([0, 2**62], pa.int64()).cast(pa.timestamp("us"))
    columns = {name: [value] * 2 for name, value in GOOD.items()} | {
        "income": [float("nan"), 1.0],
        "born": [date(1990, 1, 31)] * 2,
        "price": [Decimal("1.10")] * 2,
        "paid": late,
    }
    pq.write_table(pa.table(columns), path)
    mapping = ColumnMapping(input=("income", "born", "price", "paid"), attributes={"born": "born", "price": "price"})
    (first,) = decisions(path, mapping)
    assert json.loads(first.input) == {
        "income": None,
        "born": "1990-01-31",
        "price": "1.10",
        "paid": "1970-01-01T00:00:00",
    }
    assert first.attributes == {"born": "1990-01-31", "price": "1.10"}
    (error,) = errors(path, mapping)
    assert error.startswith(f"{path}:2: paid: holds a value that Python cannot hold")


def test_a_column_without_a_json_form_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: [value] for name, value in GOOD.items()} | {"photo": [b"\xff\xd8"]}), path)
    (error,) = errors(path, ColumnMapping(input=("photo",)))
    assert error.startswith(f"{path}:1: input.photo: holds bytes that are no UTF-8 text: leave the column out")
