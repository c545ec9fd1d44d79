"""`interlock produce --explain` proposes a mapping that works when it is saved, and says what is missing."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interlock.produce.formats import open_rows
from interlock.produce.layout import Layout
from interlock.produce.mapping import ColumnMapping, extended, load_mapping
from interlock.produce.proposal import propose
from interlock.produce.recognition import recognised
from interlock.schemas.models import Decision
from tests.interlock.produce.files import CONSTANTS, NOW, outcome

SETS = [f"{name}={value}" for name, value in CONSTANTS.items()]


def proposed(path: Path, mapping: ColumnMapping | None = None) -> tuple[str, ColumnMapping]:
    """The text, and the mapping that it is when it was saved."""
    mapping = mapping or ColumnMapping()
    with open_rows(path, mapping.layout) as rows:
        text = propose(rows, mapping, NOW)
    saved = path.with_suffix(".yaml")
    saved.write_text(text)
    return text, load_mapping(saved)


def test_a_table_is_taken_as_it_stands_once_the_proposal_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(
        "Claim No;Ergebnis;Konfidenz;Betrag;created;age;yes\nC-1;reject;0,97;1.200,50;2026-01-01 10:00;41;a\n"
    )
    text, mapping = proposed(path, extended(ColumnMapping(), sets=[*SETS[:3], "model_id=x: y"]))
    ((decision,), errors) = outcome(path, mapping)
    assert errors == []
    assert (decision.decision_id, decision.prediction, decision.confidence) == ("C-1", "reject", 0.97)
    assert (decision.amount, decision.created_at) == (1200.5, datetime(2026, 1, 1, 10, tzinfo=UTC))
    assert (decision.model_id, decision.model_version) == ("x: y", "1")
    assert decision.input == '{"age":"41","yes":"a"}'
    assert text.startswith("# Proposed for ")
    assert '\nfields:\n  decision_id: "Claim No"\n' in text
    assert text.endswith('decimal: ","\n')


def test_what_no_column_gives_is_left_to_be_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("score\n0.5\n0.5\n")
    text, mapping = proposed(path)
    assert "# set:\n#   domain:\n#   model_id:\n#   model_version:\n#   prediction:\n" in text
    filled = re.sub(r"^#   (\w+):$", r"  \1: x", text.replace("# set:", "set:"), flags=re.MULTILINE)
    path.with_suffix(".yaml").write_text(filled)
    decisions, errors = outcome(path, load_mapping(path.with_suffix(".yaml")))
    assert (len({decision.decision_id for decision in decisions}), errors) == (2, [])
    assert decisions[0].decision_id.startswith("a-")
    assert mapping.id_prefix == "a-"


def test_a_name_whose_values_say_otherwise_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("case,score,value,ts\n1,85,high,31.01.2024\n1,90,low,x\n")
    text, mapping = proposed(path)
    assert mapping.fields == {}
    assert mapping.input == ("case", "score", "value", "ts")
    for doubt in (
        "'case' sounds like decision_id, but its values repeat.",
        "'score' sounds like confidence, but '85' is not between 0 and 1.",
        "'value' sounds like amount, but 'high' is no number.",
        "'ts' sounds like created_at, but '31.01.2024' is no time",
    ):
        assert f"# {doubt}" in text


def test_a_few_slips_do_not_hide_what_a_column_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("case,score\n1,85\n" + "".join(f"{number},0.5\n" for number in range(2, 21)))
    text, mapping = proposed(path)
    assert mapping.fields == {"decision_id": "case", "confidence": "score"}
    assert "# 'score' is taken for confidence, but in 1 of 20 rows '85' is not between 0 and 1." in text


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lines_of_json_and_typed_tables_are_proposed_for_too(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        path.write_text('{"id":1,"confidence":0.5,"segment":"gold"}\nrubbish\n{"id":2,"confidence":0.6,"x":[1]}\n')
    else:
        pq.write_table(
            pa.table({"id": [1, 2], "confidence": [0.5, 0.6], "segment": ["gold", ""], "x": [[1], [2]]}), path
        )
    text, mapping = proposed(path, extended(ColumnMapping(), sets=SETS))
    assert ("1 more rows cannot be read; --dry-run says why." in text) == (ending == "jsonl")
    assert "Named as fields, and taken as such: confidence." in text
    assert mapping.input == ("segment", "x")
    assert [decision.decision_id for decision in outcome(path, mapping)[0]] == ["1", "2"]


def test_a_file_that_needs_no_mapping_gets_one_that_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("decision_id,confidence,domain,model_id,model_version,prediction\na,0.5,d,m,1,p\n")
    text, mapping = proposed(path)
    assert text.endswith("\nfields: {}\n")
    assert mapping == ColumnMapping()


def test_a_date_of_birth_is_no_time_of_a_decision(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date\n1990-01-31\n")
    assert "# 'date' sounds like created_at, but '1990-01-31' is before the year 2000" in proposed(path)[0]


def test_what_was_said_on_the_command_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("score|Größe|id\n0.5|x|1\n".encode("cp1252"))
    layout = Layout(delimiter="|", encoding="cp1252", timezone="Europe/Berlin")
    given = ColumnMapping(
        attributes={"size": "Größe"}, ignore=("id",), ignore_unknown=True, id_prefix="7", layout=layout
    )
    _, mapping = proposed(path, given)
    assert mapping == ColumnMapping(
        fields={"confidence": "score"},
        attributes={"size": "Größe"},
        ignore=("id",),
        ignore_unknown=True,
        id_prefix="7",
        layout=layout,
    )


@pytest.mark.parametrize("name", ["yes", "~", "1e-2", "a: b", "a #b", "7", "", "'", '"', "\ud83d", "ü", "- a", "{a}"])
def test_names_of_any_form_are_read_back_as_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    _, mapping = proposed(path, ColumnMapping(constants={"model_id": name}, attributes={"a": name}))
    assert (mapping.constants["model_id"], mapping.attributes["a"]) == (name.replace("\ud83d", "�"),) * 2


def test_an_exact_name_is_surer_than_a_word_and_a_word_surer_than_a_misspelling() -> None:
    columns = ["predicton", "label", "prediction", "Confidence", "score", "descision-id", "id"]
    assert recognised(columns, Decision.model_fields) == {
        "prediction": "prediction",
        "confidence": "Confidence",
        "decision_id": "id",
    }
