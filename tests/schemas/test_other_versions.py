"""Old and new processes on the same topics: an upgrade, and the way back.

`records/COMMIT.jsonl` is all that the whole pipeline of that commit has written in memory: decisions, commands, tasks
that wait, verdicts, resolutions. Both wrote under the ids of today with other layouts (docs/contracts.md).
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import fastavro
import pytest

from interlock.schemas import avro_schemas, catalogue, wire
from interlock.schemas.columns import Decoder
from interlock.schemas.payload import payload_hash
from tests.schemas import pipeline_step
from tests.schemas.pipeline_step import POLICY

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CHANGED = (
    *("Decision", "RoutedDecision", "Task", "Outcome", "Resolution", "Action", "Alert"),
    *("PolicyVersion", "Control", "Reviewer", "Presence"),
)
EARLIER = sorted((HERE / "records").glob("*.jsonl"))


def _records(path: Path) -> list[tuple[str, str, bytes]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["topic"], line["key"], base64.b64decode(line["value"])) for line in lines if line["value"]]


def _schema(topic: str) -> str:
    schema = catalogue.BY_NAME[topic].schema
    assert schema is not None
    return schema


def test_records_of_at_least_two_earlier_versions_are_kept() -> None:
    assert len(EARLIER) >= 2


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_every_record_of_an_earlier_version_is_read_alone_and_in_a_batch(path: Path) -> None:
    found: Counter[str] = Counter()
    for topic, _, value in _records(path):
        schema = _schema(topic)
        record = wire.decode_plain(schema, value)
        for engine in ("pyruhvro", "fastavro"):
            decoded = Decoder(schema, avro_schemas.text(schema), engine).decode([value])
            assert decoded.bad == []
            assert decoded.rows.num_rows == 1
            if schema == "Task":
                assert decoded.rows["payload_hash"].to_pylist() == [record["payload_hash"]]
        found[schema] += 1
    assert found.keys() >= {"Decision", "RoutedDecision", "Task", "Outcome", "Resolution", "TrainingExample"}


def test_what_an_earlier_version_did_not_write_has_its_default_and_the_rest_its_value() -> None:
    first = next(path for path in EARLIER if path.stem == "67c142c")
    for topic, key, value in _records(first):
        if topic == "reviews.tasks":
            task = wire.decode_plain("Task", value)
            assert (task["task_id"], task["effect"], task["partition"]) == (key, 0, 0)
            assert task["topic"] in ("reviews.async", "reviews.sync")
            assert len(task["payload_hash"]) == 32
        if topic == "reviews.outcomes":
            outcome = wire.decode_plain("Outcome", value)
            assert (outcome["decision_id"], outcome["settled_before"]) == (key, None)


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_a_desk_restores_the_tasks_of_an_earlier_version_and_they_can_be_decided(path: Path) -> None:
    topology = pipeline_step.go_on("new", [str(path)])
    before = {key for topic, key, _ in _records(path) if topic == "reviews.tasks"}
    assert before <= topology.tasks().keys()
    pipeline_step.judge(topology, "open")
    assert topology.tasks()["open"]["state"] == "done"
    assert topology.messages("dead-letter") == []


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code as a later version: schemas have a new field, and two that changed places."""
    root = tmp_path_factory.mktemp("newer")
    for folder in ("interlock", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "sinks" if folder == "tests" else "demo")
        shutil.copytree(ROOT / folder, root / folder, symlinks=False, ignore=ignored)
    for path in sorted((root / "interlock/schemas/avro").glob("*.avsc")):
        if path.stem in CHANGED:
            document = json.loads(path.read_text())
            path.write_text(json.dumps(_changed(document)))
    pinned = "from interlock.schemas import compatibility; print(*compatibility.relock())"
    assert _run(root, "-c", pinned).strip() == ""
    return root


def _changed(document: dict[str, Any]) -> dict[str, Any]:
    # The first and the last of a decision stand in fixed places; those between may move.
    fields = document["fields"]
    if document["name"] == "RoutedDecision":
        fields[-1]["type"] = _changed(fields[-1]["type"])
    fields.insert(1, {"name": "since_then", "type": "string", "default": ""})
    fields[2], fields[3] = fields[3], fields[2]
    return document


