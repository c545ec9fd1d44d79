"""Text as spreadsheets, databases and other countries write it: it is read, or a message says which option reads it."""

import bz2
import gzip
import json
import lzma
import os
import sys
from datetime import datetime
from pathlib import Path

import pytest
from backports import zstd

from interlock.errors import InterlockError, UsageError
from interlock.produce import text_rows
from interlock.produce.layout import Layout
from interlock.produce.opening import content_hash
from tests.interlock.produce.files import mapping, outcome

HEADER = "decision_id,confidence"


def file(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_the_first_line_uses(tmp_path: Path, delimiter: str) -> None:
    path = file(tmp_path, "decision_id,confidence,impact\na,0.5,x\n".replace(",", delimiter))
    ((decision,), errors) = outcome(path)
    assert (decision.decision_id, decision.impact, errors) == ("a", "x", [])


def test_another_delimiter_is_an_option_and_one_that_is_unclear_is_asked_for(tmp_path: Path) -> None:
    path = file(tmp_path, "decision_id~confidence\na~0.5\n")
    with pytest.raises(UsageError, match="if that is one column only by mistake, say --delimiter"):
        outcome(path)
    assert outcome(path, mapping(layout=Layout(delimiter="~")))[0][0].decision_id == "a"
    path = file(tmp_path, "decision_id,confidence;impact\n")
    with pytest.raises(UsageError, match=r"a\.csv:1: are columns separated by '.' or by '.'\? Say --delimiter"):
        outcome(path)
    with pytest.raises(UsageError, match="delimiter '::': write one character"):
        outcome(path, mapping(layout=Layout(delimiter="::")))


def test_delimiters_in_quoted_names_do_not_count(tmp_path: Path) -> None:
    path = file(tmp_path, '"decision_id";"confidence";"a, b, c, d"\nx;0.5;1\n')
    assert len(outcome(path, mapping(input=("a, b, c, d",)))[0]) == 1


def test_what_excel_writes_before_the_first_line_names_the_delimiter(tmp_path: Path) -> None:
    path = file(tmp_path, "sep=;\r\ndecision_id;confidence\r\na;7\r\n")
    assert outcome(path)[1] == ["3: confidence: Input should be less than or equal to 1 (found '7')"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str, ending: str) -> None:
    rows = {"csv": "decision_id,confidence\nÜ,0.5\n", "jsonl": '{"decision_id":"Ü","confidence":0.5}\n'}
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"
    path = file(tmp_path, (mark + rows[ending]).encode(encoding), f"a.{ending}")
    assert [decision.decision_id for decision in outcome(path)[0]] == ["Ü"]


def test_utf_16_without_a_mark_is_suspected(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER}\na,0.5\n".encode("utf-16-le"))
    with pytest.raises(UsageError, match=r"a\.csv:1: has zero bytes: is it UTF-16\? Say --encoding utf-16-le"):
        outcome(path)
    assert len(outcome(path, mapping(layout=Layout(encoding="utf-16-le")))[0]) == 1


def test_another_encoding_is_an_option_that_the_first_wrong_byte_names(tmp_path: Path) -> None:
    path = file(tmp_path, "decision_id,confidence,impact\na,0.5,x\nb,0.5,Müller\n".encode("cp1252"))
    decisions, errors = outcome(path)
    assert [decision.decision_id for decision in decisions] == ["a"]
    assert [error.partition("; say --encoding")[0] for error in errors] == ["3: is not UTF-8: byte 0xFC at character 8"]
    assert outcome(path, mapping(layout=Layout(encoding="cp1252")))[0][1].impact == "Müller"
    path = file(tmp_path, "decision_id,confidence,Größe\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"a\.csv:1: is not UTF-8: byte 0xF6 at character 26; say --encoding"):
        outcome(path)
    with pytest.raises(UsageError, match="encoding 'klingon': nobody knows it; write a name such as utf-8, cp1252"):
        outcome(path, mapping(layout=Layout(encoding="klingon")))


def test_two_columns_of_one_name_are_told_once_and_nothing_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER},score,score\n" + "a,0.5,1,2\n" * 9)
    with pytest.raises(UsageError, match="columns 3 and 4 are both named 'score': rename one") as raised:
        outcome(path)
    assert str(raised.value).count("score") == 1
    assert len(outcome(path, mapping(ignore_unknown=True))[1]) == 8  # of one id


def test_columns_that_a_spreadsheet_adds_are_no_columns_unless_something_stands_in_them(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER},,\na,0.5,,\nb,0.5,note,\n,,,\n\nc,0.5\n")
    decisions, errors = outcome(path)
    assert [decision.decision_id for decision in decisions] == ["a", "c"]
    assert errors == ["3: has 4 columns, the first line names 2"]


def test_a_column_without_a_name_must_be_named_or_left_out(tmp_path: Path) -> None:
    path = file(tmp_path, f",{HEADER}\n0,a,0.5\n")
    with pytest.raises(UsageError, match=r"column 1 has no name: .*pandas: index=False.* --ignore-unknown"):
        outcome(path)
    empty = file(tmp_path, "decision_id,,confidence\na,,0.5\nb,!,0.5\n")
    decisions, errors = outcome(empty, mapping(ignore_unknown=True))
    assert len(decisions) == 2
    assert errors == []


def test_an_error_names_the_line_in_which_its_row_begins(tmp_path: Path) -> None:
    rows = ['a,0.5,"two\nlines"', 'b,7,"three\n\nlines"', 'c,0.5,"5" pipe"', "d,0.5,fine", "e,9,fine"]
    path = file(tmp_path, "\n".join([f"{HEADER},impact", *rows]) + "\n")
    decisions, errors = outcome(path)
    assert [decision.decision_id for decision in decisions] == ["a", "d"]
    assert errors == [
        "4: confidence: Input should be less than or equal to 1 (found '7')",
        "7: not CSV: a quote stands inside a quoted cell; write it twice",
        "9: confidence: Input should be less than or equal to 1 (found '9')",
    ]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path) -> None:
    path = file(tmp_path, f'{HEADER},impact\na,0.5,"5 inch pipe\nb,0.5,x\nc,0.5,y\n')
    decisions, errors = outcome(path)
    assert [decision.decision_id for decision in decisions] == ["b", "c"]
    assert errors == ["2: not CSV: a quote is opened and never closed"]


