"""Where the sink begins when Kafka and ClickHouse do not agree on how far it was."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas import wire
from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks.chunk import Chunk
from interlock.sinks.start import Start, start
from tests.sinks.sink_world import AUTO, DECISIONS, MANUAL, World, decision


def chunk(first: int, last: int) -> Chunk:
    return Chunk(DECISIONS, 0, first, last)


@pytest.mark.parametrize(
    ("committed", "plan", "held", "expected"),
    [
        (-1001, None, None, Start(0)),
        (-1001, None, chunk(5, 9), Start(5, chunk(5, 9), ahead=True)),
        (10, None, chunk(5, 9), Start(10)),
        (4, None, chunk(5, 9), Start(5, chunk(5, 9), ahead=True)),
        (10, None, chunk(2, 3), Start(2, chunk(2, 3), fill_to=10)),
        (10, None, None, Start(0, fill_to=10)),
        (5, chunk(5, 9), chunk(2, 4), Start(5, chunk(5, 9), planned=True)),
        (5, chunk(5, 9), chunk(5, 9), Start(5, chunk(5, 9), planned=True)),
        (0, chunk(0, 4), None, Start(0, chunk(0, 4), planned=True)),
        (5, chunk(5, 9), chunk(0, 2), Start(0, chunk(0, 2), fill_to=5)),
        (2, chunk(2, 4), chunk(5, 9), Start(5, chunk(5, 9), ahead=True)),
    ],
    ids=[
        "nothing anywhere",
        "offsets forgotten",
        "both agree",
        "offsets reset",
        "rows lost",
        "all rows lost",
        "planned",
        "planned and stored",
        "first chunk planned",
        "rows before the plan lost",
        "reset to an old plan",
    ],
)
def test_the_start_follows_from_what_both_sides_say(
    committed: int, plan: Chunk | None, held: Chunk | None, expected: Start
) -> None:
    assert start(committed, plan, held) == expected


def test_what_kafka_has_deleted_is_not_waited_for() -> None:
    lost = start(10, None, chunk(2, 3))
    assert lost.from_oldest(0) == lost
    assert lost.from_oldest(3) == Start(3, chunk(2, 3), fill_to=10)
    assert lost.from_oldest(4) == Start(4, fill_to=10)
    assert lost.from_oldest(10) == Start(10)


def send(world: World, first: int, end: int) -> None:
    for number in range(first, end):
        record = decision(f"{world.name}-{number}", world.name)
        world.send(DECISIONS, record["decision_id"].encode(), wire.encode("Decision", record))


def sink(world: World, max_rows: int = 7) -> None:
    writer = world.writer(max_rows=max_rows)
    world.settle(writer, 1000)
    writer.close()


@pytest.fixture
def forgetful(own: Client) -> Iterator[Client]:
    """Tables that remember few inserts, as they do when many others have come since."""
    tables = ("routed_decisions", "routed_by_minute", "routed_by_hour")
    set_windows(own, tables, 5)
    yield own
    set_windows(own, tables, 10_000)


def set_windows(client: Client, tables: tuple[str, ...], size: int) -> None:
    for table in tables:
        client.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {size}")


@pytest.mark.warehouse
def test_a_quiet_partition_is_not_doubled_after_its_token_was_forgotten(forgetful: Client, run_id: str) -> None:
    world = World(run_id, forgetful, partitions=2)
    for number in range(3):
        world.route(decision(f"m{number}", run_id), "manual")
    sink(world)
    for number in range(12):
        world.route(decision(f"a{number}", run_id), "auto")
    sink(world, max_rows=1)
    world.broker.cluster.group(SINK_GROUP).committed.clear()
    sink(world)
    assert world.in_clickhouse()[MANUAL] == 3
    world.assert_exactly_once()


@pytest.mark.warehouse
def test_a_restored_table_is_filled_with_what_kafka_still_has(
    own: Client, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(run_id, own, partitions=1)
    send(world, 0, 5)
    sink(world)
    own.command("CREATE TABLE backup AS decisions ENGINE = Memory")
    own.command("INSERT INTO backup SELECT * FROM decisions")
    send(world, 5, 10)
    sink(world)
    own.command("TRUNCATE TABLE decisions")
    own.command("INSERT INTO decisions SELECT * FROM backup")
    own.command("DROP TABLE backup")
    send(world, 10, 12)
    sink(world)
    world.assert_exactly_once()
    lines = [line for line in capsys.readouterr().out.splitlines() if "ClickHouse" in line]
    assert "ClickHouse holds less than Kafka's committed offset says" in lines[0]
    assert "records=5" in lines[1]


@pytest.mark.warehouse
@pytest.mark.parametrize("roll_ups_too", [True, False])
def test_a_table_that_lost_its_last_chunks_is_filled_and_its_roll_ups_are_right(
    own: Client, run_id: str, roll_ups_too: bool
) -> None:
    world = World(run_id, own, partitions=1)
    for number in range(12):
        world.route(decision(f"a{number}", run_id), "auto")
    sink(world, max_rows=4)
    if roll_ups_too:
        for table in ("routed_decisions", "routed_by_minute", "routed_by_hour"):
            own.command(f"TRUNCATE TABLE {table}")
    else:
        own.command("DELETE FROM routed_decisions WHERE kafka_offset >= 5")
    sink(world, max_rows=3)
    assert world.in_clickhouse()[AUTO] == 12
    world.assert_exactly_once()


@pytest.mark.warehouse
def test_a_token_that_outlived_its_rows_does_not_hide_that_they_are_lost(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    for number in range(4):
        world.route(decision(f"a{number}", run_id), "auto")
    sink(world)
    committed = world.broker.cluster.group(SINK_GROUP).committed
    # The sink died before it told Kafka that the chunk is in, and the rows went after their token was noted.
    committed[AUTO, 0] = (0, Chunk(AUTO, 0, 0, 3).metadata())
    for table in ("routed_decisions", "routed_by_minute", "routed_by_hour"):
        own.command(f"DELETE FROM {table} WHERE 1")
    sink(world)
    assert world.in_clickhouse()[AUTO] == 4


@pytest.mark.warehouse
def test_a_found_chunk_that_lacks_rows_gets_those_alone(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    send(world, 0, 6)
    sink(world)
    own.command("DELETE FROM decisions WHERE kafka_offset IN (1, 2)")
    world.broker.cluster.group(SINK_GROUP).committed.clear()
    sink(world)
    world.assert_exactly_once()