def _run(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-P", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_later_version_still_reads_both_layouts_of_an_id(newer: Path) -> None:
    script = (
        "import base64, json, sys; from interlock.schemas import wire; "
        "print(*[wire.decode_plain('Task', base64.b64decode(r['value']))['effect'] for p in sys.argv[1:] "
        "for r in map(json.loads, open(p)) if r['topic'] == 'reviews.tasks'])"
    )
    effects = _run(newer, "-c", script, *map(str, EARLIER)).split()
    tasks = [value for path in EARLIER for topic, _, value in _records(path) if topic == "reviews.tasks"]
    assert effects == [str(wire.decode_plain("Task", value)["effect"]) for value in tasks]


def _step(root: Path, prefix: str, target: Path, *inputs: Path) -> Path:
    script = root / "tests/schemas/pipeline_step.py"
    _run(root, str(script), prefix, str(target), *map(str, inputs))
    return target


def _ids(path: Path, topic: str) -> set[int]:
    return {int.from_bytes(value[1:5], "big") for name, _, value in _records(path) if name == topic}


def test_an_upgrade_and_the_way_back_lose_nothing_and_misread_nothing(newer: Path, tmp_path: Path) -> None:
    assert POLICY.exists()
    old = _step(ROOT, "one", tmp_path / "old.jsonl", EARLIER[0])
    upgraded = _step(newer, "two", tmp_path / "upgraded.jsonl", old)
    current, later = avro_schemas.schema_id("Task"), max(_ids(upgraded, "reviews.tasks"))
    assert later > max(avro_schemas.lock())
    assert _ids(upgraded, "reviews.tasks") == {*_ids(EARLIER[0], "reviews.tasks"), current, later}
    assert _ids(upgraded, "decisions") == {avro_schemas.schema_id("Decision"), max(_ids(upgraded, "decisions"))}

    # The old version goes on from what the new one has written.
    back = pipeline_step.go_on("three", [str(upgraded)])
    assert back.messages("dead-letter") == []
    tasks = back.tasks()
    assert {"open", "one-1", "one-2", "two-1", "two-2", "three-1", "three-2"} <= tasks.keys()
    assert {tasks[name]["state"] for name in ("one-1", "two-1")} == {"done"}
    assert tasks["two-2"]["amount"] == 30.0
    assert (tasks["two-2"]["model_id"], tasks["two-2"]["prediction"]) == ("m", "approve")
    pipeline_step.judge(back, "two-2")
    assert [(r["version"], r["outcome"]) for r in back.resolutions("two-2")] == [(1, "approve")]
    # What the router of the new version has written is shown as it stands, and judged by its hash.
    routed = {payload_hash(message.value() or b"") for message in back.messages("reviews.async")}
    assert tasks["two-2"]["payload_hash"] in routed
    rolled_back = tmp_path / "back.jsonl"
    pipeline_step.save(back, rolled_back)

    again = _step(newer, "four", tmp_path / "again.jsonl", rolled_back)
    assert not [topic for topic, _, _ in _records(again) if topic == "dead-letter"]
    decided = {key for topic, key, value in _records(again) if topic == "resolutions" and value}
    assert {"one-1", "two-1", "two-2", "four-1"} <= decided


@pytest.fixture(scope="module")
def of_newer(newer: Path) -> list[tuple[str, str, bytes]]:
    return _records(_step(newer, "two", newer / "records.jsonl"))


def test_without_a_record_of_its_schema_a_newer_record_is_refused_with_what_it_is(
    of_newer: list[tuple[str, str, bytes]],
) -> None:
    value = next(value for topic, key, value in of_newer if topic == "decisions" and key == "two-1")
    with pytest.raises(wire.WireError, match=r"schema id \d+ is not Decision \(id 1\), nor a version of it") as caught:
        wire.decode("Decision", value)
    assert caught.value.reason == "unknown-schema"


def test_the_schema_that_a_newer_version_records_is_the_one_it_writes(of_newer: list[tuple[str, str, bytes]]) -> None:
    schemas = {key: wire.decode("SchemaVersion", value) for topic, key, value in of_newer if topic == "schemas"}
    for topic, _, value in of_newer:
        entry = schemas[f"interlock/{int.from_bytes(value[1:5], 'big')}"]
        assert entry["name"] == f"interlock.{_schema(topic)}"
        assert fastavro.parse_schema(json.loads(entry["schema"]))
