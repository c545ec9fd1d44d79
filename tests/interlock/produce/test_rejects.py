"""Lines that were left out can be mended and sent again, in the format that they came in."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interlock.errors import InterlockError, UsageError
from interlock.produce.formats import open_rows
from interlock.produce.layout import Layout
from interlock.produce.mapping import ColumnMapping
from interlock.produce.reading import LineError, decisions
from interlock.produce.rejects import Rejects
from tests.interlock.produce.files import NOW, mapping, outcome


def rejected(path: Path, to: Path, columns: ColumnMapping | None = None) -> list[dict[str, str]]:
    """Writes the rejects of a file; the reasons, if there are any."""
    columns = columns or mapping()
    with open_rows(path, columns.layout) as rows, Rejects(to, path, rows, columns.layout) as rejects:
        for row in decisions(rows, path, columns, lambda: NOW):
            if isinstance(row, LineError):
                rejects.add(row)
    reasons = to.with_name(f"{to.stem}.reasons.csv")
    if not reasons.exists():
        return []
    with reasons.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_rows_of_csv_are_written_as_they_stand_below_the_first_line_and_can_be_sent_when_mended(
    tmp_path: Path, encoding: str
) -> None:
    path, to = tmp_path / "a.csv", tmp_path / "b.csv"
    text = 'decision_id;confidence;impact\r\na;0.5;"x"\r\nb;7;"two\r\nlines"\r\nc;0.5;Ü;more\r\n'
    path.write_text(text, encoding=encoding, newline="")
    reasons = rejected(path, to)
    with to.open(encoding=encoding, newline="") as file:
        assert file.read() == 'decision_id;confidence;impact\r\nb;7;"two\r\nlines"\r\nc;0.5;Ü;more\r\n'
    assert reasons == [
        {
            "line": "2",
            "field": "confidence",
            "problem": "Input should be less than or equal to 1 (found '7')",
            "line_before": "3",
        },
        {"line": "4", "field": "", "problem": "has 4 columns, the first line names 3", "line_before": "5"},
    ]
    to.write_bytes(to.read_bytes().replace("7".encode("utf-16-le"), "1".encode("utf-16-le")).replace(b";7;", b";1;"))
    mended, errors = outcome(to)
    assert [decision.decision_id for decision in mended] == ["b"]
    assert errors == ["4: has 4 columns, the first line names 3"]


def test_bytes_that_could_not_be_read_are_written_as_they_were(tmp_path: Path) -> None:
    path, to = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_bytes(b"decision_id,confidence\nM\xfcller,0.5\n")
    rejected(path, to)
    assert to.read_bytes() == path.read_bytes()


def test_half_a_character_of_utf_16_is_written_as_the_mark_of_a_lost_one(tmp_path: Path) -> None:
    path, to = tmp_path / "a.csv", tmp_path / "b.csv"
    cut = "\ufeffdecision_id,confidence\nx@,0.5\n".encode("utf-16-le").replace(b"@\0", b"\xbd\xdc")
    path.write_bytes(cut)
    assert rejected(path, to)[0]["problem"].startswith("is not utf-16: byte 0xBD at character 2")
    assert to.read_text(encoding="utf-16") == "decision_id,confidence\nx\ufffd\ufffd,0.5\n"


def test_lines_of_json_are_written_as_they_stand_even_if_they_are_no_json(tmp_path: Path) -> None:
    path, to = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text('{"decision_id":"a","confidence":0.5}\nrubbish\n{"confidence":7,  "x":"\\ud83d"}')
    reasons = rejected(path, to)
    assert to.read_text() == 'rubbish\n{"confidence":7,  "x":"\\ud83d"}\n'
    assert [(reason["line"], reason["line_before"], reason["field"]) for reason in reasons] == [
        ("1", "2", ""),
        ("2", "3", "x"),
        ("2", "3", "decision_id"),
        ("2", "3", "confidence"),
    ]


def test_rows_of_parquet_are_written_with_the_types_of_their_columns(tmp_path: Path) -> None:
    path, to = tmp_path / "a.parquet", tmp_path / "b.parquet"
    times = pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 3_000, pa.timestamp("ns", "UTC"))
    table = pa.table({"decision_id": list(range(3_000)), "confidence": [0.5, 7.0] * 1_500, "created_at": times})
    pq.write_table(table, path)
    rejected(path, to)
    written = pq.read_table(to)
    assert written.schema == table.schema
    assert written.column("decision_id").to_pylist() == list(range(1, 3_000, 2))


def test_no_file_is_left_where_nothing_was_left_out(tmp_path: Path) -> None:
    path, to = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("decision_id,confidence\na,0.5\n")
    to.write_text("of an earlier run")
    assert rejected(path, to) == []
    assert list(tmp_path.iterdir()) == [path]


def test_places_where_rejects_would_do_harm_or_could_not_be_sent_again_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("decision_id,confidence\na,0.5\n")
    reasons = tmp_path / "b.reasons.csv"
    reasons.write_text(path.read_text())
    for file, to, message in (
        (path, path, r"--rejects .*a\.csv would overwrite .*a\.csv, which is read: name another file"),
        (reasons, tmp_path / "b.csv", r"would overwrite .*b\.reasons\.csv"),
        (path, tmp_path / "b.txt", r"let the name end in \.csv"),
        (path, tmp_path / "b.csv.gz", r"let the name end in \.csv"),
        (path, tmp_path / "none" / "b.csv", r"cannot write .*none/b\.csv: No such file or directory"),
    ):
        with pytest.raises(UsageError, match=message):
            rejected(file, to)
    assert path.read_text() == reasons.read_text() == "decision_id,confidence\na,0.5\n"
    with open_rows(path, Layout()) as rows:
        assert len(list(rows)) == 1


@pytest.mark.parametrize("long", [1, 9_000])  # told when the file is closed, or before
def test_a_full_disk_is_one_sentence(tmp_path: Path, long: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("decision_id,confidence\n" + f"{'x' * long},7\n" * 9)
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    with pytest.raises(InterlockError, match=r"cannot write .*full\.csv: No space left on device; it"):
        rejected(path, full)