def test_a_cell_may_be_longer_than_pythons_csv_module_takes(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER},report\na,0.5,{'x' * 200_000}\n")
    ((decision,), _) = outcome(path, mapping(input=("report",)))
    assert len(json.loads(decision.input)["report"]) == 200_000


def test_names_that_are_nearly_right_are_recognised_in_the_message(tmp_path: Path) -> None:
    path = file(tmp_path, "descision_id, confidence,Claim Amount\na,0.5,7\n")
    with pytest.raises(UsageError) as raised:
        outcome(path)
    message = str(raised.value)
    assert "no column gives decision_id, confidence; it has 'descision_id', ' confidence', 'Claim Amount'" in message
    assert "decision_id is probably 'descision_id': --map decision_id=descision_id" in message
    assert "confidence is probably ' confidence': --map 'confidence= confidence'" in message
    path = file(tmp_path, "Decision_ID,score\na,0.5\n")
    with pytest.raises(UsageError, match=r"probably 'Decision_ID'.*confidence is probably 'score': --map conf"):
        outcome(path)


def test_columns_about_which_nothing_is_said_are_named_before_anything_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER},country,Amount\na,0.5,DE,12\n")
    with pytest.raises(UsageError) as raised:
        outcome(path)
    assert "nothing is said about 'country', 'Amount': --attribute NAME gives a column to rules" in str(raised.value)
    assert "amount is probably 'Amount': --map amount=Amount" in str(raised.value)
    assert outcome(path, mapping(ignore_unknown=True))[0][0].attributes == {}
    named = mapping(attributes={"land": "country"}, fields={"amount": "Amount"})
    ((decision,), _) = outcome(path, named)
    assert (decision.attributes, decision.amount) == ({"land": "DE"}, 12)
    assert outcome(path, mapping(ignore=("country", "Amount")))[0][0].amount is None


def test_a_field_of_a_json_line_that_nobody_knows_is_an_error_and_not_dropped(tmp_path: Path) -> None:
    lines = ['{"decision_id":"a","confidence":0.5,"segment":"gold","Amount":5}', '{"decision_id":"b","confidence":0.5}']
    path = file(tmp_path, "\n".join(lines), "a.jsonl")
    decisions, errors = outcome(path)
    assert [decision.decision_id for decision in decisions] == ["b"]
    assert [error.splitlines() for error in errors] == [
        [
            "1: segment: is no field of a decision: say --attribute (for rules), --input (for reviewers) or "
            "--ignore-unknown",
            "1: Amount: is no field of a decision; is it amount? Else say --attribute (for rules), --input "
            "(for reviewers) or --ignore-unknown",
        ]
    ]
    given = mapping(attributes={"segment": "segment"}, fields={"amount": "Amount"})
    assert outcome(path, given)[0][0].attributes == {"segment": "gold"}
    assert len(outcome(path, mapping(ignore_unknown=True))[0]) == 2


def test_columns_are_added_to_the_attributes_and_the_input_that_a_line_has(tmp_path: Path) -> None:
    line = '{"decision_id":"a","confidence":0.5,"attributes":{"x":1},"input":"{\\"y\\":2}","z":3}'
    path = file(tmp_path, line, "a.jsonl")
    ((decision,), _) = outcome(path, mapping(attributes={"z": "z"}, input=("z",)))
    assert (decision.attributes, json.loads(decision.input)) == ({"x": "1", "z": "3"}, {"y": 2, "z": 3})


