"""The sink keeps a chain for every partition, and what is done to the rows behind its back is found."""

from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks.repair import repair
from interlock.sinks.rows import TARGETS
from interlock.sinks.trail.chains import chains, walk
from interlock.sinks.trail.leaf import NOT_COVERED
from interlock.sinks.trail.walk import Walk
from interlock.streams.memory import Crash
from tests.sinks.sink_world import AUTO, DECISIONS, OUTCOMES, TASKS, SmallChunks, World
from tests.sinks.test_writer import FaultyClient

pytestmark = pytest.mark.warehouse


def walks(world: World) -> dict[tuple[str, int], Walk]:
    """The chains of a world, by topic and partition."""
    mine = [extent.chain for extent in chains(world.client) if extent.chain.stream == world.name]
    return {(chain.topic, chain.partition): walk(world.client, chain) for chain in mine}


def assert_whole(world: World) -> None:
    found = walks(world)
    assert all(one.first_break is None and one.whole and not one.unlinked for one in found.values())
    assert sum(one.rows for one in found.values()) == sum(world.in_kafka().values())


def filled(name: str, client: Client, count: int = 12) -> World:
    world = World(name, client)
    world.pipeline(count)
    world.settle(world.writer())
    return world


def test_every_table_of_records_has_a_link_and_no_column_that_only_clickhouse_knows(shared: Client) -> None:
    query = "SELECT table, name, default_kind FROM system.columns WHERE database = currentDatabase()"
    columns = shared.query(query).result_rows
    tables = {target.table for target in TARGETS.values()}
    assert {table for table, name, _ in columns if name == "link"} == tables
    filled_in = {(table, name) for table, name, kind in columns if table in tables and kind and name not in NOT_COVERED}
    # The sink fills both itself: `test_the_chains_of_all_topics_are_whole` compares.
    assert filled_in == {("routed_decisions", "review_copy"), ("outcomes", "reviewed")}


def test_the_chains_of_all_topics_are_whole_whatever_chunks_they_came_in(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(18)
    world.settle(world.writer())
    world.pipeline(12)
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer(max_rows=3))
    assert_whole(world)
    assert {partition for topic, partition in walks(world) if topic == DECISIONS} == {0, 1}


def test_links_are_the_same_however_the_records_are_cut_into_chunks(shared: Client, own: Client, run_id: str) -> None:
    links = []
    for rows, client in ((2, shared), (50, own)):
        world = World(run_id, client)
        world.pipeline(6)
        world.settle(world.writer(max_rows=rows))
        links.append(
            world.ask("SELECT kafka_offset, hex(link) FROM tasks WHERE kafka_stream = {name:String} ORDER BY 1, 2")
        )
    assert links[0] == links[1]
    assert len(links[0]) > 4


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_an_insert_breaks_no_chain(shared: Client, run_id: str, moment: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(9)
    crash: dict[int, BaseException] = {3: Crash()}
    client = FaultyClient(shared, crash if moment == "before" else {}, crash if moment == "after" else {})
    with pytest.raises(Crash):
        world.settle(world.writer(world.broker.process(), client))
    world.pipeline(4)
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer(world.broker.process(), max_rows=5))
    assert_whole(world)


