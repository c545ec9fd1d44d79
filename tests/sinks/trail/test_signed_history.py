"""Whoever can write ClickHouse and has not the signing key cannot replace what was signed."""

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import subject
from interlock.encryption.master import KEY_BYTES, LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.operations import trail_export
from interlock.platform.trail_keys import Ed25519Signer
from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks.rows import TARGETS
from interlock.sinks.trail.anchors import Proved, proved, signed_anchor
from interlock.sinks.trail.chains import chains, stored_rows
from interlock.sinks.trail.links import linked
from interlock.sinks.trail.stored import shape_of
from interlock.sinks.trail.verification import Verification, verify
from interlock.sinks.writer import SinkWriter
from tests.sinks.sink_world import OUTCOMES, TASKS, TOPICS, World

pytestmark = pytest.mark.warehouse

KEY = Ed25519Signer(bytes(32))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def filled(name: str, client: Client, count: int = 12) -> tuple[World, SinkWriter]:
    world = World(name, client)
    world.pipeline(count)
    writer = world.writer()
    world.settle(writer)
    return world, writer


def signed(writer: SinkWriter, now: datetime = NOW) -> dict[str, Any]:
    return signed_anchor(KEY, writer.heads, name="sink-1", previous="", now=int(now.timestamp() * 1e6))


def verified(world: World, *anchors: dict[str, Any], days: int | None = None, **asked: Any) -> Verification:
    return verify(
        world.client,
        proved(anchors, [KEY.public_key]) if anchors else Proved(),
        now=NOW + timedelta(days=2),
        kept_days=dict.fromkeys((target.table for target in TARGETS.values()), days),
        in_kafka={topic: (world.name, world.partitions_of(topic)) for topic in TOPICS},
        **asked,
    )


def forge(client: Client, topic: str) -> None:
    """Changes the oldest row of the first partition of `topic`, and computes the whole chain anew."""
    (chain, *_) = [extent.chain for extent in chains(client, [topic])]
    shape = shape_of(client, chain.table)
    (rows,) = stored_rows(client, chain, 0)
    changed = [b"forged", *rows["outcome"].to_pylist()[1:]]
    rows = rows.set_column(rows.column_names.index("outcome"), rows.schema.field("outcome"), [changed])
    forged = linked(rows.drop_columns(["link"]), shape, chain.beginning, {})
    client.command(
        f"DELETE FROM {chain.table} WHERE kafka_topic = '{topic}' AND kafka_partition = {chain.partition} "
        f"SETTINGS lightweight_deletes_sync = 2"
    )
    client.insert_arrow(chain.table, forged.combine_chunks(), settings={"insert_deduplication_token": "forged"})


def test_a_whole_history_is_proved_and_what_came_since_is_told(own: Client, run_id: str) -> None:
    world, writer = filled(run_id, own)
    anchor = signed(writer)
    found = verified(world, anchor)
    assert (found.ok, found.behind) == (True, 0)
    assert {found.verdict(walk) for walk in found.walks} == {"ok"}
    assert sum(walk.rows for walk in found.walks) == sum(world.in_kafka().values())
    world.pipeline(6)
    world.settle(writer)
    found = verified(world, anchor)
    assert found.ok
    assert found.behind == sum(world.in_kafka().values()) - sum(walk.rows - walk.behind for walk in found.walks) > 0


def test_a_history_that_was_computed_anew_after_tampering_is_found(own: Client, run_id: str) -> None:
    world, writer = filled(run_id, own)
    anchor = signed(writer)
    forge(own, OUTCOMES)
    assert verified(world).ok  # all links are right: without a signature nobody could tell
    found = verified(world, anchor)
    (walk,) = found.broken
    assert (walk.chain.topic, walk.chain.partition) == (OUTCOMES, 0)
    broken = walk.first_break
    assert broken is not None
    assert broken.problem == "not as signed"
    facts = next(chain for chain in found.facts()["chains"] if chain["breaks"])
    assert facts["first_break"]["expected"] == writer.heads[run_id, OUTCOMES, 0][1].hex()
    # The sink goes on behind the forged row and signs it: the earlier anchor still tells.
    world.broker.evict(SINK_GROUP)
    later = world.writer()
    world.pipeline(6)
    world.settle(later)
    assert not verified(world, anchor, signed(later, NOW + timedelta(hours=1))).ok


