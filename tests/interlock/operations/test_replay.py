"""Dead letters are sent again exactly once, whatever happens to the command that does it."""

import itertools
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from interlock.errors import InterlockError
from interlock.operations import dead_letters
from interlock.operations.dead_letters import read_letter, read_letters, replay
from interlock.schemas import catalogue
from interlock.schemas.copy_headers import TASK_HEADER
from interlock.schemas.dead_letters import MAX_COPIED_BYTES, Source, dead_letter
from interlock.schemas.error_headers import with_error_headers
from interlock.schemas.retry_headers import Retry, read_retry_headers, without_retry_headers
from interlock.streams.memory import Crash, FaultPlan, MemoryBroker
from interlock.streams.ports import Headers, Message, TopicSpec

TOPIC = catalogue.DEAD_LETTER.name
INPUT = catalogue.DECISIONS.name
RETRY = catalogue.ACTIONS_RETRY.name


def cluster(*reasons: str) -> MemoryBroker:
    """A cluster with one dead letter for each reason, in order, alternating between two partitions."""
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(TOPIC, 2), TopicSpec(INPUT, 2), TopicSpec(RETRY, 4)])
    broker.create_topics([TopicSpec(topic.name, 1) for topic in (catalogue.COMMANDS, catalogue.POLICIES)])
    put(broker, *reasons)
    return broker


def put(broker: MemoryBroker, *reasons: str) -> None:
    # In a transaction, as the router does: the last offset of each partition is then a marker that nobody reads.
    producer = broker.producer("router")
    producer.init_transactions()
    producer.begin_transaction()
    for number, reason in enumerate(reasons):
        headers: Headers = [
            *with_error_headers(
                [("trace", b"t")], reason=reason, message="bad", topic=INPUT, partition=0, offset=number
            )
        ]
        producer.produce(TOPIC, f"{reason} {number}".encode(), b"key", number % 2, headers=headers)
    producer.commit_transaction()


def sent(broker: MemoryBroker) -> list[str]:
    """Values of what was sent again, sorted."""
    consumer = broker.consumer("reader-of-the-test")
    consumer.subscribe([INPUT])
    found = []
    while messages := consumer.consume(100, 0):
        for message in messages:
            assert message.headers() == [("trace", b"t")]
            found.append((message.value() or b"").decode())
    return sorted(found)


def test_every_letter_is_read_with_its_reason() -> None:
    broker = cluster("a", "b", "a")
    assert sorted(letter.what["exception"] for letter in read_letters(broker)) == ["a", "a", "b"]
    assert len(list(read_letters(broker, "a"))) == 2


@pytest.mark.parametrize("place", [(0, 7), (1, 99), (9, 0)])
def test_where_no_letter_is_none_is_found(place: tuple[int, int]) -> None:
    assert read_letter(cluster("a", "b"), *place) is None


def test_a_letter_named_by_hand_is_sent_whenever_asked_and_nothing_if_one_is_missing() -> None:
    broker = cluster("a", "b")
    assert replay(broker, [(0, 0)], None) == 1
    assert replay(broker, [(0, 0)], None) == 1
    with pytest.raises(InterlockError, match="no dead letter 1:5; nothing was sent"):
        replay(broker, [(0, 0), (1, 5)], None)
    assert sent(broker) == ["a 0", "a 0"]


def test_a_letter_without_a_copy_of_its_message_is_never_sent() -> None:
    broker = cluster("a")
    producer = broker.producer(None)
    source = Source(INPUT, 0, 5, b"key", bytes(MAX_COPIED_BYTES + 1), [])
    key, value, headers = dead_letter(source, "not-wire-format", "bad", "router")
    producer.produce(TOPIC, value, key, 1, headers=headers)
    producer.flush()
    with pytest.raises(InterlockError, match=r"read it from decisions\[0\] at offset 5\); nothing was sent"):
        replay(broker, [(0, 0), (1, 0)], None)
    assert replay(broker, None, None) == 1
    assert sent(broker) == ["a 0"]


