"""The connection to the desk: a reply for every command, whoever waits and whatever gets lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from interlock.errors import InterlockError, UnavailableError
from interlock.processors.desk.authority import Authority, KnownSigner
from interlock.processors.desk.command import Command
from interlock.processors.review.times import micros
from interlock.review import desk_connection
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, DeskConnection, DeskUnavailableError, Reply, answers
from interlock.schemas import catalogue, wire
from interlock.schemas.signed_commands import Signer
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Consumer, TopicSpec
from interlock.streams.tables import TableReader
from tests.interlock.review.review_world import World, decision

Commands = list[dict[str, Any]]


class CountingBroker(MemoryBroker):
    """Counts the consumers it makes."""

    consumers = 0

    def consumer(self, *arguments: Any, **options: Any) -> Consumer:
        self.consumers += 1
        return super().consumer(*arguments, **options)


@contextmanager
def scripted(answer: Callable[[dict[str, Any], int], bool]) -> Iterator[tuple[CountingBroker, Commands]]:
    """A broker on which somebody stands in for the desk: answers "ok" where `answer` (command, how many times it came
    before) says so. For what the real desk cannot be made to do, such as losing a reply."""
    broker = CountingBroker(SystemClock(), waits=True)
    broker.create_topics([TopicSpec(topic.name, 1) for topic in (catalogue.COMMANDS, catalogue.REPLIES)])
    stop = threading.Event()
    seen: Commands = []

    def serve() -> None:
        desk = broker.process()
        consumer, producer = desk.consumer(None), desk.producer(None)
        consumer.assign([TopicPartition(catalogue.COMMANDS.name, 0, 0)])
        while not stop.is_set():
            for message in consumer.consume(1, 0.02):
                command = wire.decode("Command", message.value())
                before = sum(earlier["command_id"] == command["command_id"] for earlier in seen)
                seen.append(command)
                if answer(command, before):
                    others = [command | {name: "other"} for name in ("actor", "kind") if before == 0]
                    for asked in (*others, command):  # somebody else may have chosen the same id
                        value = wire.encode("CommandReply", reply_to(asked))
                        producer.produce(catalogue.REPLIES.name, value, command["command_id"])
                    producer.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    yield broker, seen
    stop.set()
    thread.join()


def reply_to(command: dict[str, Any]) -> dict[str, Any]:
    return {
        "command_id": command["command_id"],
        "kind": command["kind"],
        "actor": command["actor"],
        "task_id": command["task_id"],
        "accepted": True,
        "code": "ok",
        "message": command["actor"],
        "at": command["issued_at"],
        "epoch": 0,
        "lease_until": None,
        "payload_hash": "",
        "topic": "",
        "partition": -1,
        "offset": -1,
    }


def test_a_connection_looks_around_less_often_while_nobody_gives_commands() -> None:
    with scripted(lambda *_: True) as (broker, _), DeskConnection(broker) as connection:
        connection._used_at -= desk_connection._RECENTLY_SECONDS
        assert connection._poll_seconds() == desk_connection._REST_INTERVAL_SECONDS
        DeskClient(broker, "ann", connection=connection).on_duty()
        assert connection._poll_seconds() == desk_connection._POLL_INTERVAL_SECONDS


def test_a_case_goes_from_claim_to_verdict(world: World) -> None:
    world.publish_reviewers("ann")
    world.arrive(decision("d-1"))
    with DeskClient(world.broker, "ann") as desk:
        desk.on_duty()
        lease = desk.claim()
        assert (lease.task_id, lease.epoch, lease.code) == ("d-1", 1, "ok")
        done = desk.submit("d-1", lease.epoch, lease.payload_hash, "approve", reason_code="agree", reason_text="fine")
        assert done.accepted
        desk.off_duty()


def test_a_refusal_carries_code_and_message_of_the_reply(world: World) -> None:
    world.publish_reviewers("ann")
    with DeskClient(world.broker, "ann") as desk:
        desk.on_duty()
        with pytest.raises(CommandRefusedError) as raised:
            desk.claim("nothing-of-the-kind")
    assert raised.value.code == "unknown-task"
    assert raised.value.reply.message in str(raised.value)


def test_a_command_is_signed_for_the_person_who_gives_it() -> None:
    signer = Signer("console", bytes(range(32)))
    desk = Authority({"console": KnownSigner(signer.key)})
    with scripted(lambda *_: True) as (broker, seen), DeskClient(broker, "ann", signer=signer) as client:
        client.on_duty()
        (message,) = TableReader(broker, [catalogue.COMMANDS.name]).read_all()
        given = seen[0]["command_id"], "on_duty"
        ann, bob = (Command(*given, name, SystemClock().now()) for name in ("ann", "bob"))
        assert desk.refusal(ann, message.value() or b"", message.headers(), SystemClock().now()) is None
        assert desk.refusal(bob, message.value() or b"", message.headers(), SystemClock().now()) is not None


def test_every_command_reaches_the_desk_with_its_fields(world: World) -> None:
    """What the desk makes of each; the kinds themselves are the desk's to test."""
    world.publish_reviewers("ann", role="lead")
    world.publish_reviewers("bob")
    for name in ("d-1", "d-2", "d-3", "d-4"):
        world.arrive(decision(name))
    with DeskConnection(world.broker) as line:
        ann, bob = (DeskClient(world.broker, name, connection=line) for name in ("ann", "bob"))
        ann.on_duty()
        bob.on_duty()
        lease = bob.claim("d-1")
        assert bob.extend("d-1", lease.epoch).lease_until is not None
        later = SystemClock().now() + 3600 * 1_000_000
        assert bob.snooze("d-1", lease.epoch, later, reason_code="other", reason_text="waiting").accepted
        two = bob.claim("d-2")
        assert bob.release("d-2", two.epoch, "other", "knows the applicant").accepted
        with pytest.raises(CommandRefusedError) as kept_away:
            bob.claim("d-2")
        assert kept_away.value.code == "excluded"
        bob.claim("d-3")
        assert bob.escalate("d-3", reason_text="forged?").accepted
        assert ann.reassign("d-2", "ann").accepted
        four = ann.claim("d-4")
        modified = ann.submit(
            "d-4",
            four.epoch,
            four.payload_hash,
            "modify",
            modifications={"amount": 8000},
            reason_code="income",
            reason_text="less",
        )
        assert modified.accepted
        overridden = ann.override(
            "d-4", four.payload_hash, "choose", outcome="approve", reason_code="history", reason_text="mended"
        )
        assert overridden.accepted
        assert ann.gold("d-4", "approve").accepted
        assert ann.appeal("d-4", "not mine").accepted
        with pytest.raises(CommandRefusedError) as not_sync:
            ann.expire("d-2")
        assert not_sync.value.code == "not-sync"


