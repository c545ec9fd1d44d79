"""The resolution that holds, looked up in ClickHouse and in what Kafka has beyond it."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client as ClickHouseClient
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka.admin import AdminClient

from interlock import Client, Decision, DecisionResult
from interlock.client.lookup import ResolutionLookup
from interlock.client.stored import StoredResolutions
from interlock.schemas import catalogue, wire
from interlock.sinks.stream_ids import stream_ids
from interlock.sinks.writer import SinkSettings, SinkWriter
from interlock.streams.clock import ManualClock, SystemClock
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from tests.sinks.review_records import START, resolution
from tests.sinks.sink_world import World, decision, routed

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

RESOLUTIONS, AUTO = catalogue.RESOLUTIONS.name, catalogue.AUTO_APPROVED.name


def lookup(broker: Broker, client: ClickHouseClient | None) -> ResolutionLookup:
    return ResolutionLookup(broker, lambda: StoredResolutions(client) if client else None)


def words(looking: ResolutionLookup, names: Collection[str], *, deep: bool = True) -> dict[str, tuple[str, int]]:
    """Outcome and version by decision."""
    found = looking.find(names, deep=deep)
    return {name: (found[name].result.outcome, found[name].result.version) for name in sorted(found)}


def fill(world: World) -> list[str]:
    """Some decisions take effect by themselves, some are decided, some are both; one waits."""
    names = [f"{world.name}-{number}" for number in range(8)]
    for name in names[:5]:
        world.route(decision(name, world.name), "auto")
    for name in names[3:7]:
        world.tell(RESOLUTIONS, name, resolution(name, outcome="reject", domain=world.name))
    world.tell(RESOLUTIONS, names[4], resolution(names[4], 2, outcome="approve", source="override", domain=world.name))
    return names


EXPECTED = {
    **dict.fromkeys((0, 1, 2), ("approve", 1)),
    **dict.fromkeys((3, 5, 6), ("reject", 1)),
    4: ("approve", 2),
}


@pytest.fixture
def world(own: ClickHouseClient, run_id: str) -> World:
    return World(run_id, own)


@pytest.mark.warehouse
def test_clickhouse_and_kafka_say_the_same_of_every_decision(world: World, own: ClickHouseClient) -> None:
    names = fill(world)
    world.settle(world.writer())
    expected = {names[number]: word for number, word in EXPECTED.items()}
    emptied = World(world.name, own)  # Kafka has forgotten everything
    answers = [
        lookup(broker, client).find(names, deep=deep)
        for broker, client in ((world.broker, None), (world.broker, own), (emptied.broker, own))
        for deep in (True, False)
    ]
    assert words(lookup(world.broker, None), names) == expected
    for other in answers[1:]:
        assert {name: found.result for name, found in other.items()} == {
            name: found.result for name, found in answers[0].items()
        }
        assert {name: found.content for name, found in other.items()} == {
            name: found.content for name, found in answers[0].items()
        }


@pytest.mark.warehouse
def test_what_the_sink_has_not_stored_yet_is_read_from_kafka(world: World, own: ClickHouseClient) -> None:
    names = fill(world)
    world.settle(world.writer())
    world.tell(RESOLUTIONS, names[0], resolution(names[0], 2, outcome="reject", source="override"))
    world.tell(RESOLUTIONS, names[7], resolution(names[7], outcome="reject"))
    world.route(decision("late", world.name), "auto")
    found = words(lookup(world.broker, own), [*names, "late"])
    expected = {names[number]: word for number, word in EXPECTED.items()}
    assert found == expected | {names[0]: ("reject", 2), names[7]: ("reject", 1), "late": ("approve", 1)}


@pytest.mark.warehouse
def test_a_topic_that_was_created_anew_is_read_although_clickhouse_knows_greater_offsets(
    world: World, own: ClickHouseClient
) -> None:
    for number in range(40):
        world.tell(RESOLUTIONS, f"x{number}", resolution(f"x{number}", domain=world.name))
    world.settle(world.writer())
    anew = World(world.name + "-2", own)
    anew.tell(RESOLUTIONS, "d", resolution("d"))
    assert words(lookup(anew.broker, own), ["d"]) == {"d": ("approve", 1)}


def test_a_clickhouse_that_fails_leaves_the_answer_to_kafka(run_id: str) -> None:
    class Broken:
        def query(self, *_: Any, **__: Any) -> Any:
            raise DatabaseError("table resolutions does not exist")

    broken: Any = Broken()
    world = World(run_id, broken)
    names = fill(world)
    assert words(lookup(world.broker, broken), names) == {names[number]: word for number, word in EXPECTED.items()}


def test_without_clickhouse_a_lookup_reads_backwards_as_far_as_it_must(run_id: str) -> None:
    nothing: Any = None
    world = World(run_id, nothing, partitions=1)
    values = {number: wire.encode("Resolution", resolution(f"d{number}")) for number in (0, 1)}
    world.send(RESOLUTIONS, b"d0", values[0])
    world.route(decision("auto", world.name), "auto")
    for topic in (RESOLUTIONS, AUTO):
        for _ in range(300):
            world.producer.produce(topic, b"", b"another")
        world.producer.flush()
    world.send(RESOLUTIONS, b"d1", values[1])
    looking = ResolutionLookup(world.broker, lambda: None, recent=50)
    names = ["d0", "d1", "auto", "unknown"]
    assert words(looking, names) == dict.fromkeys(("auto", "d0", "d1"), ("approve", 1))
    assert words(looking, names, deep=False) == {"d1": ("approve", 1)}


@pytest.mark.parametrize("passed", [0, 3600])
def test_without_clickhouse_what_took_effect_is_told_only_when_no_override_can_stand_further_back(
    run_id: str, passed: int
) -> None:
    clock = ManualClock()
    nothing: Any = None
    world = World(run_id, nothing, partitions=1, broker=MemoryBroker(clock))
    for _ in range(60):  # of long ago
        world.producer.produce(RESOLUTIONS, b"", b"another")
    clock.advance(passed)
    world.route(decision("overridden", world.name), "auto")
    world.route(decision("auto", world.name), "auto")
    world.tell(RESOLUTIONS, "overridden", resolution("overridden", 2, outcome="reject"))
    for _ in range(45):
        world.producer.produce(RESOLUTIONS, b"", b"another")
    world.producer.flush()
    looking = ResolutionLookup(world.broker, lambda: None, recent=50)
    every = {"auto": ("approve", 1), "overridden": ("reject", 2)}
    assert words(looking, list(every)) == every
    assert words(looking, list(every), deep=False) == (every if passed else {"overridden": ("reject", 2)})
    nearer = ResolutionLookup(world.broker, lambda: None, recent=20)
    assert words(nearer, list(every), deep=False) == {}
    assert words(nearer, list(every)) == every


@pytest.mark.kafka
@pytest.mark.warehouse
def test_on_kafka_and_clickhouse_a_restarted_client_has_what_was_stored_and_what_was_not(
    kafka: "EmbeddedKafka", own: ClickHouseClient
) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    topics = [catalogue.RESOLUTIONS, catalogue.AUTO_APPROVED, catalogue.REPLIES, catalogue.DEAD_LETTER]
    others = [catalogue.DECISIONS, *catalogue.ROUTE_TOPICS[1:]]
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in [*topics, *others]])
    run = str(uuid4())
    names = [f"{run}-{number}" for number in range(4)]
    producer = broker.producer(f"desk-{run}")
    producer.init_transactions(30)

    def write(topic: str, schema: str, name: str, record: dict[str, Any]) -> None:
        producer.begin_transaction()
        producer.produce(topic, wire.encode(schema, record), name.encode())
        producer.commit_transaction(30)

    submitted = {name: decision(name, run, created_at=SystemClock().now()) for name in names}
    write(AUTO, "RoutedDecision", names[0], routed(submitted[names[0]], "auto"))
    write(RESOLUTIONS, "Resolution", names[1], resolution(names[1], outcome="reject", domain=run))
    stored = [RESOLUTIONS, AUTO]
    ids = stream_ids(AdminClient({"bootstrap.servers": kafka.bootstrap_servers}), stored)
    settings = SinkSettings(ids, flush_seconds=0.05, max_rows=1_000)
    sink = SinkWriter(broker, own, settings, group=f"sink-{run}", topics=stored)
    tables = "SELECT decision_id FROM resolutions UNION ALL SELECT decision_id FROM routed_decisions"
    mine = f"SELECT count() FROM ({tables}) WHERE startsWith(decision_id, {{run:String}})"
    for _ in range(500):
        sink.step()
        if own.query(mine, {"run": run}).result_rows == [(2,)]:
            break
    sink.close()
    write(AUTO, "RoutedDecision", names[2], routed(submitted[names[2]], "auto"))
    with Client(broker=broker, clickhouse=own) as client:
        found = [client.resolution(name) for name in names]
        assert [(each.outcome, each.source) if each else None for each in found] == [
            ("approve", "auto"),
            ("reject", "review"),
            ("approve", "auto"),
            None,
        ]
        assert [client.wait(name, timeout=60) for name in names[:3]] == found[:3]
        first = Decision.from_record(wire.decode("Decision", wire.encode("Decision", submitted[names[0]])))
        assert client.decide(first, timeout=60) == found[0]  # no router runs: it comes from ClickHouse
        assert isinstance(found[0], DecisionResult)
        assert found[0].decided_at is not None
        assert found[0].decided_at.timestamp() * 1e6 == START