def test_an_answer_that_is_lost_breaks_no_chain(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(9)
    world.settle(world.writer(client=FaultyClient(shared, {}, {2: OSError("no answer"), 5: OSError("no answer")})))
    world.pipeline(9)
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    assert_whole(world)


def test_rows_that_were_lost_and_filled_in_again_fit_into_the_chain(own: Client, run_id: str) -> None:
    world = filled(run_id, own)
    own.command("DELETE FROM decisions WHERE kafka_offset IN (1, 2) SETTINGS lightweight_deletes_sync = 2")
    assert any(one.first_break for one in walks(world).values())
    repair(
        world.broker,
        own,
        partitions={DECISIONS: 2},
        stream_ids=world.stream_ids,
        sink_members=lambda: 0,
    )
    assert_whole(world)


def test_a_tail_that_clickhouse_lost_gets_the_same_links_again(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(12)
    world.settle(world.writer())
    before = world.ask("SELECT kafka_offset, hex(link) FROM tasks WHERE kafka_stream = {name:String} ORDER BY 1, 2")
    shared.command(
        f"DELETE FROM tasks WHERE kafka_stream = '{run_id}' AND kafka_offset >= 3 SETTINGS lightweight_deletes_sync = 2"
    )
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    after = world.ask("SELECT kafka_offset, hex(link) FROM tasks WHERE kafka_stream = {name:String} ORDER BY 1, 2")
    assert after == before
    assert_whole(world)


def test_rows_of_before_the_trail_stay_without_links_and_the_chain_begins_behind_them(own: Client, run_id: str) -> None:
    world = filled(run_id, own, 6)
    zeros = "unhex(repeat('00', 32))"
    for table in {target.table for target in TARGETS.values()}:
        own.command(f"ALTER TABLE {table} UPDATE link = {zeros} WHERE 1 SETTINGS mutations_sync = 2")
    old = walks(world)
    world.pipeline(12)
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    for place, one in walks(world).items():
        unlinked = old[place].rows if place in old else 0
        assert (one.first_break, one.unlinked, one.whole) == (None, unlinked, one.rows > unlinked)


LATER = "SELECT * REPLACE (kafka_offset + 1000 AS kafka_offset) FROM"

# The topic, what is done, and how far behind it the break is. Later ones touch earlier rows: each is the first break.
TAMPERING = [
    (TASKS, f"INSERT INTO tasks {LATER} (SELECT * FROM tasks WHERE {{row}})", 1000),
    (TASKS, "INSERT INTO tasks SELECT * FROM tasks WHERE {row}", 0),
    (TASKS, "DELETE FROM tasks WHERE {row}", 1),
    (TASKS, "ALTER TABLE tasks UPDATE link = reverse(link) WHERE {row}", 0),
    (TASKS, "ALTER TABLE tasks UPDATE qualifications = ['x'] WHERE {row}", 0),
    (TASKS, "ALTER TABLE tasks UPDATE lease_warned = NOT lease_warned WHERE {row}", 0),
    (OUTCOMES, "ALTER TABLE outcomes UPDATE reason_text = 'fine' WHERE {row}", 0),
    (OUTCOMES, "ALTER TABLE outcomes UPDATE reviewed = NOT reviewed WHERE {row}", 0),
    (AUTO, "ALTER TABLE routed_decisions UPDATE override_until = now64(6) WHERE {row}", 0),
    (AUTO, "ALTER TABLE routed_decisions UPDATE review_copy = NOT review_copy WHERE {row}", 0),
    (AUTO, "ALTER TABLE routed_decisions UPDATE confidence = confidence + 0.01 WHERE {row}", 0),
    (DECISIONS, "ALTER TABLE decisions UPDATE attributes = map('age', '41') WHERE {row}", 0),
]


def test_what_is_done_to_stored_rows_is_found_where_it_was_done(own: Client, run_id: str) -> None:
    # Of one partition: how rows are spread over two depends on the name of the run.
    world = World(run_id, own, partitions=1)
    world.pipeline(36)
    world.settle(world.writer())
    latest: dict[str, int] = {}
    for topic, statement, distance in TAMPERING:
        table = TARGETS[topic].table
        partition, offsets, links = world.ask(
            f"SELECT kafka_partition, groupArray(kafka_offset), groupArray(hex(link)) FROM (SELECT * FROM {table} "
            f"WHERE kafka_topic = '{topic}' ORDER BY kafka_partition, kafka_offset) GROUP BY 1 ORDER BY count() DESC"
        )[0]
        offset = max(each for each in offsets if each < latest.get(topic, max(offsets)) - 1)
        latest[topic] = offset
        row = f"kafka_topic = '{topic}' AND kafka_partition = {partition} AND kafka_offset = {offset}"
        settings = {"mutations_sync": 2, "lightweight_deletes_sync": 2}
        own.command(statement.format(row=row), settings=settings)
        (chain,) = [each.chain for each in chains(own, [topic]) if each.chain.partition == partition]
        found = walk(own, chain).first_break
        assert found is not None, statement
        assert found.offset == offset + distance, statement
        assert found.problem == ("doubled" if statement.startswith("INSERT") and not distance else "changed")
        if "reason_text" in statement:
            assert found.found.hex().upper() == links[offsets.index(offset)] != found.expected.hex().upper()


def test_a_walk_can_begin_at_a_time(shared: Client, run_id: str) -> None:
    world = World(run_id, shared, partitions=1)
    clock = world.broker.cluster.clock
    world.pipeline(6)
    clock.advance(3600)  # type: ignore[attr-defined]
    since = datetime.fromtimestamp(clock.now() / 1e6, UTC)
    world.pipeline(6)
    world.settle(world.writer())
    chain = next(e.chain for e in chains(shared, [DECISIONS]) if e.chain.stream == run_id)
    one = walk(shared, chain, since=since)
    assert (one.first_break, one.rows, one.begins_at) == (None, 6, 6)
