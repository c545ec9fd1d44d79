"""What `interlock schemas check` lets pass is read in both directions with the right values; the rest is refused."""

import json
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from interlock.schemas import avro_schemas, compatibility, wire, written
from tests.sinks import review_records

Fields = list[dict[str, Any]]


class Evolved:
    """The schema Resolution after changes of its fields, in a process that has pinned them."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self._patch = monkeypatch
        self._texts = {name: avro_schemas.text(name) for name in avro_schemas.NAMES}
        for name in ("text", "parsed", "parsed_plain", "fingerprint"):
            monkeypatch.setattr(avro_schemas, name, getattr(avro_schemas, name).__wrapped__)
        monkeypatch.setattr(avro_schemas, "_document", lambda name: json.loads(self._texts[name]))

    def change(self, change: Callable[[Fields], object]) -> list[str]:
        """Edits the file and pins it; what `relock` has against it."""
        document = json.loads(self._texts["Resolution"])
        change(document["fields"])
        self._texts["Resolution"] = json.dumps(document, separators=(",", ":"))
        return self._pin()

    def add_to_decision(self, field: dict[str, Any]) -> None:
        """Appends a field to Decision, also where it stands in RoutedDecision."""
        routed, decision = (json.loads(self._texts[name]) for name in ("RoutedDecision", "Decision"))
        for document in (decision, routed["fields"][-1]["type"]):
            document["fields"].append(field)
        self._texts |= {"RoutedDecision": json.dumps(routed), "Decision": json.dumps(decision)}
        assert self._pin() == []

    def _pin(self) -> list[str]:
        problems = [str(problem) for problem in compatibility.relock(self._path)]
        if not problems:
            self._patch.setattr(avro_schemas, "lock", cache(lambda: avro_schemas.read_lock(self._path.read_text())))
            self._patch.setattr(avro_schemas, "schema_id", cache(lambda name: avro_schemas.versions(name)[-1].id))
            wire.header.cache_clear()
        return problems


@pytest.fixture
def evolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield Evolved(tmp_path / "lock.json", monkeypatch)
    monkeypatch.undo()
    wire.header.cache_clear()


def _swap(fields: Fields) -> None:
    names = [field["name"] for field in fields]
    one, other = names.index("outcome"), names.index("reason_code")
    fields[one], fields[other] = fields[other], fields[one]


NEW = {"name": "colour", "type": "string", "default": "none"}
READABLE = {
    "appended": lambda fields: fields.append(NEW),
    "in the middle": lambda fields: fields.insert(3, NEW),
    "swapped": _swap,
    "nullable": lambda fields: fields.append({**NEW, "type": ["null", "double"], "default": None}),
}


@pytest.mark.parametrize("change", READABLE.values(), ids=READABLE.keys())
def test_a_change_that_is_let_pass_gets_an_id_of_its_own_and_old_and_new_records_keep_their_values(
    change: Callable[[Fields], None], evolved: Evolved
) -> None:
    before = review_records.resolution("d")
    old = wire.encode("Resolution", before)
    old_id, old_text = avro_schemas.schema_id("Resolution"), avro_schemas.text("Resolution")
    assert evolved.change(change) == []
    assert avro_schemas.schema_id("Resolution") > old_id
    assert avro_schemas.lock()[old_id].text == old_text
    assert compatibility.check() == []
    read = wire.decode_plain("Resolution", old)
    assert {name: read[name] for name in before} == before
    # The way back: the new record with the schema of the old process.
    new = wire.encode("Resolution", {**read, **before})
    writer = written.for_reading(avro_schemas.lock()[avro_schemas.schema_id("Resolution")].text)
    plain = avro_schemas.without_logical_types(json.loads(old_text))
    again = fastavro.schemaless_reader(BytesIO(new[5:]), writer, fastavro.parse_schema(plain))
    assert again == before


REFUSED = {
    "a new field without a default": (lambda fields: fields.append({"name": "x", "type": "string"}), "x"),
    "a field that old readers need is gone": (lambda fields: fields.pop(0), "cannot read what the current version"),
    "another type": (lambda fields: fields[0].update(type="long"), "cannot read"),
    "a promotion, which old readers cannot undo": (lambda fields: fields[1].update(type="double"), "cannot read"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_change_that_one_side_could_not_read_is_refused(
    change: Callable[[Fields], None], reason: str, evolved: Evolved
) -> None:
    problems = evolved.change(change)
    assert problems
    assert all(problem.startswith("Resolution: ") for problem in problems)
    assert any(reason in problem for problem in problems)


def test_every_version_must_be_readable_with_every_other_not_only_with_the_latest(evolved: Evolved) -> None:
    assert evolved.change(lambda fields: fields.append({"name": "a", "type": "int", "default": 0})) == []
    assert evolved.change(lambda fields: fields.pop()) == []  # the one before has a default for it
    problems = evolved.change(lambda fields: fields.append({"name": "a", "type": "string", "default": ""}))
    assert any("version 1" not in problem and "version 2" in problem for problem in problems)


def test_a_version_that_is_pinned_stays_as_it_is_when_the_next_one_is_pinned(evolved: Evolved) -> None:
    before = avro_schemas.lock()
    assert evolved.change(lambda fields: fields.append(NEW)) == []
    after = avro_schemas.lock()
    assert {number: after[number] for number in before} == before
    assert [(v.name, v.number) for number, v in after.items() if number not in before] == [("Resolution", 2)]


def test_docs_change_under_the_same_id(evolved: Evolved) -> None:
    assert evolved.change(lambda fields: fields[0].update(doc="Other words.")) == []
    assert avro_schemas.versions("Resolution")[-1].number == 1
    assert "Other words." in avro_schemas.versions("Resolution")[-1].text


def test_what_has_changed_and_is_not_pinned_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = {n: v for n, v in avro_schemas.lock().items() if v.name != "Control"}
    monkeypatch.setattr(avro_schemas, "lock", lambda: lock)
    assert [str(p) for p in compatibility.check()] == ["Control: is not pinned: run `interlock schemas check --relock`"]


def test_a_new_version_of_decision_has_an_id_that_no_registry_gives_to_a_schema_of_a_producer(evolved: Evolved) -> None:
    for number in (1, 2):
        evolved.add_to_decision({"name": f"new_{number}", "type": "string", "default": ""})
        assert avro_schemas.schema_id("Decision") == 1_000_000_000 + number
    assert avro_schemas.versions("RoutedDecision")[-1].id < 100