def test_all_sends_what_came_since_the_last_time() -> None:
    broker = cluster("a", "b")
    assert replay(broker, None, None) == 2
    assert replay(broker, None, None) == 0
    put(broker, "c")
    assert replay(broker, None, None) == 1
    assert sent(broker) == ["a 0", "b 1", "c 0"]


def test_what_was_sent_for_its_reason_is_not_sent_again_with_all_the_others_nor_the_other_way_round() -> None:
    broker = cluster("a", "b", "a")
    assert replay(broker, None, "a") == 2
    assert replay(broker, None, "a") == 0
    assert replay(broker, None, None) == 1
    assert replay(broker, None, "b") == 0
    assert sent(broker) == ["a 0", "a 2", "b 1"]


def test_killed_at_any_step_and_run_again_every_letter_is_sent_once() -> None:
    for step in itertools.count():
        broker = cluster("a", "b", "a")
        plan = FaultPlan({step: Crash()})
        try:
            replay(broker.process(plan), None, None)
        except Crash:
            replay(broker.process(), None, None)
            assert sent(broker) == ["a 0", "a 2", "b 1"], plan.steps
        else:
            assert len(plan.steps) >= 10
            return


def bury(broker: MemoryBroker, topic: str, step: str, **changed: Any) -> None:
    """A dead letter of `step`, which read it from `topic`; `changed`: what else its headers say."""
    place = {"reason": "r", "message": "m", "topic": topic, "partition": 3, "offset": 7, "step": step, **changed}
    headers = with_error_headers([("trace", b"t"), ("__streams.errors.message", b"mine")], **place)
    producer = broker.producer(None)
    producer.produce(TOPIC, b"value", b"key", 0, headers=[*headers])
    producer.flush()


def read(broker: MemoryBroker, topic: str) -> list[Message]:
    consumer = broker.consumer(None)
    consumer.assign([TopicPartition(topic, number, 0) for number in broker.end_offsets(topic)])
    return [*consumer.consume(100, 0), *consumer.consume(100, 0)]


def test_a_long_replay_is_sent_in_parts_and_goes_on_after_a_kill_at_any_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_LETTERS_AT_ONCE", 2)
    for step in itertools.count():
        broker = cluster(*"ababaab")
        plan = FaultPlan({step: Crash()})
        try:
            assert replay(broker.process(plan), None, None) == 7
        except Crash:
            replay(broker.process(), None, None)
        assert sent(broker) == sorted(f"{reason} {number}" for number, reason in enumerate("ababaab")), plan.steps
        if step == len(plan.steps):
            parts = "".join("p" if name == "produce" else "|" if name == "begin" else "" for name in plan.steps)
            assert parts == "|pp|pp|pp|p|"  # and how far it came, at last
            return


def test_large_letters_make_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_BYTES_AT_ONCE", 4)
    plan = FaultPlan()
    broker = cluster("a", "b", "c")
    assert replay(broker.process(plan), [(0, 0), (1, 0)], None) == 2
    assert plan.steps.count("begin") == 1
    assert replay(broker.process(plan), None, "a") == 1
    assert replay(broker.process(plan), None, None) == 2
    assert plan.steps.count("begin") == 1 + 2 + 2


def test_a_full_queue_of_the_producer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = cluster(*"aaaaa")
    make = broker.producer
    monkeypatch.setattr(broker, "producer", lambda name: make(name, {"queue.buffering.max.messages": 1}))
    assert replay(broker, None, None) == 5
    assert len(sent(broker)) == 5


def test_how_far_it_came_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_LETTERS_AT_ONCE", 2)
    shown: list[tuple[int, int]] = []
    replay(cluster(*"aabba"), None, "b", on_progress=lambda *counts: shown.append(counts))
    assert [done for done, _ in shown] == [2, 4]
    assert {total for _, total in shown} == {7}  # the markers of both partitions are offsets too