def test_a_lost_reply_is_asked_for_again_under_the_same_id() -> None:
    with scripted(lambda _, before: before == 2) as (broker, seen):
        with DeskConnection(broker, attempt_seconds=0.05, attempts=20) as line:
            reply = DeskClient(broker, "ann", connection=line, new_id=lambda: "c-1").claim()
        assert reply.command_id == "c-1"
        assert len(seen) >= 3
        assert {command["command_id"] for command in seen} == {"c-1"}


def test_a_repeated_command_is_carried_out_once(world: World) -> None:
    world.publish_reviewers("ann")
    for name in ("d-1", "d-2"):
        world.arrive(decision(name))
    with DeskClient(world.broker, "ann") as desk:
        desk.on_duty()
        first, again = desk.claim(command_id="c-1"), desk.claim(command_id="c-1")
    assert first == again


def test_an_id_that_another_person_has_used_is_refused_instead_of_answered(world: World) -> None:
    world.publish_reviewers("ann")
    world.publish_reviewers("bob")
    for name in ("d-1", "d-2"):
        world.arrive(decision(name))
    with DeskClient(world.broker, "ann") as ann, DeskClient(world.broker, "bob") as bob:
        ann.on_duty()
        bob.on_duty()
        leases = {desk: desk.claim(task_id) for desk, task_id in ((ann, "d-1"), (bob, "d-2"))}
        words: dict[str, Any] = {"reason_code": "agree", "reason_text": "fine", "command_id": "1"}

        def submit(desk: DeskClient) -> Reply:
            lease = leases[desk]
            return desk.submit(lease.task_id, lease.epoch, lease.payload_hash, "approve", **words)

        assert submit(ann).accepted
        with pytest.raises(CommandRefusedError) as raised:
            submit(bob)
        assert (raised.value.code, raised.value.reply.actor) == ("command-id-used", "bob")
        words["command_id"] = "2"
        assert submit(bob).task_id == "d-2"


@pytest.mark.parametrize(
    ("kind", "task_id", "answered", "about"),
    [
        ("submit", "d-1", "d-1", True),
        ("submit", "d-1", "d-2", False),
        ("claim", "", "d-2", True),
        ("gold", "d-1", "gold:1:d-1", True),
    ],
)
def test_a_reply_is_about_the_task_that_the_command_named(kind: str, task_id: str, answered: str, about: bool) -> None:
    command = {"command_id": "1", "kind": kind, "actor": "ann", "task_id": task_id, "issued_at": 0}
    reply = Reply(**wire.decode("CommandReply", wire.encode("CommandReply", reply_to(command | {"task_id": answered}))))
    assert answers(reply, command) is about


