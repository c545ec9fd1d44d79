"""docs/producing.md tells the fields of a decision and the keys of a mapping as they are."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.produce.layout import _FORMAT_OF_ENDING, COMPRESSIONS
from interlock.produce.mapping import KEYS, load_mapping
from interlock.produce.proposal import SAMPLE_ROWS
from interlock.schemas import json_text
from interlock.schemas.models import MAX_ID_BYTES, MAX_STRING_BYTES, Decision
from tests.docs.commands import ROOT, blocks

PAGE = (ROOT / "docs/producing.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "interlock/schemas/avro/Decision.avsc").read_text(encoding="utf-8"))

# The words of the page for the types of the schema. `input` is JSON in a text.
TYPES = {
    "string": "text",
    "double": "number",
    '["null", "double"]': "number",
    "boolean": "true or false",
    "long": "time",
    "map": "map of text",
    "array": "list",
    "record": "object",
}


def rows(first: str) -> list[list[str]]:
    """The rows of the table whose first column is called so."""
    found = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def kind(name: str, declared: Any) -> str:
    if name == "input":
        return "JSON object"
    if name == "vector":
        return "list of numbers"
    if isinstance(declared, dict):
        declared = declared["type"]
    return TYPES[declared if isinstance(declared, str) else json.dumps(declared)]


def test_the_table_of_fields_is_that_of_the_schema_and_of_what_is_needed() -> None:
    shown = [(name.strip("`"), type_, needed) for name, type_, needed, _ in rows("field")]
    needed = {name: "yes" if field.is_required() else "" for name, field in Decision.model_fields.items()}
    needed["created_at"] = "or file"
    assert shown == [
        (field["name"], kind(field["name"], field["type"]), needed[field["name"]]) for field in SCHEMA["fields"]
    ]
    assert [name for name, _, _ in shown] == list(Decision.model_fields)


def test_the_parts_of_structures_are_named_with_all_their_fields() -> None:
    meanings = {name.strip("`"): meaning for name, _, _, meaning in rows("field")}

    def parts(model: Any) -> list[str]:
        names = []
        for name, field in model.model_fields.items():
            names.append(name)
            for inner in get_args(field.annotation):
                names += parts(inner) if hasattr(inner, "model_fields") else []
        return names

    for name in ("alternatives", "explanation", "history"):
        annotation = Decision.model_fields[name].annotation
        model = annotation if hasattr(annotation, "model_fields") else get_args(annotation)[0]
        assert re.findall(r"`(\w+)`", meanings[name]) == parts(model)


def test_limits_are_those_of_the_code() -> None:
    assert f"1 to {MAX_ID_BYTES} bytes" in PAGE
    assert f"at most {MAX_STRING_BYTES // 1024} KiB" in PAGE
    assert f"up to {json_text.MAX_DEPTH} levels" in PAGE
    assert f"first {SAMPLE_ROWS:,} rows" in PAGE


def test_every_key_of_a_mapping_has_its_row_and_every_ending_is_named() -> None:
    assert [re.match(r"`(\w+):", first)[1] for first, *_ in rows("key of a mapping file")] == list(KEYS)  # type: ignore[index]
    assert {ending for first, _ in rows("ending") for ending in re.findall(r"`(\.\w+)`", first)} == set(
        _FORMAT_OF_ENDING
    )
    for ending in COMPRESSIONS:
        assert f"`{ending}`" in PAGE


def test_the_mapping_that_is_shown_and_every_row_of_the_table_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "columns.yaml"
    (shown,) = blocks(PAGE, "yaml")
    for text in [shown, *(re.match(r"`(.*?)`", first)[1] for first, *_ in rows("key of a mapping file"))]:  # type: ignore[index]
        path.write_text(text)
        load_mapping(path)


def test_what_the_page_shows_of_wrong_lines_is_what_the_command_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (table,) = blocks(PAGE, "csv")
    Path("claims.csv").write_text(table)
    constants = "domain: d, model_id: m, model_version: 1, prediction: p"
    Path("columns.yaml").write_text(f"fields: {{decision_id: claim_no, confidence: score}}\nset: {{{constants}}}")
    (shown,) = blocks(PAGE, "console")
    command, _, answer = shown.removeprefix("$ interlock ").partition("\n")
    done = CliRunner().invoke(app, shlex.split(command), catch_exceptions=False)
    assert done.exit_code == 1
    assert sorted(done.output.splitlines()) == sorted(answer.splitlines())
