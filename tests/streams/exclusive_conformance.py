"""What exclusive groups must do: one member reads everything, the others stand by."""

from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition

from interlock.streams.ports import Broker, Consumer, Message
from interlock.streams.tables import TableReader
from tests.streams.conformance import DEADLINE_SECONDS, Environment, consume_until, offsets, take


class ExclusiveGroup:
    """What a group may hold at most once. Fails the moment that a second member is given any part of it."""

    def __init__(self, broker: Broker, topics: list[str]) -> None:
        self.broker = broker
        self.topics = topics
        self.group = f"group-{uuid4()}"
        self.members: list[Consumer] = []
        self.held: dict[int, set[str]] = {}  # member -> topics
        self.clashes: list[str] = []
        self.assigned = False  # since somebody came or went

    def join(self) -> Consumer:
        member = len(self.held)
        self.held[member] = set()

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            self.held[member] |= {partition.topic for partition in partitions}
            self.assigned |= bool(partitions)
            holders = [other for other, topics in self.held.items() if topics]
            if len(holders) > 1:
                self.clashes.append(f"{holders} hold something at the same time")

        def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
            self.held[member] -= {partition.topic for partition in partitions}

        consumer = self.broker.consumer(self.group, exclusive=True)
        consumer.subscribe(self.topics, on_assign=assigned, on_revoke=revoked, on_lost=revoked)
        self.members.append(consumer)
        self.assigned = False
        return consumer

    def leave(self, consumer: Consumer) -> None:
        self.members.remove(consumer)
        consumer.close()
        self.assigned = False

    def settle(self) -> Consumer:
        """Waits until the group has been rebalanced and one member holds everything; returns it."""
        consume_until(lambda: self.assigned and self.is_held(), *self.members)
        assert not self.clashes
        (holder,) = [member for member in self.members if member.assignment()]
        return holder

    def is_held(self) -> bool:
        return max(len(member.assignment()) for member in self.members) == len(self.topics)

    def go_on(self, rounds: int | None) -> None:
        """Lets every member take part in rebalances a few times, or until there is nothing to do."""
        if rounds is None:
            self.settle()
        for _ in range(rounds or 0):
            for member in self.members:
                member.consume(1, 0.02)


class ExclusiveConformance:
    """Subclasses provide the fixture `env`."""

    def test_one_member_reads_every_topic_in_whatever_order_members_come_and_go(self, env: Environment) -> None:
        topics = [env.topic() for _ in range(4)]
        group = ExclusiveGroup(env.broker, topics)
        group.join()
        group.settle()
        # Who leaves, counted in the order of coming; and how far the group gets in between: None is all the way.
        for leaving, rounds in (((0, 1), None), ((2, 0), 3)):
            while len(group.members) < 3:
                group.join()
                group.go_on(rounds)
            for number in leaving:
                group.leave(group.members[number])
                group.go_on(rounds)
            consume_until(group.is_held, *group.members)
            assert not group.clashes
        group.leave(group.members[0])
        assert not group.clashes

    def test_the_next_member_continues_where_the_one_before_has_committed(self, env: Environment) -> None:
        topics = [env.topic(), env.topic()]
        for topic in topics:
            env.fill(topic, [b"%d" % number for number in range(6)])
        group = ExclusiveGroup(env.broker, topics)
        first = group.join()
        take(first, 12)
        group.join()
        holder = group.settle()
        producer = env.transactional()
        producer.begin_transaction()
        positions = [TopicPartition(topic, 0, 4) for topic in topics]
        producer.send_offsets_to_transaction(positions, holder.consumer_group_metadata(), DEADLINE_SECONDS)
        producer.commit_transaction(DEADLINE_SECONDS)
        group.leave(holder)
        (heir,) = group.members
        messages = take(heir, 4)
        assert sorted(message.offset() for message in messages) == [4, 4, 5, 5]
        group.leave(heir)

    def test_positions_of_which_none_is_known_are_committed_as_nothing(self, env: Environment) -> None:
        topics = [env.topic(), env.topic()]
        out = env.topic()
        group = ExclusiveGroup(env.broker, topics)
        group.join()
        holder = group.settle()
        positions = holder.position(holder.assignment())
        producer = env.transactional()
        producer.begin_transaction()
        producer.produce(out, b"a tick")
        producer.send_offsets_to_transaction(positions, holder.consumer_group_metadata(), DEADLINE_SECONDS)
        producer.commit_transaction(DEADLINE_SECONDS)
        assert env.values(out, 1) == [b"a tick"]
        assert set(offsets(holder.committed(positions, DEADLINE_SECONDS))) == {-1001}
        group.leave(holder)

    def test_what_was_written_since_a_time_is_read_and_then_followed(self, env: Environment) -> None:
        topic = env.topic(partitions=3)
        producer = env.broker.producer(None, {"enable.idempotence": False})
        for partition, timestamp in ((0, 1_000), (0, 2_000), (0, 3_000), (1, 1_999), (2, 2_001)):
            producer.produce(topic, b"%d" % timestamp, partition=partition, timestamp=timestamp)
        assert producer.flush(DEADLINE_SECONDS) == 0
        table = TableReader(env.broker, [topic], since=2_000)
        found = [message.value() or b"" for message in table.read_all(DEADLINE_SECONDS)]
        assert sorted(found) == [b"2000", b"2001", b"3000"]
        env.fill(topic, [b"new"], partition=1)
        news: list[Message] = []

        def came() -> bool:
            news.extend(table.poll())
            return bool(news)

        consume_until(came)
        assert [message.value() for message in news] == [b"new"]
        table.close()

    @pytest.mark.parametrize("last", [0, 1, 3, 100])
    def test_the_last_offsets_of_a_topic_are_read_and_then_followed(self, env: Environment, last: int) -> None:
        topic = env.topic()
        env.fill(topic, [b"%d" % number for number in range(10)])
        table = TableReader(env.broker, [topic], last=last)
        found = [message.value() for message in table.read_all(DEADLINE_SECONDS)]
        assert found == [b"%d" % number for number in range(max(0, 10 - last), 10)]
        env.fill(topic, [b"new"])
        news: list[Message] = []

        def came() -> bool:
            news.extend(table.poll())
            return bool(news)

        consume_until(came)
        assert [message.value() for message in news] == [b"new"]
        table.close()
