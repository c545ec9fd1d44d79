"""The conformance suite against the broker in memory and against Apache Kafka."""

import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka import Producer as KafkaProducer

from interlock.streams.clock import ManualClock
from interlock.streams.errors import RecoveryAction, recovery_action
from interlock.streams.kafka import GROUP, GroupProtocol, KafkaBroker
from interlock.streams.kafka_trouble import Troubles
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker
from tests.streams.conformance import Conformance, Environment, consume_until
from tests.streams.exclusive_conformance import ExclusiveConformance
from tests.streams.group_conformance import GroupConformance
from tests.streams.progress_conformance import ProgressConformance
from tests.streams.raw_headers import RawHeaders, produce_raw

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka


def _environment(broker: Broker, bootstrap_servers: str) -> Environment:
    return Environment(broker, lambda _: None, partial(produce_raw, bootstrap_servers))


class TestMemory(Conformance, GroupConformance, ExclusiveConformance, ProgressConformance):
    @pytest.fixture
    def env(self) -> Environment:
        clock = ManualClock()
        broker = MemoryBroker(clock)

        def produce_raw(topic: str, value: bytes, key: bytes, headers: RawHeaders) -> None:
            producer = broker.producer(None)
            producer.produce(topic, value, key, 0, headers=[*headers])
            producer.flush()

        return Environment(broker, clock.advance, produce_raw)


@pytest.mark.kafka
class TestKafka(Conformance, ExclusiveConformance, ProgressConformance):
    @pytest.fixture
    def env(self, kafka: "EmbeddedKafka") -> Environment:
        return _environment(KafkaBroker(kafka.bootstrap_servers), kafka.bootstrap_servers)


@pytest.mark.kafka
class TestKafkaGroups(GroupConformance):
    @pytest.fixture(params=["consumer", "classic"])
    def env(self, kafka: "EmbeddedKafka", request: pytest.FixtureRequest) -> Environment:
        protocol: GroupProtocol = request.param
        return _environment(KafkaBroker(kafka.bootstrap_servers, group_protocol=protocol), kafka.bootstrap_servers)


class _Recorder(KafkaConsumer):
    """Stands between a consumer and librdkafka, and keeps what librdkafka is told to close."""

    assigned_at_close: int | None = None

    def close(self) -> None:
        self.assigned_at_close = len(self.assignment())
        super().close()


class _NeverAnswered(KafkaProducer):
    """What librdkafka does when the group coordinator has gone away at the wrong moment."""

    answer = threading.Event()

    def send_offsets_to_transaction(self, *_: Any) -> None:
        self.answer.wait()


def test_offsets_that_are_never_answered_fail_after_their_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.streams.kafka_clients.OVERDUE_SECONDS", 0.1)
    made = type(KafkaBroker("127.0.0.1:1").producer("id"))
    settings = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "error_cb": Troubles("127.0.0.1:1", {})}
    producer = type("_Stuck", (made, _NeverAnswered), {})(settings, allowed=dict.fromkeys)
    with pytest.raises(KafkaException) as late:
        producer.send_offsets_to_transaction([TopicPartition("topic", 0, 1)], None, 0.1)
    assert recovery_action(late.value.args[0]) is RecoveryAction.RESTART, "it is not known what became of them"
    _NeverAnswered.answer.set()


@pytest.mark.kafka
@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_librdkafka_closes_a_consumer_only_when_it_has_no_partitions_any_more(
    kafka: "EmbeddedKafka", protocol: GroupProtocol
) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers, group_protocol=protocol)
    topic = _environment(broker, kafka.bootstrap_servers).topic(partitions=2)
    made = broker.consumer(f"group-{uuid4()}")
    recorder = type("_Recorded", (type(made), _Recorder), {})
    made.close()
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "group.id": f"group-{uuid4()}"}
    consumer = recorder({**GROUP[protocol], **settings, "error_cb": Troubles(kafka.bootstrap_servers, {})})
    consumer.subscribe([topic])
    consume_until(lambda: len(consumer.assignment()) == 2, consumer)
    consumer.close()
    assert consumer.assigned_at_close == 0


@pytest.mark.kafka
def test_a_small_record_that_becomes_a_large_one_by_decompression_can_be_read(kafka: "EmbeddedKafka") -> None:
    env = _environment(KafkaBroker(kafka.bootstrap_servers), kafka.bootstrap_servers)
    topic = env.topic()
    producer = env.broker.producer(None, {"compression.type": "zstd", "message.max.bytes": 200_000_000})
    producer.produce(topic, bytes(110_000_000))  # above librdkafka's own limit
    assert producer.flush(60) == 0
    assert [len(value or b"") for value in env.values(topic, 1)] == [110_000_000]
