"""What the observer of consumer groups sees; the same in memory and on Kafka."""

import random
from contextlib import closing
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException, TopicPartition

from interlock.streams.ports import Broker
from interlock.streams.progress import Progress, WatchedGroup
from interlock.streams.progress_reader import ProgressReader
from tests.streams.conformance import DEADLINE_SECONDS, Environment


class ProgressConformance:
    """Subclasses provide the fixture `env`."""

    def test_every_partition_is_observed_whoever_reads_it(self, env: Environment) -> None:
        topic, group = env.topic(partitions=3), f"group-{uuid4()}"
        for partition in range(2):
            env.fill(topic, [b"x"] * 5, partition)
        _commit(env.broker, group, topic, {0: 5, 1: 2})
        with closing(ProgressReader(env.broker)) as reader:
            watched = WatchedGroup(group, "role", (topic,), 20)
            expected = {
                (topic, 0): Progress(5, 0, waiting=None),
                (topic, 1): Progress(2, 0, waiting=2, lag=3),
                (topic, 2): Progress(None, 0, waiting=None),
            }
            assert reader.observe(watched) == expected
            _commit(env.broker, group, topic, {1: 5})
            env.fill(topic, [b"x"], 2)
            assert reader.observe(watched) == {
                **expected,
                (topic, 1): Progress(5, 0, waiting=None),
                (topic, 2): Progress(None, 0, waiting=0, lag=1),
            }

    def test_large_records_are_seen_too(self, env: Environment) -> None:
        topic, group = env.topic(partitions=3), f"group-{uuid4()}"
        incompressible = random.Random(1).randbytes(600_000)
        for partition in range(3):
            env.fill(topic, [incompressible] * 2, partition)
        with closing(ProgressReader(env.broker)) as reader:
            watched = WatchedGroup(group, "role", (topic,), 20)
            for _ in range(2):
                assert reader.observe(watched) == {
                    (topic, partition): Progress(None, 0, waiting=0, lag=2) for partition in range(3)
                }

    def test_markers_and_aborted_records_are_not_waiting(self, env: Environment) -> None:
        topic, group = env.topic(), f"group-{uuid4()}"
        producer = env.transactional()
        for commit in (True, False):
            producer.begin_transaction()
            producer.produce(topic, b"x", partition=0)
            (producer.commit_transaction if commit else producer.abort_transaction)(DEADLINE_SECONDS)
        _commit(env.broker, group, topic, {0: 1})
        with closing(ProgressReader(env.broker)) as reader:
            assert reader.observe(WatchedGroup(group, "role", (topic,), 20)) == {(topic, 0): Progress(1, 0, None)}

    def test_it_is_seen_that_records_were_deleted_before_they_were_read(self, env: Environment) -> None:
        topic, group = env.topic(partitions=2), f"group-{uuid4()}"
        for partition in range(2):
            env.fill(topic, [b"x"] * 10, partition)
        _commit(env.broker, group, topic, {0: 2, 1: 2})
        env.delete_records(topic, 0, 7)
        env.delete_records(topic, 1, 10)
        with closing(ProgressReader(env.broker)) as reader:
            assert reader.observe(WatchedGroup(group, "role", (topic,), 20)) == {
                (topic, 0): Progress(2, 7, waiting=7, lag=3),
                (topic, 1): Progress(2, 10, waiting=None),
            }

    def test_a_topic_that_does_not_exist_is_told(self, env: Environment) -> None:
        with (
            closing(ProgressReader(env.broker)) as reader,
            pytest.raises(KafkaException, match="no-such-topic does not exist"),
        ):
            reader.observe(WatchedGroup("group", "role", ("no-such-topic",), 20))


def _commit(broker: Broker, group: str, topic: str, offsets: dict[int, int]) -> None:
    with closing(broker.consumer(group)) as consumer:
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        consumer.commit(offsets=places, asynchronous=False)
