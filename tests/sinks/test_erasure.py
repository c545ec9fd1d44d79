"""Erasing a subject on the pipeline's own records, legal holds, and what is kept about both."""

from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import HeldError, NoHoldError, UnknownOwnerError, decision, subject
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.errors import UsageError
from interlock.operations import erasure
from interlock.schemas import catalogue, wire
from interlock.sinks.opening import opened
from interlock.sinks.sealed_columns import OPENING, OPENING_FACTS
from interlock.sinks.trail.chains import chains, walk
from tests.sinks import review_records, sink_world
from tests.sinks.sink_world import OUTCOMES, World

pytestmark = pytest.mark.warehouse

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
SAID: dict[str, Any] = {"by": "dpo", "reason": "request 88", "now": NOON}


@pytest.fixture
def world(shared: Client, run_id: str, keys: SqliteKeyStore) -> World:
    """Three decisions: two about `ann`, of which the first was judged, and one about `bob`."""
    world = World(run_id, shared, keys=keys)
    for number, person in enumerate(("ann", "ann", "bob")):
        about = sink_world.decision(f"{run_id}-{number}", run_id, subject_id=f"{person}-{run_id}")
        world.route(about, "async")
    world.tell(OUTCOMES, f"{run_id}-0", review_records.outcome(f"{run_id}-0", domain=run_id, reason_text="pay slip"))
    world.settle(world.writer())
    return world


def ann(world: World) -> Any:
    return subject(f"ann-{world.name}")


def readable(world: World, keys: SqliteKeyStore) -> set[str]:
    asked = f"SELECT decision_id, subject_id, {OPENING}, {OPENING_FACTS} FROM routed_decisions"
    rows = world.client.query(
        f"{asked} WHERE domain = {{name:String}}", parameters={"name": world.name}
    ).named_results()
    return {row["decision_id"] for row in opened(keys, "routed_decisions", rows).rows if row["subject_id"]}


def events(world: World) -> list[dict[str, Any]]:
    log = world.broker.cluster.log(catalogue.KEY_EVENTS.name, 0)
    return [wire.decode("KeyEvent", record.value) for record in log.read(0, "read_committed")]


def test_an_erase_destroys_the_keys_of_the_subject_and_of_its_decisions_and_of_nobody_else(
    world: World, keys: SqliteKeyStore
) -> None:
    assert len(readable(world, keys)) == 3
    owned = keys.keys_for([ann(world), decision(f"{world.name}-0")]).values()
    done = erasure.erase(world.broker, world.client, keys, ann(world), **SAID)
    assert (set(done.key_ids), done.decisions, done.plain_rows) == ({key.id for key in owned}, 2, 0)
    assert readable(world, keys) == {f"{world.name}-2"}
    assert keys.key_id_of(subject(f"bob-{world.name}")) is not None


def test_an_erase_is_recorded_before_and_afterwards_without_the_subject(world: World, keys: SqliteKeyStore) -> None:
    done = erasure.erase(world.broker, world.client, keys, ann(world), **SAID)
    before, after = events(world)
    assert (before["kind"], after["kind"]) == ("erasing", "erased")
    assert (after["key_ids"], after["decisions"]) == (list(done.key_ids), 2)
    assert (after["by"], after["reason"], after["at"]) == ("dpo", "request 88", NOON)
    assert "ann" not in str((before, after))
    world.broker.evict(catalogue.SINK_GROUP)
    world.settle(world.writer())
    query = "SELECT kind, key_ids, reason FROM key_events WHERE kafka_stream = {name:String} ORDER BY kafka_offset"
    assert [kind for kind, *_ in world.ask(query)] == ["erasing", "erased"]


def test_the_trail_is_whole_after_an_erase_and_covers_the_record_of_it(world: World, keys: SqliteKeyStore) -> None:
    erasure.erase(world.broker, world.client, keys, ann(world), **SAID)
    world.broker.evict(catalogue.SINK_GROUP)
    world.settle(world.writer())
    mine = [extent.chain for extent in chains(world.client) if extent.chain.stream == world.name]
    found = {chain.topic: walk(world.client, chain) for chain in mine}
    assert all(one.first_break is None and one.whole and not one.unlinked for one in found.values())
    assert found[catalogue.KEY_EVENTS.name].rows == 2
    assert sum(one.rows for one in found.values()) >= 6


def test_an_unknown_subject_is_told_and_plain_rows_of_it_are_named(world: World, keys: SqliteKeyStore) -> None:
    stranger = subject(f"nobody-{world.name}")
    with pytest.raises(UnknownOwnerError, match=r"there is nothing to erase$"):
        erasure.erase(world.broker, world.client, keys, stranger, **SAID)
    plain = World(f"{world.name}-before", world.client)
    plain.route(sink_world.decision(f"{plain.name}-1", plain.name, subject_id=stranger.id), "auto")
    plain.settle(plain.writer())
    with pytest.raises(UnknownOwnerError, match="1 rows of before anything was sealed name it in plain"):
        erasure.erase(world.broker, world.client, keys, stranger, **SAID)
    assert not events(world)


def test_a_subject_under_a_hold_is_kept_and_the_refusal_names_the_hold(world: World, keys: SqliteKeyStore) -> None:
    erasure.hold(world.broker, keys, ann(world), by="legal", reason="case 12/26", now=NOON)
    with pytest.raises(HeldError, match="set by legal: case 12/26"):
        erasure.erase(world.broker, world.client, keys, ann(world), **SAID)
    # Nor by way of its decisions.
    with pytest.raises(erasure.SubjectOfDecisionError, match="erase the subject"):
        erasure.erase(world.broker, world.client, keys, decision(f"{world.name}-0"), **SAID)
    assert len(readable(world, keys)) == 3
    erasure.lift(world.broker, keys, ann(world), by="legal", reason="closed", now=NOON)
    with pytest.raises(NoHoldError):
        erasure.lift(world.broker, keys, ann(world), by="legal", reason="closed", now=NOON)
    erasure.erase(world.broker, world.client, keys, ann(world), **SAID)
    assert [event["kind"] for event in events(world)] == ["held", "lifted", "erasing", "erased"]
    assert "ann" not in str(events(world))


def test_a_decision_that_names_no_subject_is_erased_by_its_own_id(world: World, keys: SqliteKeyStore) -> None:
    name = f"{world.name}-alone"
    world.route(sink_world.decision(name, world.name, subject_id=""), "async")
    world.broker.evict(catalogue.SINK_GROUP)
    world.settle(world.writer())
    done = erasure.erase(world.broker, world.client, keys, decision(name), **SAID)
    assert (len(done.key_ids), done.decisions) == (1, 1)
    assert keys.erased_of([name]) == {name}


def test_an_erase_or_a_hold_without_a_reason_is_refused(world: World, keys: SqliteKeyStore) -> None:
    with pytest.raises(UsageError, match="--reason"):
        erasure.erase(world.broker, world.client, keys, ann(world), **SAID | {"reason": " "})
    with pytest.raises(UsageError, match="--by"):
        erasure.hold(world.broker, keys, ann(world), by="", reason="case", now=NOON)
    assert len(readable(world, keys)) == 3
