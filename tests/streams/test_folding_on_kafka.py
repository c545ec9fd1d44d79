"""Folds on a real broker: what Faust and aiokafka do there by themselves."""

import asyncio
import threading
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiokafka.consumer.fetcher import Fetcher
from confluent_kafka import KafkaException, TopicPartition
from faust.types import TP

from interlock.streams import folding
from interlock.streams.faust_app import JOIN_SECONDS, Membership, make_app
from interlock.streams.faust_consumer import ALONE_FETCH_SECONDS, AwaitedNodes, ConsumerThread
from interlock.streams.folding import FoldSettings, Record, run_fold
from interlock.streams.kafka import KafkaBroker
from tests.streams.conformance import DEADLINE_SECONDS, Environment, consume_until

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka


def test_a_fold_that_its_group_does_not_let_in_ends_and_says_why(kafka: "EmbeddedKafka") -> None:
    broker = KafkaBroker(kafka.bootstrap_servers, group_protocol="classic")
    topic, group = Environment(broker, lambda _: None, lambda *_: None).topic(partitions=1), f"group-{uuid4()}"
    with closing(broker.consumer(group)) as stranger:
        stranger.subscribe([topic])
        consume_until(lambda: bool(stranger.assignment()), stranger)
        # Its protocol is not Faust's. aiokafka then waits for somebody to take notice of the error, which Faust does
        # not: without a look at its membership the fold would stand still for good, whatever becomes of the stranger.
        with pytest.raises(KafkaException, match=f"no member of group {group}: .*InconsistentGroupProtocol"):
            run_fold(FoldSettings(group, topic, kafka.bootstrap_servers), broker, lambda _: [], threading.Event())


def test_a_member_that_does_not_get_in_is_in_trouble_after_longer_than_any_rebalance_takes() -> None:
    membership = Membership(_not_connected(), "topic")
    assert membership.trouble(100.0, working=False) is None
    assert membership.trouble(100.0 + JOIN_SECONDS, working=False) is None
    told = membership.trouble(101.0 + JOIN_SECONDS, working=False)
    assert told == f"it has tried to join for {JOIN_SECONDS + 1:.0f} s"


def test_a_member_that_processes_a_record_for_long_is_in_no_trouble() -> None:
    membership = Membership(_not_connected(), "topic")
    assert membership.trouble(100.0, working=True) is None
    assert membership.trouble(101.0 + JOIN_SECONDS, working=True) is None
    assert membership.trouble(101.0 + 2 * JOIN_SECONDS, working=False) is None
    assert membership.trouble(102.0 + 2 * JOIN_SECONDS, working=False) is not None


def test_a_fold_at_rest_rests_and_ends_when_it_is_told_to(
    kafka: "EmbeddedKafka", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "_LOOK_SECONDS", DEADLINE_SECONDS)  # not what ends it
    woken, asked = [0], [0]
    _count(monkeypatch, BaseEventLoop, "_run_once", woken)
    _count(monkeypatch, Fetcher, "_proc_fetch_request", asked)
    environment = _environment(kafka)
    settings = FoldSettings(f"group-{uuid4()}", environment.topic(partitions=2), kafka.bootstrap_servers)
    environment.fill(settings.topic, [b"first"])
    with _member(settings, environment) as (processed, _):
        _wait_until(lambda: processed == [b"first"])
    # Of a member that comes back within its session Kafka wants no assignment: it knows less than who makes one.
    environment.fill(settings.topic, [b"second"])
    with _member(settings, environment) as (processed, stop):
        _wait_until(lambda: processed == [b"second"])
        _wait_until(lambda: _committed(environment, settings, 0) == 2)
        rest = 3.0
        woken[0] = asked[0] = 0
        assert not stop.wait(rest)
        # Measured: 10 a second. With the timers of Faust and aiokafka it is 63, and two requests.
        assert woken[0] / rest < 18
        assert asked[0] <= 1
        environment.fill(settings.topic, [b"third"], partition=1)
        sent = time.monotonic()
        _wait_until(lambda: processed == [b"second", b"third"])
        assert time.monotonic() - sent < 1.0  # 4 ms (measured): what rests is woken, and does not look now and then
        told = time.monotonic()
    assert time.monotonic() - told < DEADLINE_SECONDS / 3  # 10 ms (measured)
    assert _committed(environment, settings, 1) == 1