def test_a_tail_or_a_whole_chain_that_was_removed_is_found(own: Client, run_id: str) -> None:
    world, writer = filled(run_id, own)
    anchor = signed(writer)
    settings = {"lightweight_deletes_sync": 2}
    own.command("DELETE FROM tasks WHERE kafka_offset > 3", settings=settings)
    own.command("DELETE FROM outcomes WHERE 1", settings=settings)
    found = verified(world, anchor)
    assert {(walk.chain.topic, walk.first_break and walk.first_break.problem) for walk in found.broken} == {
        (TASKS, "missing"),
        (OUTCOMES, "missing"),
    }


def test_rows_that_retention_removed_are_no_break(own: Client, run_id: str) -> None:
    world, writer = filled(run_id, own)
    first = signed(writer)
    world.pipeline(6)
    world.settle(writer)
    second = signed(writer, NOW + timedelta(days=1, hours=12))
    ((end,),) = own.query("SELECT max(kafka_offset) - 3 FROM tasks").result_rows
    last = {name: head for name, head in writer.heads.items() if name[1] == TASKS}
    assert last[run_id, TASKS, 0][0] > end
    own.command(f"DELETE FROM tasks WHERE kafka_offset < {end}", settings={"lightweight_deletes_sync": 2})
    found = verified(world, first, second, days=1, topics=[TASKS])
    assert found.ok
    assert [found.verdict(walk) for walk in found.walks] == [f"ok, rows before offset {end} have expired"]
    assert not verified(world, first, second, days=3, topics=[TASKS]).ok
    assert not verified(world, first, second, days=None, topics=[TASKS]).ok


def test_a_history_is_proved_after_the_keys_of_its_subjects_were_destroyed(
    own: Client, run_id: str, tmp_path: Path
) -> None:
    keys = SqliteKeyStore(tmp_path / "keys.sqlite", lambda _: LocalMasterKey(b"k" * KEY_BYTES))
    world = World(run_id, own, keys=keys)
    world.pipeline(12)
    writer = world.writer()
    world.settle(writer)
    anchor = signed(writer)
    decision = f"{run_id}-2"
    keys.erase(subject("s-1"), [decision])
    world.broker.evict(SINK_GROUP)
    later = world.writer()
    world.pipeline(6)
    world.settle(later)
    found = verified(world, anchor, signed(later, NOW + timedelta(hours=1)))
    assert (found.ok, found.behind) == (True, 0)
    path = tmp_path / "decision.zip"
    places = trail_export.places_of_decision(own, decision)
    trail_export.export(own, places, found.proved, path, {"decision": decision})
    assert trail_export.check(path, KEY.public_key).ok
    with zipfile.ZipFile(path) as archive:
        records = archive.read("records.jsonl")
    assert decision.encode() in records
    assert b"income weighs most" not in records
    keys.close()


def test_a_chain_that_kafka_does_not_have_is_told(own: Client, run_id: str) -> None:
    world, writer = filled(run_id, own)
    (chain, *_) = [extent.chain for extent in chains(own, [OUTCOMES])]
    (rows,) = stored_rows(own, chain, 0)
    made_up = rows.set_column(
        rows.column_names.index("kafka_partition"),
        rows.schema.field("kafka_partition"),
        pa.array([9] * len(rows), pa.uint32()),
    )
    shape = shape_of(own, "outcomes")
    other = type(chain)("outcomes", run_id, OUTCOMES, 9)
    own.insert_arrow("outcomes", linked(made_up.drop_columns(["link"]), shape, other.beginning, {}).combine_chunks())
    found = verified(world, signed(writer))
    assert (found.ok, list(found.unknown)) == (False, [other])
