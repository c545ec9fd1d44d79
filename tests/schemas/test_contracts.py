"""What the contracts promise: pinned ids, compatibility, and edge models that agree with the Avro schemas."""

import json
import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock.processors.desk.desk import HANDLERS
from interlock.processors.desk.reading import MAX_QUORUM
from interlock.processors.desk.stream_clock import TICK
from interlock.schemas import avro_schemas, catalogue, compatibility, wire
from interlock.schemas.models import Decision

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (1971, 2100))
MINIMAL: dict[str, Any] = {
    "decision_id": "d",
    "domain": "loans",
    "model_id": "m",
    "model_version": "1",
    "prediction": "approve",
    "confidence": 0.5,
    "created_at": NOW,
}


# Never edit a line: records with these ids may be in any Kafka. A new version is a new line.
RELEASED = {
    1: ("Decision", "459db3a1"),
    2: ("RoutedDecision", "d61e2ad4"),
    3: ("DeadLetter", "c8df8f15"),
    4: ("PolicyVersion", "eee4f30a"),
    5: ("Control", "63d24f78"),
    6: ("CalibrationModel", "e27433f0"),
    7: ("Command", "84b68349"),
    8: ("CommandReply", "02f31720"),
    9: ("Task", "4d46e2ae"),
    10: ("Outcome", "4410cbe0"),
    11: ("Resolution", "3cd98d95"),
    12: ("Action", "48894eab"),
    13: ("Alert", "f1882479"),
    14: ("Reviewer", "932f00ec"),
    15: ("Presence", "e874f9cc"),
    16: ("TrainingExample", "e5c2d356"),
    17: ("RetrainingRequest", "beecfb89"),
    18: ("CalibrationReport", "0ab202e0"),
    19: ("DriftSignal", "0dfdae10"),
    20: ("Proposal", "4428ce71"),
    21: ("SchemaVersion", "69a74ed3"),
    22: ("ActionSequence", "85595099"),
    23: ("Access", "93c36290"),
    24: ("Viewing", "d92ff69c"),
    25: ("Command", "b8f1e21c"),
    26: ("Task", "c706bfd6"),
    27: ("Task", "cb8bfcf7"),
    28: ("RoutedDecision", "8b58c387"),
    29: ("Task", "9001b339"),
    30: ("Presence", "cf44744e"),
    31: ("Task", "99bda177"),
    32: ("Task", "63e98f1f"),
    33: ("Task", "e21c8ed6"),
    34: ("RoutedDecision", "921aee84"),
    35: ("Task", "6888ff83"),
    36: ("Task", "1247ba6b"),
    37: ("RoutedDecision", "8079ace5"),
    38: ("PolicyVersion", "4cd8c647"),
    39: ("PolicyCandidate", "6960ebe8"),
    40: ("RoutedDecision", "50606ad0"),
    41: ("Command", "08cb1424"),
    42: ("Task", "bc2f6a30"),
    43: ("Outcome", "70acdd74"),
    44: ("AuditAnchor", "a0f5149c"),
    45: ("Action", "7e872b83"),
    46: ("Task", "dd6fe68c"),
    47: ("Outcome", "57f966d9"),
    48: ("KeyEvent", "a0511a4f"),
    49: ("RoutedDecision", "0630ed87"),
    50: ("Task", "7e7e38dd"),
    51: ("TrainingExample", "e301ca07"),
    52: ("Outcome", "ff67b9e5"),
    53: ("Tally", "8f142161"),
    54: ("TrainingExample", "b71f3471"),
    55: ("RetrainingRequest", "730bb680"),
    56: ("LaneProgress", "75221eed"),
    57: ("TrainingExample", "ea84d1ee"),
    58: ("LaneProgress", "091cdf5f"),
    59: ("RetrainingRequest", "ffb0aa15"),
    60: ("TrainingExample", "1f5b9e0c"),
    61: ("LaneProgress", "ddadbf79"),
    62: ("Outcome", "275f1dbe"),
    63: ("RetrainingRequest", "97e67d0d"),
}


def test_the_schemas_are_compatible_with_the_lock() -> None:
    assert compatibility.check() == []


def test_ids_are_pinned_for_good() -> None:
    pinned = {number: (version.name, version.fingerprint[:8]) for number, version in avro_schemas.lock().items()}
    assert pinned | RELEASED == pinned
    assert pinned.keys() == RELEASED.keys()


def test_every_schema_file_can_be_parsed_alone() -> None:
    for path in files("interlock.schemas").joinpath("avro").iterdir():
        assert fastavro.parse_schema(json.loads(path.read_text()))
    assert {path.name for path in files("interlock.schemas").joinpath("avro").iterdir()} == {
        f"{name}.avsc" for name in avro_schemas.NAMES
    }