@pytest.mark.parametrize(
    ("topic", "step"),
    [
        (catalogue.POLICIES.name, "router"),
        (catalogue.COMMANDS.name, "router"),
        (catalogue.COMMANDS.name, "webhooks"),
        (INPUT, "desk"),
        (RETRY, "webhooks"),
        ("no-such-topic", "desk"),
        (catalogue.ACTIONS.name, ""),
    ],
)
def test_a_letter_whose_headers_name_a_topic_that_its_step_does_not_read_is_refused(topic: str, step: str) -> None:
    broker = cluster("a")
    bury(broker, topic, step)
    ends = {name: broker.end_offsets(name) for name in (catalogue.POLICIES.name, catalogue.COMMANDS.name, RETRY)}
    refused: list[str] = []
    assert replay(broker, None, None, on_refused=refused.append) == 1
    assert len(refused) == 1
    assert "was not written by Interlock, and is not sent" in refused[0]
    place = next(letter for letter in read_letters(broker) if letter.value == b"value")
    with pytest.raises(InterlockError, match="not sent; nothing was sent"):
        replay(broker, [(0, 0), (place.partition, place.offset)], None)
    assert ends == {name: broker.end_offsets(name) for name in ends}
    assert sent(broker) == ["a 0"]


def test_a_letter_that_says_how_people_had_decided_a_case_is_refused() -> None:
    broker = cluster()
    manual = catalogue.REVIEWS_MANUAL.name
    broker.create_topics([TopicSpec(manual, 1)])
    place: dict[str, Any] = {
        "reason": "r",
        "message": "m",
        "topic": manual,
        "partition": 0,
        "offset": 7,
        "step": "desk",
    }
    producer = broker.producer(None)
    headers = with_error_headers([(TASK_HEADER, b"decided")], **place)
    producer.produce(TOPIC, b"value", b"key", 0, headers=[*headers])
    producer.flush()
    refused: list[str] = []
    assert replay(broker, None, None, on_refused=refused.append) == 0
    assert "`interlock review appeal` writes what ClickHouse has" in refused[0]
    assert broker.end_offsets(manual) == {0: 0}


@pytest.mark.parametrize("changed", [{"partition": "x"}, {"offset": -1}, {"partition": 4}, {"offset": "9" * 5000}])
def test_a_letter_of_an_executor_without_a_place_that_exists_is_refused(changed: dict[str, Any]) -> None:
    broker = cluster()
    bury(broker, catalogue.ACTIONS.name, "webhooks", **changed)
    refused: list[str] = []
    assert replay(broker, None, None, on_refused=refused.append) == 0
    assert len(refused) == 1


def test_a_letter_goes_back_with_the_headers_that_its_producer_gave_it() -> None:
    broker = cluster()
    bury(broker, catalogue.COMMANDS.name, "desk")
    bury(broker, catalogue.ACTIONS.name, "webhooks")
    assert replay(broker, None, None) == 2
    own = [("trace", b"t"), ("__streams.errors.message", b"mine")]
    (command,) = read(broker, catalogue.COMMANDS.name)
    assert command.headers() == own
    (retry,) = read(broker, RETRY)
    assert (retry.partition(), retry.key(), retry.value()) == (3, b"key", b"value")
    assert without_retry_headers(retry.headers()) == own
    assert read_retry_headers(retry.headers()) == Retry("webhooks", catalogue.ACTIONS.name, 3, 7)


def test_a_reason_that_is_no_code_holds_up_nothing() -> None:
    broker = cluster("a")
    bury(broker, INPUT, "router", reason="x" * 50_000)
    assert replay(broker, None, None) == 2
    assert replay(broker, None, None) == 0


def test_an_outcome_that_was_counted_and_would_be_refused_again_is_not_sent() -> None:
    broker = cluster()
    broker.create_topics([TopicSpec(catalogue.OUTCOMES.name, 1)])
    bury(broker, catalogue.OUTCOMES.name, "feedback", reason="bad-propensity")
    bury(broker, catalogue.OUTCOMES.name, "feedback", reason="unknown-schema")
    refused: list[str] = []
    assert replay(broker, None, None, on_refused=refused.append) == 1
    assert len(refused) == 1
    assert "would be counted twice" in refused[0]
    assert len(read(broker, catalogue.OUTCOMES.name)) == 1
