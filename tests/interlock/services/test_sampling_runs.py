"""The sampler on a broker: every decision of the pool is judged in one round, and what it picks goes out once."""

import time
from uuid import uuid4

import numpy as np
import pytest
from confluent_kafka import KafkaException, TopicPartition

from interlock.policy.load import parse
from interlock.processors.sampling.sampler import Sampler
from interlock.schemas import catalogue, wire
from interlock.schemas.reasons import ACTIVE_POOL
from interlock.services.sampling_runs import SamplingRuns
from interlock.streams.clock import ManualClock
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import Crash, FaultPlan, MemoryBroker, timed_out
from interlock.streams.ports import Broker, TopicSpec
from interlock.streams.tables import TableReader
from tests.processors.shadow.shadow_world import KEY, POLICY, published, routed, stream

ACTIVE = parse(POLICY.replace("rate: 0.1", "rate: 0.1, active: {budget_per_day: 240}"), "lending")


def _world() -> tuple[MemoryBroker, ManualClock]:
    clock = ManualClock()
    broker = MemoryBroker(clock)
    _create(broker)
    return broker, clock


def _create(broker: Broker) -> None:
    topics = (catalogue.AUTO_APPROVED, catalogue.REVIEWS_ASYNC)
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in topics])


def _route(broker: Broker, count: int, prefix: str = "", seed: int = 1) -> set[str]:
    """Writes what the router would; the ids of the pool."""
    producer = broker.producer(None)
    pool = set()
    messages = stream(count, np.random.default_rng(seed), amount=1.0)
    for message in messages:
        assert message.record_key is not None
        assert message.record_value is not None
        decision = wire.decode("Decision", message.record_value) | {"decision_id": prefix + message.record_key.decode()}
        message.record_key, message.record_value = decision["decision_id"].encode(), wire.encode("Decision", decision)
    for topic, record, value in routed(messages, ACTIVE):
        if topic == catalogue.AUTO_APPROVED.name:
            decision_id = record["decision"]["decision_id"]
            producer.produce(topic, value, decision_id.encode())
            if ACTIVE_POOL in record["reasons"]:
                pool.add(decision_id)
    producer.flush()
    return pool


def _runs(broker: Broker, clock: ManualClock, max_candidates: int = 20_000) -> SamplingRuns:
    sampler = Sampler(KEY)
    sampler.apply(b"lending", published(ACTIVE))
    return SamplingRuns(broker, sampler, clock, max_candidates)


def _reviewed(broker: Broker) -> list[tuple[str, str]]:
    reader = TableReader(broker, [catalogue.REVIEWS_ASYNC.name])
    records = [wire.decode("RoutedDecision", message.value()) for message in reader.read_all()]
    reader.close()
    return sorted((record["decision"]["decision_id"], record["reasons"][-1]) for record in records)


def test_a_run_samples_from_all_that_has_come_since_the_last_run() -> None:
    broker, clock = _world()
    runs = _runs(broker, clock)
    assert runs.last() == 0
    first = _route(broker, 400)
    clock.advance(3600)
    run = runs.run()
    assert (run.read, run.candidates) == (400, len(first))
    assert runs.last() == clock.now()
    assert {name for name, _ in _reviewed(broker)} <= first
    before = _reviewed(broker)
    clock.advance(3600)
    assert runs.run().read == 0
    assert _reviewed(broker) == before
    second = _route(broker, 300, "later-", seed=2)
    clock.advance(3600)
    assert runs.run().candidates == len(second)
    new = [reason for name, reason in _reviewed(broker) if name in second]
    # An hour's share of the budget, and audits.
    assert sum(reason != "picked:audit" for reason in new) == 10
    assert len(_reviewed(broker)) == len({name for name, _ in _reviewed(broker)})


def test_a_pool_that_is_too_large_is_judged_in_several_runs() -> None:
    broker, clock = _world()
    candidates = _route(broker, 400)
    runs = _runs(broker, clock, max_candidates=50)
    results = [runs.run() for _ in range(10)]
    assert max(run.candidates for run in results) == 50
    assert sum(run.candidates for run in results) == len(candidates)
    assert sum(run.read for run in results) == 400


