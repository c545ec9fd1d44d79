"""What consumer groups must do, in either of Kafka's group protocols: the second half of the conformance suite."""

from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from interlock.streams.ports import Consumer
from tests.streams.conformance import DEADLINE_SECONDS, Environment, consume_until, offsets, partitions_of, take

# A broker may say in several ways that offsets do not come from a present member.
STALE = {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.STALE_MEMBER_EPOCH}


class GroupConformance:
    """Subclasses provide the fixture `env`."""

    def test_offsets_are_committed_with_the_transaction_and_not_with_an_aborted_one(self, env: Environment) -> None:
        topic = env.topic()
        env.fill(topic, [b"x"] * 10)
        consumer = env.broker.consumer(f"group-{uuid4()}")
        consumer.subscribe([topic])
        take(consumer, 10)
        producer = env.transactional()
        producer.begin_transaction()
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, 4)], consumer.consumer_group_metadata(), DEADLINE_SECONDS
        )
        producer.abort_transaction(DEADLINE_SECONDS)
        assert offsets(consumer.committed([TopicPartition(topic, 0)], DEADLINE_SECONDS)) == [OFFSET_INVALID]
        producer.begin_transaction()
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, 7, "why")], consumer.consumer_group_metadata(), DEADLINE_SECONDS
        )
        producer.commit_transaction(DEADLINE_SECONDS)
        (committed,) = consumer.committed([TopicPartition(topic, 0)], DEADLINE_SECONDS)
        assert (committed.offset, committed.metadata) == (7, "why")

    def test_logical_offsets_are_not_committed(self, env: Environment) -> None:
        topic = env.topic(partitions=2)
        env.fill(topic, [b"x"] * 3)
        consumer = env.broker.consumer(f"group-{uuid4()}")
        consumer.subscribe([topic])
        take(consumer, 3)
        positions = consumer.position([TopicPartition(topic, 0), TopicPartition(topic, 1)])
        assert offsets(positions) == [3, OFFSET_INVALID], "nothing was read of the second"
        producer = env.transactional()
        producer.begin_transaction()
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), DEADLINE_SECONDS)
        producer.commit_transaction(DEADLINE_SECONDS)
        assert offsets(consumer.committed(positions, DEADLINE_SECONDS)) == [3, OFFSET_INVALID]

    def test_offsets_of_a_member_that_left_are_refused_and_the_transaction_can_be_aborted(
        self, env: Environment
    ) -> None:
        topic = env.topic()
        env.fill(topic, [b"x"])
        consumer = env.broker.consumer(f"group-{uuid4()}")
        consumer.subscribe([topic])
        take(consumer, 1)
        metadata = consumer.consumer_group_metadata()
        consumer.close()
        producer = env.transactional()
        producer.begin_transaction()
        producer.produce(topic, b"must not be seen")
        with pytest.raises(KafkaException) as refused:
            producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], metadata, DEADLINE_SECONDS)
        assert refused.value.args[0].code() in STALE
        assert refused.value.args[0].txn_requires_abort()
        with pytest.raises(KafkaException):
            producer.commit_transaction(DEADLINE_SECONDS)
        producer.abort_transaction(DEADLINE_SECONDS)
        producer.begin_transaction()
        producer.produce(topic, b"seen")
        producer.commit_transaction(DEADLINE_SECONDS)
        assert env.values(topic, 2) == [b"x", b"seen"]

    def test_a_transaction_commits_for_a_group_that_nobody_has_joined(self, env: Environment) -> None:
        topic, group = env.topic(), f"group-{uuid4()}"
        consumer = env.broker.consumer(group)
        producer = env.transactional()
        producer.begin_transaction()
        place = TopicPartition(topic, 0, 5)
        producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), DEADLINE_SECONDS)
        producer.commit_transaction(DEADLINE_SECONDS)
        assert offsets(consumer.committed([TopicPartition(topic, 0)], DEADLINE_SECONDS)) == [5]
        consumer.close()

    def test_offsets_of_an_old_generation_are_refused(self, env: Environment) -> None:
        topic, group = env.topic(partitions=2), f"group-{uuid4()}"
        first, second = env.broker.consumer(group), env.broker.consumer(group)
        first.subscribe([topic])
        consume_until(lambda: partitions_of(first) == {0, 1}, first)
        old = first.consumer_group_metadata()
        second.subscribe([topic])
        consume_until(lambda: len(partitions_of(second)) == 1, first, second)
        (moved,) = second.assignment()
        producer = env.transactional()
        producer.begin_transaction()
        with pytest.raises(KafkaException) as refused:
            producer.send_offsets_to_transaction([TopicPartition(topic, moved.partition, 1)], old, DEADLINE_SECONDS)
        assert refused.value.args[0].code() in STALE
        assert refused.value.args[0].txn_requires_abort()
        producer.abort_transaction(DEADLINE_SECONDS)
        first.close()
        second.close()

    def test_a_partition_that_was_revoked_while_paused_comes_back_paused(self, env: Environment) -> None:
        """Whoever pauses must say of every newly assigned partition whether it shall rest."""
        topic, group = env.topic(partitions=2), f"group-{uuid4()}"
        first, second = env.broker.consumer(group), env.broker.consumer(group)
        first.subscribe([topic])
        consume_until(lambda: partitions_of(first) == {0, 1}, first)
        first.pause(first.assignment())
        second.subscribe([topic])
        consume_until(lambda: len(partitions_of(second)) == 1, first, second)
        second.close()
        consume_until(lambda: partitions_of(first) == {0, 1}, first)
        for partition in range(2):
            env.fill(topic, [b"waits"], partition)
        assert first.consume(2, 1.0) == []
        first.resume(first.assignment())
        assert [message.value() for message in take(first, 2)] == [b"waits"] * 2
        first.close()

    def test_committed_offsets_wait_for_the_transaction_that_may_change_them(self, env: Environment) -> None:
        topic, group, name = env.topic(), f"group-{uuid4()}", f"id-{uuid4()}"
        env.fill(topic, [b"x"] * 3)
        first = env.broker.consumer(group)
        first.subscribe([topic])
        take(first, 3)
        producer = env.transactional(name)
        producer.begin_transaction()
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, 2)], first.consumer_group_metadata(), DEADLINE_SECONDS
        )
        with pytest.raises(KafkaException):
            first.committed([TopicPartition(topic, 0)], 0.5)
        first.close()
        second = env.broker.consumer(group)
        second.subscribe([topic])
        consume_until(lambda: partitions_of(second) == {0}, second)
        assert second.consume(1, 0.2) == [], "it cannot know yet where to begin"
        env.transactional(name)
        assert take(second, 3)[0].offset() == 0, "the transaction was aborted"
        second.close()

    def test_offsets_committed_outside_transactions_keep_their_metadata(self, env: Environment) -> None:
        topic, group = env.topic(), f"group-{uuid4()}"
        consumer = env.broker.consumer(group)
        (result,) = consumer.commit(offsets=[TopicPartition(topic, 0, 5, '{"plan": 1}')], asynchronous=False)
        assert result.error is None
        (committed,) = env.broker.consumer(group).committed([TopicPartition(topic, 0)], DEADLINE_SECONDS)
        assert (committed.offset, committed.metadata) == (5, '{"plan": 1}')

    def test_a_group_member_continues_at_the_committed_offset(self, env: Environment) -> None:
        topic, group = env.topic(), f"group-{uuid4()}"
        env.fill(topic, [b"%d" % number for number in range(10)])
        env.broker.consumer(group).commit(offsets=[TopicPartition(topic, 0, 6)], asynchronous=False)
        consumer = env.broker.consumer(group)
        consumer.subscribe([topic])
        assert [message.offset() for message in take(consumer, 4)] == [6, 7, 8, 9]
        consumer.close()

    def test_two_members_share_partitions_and_the_callbacks_name_only_what_moves(self, env: Environment) -> None:
        topic, group = env.topic(partitions=4), f"group-{uuid4()}"
        first, second = env.broker.consumer(group), env.broker.consumer(group)
        revoked: set[int] = set()
        assigned: list[int] = []
        first.subscribe(
            [topic],
            on_assign=lambda _, partitions: assigned.extend(p.partition for p in partitions),
            on_revoke=lambda _, partitions: revoked.update(p.partition for p in partitions),
        )
        consume_until(lambda: partitions_of(first) == {0, 1, 2, 3}, first)
        assert sorted(assigned) == [0, 1, 2, 3]
        second.subscribe([topic])
        consume_until(lambda: len(partitions_of(second)) == 2, first, second)
        assert partitions_of(first) | partitions_of(second) == {0, 1, 2, 3}
        assert revoked == partitions_of(second)
        second.close()
        consume_until(lambda: partitions_of(first) == {0, 1, 2, 3}, first)
        first.close()
        assert revoked == {0, 1, 2, 3}, "closing revokes what is left"

    def test_revoked_partitions_move_only_after_the_callback_has_committed(self, env: Environment) -> None:
        topic, group = env.topic(partitions=2), f"group-{uuid4()}"
        for partition in (0, 1):
            env.fill(topic, [b"x"] * 5, partition)
        first, second = env.broker.consumer(group), env.broker.consumer(group)
        producer = env.transactional()
        closing = False

        def commit(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            if closing:  # nothing is promised about the membership of a consumer that is closing
                return
            producer.begin_transaction()
            positions = [TopicPartition(topic, partition.partition, 5) for partition in partitions]
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), DEADLINE_SECONDS)
            producer.commit_transaction(DEADLINE_SECONDS)

        first.subscribe([topic], on_revoke=commit)
        take(first, 10)
        second.subscribe([topic])
        read_again = consume_until(lambda: len(partitions_of(second)) == 1, first, second)
        assert read_again == []
        (moved,) = second.assignment()
        assert offsets(second.committed([moved], DEADLINE_SECONDS)) == [5]
        closing = True
        second.close()
        first.close()

    def test_seek_rewinds_and_forgets_the_position(self, env: Environment) -> None:
        topic = env.topic()
        env.fill(topic, [b"%d" % number for number in range(10)])
        consumer = env.broker.consumer(f"group-{uuid4()}")
        consumer.subscribe([topic])
        take(consumer, 10)
        assert offsets(consumer.position([TopicPartition(topic, 0)])) == [10]
        consumer.seek(TopicPartition(topic, 0, 3))
        # Otherwise the position before the rewind could be committed for records that are to be read again.
        assert offsets(consumer.position([TopicPartition(topic, 0)])) == [OFFSET_INVALID]
        assert [message.offset() for message in take(consumer, 7)] == [3, 4, 5, 6, 7, 8, 9]
        assert offsets(consumer.position([TopicPartition(topic, 0)])) == [10]
        consumer.close()

    def test_seeking_a_partition_that_is_not_assigned_is_refused(self, env: Environment) -> None:
        topic = env.topic()
        with pytest.raises(KafkaException) as refused:
            env.broker.consumer(f"group-{uuid4()}").seek(TopicPartition(topic, 0, 0))
        assert refused.value.args[0].code() == KafkaError._UNKNOWN_PARTITION