def test_defaults_of_records_are_spelled_out_because_some_libraries_do_not_fill_them() -> None:
    for field in json.loads(avro_schemas.text("Decision"))["fields"]:
        if isinstance(field["type"], dict) and field["type"]["type"] == "record":
            assert field["default"].keys() == {inner["name"] for inner in field["type"]["fields"]}


def test_every_record_and_topic_says_what_it_is() -> None:
    for name in avro_schemas.NAMES:
        assert json.loads(avro_schemas.text(name))["doc"]
    for topic in catalogue.TOPICS:
        assert topic.doc
        assert topic.config()["cleanup.policy"] == topic.cleanup


def test_the_topics_of_the_data_flow_are_there() -> None:
    assert {topic.name for topic in catalogue.ROUTE_TOPICS} == {
        "decisions.auto-approved",
        "reviews.async",
        "reviews.sync",
        "reviews.manual",
    }
    compacted = {topic.name for topic in catalogue.TOPICS if topic.is_compacted}
    assert compacted == {
        "policies",
        "controls",
        "calibration.models",
        "actions.sequences",
        "reviewers",
        "reviews.tasks",
        "reviews.presence",
        "reviews.tallies",
        "resolutions",
        "policies.candidates",
        "proposals",
        "proposals.progress",
        "schemas",
        "access",
    }


def test_what_one_desk_reads_and_remembers_has_one_partition() -> None:
    written = ("reviews.tasks", "reviews.presence", "reviews.tallies")
    read = ("reviews.async", "reviews.sync", "reviews.manual", "reviews.commands")
    assert {catalogue.BY_NAME[name].partitions for name in (*written, *read)} == {1}


def test_the_edge_model_has_exactly_the_fields_of_the_schema() -> None:
    fields = [field["name"] for field in json.loads(avro_schemas.text("Decision"))["fields"]]
    assert list(Decision.model_fields) == fields


_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    st.fixed_dictionaries(
        {
            "decision_id": _TEXT.filter(lambda text: 0 < len(text.encode()) <= 200),
            "confidence": st.floats(0, 1),
            "amount": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "created_at": st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)),
            "novel": st.booleans(),
            "attributes": st.dictionaries(_TEXT, _TEXT, max_size=3),
            "vector": st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=3).map(tuple),
            "alternatives": st.lists(
                st.builds(lambda o, c: {"option": o, "confidence": c, "pros": (o,)}, _TEXT, st.floats(0, 1)), max_size=2
            ),
        }
    )
)
def test_a_decision_survives_the_wire(fields: dict[str, Any]) -> None:
    decision = Decision.model_validate({**MINIMAL, **fields})
    assert Decision.from_record(wire.decode("Decision", wire.encode("Decision", decision.to_record()))) == decision


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"decision_id": ""}, "decision_id"),
        ({"decision_id": "é" * 101}, "decision_id"),
        ({"confidence": 1.01}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"created_at": NOW.replace(tzinfo=None)}, "created_at"),
        ({"amount": float("inf")}, "amount"),
        ({"jurisdiction": "x" * 10_000}, "jurisdiction"),
        ({"input": "[1]"}, "input"),
        ({"input": "{"}, "input"),
        ({"attributes": {"a": [1]}}, "attributes"),
        ({"colour": "red"}, "colour"),
        ({"model_id": ""}, "model_id"),
    ],
)
def test_a_wrong_decision_is_refused_and_the_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Decision.model_validate({**MINIMAL, **fields})
    assert field in {error["loc"][0] for error in caught.value.errors()}


def test_attributes_become_the_text_that_policies_read() -> None:
    given_values = {"age": 42, "score": 0.25, "whole": 3.0, "member": True, "name": "x"}
    decision = Decision.model_validate({**MINIMAL, "attributes": given_values})
    assert decision.attributes == {"age": "42", "score": "0.25", "whole": "3", "member": "true", "name": "x"}


def test_the_input_may_be_given_as_an_object() -> None:
    assert Decision.model_validate({**MINIMAL, "input": {"a": "é"}}).input == '{"a":"é"}'


def test_the_schema_of_a_command_names_every_kind_that_there_is() -> None:
    fields = {field["name"]: field for field in avro_schemas.parsed("Command")["fields"]}
    kinds, _, desk_itself = fields["kind"]["doc"].partition(";")
    assert sorted(re.split(r", | or ", kinds)) == sorted(HANDLERS)
    assert f"or {TICK}," in desk_itself


def test_the_contracts_say_how_many_people_can_be_demanded_at_most() -> None:
    page = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text()
    assert f"one above {MAX_QUORUM}, which" in page
    assert "`implausible-quorum`" in page
