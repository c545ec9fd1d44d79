"""The groups of a whole platform, looked at by somebody who has never looked before."""

from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition

from interlock.operations.group_owners import Owners, group_owners
from interlock.operations.progress import REST_SECONDS, GroupsWatch, settled_findings
from interlock.platform.groups import watched_groups
from interlock.platform.settings import Settings
from interlock.schemas import catalogue
from interlock.services.desk_runner import INPUTS
from interlock.streams.kafka import GroupProtocol, KafkaBroker
from interlock.streams.memory import MemoryBroker, unavailable
from interlock.streams.ports import Broker, TopicSpec
from interlock.streams.progress import WatchedGroup
from tests.streams.conformance import Environment, consume_until

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

GROUP = WatchedGroup("readers", "reader", ("work",), stalled_seconds=20)


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec("work", 2)])
    return broker


def _send(broker: Broker, partition: int, count: int = 1) -> None:
    producer = broker.producer(None)
    for _ in range(count):
        producer.produce("work", b"x", partition=partition)
    producer.flush()


def _commit(broker: Broker, partition: int, offset: int) -> None:
    with closing(broker.consumer("readers")) as consumer:
        consumer.commit(offsets=[TopicPartition("work", partition, offset)], asynchronous=False)


class Passing:
    """A clock that passes only while somebody sleeps; `meanwhile` happens then."""

    def __init__(self, meanwhile: Iterable[Callable[[], None]] = ()) -> None:
        self.now = 0.0
        self._meanwhile = iter(meanwhile)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        next(self._meanwhile, lambda: None)()


def test_where_nothing_waits_one_look_is_enough(broker: MemoryBroker) -> None:
    clock = Passing()
    assert settled_findings(GroupsWatch(broker, [GROUP]), clock.monotonic, clock.sleep) == []
    assert clock.now == 0


def test_a_group_that_moves_is_looked_at_until_it_has_moved(broker: MemoryBroker) -> None:
    _send(broker, 0, 5)
    clock = Passing(partial(_commit, broker, 0, offset) for offset in (1, 2, 3))
    assert settled_findings(GroupsWatch(broker, [GROUP]), clock.monotonic, clock.sleep) == []
    assert clock.now < 5


def test_a_group_that_stands_still_is_named_after_its_time_also_if_other_partitions_move(broker: MemoryBroker) -> None:
    _send(broker, 0, 50)
    _send(broker, 1, 3)
    clock = Passing(partial(_commit, broker, 0, offset) for offset in range(1, 50))
    (found,) = settled_findings(GroupsWatch(broker, [GROUP]), clock.monotonic, clock.sleep)
    assert (found.kind, found.partition, found.records) == ("stalled", ("work", 1), 3)
    assert 20 <= clock.now < 25


def test_a_partition_that_nobody_is_assigned_is_named_and_one_that_gets_an_owner_is_not(broker: MemoryBroker) -> None:
    answers: list[Owners] = [{"readers": {}}, {"readers": {("work", 0): "me"}}]
    clock = Passing()
    watch = GroupsWatch(broker, [GROUP], lambda _: answers.pop(0) if len(answers) > 1 else answers[0], 5)
    (found,) = settled_findings(watch, clock.monotonic, clock.sleep)
    assert (found.kind, found.partition, found.since) == ("no_owner", ("work", 1), 0)
    assert 20 <= clock.now <= 25


def test_who_is_assigned_what_may_be_unknown(broker: MemoryBroker) -> None:
    clock = Passing()
    assert settled_findings(GroupsWatch(broker, [GROUP], lambda _: {}, 5), clock.monotonic, clock.sleep) == []
    assert clock.now == 0
    assert group_owners({"bootstrap.servers": "127.0.0.1:1", "no.such.property": "x"}, ["readers"]) == {}


def test_an_optional_group_that_nobody_runs_is_left_alone(broker: MemoryBroker) -> None:
    _send(broker, 0)
    optional = WatchedGroup("readers", "reader", ("work",), 20, optional=True)
    clock = Passing()
    assert settled_findings(GroupsWatch(broker, [optional]), clock.monotonic, clock.sleep) == []
    _commit(broker, 1, 0)
    (found,) = settled_findings(GroupsWatch(broker, [optional]), clock.monotonic, clock.sleep)
    assert found.partition == ("work", 0)


def test_an_outage_of_kafka_is_raised_and_standing_still_counts_from_its_end(broker: MemoryBroker) -> None:
    _send(broker, 0)
    process = broker.process()
    watch = GroupsWatch(process, [GROUP])
    assert watch.look(0) == []
    process.faults.inject_at("committed", unavailable())
    with pytest.raises(type(unavailable())):
        watch.look(10)
    assert watch.look(30) == []
    assert [found.kind for found in watch.look(50)] == ["stalled"]


def test_a_group_that_has_read_everything_is_asked_about_again_only_when_there_are_records_or_now_and_then(
    broker: MemoryBroker,
) -> None:
    process = broker.process()
    watch = GroupsWatch(process, [GROUP])
    for now in (0, 5, 10):
        assert watch.look(now) == []
    process.faults.inject_at("committed", unavailable())
    for now in (15, 20):
        assert watch.look(now) == []
    _send(broker, 1)
    with pytest.raises(type(unavailable())):
        watch.look(25)
    _commit(broker, 1, 1)
    for now in (30, 35, 40):
        assert watch.look(now) == []
    _commit(broker, 1, 0)
    assert watch.look(REST_SECONDS - 5) == []
    assert [finding.kind for finding in watch.look(REST_SECONDS)] == ["went_back"]


def test_every_role_that_commits_offsets_is_watched() -> None:
    groups = {group.group: group for group in watched_groups(Settings())}
    assert groups[catalogue.DESK_GROUP].topics == INPUTS
    assert set(groups[catalogue.SINK_GROUP].topics) == {topic.name for topic in catalogue.STORED_TOPICS}
    assert {group.role for group in groups.values()} == {
        *("router", "desk", "sink", "feedback", "calibration", "sampler", "notices", "webhooks", "notifier"),
    }


@pytest.mark.kafka
@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_it_is_known_which_partitions_nobody_is_assigned(kafka: "EmbeddedKafka", protocol: GroupProtocol) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers, group_protocol=protocol)
    topic, group = Environment(broker, lambda _: None, lambda *_: None).topic(partitions=2), f"group-{uuid4()}"
    admin = {"bootstrap.servers": kafka.bootstrap_servers}
    assert group_owners(admin, [group]) == {group: {}}
    with closing(broker.consumer(group)) as member:
        member.subscribe([topic])
        consume_until(lambda: len(member.assignment()) == 2, member)
        assert set(group_owners(admin, [group])[group]) == {(topic, 0), (topic, 1)}
    assert group_owners(admin, [group]) == {group: {}}