def test_everything_that_is_wrong_with_a_line_is_told_at_once(tmp_path: Path) -> None:
    path = file(tmp_path, 'decision_id,confidence,amount,created_at,novel\n,high,"1.200,50",20240131,perhaps\n')
    _, (error,) = outcome(path)
    assert error.splitlines() == [
        "2: confidence: is no number (found 'high')",
        "2: amount: has a comma: say --decimal , if it separates decimals, or leave it out of thousands "
        "(found '1.200,50')",
        "2: created_at: is a number that is no time: write 2026-01-31 or 2026-01-31 10:00:00 (found '20240131')",
        "2: decision_id: is missing",
        "2: novel: is neither true nor false (found 'perhaps')",
    ]


def test_an_empty_cell_of_a_mapped_column_is_a_missing_value(tmp_path: Path) -> None:
    path = file(tmp_path, "decision_id,confidence,effect,when\na,0.5,,\n")
    ((decision,), errors) = outcome(path, mapping(fields={"impact": "effect", "created_at": "when"}))
    assert (decision.impact, errors) == ("", [])


def test_cells_may_hold_the_structures_of_a_decision_as_json(tmp_path: Path) -> None:
    path = file(tmp_path, f'{HEADER},vector,attributes\na,0.5,"[1,2]","{{""x"":1}}"\nb,0.5,"[1",\n')
    ((decision,), errors) = outcome(path)
    assert (decision.vector, decision.attributes) == ((1.0, 2.0), {"x": "1"})
    assert errors[0].startswith("3: vector: not JSON")


def test_an_id_that_stands_twice_in_a_file_is_an_error_that_names_the_first_line(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER}\na,0.5\nb,0.5\na,0.7\n")
    decisions, errors = outcome(path)
    assert [decision.confidence for decision in decisions] == [0.5, 0.5]
    assert errors == ["4: decision_id: stands in an earlier line too: line 2"]


def test_made_ids_are_the_same_for_the_same_file_and_others_for_every_other(tmp_path: Path) -> None:
    made = mapping(id_prefix="day-")
    monday = file(tmp_path, "confidence\n0.5\n0.5\n", "monday.csv")
    tuesday = file(tmp_path, "confidence\n0.5\n0.6\n", "tuesday.csv")
    first, again, next_day = (
        [decision.decision_id for decision in outcome(path, made)[0]] for path in (monday, monday, tuesday)
    )
    assert first == again
    assert len({*first, *next_day}) == 4
    assert first[0].startswith("day-")
    assert first[0].endswith("-2")
    both = file(tmp_path, f"{HEADER}\na,0.5\n")
    with pytest.raises(UsageError, match="ids stand in a column, and --id-prefix makes others"):
        outcome(both, made)
    line = file(tmp_path, '{"decision_id":"a","confidence":0.5}', "a.jsonl")
    assert outcome(line, made)[1] == ["1: decision_id: stands in the line, and --id-prefix makes others"]


def test_a_file_that_tells_no_times_has_the_same_content_whenever_it_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, f"{HEADER}\na,0.5\n")
    for written, expected in (("2025-12-31", "2025-12-31"), ("1980-01-01", "2026-01-01"), ("2026-02-01", "2026-01-01")):
        seconds = datetime.fromisoformat(f"{written}T00:00:00+00:00").timestamp()
        os.utime(path, (seconds, seconds))
        ((decision,), _) = outcome(path)
        assert decision.created_at.date().isoformat() == expected


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd.compress)]
)
def test_packed_files_are_unpacked_by_their_ending_and_damage_is_one_sentence(
    tmp_path: Path, ending: str, pack: object
) -> None:
    rows = "".join(f"{number},0.5\n" for number in range(5_000))
    packed = pack(f"{HEADER}\n{rows}".encode())  # type: ignore[operator]
    path = file(tmp_path, packed, f"a.csv.{ending}")
    assert len(outcome(path)[0]) == 5_000
    for damaged in (packed[: len(packed) // 2], b"no archive"):
        with pytest.raises(InterlockError, match=rf"cannot read .*a\.csv\.{ending}: "):
            outcome(file(tmp_path, damaged, f"a.csv.{ending}"))


def test_a_line_that_would_not_fit_into_memory_ends_the_file_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_rows, "MAX_LINE", 1_000)
    for name in ("a.csv", "a.jsonl"):
        path = file(tmp_path, f"{HEADER}\n{'x' * 2_000}\n", name)
        with pytest.raises(InterlockError, match=r"a\.\w+:2: the line has more than 1,000 characters: send one"):
            outcome(path)


def test_a_packing_that_this_python_cannot_undo_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(UsageError, match=r"need Python 3\.14 or the package backports\.zstd: pip install"):
        outcome(file(tmp_path, b"", "a.csv.zst"))


def test_ids_cannot_be_made_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="write what comes through a pipe to a file first"):
        content_hash(pipe)