def test_what_is_no_routed_decision_is_passed_over() -> None:
    broker, clock = _world()
    producer = broker.producer(None)
    producer.produce(catalogue.AUTO_APPROVED.name, b"rubbish", b"k")
    producer.flush()
    candidates = _route(broker, 100)
    assert _runs(broker, clock).run().candidates == len(candidates)


def test_a_topic_that_does_not_exist_is_named() -> None:
    clock = ManualClock()
    with pytest.raises(KafkaException, match="create the topics first"):
        _runs(MemoryBroker(clock), clock).run()


def _undisturbed() -> tuple[int, list[tuple[str, str]]]:
    broker, clock = _world()
    _route(broker, 200)
    clock.advance(3600)
    worker = broker.process()
    _runs(worker, clock).run()
    return len(worker.faults.steps), _reviewed(broker)


def test_a_sampler_that_dies_at_any_step_samples_nothing_twice_and_loses_nothing() -> None:
    steps, expected = _undisturbed()
    assert expected
    for step in range(steps):
        broker, clock = _world()
        _route(broker, 200)
        clock.advance(3600)
        with pytest.raises(Crash):
            _runs(broker.process(FaultPlan({step: Crash()})), clock).run()
        _runs(broker.process(), clock).run()
        assert _reviewed(broker) == expected, step


def test_a_run_that_another_has_overtaken_writes_nothing() -> None:
    broker, clock = _world()
    _route(broker, 200)
    clock.advance(3600)
    slow, fast = _runs(broker.process(), clock), _runs(broker.process(), clock)
    expected: list[tuple[str, str]] = []

    class Overtaken(Sampler):
        def sample(self, *arguments: object) -> list:  # type: ignore[type-arg]
            fast.run()
            expected.extend(_reviewed(broker))
            return super().sample(*arguments)  # type: ignore[arg-type]

    sampler = Overtaken(KEY)
    sampler.apply(b"lending", published(ACTIVE))
    slow._sampler = sampler
    with pytest.raises(KafkaException):
        slow.run()
    assert expected
    assert _reviewed(broker) == expected


@pytest.mark.kafka
def test_on_a_real_broker_a_run_commits_samples_and_offsets_together(kafka: EmbeddedKafka) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    _create(broker)
    clock = ManualClock()
    prefix = f"{uuid4()}-"
    candidates = _route(broker, 200, prefix)
    clock.advance(3600)
    runs = _runs(broker, clock)

    def sampled() -> list[str]:
        return [name for name, _ in _reviewed(broker) if name.startswith(prefix)]

    assert runs.run().sampled > 0
    assert runs.last() == clock.now()
    # A commit returns before its records can be read: the coordinator tells the partitions afterwards.
    deadline = time.monotonic() + 60
    while not sampled():
        assert time.monotonic() < deadline
    mine = sampled()
    assert set(mine) <= candidates
    assert len(set(mine)) == len(mine) > 0
    assert runs.run().read == 0
    assert sampled() == mine


def test_a_record_that_is_too_large_to_be_copied_is_left_out() -> None:
    broker, clock = _world()
    pool = _route(broker, 100)
    producer = broker.producer(None, {"compression.type": "zstd", "message.max.bytes": 100_000_000})
    reader = broker.consumer(None)
    reader.assign([TopicPartition(catalogue.AUTO_APPROVED.name, number, 0) for number in range(4)])
    (chosen,) = [message for message in reader.consume(1_000, 0) if (message.key() or b"").decode() == min(pool)]
    large = [("trace", bytes(9 * 1024 * 1024))]
    producer.produce(catalogue.AUTO_APPROVED.name, chosen.value(), chosen.key(), headers=[*large])
    producer.flush()
    assert _runs(broker, clock).run().candidates == len(pool)


def test_fewer_candidates_are_taken_at_once_after_a_commit_that_timed_out() -> None:
    broker, clock = _world()
    pool = _route(broker, 400)
    runs = _runs(broker, clock)
    broker.faults.inject_at("commit:before", timed_out())
    with pytest.raises(KafkaException):
        runs.run()
    assert 0 < runs.run().candidates <= len(pool) // 2
