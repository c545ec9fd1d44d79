"""The sampler on a broker: every decision of the pool is judged in one round, and what it picks goes out once."""

from uuid import uuid4

import numpy as np
import pytest
from confluent_kafka import KafkaException

from interlock.policy.load import parse
from interlock.processors.sampling.sampler import Sampler
from interlock.schemas import catalogue, wire
from interlock.schemas.reasons import ACTIVE_POOL
from interlock.services.sampling_runs import SamplingRuns
from interlock.streams.clock import ManualClock
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import Crash, FaultPlan, MemoryBroker
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
    broker.create_topics([TopicSpec(one.name, one.partitions, one.config()) for one in topics])


def _route(broker: Broker, count: int, prefix: str = "", seed: int = 1) -> set[str]:
    """Writes what the router would; the ids of the pool."""
    producer = broker.producer(None)
    pool = set()
    messages = stream(count, np.random.default_rng(seed), amount=1.0)
    for one in messages:
        assert one.record_key is not None
        assert one.record_value is not None
        decision = wire.decode("Decision", one.record_value) | {"decision_id": prefix + one.record_key.decode()}
        one.record_key, one.record_value = decision["decision_id"].encode(), wire.encode("Decision", decision)
    for topic, record, value in routed(messages, ACTIVE):
        if topic == catalogue.AUTO_APPROVED.name:
            decision_id = record["decision"]["decision_id"]
            producer.produce(topic, value, decision_id.encode())
            if ACTIVE_POOL in record["reasons"]:
                pool.add(decision_id)
    producer.flush()
    return pool


def _rounds(broker: Broker, clock: ManualClock, max_pool: int = 20_000) -> SamplingRuns:
    sampler = Sampler(KEY)
    sampler.follow(b"lending", published(ACTIVE))
    return SamplingRuns(broker, sampler, clock, max_pool)


def _reviewed(broker: Broker) -> list[tuple[str, str]]:
    reader = TableReader(broker, [catalogue.REVIEWS_ASYNC.name])
    values = [wire.decode("RoutedDecision", message.value()) for message in reader.read_all()]
    reader.close()
    return sorted((one["decision"]["decision_id"], one["reasons"][-1]) for one in values)


def test_a_round_judges_all_that_has_come_since_the_one_before() -> None:
    broker, clock = _world()
    rounds = _rounds(broker, clock)
    assert rounds.last() == 0
    first = _route(broker, 400)
    clock.advance(3600)
    done = rounds.round()
    assert (done.read, done.pool) == (400, len(first))
    assert rounds.last() == clock.now()
    assert {name for name, _ in _reviewed(broker)} <= first
    before = _reviewed(broker)
    clock.advance(3600)
    assert rounds.round().read == 0
    assert _reviewed(broker) == before
    second = _route(broker, 300, "later-", seed=2)
    clock.advance(3600)
    assert rounds.round().pool == len(second)
    new = [how for name, how in _reviewed(broker) if name in second]
    # An hour's share of the budget, and audits.
    assert sum(how != "picked:audit" for how in new) == 10
    assert len(_reviewed(broker)) == len({name for name, _ in _reviewed(broker)})


def test_a_pool_that_is_too_large_is_judged_in_several_rounds() -> None:
    broker, clock = _world()
    pool = _route(broker, 400)
    rounds = _rounds(broker, clock, max_pool=50)
    done = [rounds.round() for _ in range(10)]
    assert max(one.pool for one in done) == 50
    assert sum(one.pool for one in done) == len(pool)
    assert sum(one.read for one in done) == 400


def test_what_is_no_routed_decision_is_passed_over() -> None:
    broker, clock = _world()
    producer = broker.producer(None)
    producer.produce(catalogue.AUTO_APPROVED.name, b"rubbish", b"k")
    producer.flush()
    pool = _route(broker, 100)
    assert _rounds(broker, clock).round().pool == len(pool)


def test_a_topic_that_does_not_exist_is_named() -> None:
    clock = ManualClock()
    with pytest.raises(KafkaException, match="create the topics first"):
        _rounds(MemoryBroker(clock), clock).round()


def _undisturbed() -> tuple[int, list[tuple[str, str]]]:
    broker, clock = _world()
    _route(broker, 200)
    clock.advance(3600)
    worker = broker.process()
    _rounds(worker, clock).round()
    return len(worker.faults.steps), _reviewed(broker)


def test_a_sampler_that_dies_at_any_step_picks_nothing_twice_and_loses_nothing() -> None:
    steps, expected = _undisturbed()
    assert expected
    for step in range(steps):
        broker, clock = _world()
        _route(broker, 200)
        clock.advance(3600)
        with pytest.raises(Crash):
            _rounds(broker.process(FaultPlan({step: Crash()})), clock).round()
        _rounds(broker.process(), clock).round()
        assert _reviewed(broker) == expected, step


def test_a_round_that_another_has_overtaken_writes_nothing() -> None:
    broker, clock = _world()
    _route(broker, 200)
    clock.advance(3600)
    slow, fast = _rounds(broker.process(), clock), _rounds(broker.process(), clock)
    expected: list[tuple[str, str]] = []

    class Overtaken(Sampler):
        def pick(self, *arguments: object) -> list:  # type: ignore[type-arg]
            fast.round()
            expected.extend(_reviewed(broker))
            return super().pick(*arguments)  # type: ignore[arg-type]

    sampler = Overtaken(KEY)
    sampler.follow(b"lending", published(ACTIVE))
    slow._sampler = sampler
    with pytest.raises(KafkaException):
        slow.round()
    assert expected
    assert _reviewed(broker) == expected


@pytest.mark.kafka
def test_on_a_real_broker_a_round_commits_picks_and_offsets_together(kafka: EmbeddedKafka) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    _create(broker)
    clock = ManualClock()
    prefix = f"{uuid4()}-"
    pool = _route(broker, 200, prefix)
    clock.advance(3600)
    rounds = _rounds(broker, clock)
    assert rounds.round().picked > 0
    assert rounds.last() == clock.now()
    mine = [name for name, _ in _reviewed(broker) if name.startswith(prefix)]
    assert set(mine) <= pool
    assert len(set(mine)) == len(mine) > 0
    assert rounds.round().read == 0
    assert [name for name, _ in _reviewed(broker) if name.startswith(prefix)] == mine
