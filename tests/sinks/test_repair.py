"""`interlock reconcile --repair`: ClickHouse is equal to what Kafka holds afterwards, whatever was damaged."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks import ledger, repair
from interlock.sinks.repair import Repair, SinkRunningError
from interlock.sinks.roll_ups import ROLL_UPS
from tests.sinks.sink_world import TOPICS, World

pytestmark = pytest.mark.warehouse


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way here."""
    monkeypatch.setattr(ledger, "_ATTEMPTS", 1)


def mend(world: World, client: Any = None) -> Repair:
    return repair.repair(
        world.broker,
        client or world.client,
        partitions={topic: world.partitions_of(topic) for topic in TOPICS},
        stream_ids=world.stream_ids,
        sink_members=lambda: len(world.broker.cluster.group(SINK_GROUP).members),
    )


def filled(name: str, client: Client) -> World:
    world = World(name, client, partitions=1)
    for _ in range(3):
        world.pipeline(12)
        writer = world.writer(max_rows=50, max_consumed=50)
        world.settle(writer)
        writer.close()
    return world


def contents(client: Client) -> dict[str, Any]:
    """Every roll-up as its readers see it: states merged, sums added up."""
    found = {}
    for roll_ups in ROLL_UPS.values():
        for roll_up in roll_ups:
            columns = client.query(
                "SELECT name, type, is_in_sorting_key FROM system.columns "
                "WHERE database = currentDatabase() AND table = {table:String} ORDER BY position",
                parameters={"table": roll_up.name},
            ).result_rows
            keys = ", ".join(name for name, _, key in columns if key)
            values = ", ".join(
                f"finalizeAggregation({name})" if kind.startswith("Agg") else name
                for name, kind, key in columns
                if not key
            )
            query = f"SELECT {keys}, {values} FROM {roll_up.name} FINAL ORDER BY ALL"
            found[roll_up.name] = [[rounded(value) for value in row] for row in client.query(query).result_rows]
    return found


def rounded(value: Any) -> Any:
    """Sums of fractions depend on their order in the last digits."""
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def rows_of_an_inner_chunk(client: Client) -> None:
    client.command("DELETE FROM routed_decisions WHERE kafka_offset IN (2, 3)")
    client.command("DELETE FROM decisions WHERE kafka_offset IN (13, 15, 20)")


def last_chunks(client: Client) -> None:
    for table in ("decisions", "routed_decisions", "tasks", "dead_letters"):
        client.command(f"DELETE FROM {table} WHERE kafka_chunk_last >= 5")


def restored_tables(client: Client) -> None:
    client.command("DELETE FROM routed_decisions WHERE kafka_offset >= 3")
    client.command("DELETE FROM outcomes WHERE 1")
    client.command("TRUNCATE TABLE routed_by_hour")


def a_chunk_doubled(client: Client) -> None:
    for table in ("routed_decisions", "outcomes"):
        client.command(
            f"INSERT INTO {table} SELECT * FROM {table} WHERE kafka_offset < 4 "
            "SETTINGS insert_deduplication_token = 'once more'"
        )


def roll_up_rows_lost(client: Client) -> None:
    client.command("DELETE FROM routed_by_minute WHERE route = 'auto'")
    client.command("DELETE FROM task_round_states WHERE kind = 'audit'")


def roll_up_rows_under_wrong_keys(client: Client) -> None:
    client.command(
        "INSERT INTO routed_by_hour SELECT * REPLACE ('other' AS queue) FROM routed_by_hour WHERE route = 'auto'"
    )
    client.command("DELETE FROM routed_by_hour WHERE route = 'auto' AND queue != 'other'")


def everything(client: Client) -> None:
    for damage in (a_chunk_doubled, rows_of_an_inner_chunk, last_chunks, roll_up_rows_lost):
        damage(client)


# The first three hold what the others do; each takes some seconds.
DAMAGES = (
    everything,
    restored_tables,
    roll_up_rows_under_wrong_keys,
    rows_of_an_inner_chunk,
    last_chunks,
    a_chunk_doubled,
    roll_up_rows_lost,
)


def test_after_a_repair_tables_and_roll_ups_are_equal_to_kafka(own: Client, run_id: str, campaign: bool) -> None:
    world = filled(run_id, own)
    before = contents(own)
    for damage in DAMAGES if campaign else DAMAGES[:3]:
        damage(own)
        assert not world.reconcile().ok, damage.__name__
        mend(world)
        assert world.reconcile().ok, damage.__name__
        world.assert_exactly_once()
        assert contents(own) == before, damage.__name__
    assert mend(world) == Repair()
    aside = "SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(name, '_repair')"
    assert not own.query(aside).result_rows


class Dying:
    """A client that fails at the n-th command."""

    def __init__(self, client: Client, steps: int) -> None:
        self._client = client
        self._left = steps

    def __getattr__(self, name: str) -> Any:
        if name in ("command", "insert_arrow"):
            self._left -= 1
            if self._left < 0:
                raise OSError("killed")
        return getattr(self._client, name)


def test_a_repair_that_dies_at_any_step_is_finished_by_the_next_one(own: Client, run_id: str, campaign: bool) -> None:
    world = filled(run_id, own)
    before = contents(own)
    everything(own)
    died = 0
    while True:
        try:
            # Every attempt gets further than the one before.
            mend(world, Dying(own, died))
            break
        except OSError:
            died += 1 if campaign else 3
    assert died > 10
    assert world.reconcile().ok
    world.assert_exactly_once()
    assert contents(own) == before


def test_a_repair_beside_a_running_sink_is_refused(shared: Client, run_id: str) -> None:
    world = World(run_id, shared, partitions=1)
    writer = world.writer()
    writer.step()
    with pytest.raises(SinkRunningError, match="1 sink is in the consumer group: stop the sink"):
        mend(world)
    writer.close()
    assert mend(world) == Repair()
