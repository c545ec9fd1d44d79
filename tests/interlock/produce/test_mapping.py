"""Mapping files are YAML 1.2, and an error in one names its line."""

from pathlib import Path

import pytest

from interlock.errors import UsageError
from interlock.produce.layout import Layout
from interlock.produce.mapping import ColumnMapping, extended, load_mapping


def load(tmp_path: Path, text: str) -> ColumnMapping:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    return load_mapping(path)


def test_yes_and_no_are_texts_and_numbers_may_be_versions(tmp_path: Path) -> None:
    mapping = load(
        tmp_path, "set: {prediction: yes, jurisdiction: NO, model_version: 7, novel: true}\nattributes: {on: 1}"
    )
    assert mapping.constants == {"prediction": "yes", "jurisdiction": "NO", "model_version": 7, "novel": True}
    assert mapping.attributes == {"on": "1"}


def test_a_mapping_says_how_the_file_is_written_and_the_command_line_overrides_it(tmp_path: Path) -> None:
    mapping = load(tmp_path, "{delimiter: tab, encoding: cp1252, decimal: ',', timezone: Europe/Berlin, format: csv}")
    layout = Layout("csv", "\t", "cp1252", ",", "Europe/Berlin")
    assert mapping.layout == layout
    assert extended(mapping, encoding="utf-8", delimiter="\\t").layout == Layout(
        "csv", "\t", "utf-8", ",", "Europe/Berlin"
    )
    assert extended(mapping).layout == layout


def test_lists_name_columns_that_keep_their_names(tmp_path: Path) -> None:
    mapping = load(tmp_path, "attributes: [age, 7]\ninput: [age]\nignore: [truth]\nignore_unknown: true\nid_prefix: 7")
    assert mapping.attributes == {"age": "age", "7": "7"}
    assert (mapping.input, mapping.ignore, mapping.ignore_unknown, mapping.id_prefix) == (
        ("age",),
        ("truth",),
        True,
        "7",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields: {amount: a}\ncolums: {}", r"mapping\.yaml:2: colums: unknown key \(known: fields, set, "),
        (
            "set:\n  confidense: 1",
            r"mapping\.yaml:2: set\.confidense: a decision has no such field \(did you mean conf",
        ),
        ("fields: [amount]", r"mapping\.yaml:1: fields: write a mapping, such as {amount: Betrag}"),
        ("fields:\n  amount: [a]", r"mapping\.yaml:2: fields\.amount: write the name of a column"),
        ("\ninput: age", r"mapping\.yaml:2: input: write a list of columns, such as \[age, region\]"),
        ("ignore_unknown: yes", r"mapping\.yaml:1: ignore_unknown: write true or false"),
        ("id_prefix: [a]", r"mapping\.yaml:1: id_prefix: write a text"),
        ("decimal: ';'", r"mapping\.yaml: decimal ';': write \. or ,"),
        ("format: xml", r"mapping\.yaml: format 'xml': write one of csv, jsonl, parquet"),
        ("timezone: Mars", r"mapping\.yaml: unknown time zone 'Mars'; write a name such as Europe/Berlin"),
        ("fields: {amount: a}\nfields: {}", r"mapping\.yaml:2: fields: appears twice"),
        ("- a", r"mapping\.yaml:1: a mapping is YAML with fields, set, attributes, input, ignore, "),
        ("", r"mapping\.yaml:1: a mapping is YAML with fields"),
        ("a: [" * 200, r"mapping\.yaml:1: not YAML: nested too deeply"),
        ('fields: {amount: "\\ud83d"}', r"mapping\.yaml:1: fields\.amount: holds half a character"),
    ],
)
def test_an_error_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, text)


def test_a_mapping_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the mapping .*none\.yaml: No such file"):
        load_mapping(tmp_path / "none.yaml")
    path = tmp_path / "a.yaml"
    path.write_bytes(b"fields: {amount: \xff}")
    with pytest.raises(UsageError, match=r"the mapping .*a\.yaml is not UTF-8 text: byte 0xFF"):
        load_mapping(path)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"maps": ["confidence"]}, "--map 'confidence': write FIELD=COLUMN"),
        ({"sets": ["confidence"]}, "--set 'confidence': write FIELD=VALUE"),
        ({"maps": ["confidense=a"]}, r"--map: a decision has no field 'confidense' \(did you mean confidence\?\)"),
    ],
)
def test_options_that_are_no_pairs_of_fields_are_refused(option: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        extended(ColumnMapping(), **option)  # type: ignore[arg-type]
