"""The writer: every committed record once in its table and in the roll-ups, whatever happens."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import TopicPartition

from interlock.schemas import wire
from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.failures import SinkStoppedError
from interlock.sinks.migrate import migrate
from interlock.sinks.warehouse import Warehouse
from interlock.streams.expired import Expired
from interlock.streams.memory import Crash, FaultPlan, Step, timed_out
from interlock.streams.metrics import Metrics
from tests.sinks.migrated import Migrated
from tests.sinks.sink_world import DECISIONS, TOPICS, SmallChunks

pytestmark = pytest.mark.warehouse


class FaultyClient:
    """A client whose inserts go wrong on demand. `before`, `after`: what to raise around the n-th insert.

    Inserts come from several threads: each has a number of its own."""

    def __init__(self, client: Client, before: dict[int, BaseException], after: dict[int, BaseException]) -> None:
        self._client = client
        self._before = before
        self._after = after
        self._numbering = threading.Lock()
        self.queries = 0
        self.tokens: list[str] = []
        self.tables: list[str] = []

    def insert_arrow(self, table: str, rows: Any, settings: dict[str, Any]) -> None:
        with self._numbering:
            number = len(self.tokens)
            self.tokens.append(settings["insert_deduplication_token"])
            self.tables.append(table)
        if number in self._before:
            raise self._before[number]
        self._client.insert_arrow(table, rows, settings=settings)
        if number in self._after:
            raise self._after[number]

    def query(self, *arguments: Any, **named: Any) -> Any:
        self.queries += 1
        return self._client.query(*arguments, **named)

    def query_arrow(self, *arguments: Any, **named: Any) -> Any:
        return self._client.query_arrow(*arguments, **named)


def test_every_topic_arrives_once_and_the_roll_ups_agree(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(18)  # three of each kind
    world.settle(world.writer())
    world.assert_exactly_once()


def test_the_last_chunk_of_each_of_many_partitions_is_found_with_few_requests(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(6)
    world.settle(world.writer())
    last = {
        (topic, number): records[-1].offset
        for topic in TOPICS
        for number in range(world.partitions_of(topic))
        if (records := list(world.broker.cluster.log(topic, number).read(0, "read_committed")))
    }
    many = [(topic, number) for topic in TOPICS for number in range(12)]
    client = FaultyClient(shared, {}, {})
    held = Warehouse(client, world.stream_ids).last_chunks(many)  # type: ignore[arg-type]
    assert {partition: chunk.last for partition, chunk in held.items()} == last
    assert client.queries <= len(many) / 30


class Failing(FaultPlan):
    """From the n-th step of a kind on, counted from 0, so many in a row fail."""

    def __init__(self, step: Step, number: int, fault: BaseException, times: int = 1) -> None:
        super().__init__()
        self._step = step
        self._numbers = range(number, number + times)
        self._fault = fault

    def reach(self, step: Step) -> None:
        number = self.steps.count(step)
        super().reach(step)
        if step == self._step and number in self._numbers:
            raise self._fault


def first_and_last(kinds: Sequence[Step]) -> list[tuple[Step, int]]:
    """Each kind with the numbers, among its like, of the first and the last time that it occurs."""
    return sorted({(kind, number) for kind in kinds for number in (0, kinds.count(kind) - 1)})


def test_a_crash_at_any_step_of_kafka_changes_nothing(shared: Client, run_id: str, campaign: bool) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    plan = FaultPlan()
    world.pipeline(6)
    writer = world.writer(world.broker.process(plan))
    world.settle(writer)
    undisturbed = list(plan.steps)
    writer.close()
    assert {"consume", "committed", "group-commit:before", "group-commit:after"} <= set(undisturbed)
    every = [(step, undisturbed[:index].count(step)) for index, step in enumerate(undisturbed)]
    for step, number in every if campaign else first_and_last(undisturbed):
        world.pipeline(6)
        dying = world.broker.process(Failing(step, number, Crash()))
        with pytest.raises(Crash):
            world.settle(world.writer(dying))
        world.pipeline(1)  # the successor finds more than its predecessor did
        world.broker.cluster.clock.advance(60)  # type: ignore[attr-defined]
        successor = world.writer(world.broker.process(), max_rows=5)
        world.settle(successor)
        successor.close()
        world.assert_exactly_once()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_any_insert_changes_nothing(shared: Client, run_id: str, moment: str, campaign: bool) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    undisturbed = FaultyClient(shared, {}, {})
    world.pipeline(6)
    writer = world.writer(client=undisturbed)
    world.settle(writer)
    writer.close()
    tables = undisturbed.tables
    assert len(set(tables)) >= 5
    once_a_table = [tables.index(table) for table in dict.fromkeys(tables)]
    for insert in range(len(tables)) if campaign else once_a_table:
        world.pipeline(6)
        crash: dict[int, BaseException] = {insert: Crash()}
        client = FaultyClient(shared, crash if moment == "before" else {}, crash if moment == "after" else {})
        with pytest.raises(Crash):
            world.settle(world.writer(world.broker.process(), client))
        assert client.tables[insert] == tables[insert]
        world.pipeline(1)
        world.broker.evict(SINK_GROUP)  # Kafka notices that the process is gone
        successor = world.writer(max_rows=5)
        world.settle(successor)
        successor.close()
        world.assert_exactly_once()


def test_the_successor_repeats_a_planned_chunk_under_the_same_token(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    for number in range(5):
        world.send(DECISIONS, b"%d" % number, b"unreadable")
    first = FaultyClient(shared, {0: Crash()}, {})
    with pytest.raises(Crash):
        world.settle(world.writer(client=first))
    world.send(DECISIONS, b"late", b"unreadable")
    world.broker.evict(SINK_GROUP)
    second = FaultyClient(shared, {}, {})
    world.settle(world.writer(client=second))
    assert first.tokens == [f"{run_id}/decisions/0/0-4"]
    assert second.tokens == [f"{run_id}/decisions/0/0-4", f"{run_id}/decisions/0/5-5"]
    world.assert_exactly_once()


def test_a_zombie_inserts_only_what_its_successor_inserts_too(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(12)
    process = world.broker.process()
    zombie = world.writer(process, FaultyClient(shared, {0: OSError("slow network")}, {}))
    zombie.step()
    zombie.step()  # planned, not inserted
    world.broker.evict(SINK_GROUP)
    world.pipeline(6)
    successor = world.writer()
    for _ in range(3):
        successor.step()
        zombie.step()
        world.seconds += 10
    zombie.close()
    world.settle(successor)
    world.assert_exactly_once()


def test_partitions_move_between_two_sinks_without_loss(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(20)
    one = world.writer()
    one.step()
    two = world.writer()
    world.pipeline(20)
    for _ in range(6):
        one.step()
        two.step()
    one.close()
    world.pipeline(5)
    world.settle(two)
    world.assert_exactly_once()


def test_a_commit_that_kafka_refuses_inserts_nothing(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    world.send(DECISIONS, b"1", b"unreadable")
    plan = FaultPlan()
    client = FaultyClient(shared, {}, {})
    writer = world.writer(world.broker.process(plan), client)
    plan.inject(timed_out(), after=2)  # a call of consume and a look at the committed offsets come first
    writer.step()
    assert client.tokens == []
    world.settle(writer)
    world.assert_exactly_once()


@pytest.mark.parametrize("moment", ["group-commit:before", "group-commit:after"])
def test_unanswered_commits_are_repeated_unchanged(shared: Client, run_id: str, moment: Step) -> None:
    """The n-th commit, and the one after it, get no answer: they never arrived, or they took effect."""
    world = SmallChunks(run_id, shared, partitions=1)
    for commit in range(4):
        world.pipeline(6)
        plan = Failing(moment, commit, timed_out(), times=2)
        writer = world.writer(world.broker.process(plan))
        world.settle(writer)
        writer.close()
        assert plan.steps.count(moment) > commit
        world.assert_exactly_once()


def test_a_database_that_is_down_loses_nothing_and_is_reported_once(
    shared: Client, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "interlock.streams.backoff")
    world = SmallChunks(run_id, shared)
    world.pipeline(20)
    down: dict[int, BaseException] = {number: OSError("connection refused") for number in range(6)}
    client = FaultyClient(shared, down, {})
    writer = world.writer(client=client)
    world.settle(writer)
    first, last = [record.getMessage() for record in caplog.records]
    assert first == "ClickHouse does not take rows: connection refused; tried again until it does; nothing is lost"
    assert last.startswith("ClickHouse works again after ")
    world.assert_exactly_once()


def test_an_error_that_only_a_person_mends_says_how_and_goes_away_with_its_cause(
    empty: Client, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = SmallChunks(run_id, empty, partitions=1)
    world.send(DECISIONS, b"1", b"unreadable")
    writer = world.writer()
    for _ in range(5):
        writer.step()
        world.seconds += 10
    (line,) = [record.getMessage() for record in caplog.records if record.name == "interlock.streams.backoff"]
    assert "run `interlock prepare` (UNKNOWN_TABLE); tried again until it does" in line
    migrate(empty)
    world.settle(writer)
    assert world.in_clickhouse()[DECISIONS] == 1


def test_a_chunk_that_is_refused_for_ever_does_not_stop_other_partitions(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(30)

    class Refusing(FaultyClient):
        def insert_arrow(self, table: str, rows: Any, settings: dict[str, Any]) -> None:
            if settings["insert_deduplication_token"].startswith(f"{run_id}/{DECISIONS}/0/"):
                raise OSError("refused")
            super().insert_arrow(table, rows, settings)

    writer = world.writer(client=Refusing(shared, {}, {}))
    for _ in range(60):
        writer.step()
        world.seconds += 10
    expected, found = world.in_kafka(), world.in_clickhouse()
    assert {topic: found[topic] for topic in TOPICS if topic != DECISIONS} == {
        topic: expected[topic] for topic in TOPICS if topic != DECISIONS
    }
    assert 0 < found[DECISIONS] < expected[DECISIONS]
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    world.assert_exactly_once()


def test_aborted_records_never_arrive(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    producer = world.broker.producer("router")
    producer.init_transactions()
    for outcome in ("commit", "abort", "commit"):
        producer.begin_transaction()
        for number in range(3):
            producer.produce(DECISIONS, b"unreadable", b"%d" % number)
        producer.commit_transaction() if outcome == "commit" else producer.abort_transaction()
    world.settle(world.writer(max_rows=4))
    assert world.in_clickhouse()[DECISIONS] == 6
    world.assert_exactly_once()


def test_offsets_that_kafka_has_forgotten_double_nothing(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(25)
    writer = world.writer()
    world.settle(writer)
    writer.close()
    world.broker.cluster.group(SINK_GROUP).committed.clear()  # as after offsets.retention.minutes without a member
    world.pipeline(10)
    world.settle(world.writer(max_rows=3))
    world.assert_exactly_once()


def test_offsets_that_were_reset_double_nothing(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    world.pipeline(25)
    writer = world.writer()
    world.settle(writer)
    writer.close()
    committed = world.broker.cluster.group(SINK_GROUP).committed
    committed[DECISIONS, 0] = (2, "")
    world.pipeline(4)
    world.settle(world.writer())
    world.assert_exactly_once()


def test_a_log_that_is_shorter_than_what_clickhouse_holds_stops_the_sink(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(12)
    world.settle(world.writer())
    again = SmallChunks(run_id, shared)  # the topics were created anew, the stream ids not
    again.pipeline(3)
    with pytest.raises(SinkStoppedError, match="Kafka has lost records, or the topic was created again"):
        again.settle(again.writer())


def test_another_programs_metadata_stops_the_sink(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    other = world.broker.consumer(SINK_GROUP)
    other.commit(offsets=[TopicPartition(DECISIONS, 0, 0, "mine")], asynchronous=False)
    other.close()
    with pytest.raises(SinkStoppedError, match=r"decisions\[0\] carries metadata that is not the sink's: 'mine'"):
        world.settle(world.writer())


def test_an_insert_that_is_acknowledged_but_not_stored_is_repeated(own: Client, run_id: str) -> None:
    world = SmallChunks(run_id, own, partitions=1)
    world.pipeline(6)
    own.command("ALTER TABLE decisions ADD CONSTRAINT broken CHECK domain = 'nothing passes'")
    writer = world.writer()
    for _ in range(10):
        writer.step()
        world.seconds += 10
    assert world.in_clickhouse()[DECISIONS] == 0
    own.command("ALTER TABLE decisions DROP CONSTRAINT broken")
    world.settle(writer)
    world.assert_exactly_once()


def test_a_roll_up_that_failed_is_completed_by_the_repetition(own: Client, run_id: str) -> None:
    world = SmallChunks(run_id, own, partitions=1)
    world.pipeline(6)
    own.command("ALTER TABLE routed_by_hour ADD CONSTRAINT broken CHECK domain = 'nothing passes'")
    writer = world.writer()
    for _ in range(10):
        writer.step()
        world.seconds += 10
    own.command("ALTER TABLE routed_by_hour DROP CONSTRAINT broken")
    world.settle(writer)
    world.assert_exactly_once()


def test_too_large_chunks_are_cut_by_bytes(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    for number in range(6):
        world.send(DECISIONS, b"%d" % number, b"x" * 1000)
    client = FaultyClient(shared, {}, {})
    world.settle(world.writer(client=client, max_rows=100, max_bytes=2500))
    assert [token.rsplit("/", 1)[1] for token in client.tokens] == ["0-1", "2-3", "4-5"]
    world.assert_exactly_once()


def test_rows_wait_for_company_but_not_for_long(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    world.send(DECISIONS, b"1", b"unreadable")
    client = FaultyClient(shared, {}, {})
    writer = world.writer(client=client, flush_seconds=2.0)
    writer.step()
    writer.step()  # the first one only finds out where to begin
    world.seconds = 1.9
    world.send(DECISIONS, b"2", b"unreadable")
    writer.step()
    assert client.tokens == []
    world.seconds = 2.0
    writer.step()
    assert client.tokens == [f"{run_id}/decisions/0/0-1"]


def test_reading_stops_when_too_much_is_held_and_goes_on_afterwards(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    for number in range(200):
        world.send(DECISIONS, b"%d" % number, b"x" * 100)
    down: dict[int, BaseException] = {number: OSError("down") for number in range(12)}
    writer = world.writer(client=FaultyClient(shared, down, {}), max_rows=1000, max_bytes=2000, max_buffered_bytes=3000)
    held = []
    for _ in range(12):
        writer.step()
        world.seconds += 10
        held.append(writer.buffered_bytes)
    # At most the limit and one call of consume above it.
    assert max(held) <= 3000 + 10 * 100
    world.settle(writer)
    world.assert_exactly_once()


def test_records_that_expired_before_they_were_read_are_told_with_their_number(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    for number in range(3):
        world.send(DECISIONS, b"%d" % number, b"unreadable")
    first = world.writer()
    world.settle(first)
    first.close()
    for number in range(3, 50):
        world.send(DECISIONS, b"%d" % number, b"unreadable")
    world.broker.delete_records(DECISIONS, 0, 40)
    told: list[Expired] = []
    world.settle(world.writer(on_expired=told.extend))
    assert told == [Expired((DECISIONS, 0), committed=3, count=37)]
    assert world.in_clickhouse()[DECISIONS] == 3 + 10


def test_all_chunks_that_were_read_at_once_are_inserted_at_once_and_nothing_is_held_back(
    shared: Client, run_id: str
) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    for number in range(50):
        world.send(DECISIONS, b"%d" % number, b"x" * 100)
    client = FaultyClient(shared, {}, {})
    writer = world.writer(client=client, flush_seconds=1.0, max_rows=20, max_consumed=1000)
    while not client.tokens:
        writer.step()
        world.seconds += 0.1
    assert client.tables.count(client.tables[0]) == 2  # the rest waits for others, as long as it may
    assert not any(partition.paused for partition in writer._partitions.values())
    world.seconds += 10
    world.settle(writer)
    world.assert_exactly_once()


def test_partitions_that_are_lost_while_they_rest_are_read_on_when_they_come_back(shared: Client, run_id: str) -> None:
    """librdkafka keeps them paused; the sink read nothing of them until it was restarted."""
    world = SmallChunks(run_id, shared)
    for number in range(200):
        world.send(DECISIONS, b"%d" % number, b"x" * 100)
    down: dict[int, BaseException] = {number: OSError("down") for number in range(12)}
    writer = world.writer(client=FaultyClient(shared, down, {}), max_rows=1000, max_bytes=2000, max_buffered_bytes=3000)
    for _ in range(12):
        writer.step()
        world.seconds += 10
    world.broker.evict(SINK_GROUP)
    world.settle(writer)
    world.assert_exactly_once()


def test_the_metrics_tell_rows_lag_and_outages(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared)
    world.pipeline(20)
    metrics = Metrics("sink")
    client = FaultyClient(shared, {0: OSError("down")}, {})
    writer = world.writer(client=client, metrics=metrics)
    writer.step()
    lag = metrics.value("lag")
    world.seconds += 10
    world.settle(writer)
    assert lag > 0
    assert metrics.value("lag") == 0
    assert metrics.value("unavailable") == 1
    assert metrics.value("messages_in") == sum(world.in_kafka().values())
    assert metrics.value("assigned_partitions") == sum(world.partitions_of(topic) for topic in TOPICS)


def test_kill_9_of_the_database_in_the_middle_changes_nothing(
    tmp_path: Path, migrated: Migrated, run_id: str, crash_kills: int
) -> None:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path)) as server, server.client() as client:
        migrated.fill(client)
        world = SmallChunks(run_id, client, partitions=1)
        killing = Killing(server, client)
        writer = world.writer(client=killing, max_rows=40, max_consumed=100)
        for _ in range(crash_kills):
            world.pipeline(30)
            killing.armed = True
            for _ in range(3):
                writer.step()
                world.seconds += 10
            assert server.pid is None
            server.start()
            world.settle(writer)
        world.assert_exactly_once()


class Killing(FaultyClient):
    """Kills the server while an insert is under way: from another thread, so that it is in any state."""

    def __init__(self, server: EmbeddedClickHouse, client: Client) -> None:
        super().__init__(client, {}, {})
        self._server = server
        self.armed = False

    def insert_arrow(self, table: str, rows: Any, settings: dict[str, Any]) -> None:
        if not self.armed or table != "routed_decisions":
            return super().insert_arrow(table, rows, settings)
        self.armed = False
        killer = threading.Timer(0.005, self._server.kill)
        killer.start()
        try:
            super().insert_arrow(table, rows, settings)
        finally:
            killer.join()
        return None


def test_compaction_between_plan_and_repetition_stops_nothing(shared: Client, run_id: str) -> None:
    world = SmallChunks(run_id, shared, partitions=1)
    policy = {
        "name": "lending",
        "version": "v",
        "resolved": "{}",
        "source": "",
        "published_at": 0,
        "published_by": "me",
        "note": "",
    }
    for number in range(4):
        world.send("policies", b"lending", wire.encode("PolicyVersion", {**policy, "version": f"v{number}"}))
    with pytest.raises(Crash):
        world.settle(world.writer(client=FaultyClient(shared, {0: Crash()}, {})))
    world.send("policies", b"lending", None)
    world.broker.compact("policies")
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    assert world.ask("SELECT key, tombstone FROM policies WHERE kafka_stream = {name:String}") == [("lending", True)]
    world.assert_exactly_once()
