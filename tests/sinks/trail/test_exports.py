"""A file of the trail proves its records to whoever trusts the key, without ClickHouse."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.errors import InterlockError
from interlock.operations import trail_export
from interlock.platform.trail_keys import Ed25519Signer
from interlock.sinks.trail.anchors import Proved, proved, signed_anchor
from tests.sinks.sink_world import World

pytestmark = pytest.mark.warehouse

KEY, OTHER = Ed25519Signer(bytes(32)), Ed25519Signer(bytes([1]) * 32)
NOW = 1_767_225_600_000_000

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def world(own: Client, run_id: str) -> World:
    return World(run_id, own)


def settled(world: World) -> Proved:
    """Decisions in ClickHouse, all of them signed but the latest ones."""
    anchors: list[dict[str, Any]] = []
    writer = world.writer()
    for _ in range(2):
        world.pipeline(12)
        world.settle(writer)
        previous = anchors[-1]["anchor_id"] if anchors else ""
        anchors.append(signed_anchor(KEY, writer.heads, name="sink-1", previous=previous, now=NOW + len(anchors)))
    world.pipeline(6)
    world.settle(writer)
    return proved(anchors, [KEY.public_key])


def exported(world: World, found: Proved, path: Path, number: int) -> trail_export.Exported:
    places = trail_export.places_of_decision(world.client, f"{world.name}-{number}")
    return trail_export.export(world.client, places, found, path, {"decision": f"{world.name}-{number}"})


def edited(path: Path, name: str, edit: Callable[[str], str]) -> Path:
    """A copy of the file with another content of `name`, and a manifest that agrees."""
    copy = path.with_name("edited.zip")
    with zipfile.ZipFile(path) as archive:
        content = {each: archive.read(each).decode() for each in archive.namelist()}
    content[name] = edit(content[name])
    manifest = json.loads(content["manifest.json"])
    manifest["files"] = {each: hashlib.sha256(content[each].encode()).hexdigest() for each in manifest["files"]}
    content["manifest.json"] = json.dumps(manifest)
    with zipfile.ZipFile(copy, "w") as archive:
        for each, text in content.items():
            archive.writestr(each, text)
    return copy


def test_the_records_of_a_decision_are_proved_by_the_file_alone(world: World, tmp_path: Path) -> None:
    found = settled(world)
    path = tmp_path / "decision.zip"
    done = exported(world, found, path, 2)
    assert (done.records, done.unsigned, done.before) == (5, 0, 0)
    checked = trail_export.check(path, KEY.public_key)
    assert (checked.ok, checked.records, checked.unsigned) == (True, 5, 0)
    assert checked.about == {"decision": f"{world.name}-2"}
    with zipfile.ZipFile(path) as archive:
        rows = [json.loads(line)["row"] for line in archive.read("records.jsonl").decode().splitlines()]
    assert {row["kafka_topic"] for row in rows} >= {"decisions", "reviews.sync", "reviews.tasks", "reviews.outcomes"}
    assert next(row for row in rows if row["kafka_topic"] == "decisions")["attributes"] == [
        ["country", "DE"],
        ["age", "40"],
    ]

    assert not trail_export.check(path, OTHER.public_key).ok

    def tampered(line: str) -> str:
        return line.replace('"outcome": "approve"', '"outcome": "reject"', 1)

    (problem, *_) = trail_export.check(edited(path, "records.jsonl", tampered), KEY.public_key).problems
    assert "the record is not the one that was stored" in problem

    def with_a_false_twin(text: str) -> str:
        first, *others = text.splitlines(keepends=True)
        return "".join([first.replace('"domain": "', '"domain": "other', 1), first, *others])

    twice = trail_export.check(edited(path, "records.jsonl", with_a_false_twin), KEY.public_key)
    assert "a record of segment 0 stands twice, or behind a later one" in twice.problems

    def with_a_field_of_no_table(text: str) -> str:
        return text.replace('"row": {', '"row": {"approved_by": "ann", ', 1)

    (problem,) = trail_export.check(edited(path, "records.jsonl", with_a_field_of_no_table), KEY.public_key).problems
    assert "the line is not the one that was exported" in problem

    def other_digest(text: str) -> str:
        manifest = json.loads(text)
        digests = manifest["segments"][0]["digests"]
        manifest["segments"][0]["digests"] = ("B" if digests[0] == "A" else "A") + digests[1:]
        return json.dumps(manifest)

    assert not trail_export.check(edited(path, "manifest.json", other_digest), KEY.public_key).ok
    assert not trail_export.check(
        edited(path, "anchors.jsonl", lambda text: text.replace("0", "1", 1)), KEY.public_key
    ).ok
    assert not trail_export.check(edited(path, "anchors.jsonl", lambda _: ""), KEY.public_key).ok

    # What nobody has signed yet is in the file, and told.
    late = exported(world, found, path, 26)
    assert (late.records, late.unsigned) == (5, 5)
    checked = trail_export.check(path, KEY.public_key)
    assert (checked.ok, checked.unsigned) == (True, 5)

    since = trail_export.places_since(world.client, datetime(2020, 1, 1, tzinfo=UTC))
    everything = trail_export.export(world.client, since, found, path, {"since": "2020"})
    assert everything.records == sum(world.in_kafka().values())
    assert trail_export.check(path, KEY.public_key).ok

    with pytest.raises(trail_export.NothingToExportError, match=r"no record \(decision nobody\)"):
        trail_export.export(
            world.client, trail_export.places_of_decision(world.client, "nobody"), found, path, {"decision": "nobody"}
        )


def test_a_file_that_is_no_export_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with pytest.raises(InterlockError, match="cannot be read"):
        trail_export.check(path, KEY.public_key)
    path.write_bytes(b"no archive")
    with pytest.raises(InterlockError, match="is no export"):
        trail_export.check(path, KEY.public_key)