def test_a_silent_desk_is_named_with_the_command_to_repeat() -> None:
    with (
        scripted(lambda *_: False) as (broker, _),
        DeskConnection(broker, attempt_seconds=0.02, attempts=2) as line,
        pytest.raises(DeskUnavailableError) as raised,
    ):
        DeskClient(broker, "ann", connection=line, new_id=lambda: "c-1").claim()
    assert raised.value.command_id == "c-1"
    assert isinstance(raised.value, UnavailableError)
    assert "c-1" in str(raised.value)
    assert "interlock run desk" in str(raised.value)


def test_replies_of_others_and_of_the_past_are_not_taken_for_mine() -> None:
    with scripted(lambda *_: True) as (broker, _):
        with DeskConnection(broker) as line:
            DeskClient(broker, "bob", connection=line).claim(command_id="old")
        with DeskConnection(broker) as mine, DeskConnection(broker) as others:
            DeskClient(broker, "cid", connection=others).claim()
            assert DeskClient(broker, "ann", connection=mine).claim().message == "ann"


def test_many_callers_share_one_consumer_and_each_gets_the_own_reply() -> None:
    with scripted(lambda *_: True) as (broker, seen):
        broker.consumers = 0
        with DeskConnection(broker) as line, ThreadPoolExecutor(16) as pool:
            names = [f"r-{number}" for number in range(64)]
            replies = list(pool.map(lambda name: DeskClient(broker, name, connection=line).claim(), names))
        assert [reply.message for reply in replies] == names
        assert broker.consumers == 1
        assert len(seen) == 64


def test_closing_the_line_wakes_who_waits() -> None:
    with scripted(lambda *_: False) as (broker, seen):
        line = DeskConnection(broker)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(DeskClient(broker, "ann", connection=line).claim)
            while not seen:  # until the command is on its way
                threading.Event().wait(0.005)
            line.close()
            with pytest.raises(RuntimeError, match="closed"):
                waiting.result(10)
        with pytest.raises(RuntimeError, match="closed"):
            DeskClient(broker, "ann", connection=line).claim()


def test_a_command_that_is_repeated_while_it_is_under_way_is_answered_to_all_who_asked() -> None:
    with (
        scripted(lambda _, before: before >= 1) as (broker, seen),
        DeskConnection(broker) as line,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(DeskClient(broker, "ann", connection=line).claim, command_id="c-1")
        while not seen:
            threading.Event().wait(0.005)
        second = pool.submit(DeskClient(broker, "ann", connection=line).claim, command_id="c-1")
        assert first.result(10) == second.result(10)
        assert first.result().message == "ann"


def test_two_people_who_use_one_id_at_the_same_time_get_their_own_replies() -> None:
    with (
        scripted(lambda *_: True) as (broker, _),
        DeskConnection(broker, attempt_seconds=0.2) as line,
        ThreadPoolExecutor(2) as pool,
    ):
        names = ["ann", "ben"]
        ask = lambda name: DeskClient(broker, name, connection=line).claim(command_id="c-1")  # noqa: E731
        assert [reply.message for reply in pool.map(ask, names)] == names


def test_without_the_topics_the_error_says_what_creates_them() -> None:
    broker = MemoryBroker(SystemClock(), waits=True)
    with pytest.raises(InterlockError, match="interlock prepare"):
        DeskClient(broker, "ann")


def test_the_time_of_a_command_is_the_senders() -> None:
    class Clock:
        def now(self) -> int:
            return 1_767_225_600_000_000

    with scripted(lambda *_: True) as (broker, seen):
        with DeskClient(broker, "ann", clock=Clock()) as desk:
            desk.on_duty()
        assert micros(seen[0]["issued_at"]) == Clock().now()


def test_a_reply_that_cannot_be_read_keeps_nobody_from_hearing_the_next() -> None:
    with scripted(lambda _, before: before == 1) as (broker, seen), DeskConnection(broker, attempt_seconds=0.2) as line:
        producer = broker.producer(None)

        def damage() -> None:
            while not seen:
                threading.Event().wait(0.005)
            producer.produce(catalogue.REPLIES.name, b"damaged", b"c-1")
            producer.flush()

        damaging = threading.Thread(target=damage)
        damaging.start()
        assert DeskClient(broker, "ann", connection=line).claim(command_id="c-1").message == "ann"
        damaging.join()
        assert not line.broken