def test_a_member_commits_what_it_has_processed_before_others_go_on_with_it(kafka: "EmbeddedKafka") -> None:
    environment = _environment(kafka)
    topic, group = environment.topic(partitions=2), f"group-{uuid4()}"
    # The first record is committed at once, the others an hour later.
    first = FoldSettings(group, topic, kafka.bootstrap_servers, instance="1", commit_seconds=3_600)
    second = FoldSettings(group, topic, kafka.bootstrap_servers, instance="2", commit_seconds=3_600)
    environment.fill(topic, [b"0"])
    with _member(first, environment) as (processed, _):
        _wait_until(lambda: _committed(environment, first, 0) == 1)
        environment.fill(topic, [b"1", b"2"])
        environment.fill(topic, [b"3", b"4"], partition=1)
        _wait_until(lambda: len(processed) == 5)
        with _member(second, environment) as (again, _):
            _wait_until(lambda: [_committed(environment, first, number) for number in (0, 1)] == [3, 2])
        assert again == []


@pytest.mark.parametrize(("partitions", "milliseconds"), [(1, ALONE_FETCH_SECONDS * 1_000), (2, 1_500)])
def test_a_member_lets_kafka_hold_back_its_answer_for_long_only_while_it_has_all_partitions(
    partitions: int, milliseconds: float
) -> None:
    async def run() -> tuple[Any, list[float]]:
        app: Any = make_app("group", "nowhere:9092", {}, "1", 1.0, 2.0)
        thread = app.consumer._thread
        assert isinstance(thread, ConsumerThread)
        waits, begun = [], asyncio.Event()

        async def fetched_records(*_: Any, **__: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        fetcher = SimpleNamespace(
            _closed=False,
            _fetch_max_wait_ms=1_500,
            _subscriptions=SimpleNamespace(fetch_context=nullcontext),
            fetched_records=fetched_records,
        )
        consumer = SimpleNamespace(
            _closed=False,
            _fetcher=fetcher,
            _fetch_max_wait_ms=1_500,
            partitions_for_topic=lambda topic: set(range(partitions)) if topic == "topic" else None,
        )
        thread._consumer = consumer
        fetching = asyncio.create_task(thread._fetch_records(consumer, {TP("topic", 0)}, 5.0))
        await begun.wait()
        waits.append(fetcher._fetch_max_wait_ms)
        thread._interrupt()  # as when a rebalance begins
        waits.append(fetcher._fetch_max_wait_ms)
        records = await fetching
        thread.thread_loop.close()
        return records, waits

    assert asyncio.run(run()) == ({}, [milliseconds, 1_500])


def test_the_fetching_loop_is_told_of_every_request_that_has_ended() -> None:
    told: list[set[int]] = []
    nodes = AwaitedNodes(lambda: told.append(set(nodes)))
    nodes.update({1, 2})
    nodes.discard(1)
    nodes.discard(2)
    assert told == [{2}, set()]


def _environment(kafka: "EmbeddedKafka") -> Environment:
    return Environment(KafkaBroker(kafka.bootstrap_servers), lambda _: None, lambda *_: None)


@contextmanager
def _member(settings: FoldSettings, environment: Environment) -> Iterator[tuple[list[bytes | None], threading.Event]]:
    """A fold in a thread, until the end of the block; yields the values that it has processed."""
    processed: list[bytes | None] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def fold(record: Record) -> list[Any]:
        if not record.replayed:
            processed.append(record.value)
        return []

    def run() -> None:
        try:
            run_fold(settings, environment.broker, fold, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield processed, stop
    finally:
        stop.set()
        thread.join()
    assert failures == []


def _committed(environment: Environment, settings: FoldSettings, partition: int) -> int:
    with closing(environment.broker.consumer(settings.group)) as consumer:
        return consumer.committed([TopicPartition(settings.topic, partition)], DEADLINE_SECONDS)[0].offset


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def _count(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, counter: list[int]) -> None:
    """Counts the calls of a method."""
    original = getattr(owner, name)

    def counted(*args: Any, **options: Any) -> Any:
        counter[0] += 1
        return original(*args, **options)

    monkeypatch.setattr(owner, name, counted)


def _not_connected() -> Any:
    return SimpleNamespace(consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=None)))
