"""Waiting for words: the client against a router and a desk that answer with real records."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock import AsyncClient, Client, DecisionResult, DeliveryError, NotDecidedError
from interlock.client.found import FoundResolution
from interlock.client.listener import end_of
from interlock.client.pending import ASK_AGAIN_SECONDS, MAX_LEFT_OPEN, Ask, PendingDecisions, Submitted
from interlock.errors import UnavailableError
from interlock.schemas import catalogue, wire
from interlock.schemas.error_headers import with_error_headers
from interlock.schemas.headers import CALLER_HEADER, CALLER_SECONDS_HEADER, headers_of
from interlock.schemas.signed_commands import Signer, read_signature
from interlock.streams.clock import SystemClock
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, Consumer, Message, TopicSpec
from interlock.streams.tables import TableReader
from tests.interlock.client.test_client import decision

AT = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = (
    catalogue.DECISIONS,
    catalogue.COMMANDS,
    catalogue.REPLIES,
    catalogue.RESOLUTIONS,
    catalogue.AUTO_APPROVED,
    catalogue.REVIEWS_ASYNC,
    catalogue.REVIEWS_MANUAL,
    catalogue.DEAD_LETTER,
)

# What a decision or command is answered with: topic, record.
Answers = list[tuple[catalogue.Topic, dict[str, Any]]]
KEYS = {catalogue.REPLIES: "command_id", catalogue.RESOLUTIONS: "decision_id"}


def resolution(decision_id: str, **fields: Any) -> tuple[catalogue.Topic, dict[str, Any]]:
    return catalogue.RESOLUTIONS, {
        "decision_id": decision_id,
        "version": 1,
        "outcome": "reject",
        "prediction": "approve",
        "verdict": "reject",
        "source": "review",
        "decided_by": ["ada"],
        "decided_at": AT,
        "final": True,
        "override_until": None,
        "reason_code": "income",
        "reason_text": "too low",
        "modifications": '{"amount": 5}',
        "notices": ["adverse_action"],
        "domain": "d",
        "model_id": "m",
        "model_version": "1",
        "policy_version": "p",
        **fields,
    }


def reply(command: dict[str, Any], code: str, message: str = "so it is") -> tuple[catalogue.Topic, dict[str, Any]]:
    return catalogue.REPLIES, {
        **{name: command[name] for name in ("command_id", "kind", "actor", "task_id")},
        "accepted": code in ("ok", "escalated"),
        "code": code,
        "message": message,
        "at": AT,
        "epoch": 0,
        "lease_until": None,
        "payload_hash": "",
        "topic": "",
        "partition": -1,
        "offset": -1,
    }


def routed(record: dict[str, Any], **fields: Any) -> tuple[catalogue.Topic, dict[str, Any]]:
    return catalogue.AUTO_APPROVED, {
        "routed_at": AT,
        "route": "auto",
        "reasons": ["lane.auto"],
        "calibrated_confidence": 0.9,
        "policy_version": "p",
        "calibration_version": "",
        "workflow": "escalation",
        "priority": "low",
        "queue": "q",
        "audit": False,
        "propensity": 0.0,
        "override_until": None,
        "notices": [],
        "decision": record,
        **fields,
    }


class Desk:
    """A router and a desk in one: answers every decision and command from now on, in a transaction each."""

    def __init__(
        self,
        broker: Broker,
        on_decision: Callable[[dict[str, Any]], Answers] = lambda record: [],  # noqa: ARG005
        on_command: Callable[[dict[str, Any]], Answers] = lambda record: [],  # noqa: ARG005
    ) -> None:
        self.commands: list[dict[str, Any]] = []
        self._on = {"Decision": on_decision, "Command": on_command}
        self._consumer = broker.consumer(None)
        topics = (catalogue.DECISIONS, catalogue.COMMANDS)
        partitions = [TopicPartition(topic.name, p) for topic in topics for p in range(topic.partitions)]
        for partition in partitions:
            partition.offset = end_of(self._consumer, partition)
        self._consumer.assign(partitions)
        self._producer = broker.producer(f"desk-{uuid4()}")
        self._producer.init_transactions(30)

    def say(self, answers: Answers) -> None:
        self._producer.begin_transaction()
        for topic, record in answers:
            assert topic.schema is not None
            key = record[KEYS[topic]] if topic in KEYS else record["decision"]["decision_id"]
            self._producer.produce(topic.name, wire.encode(topic.schema, record), key.encode())
        self._producer.commit_transaction(30)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for message in self._consumer.consume(1, 0.02):
                schema = catalogue.BY_NAME[message.topic()].schema or ""
                record = wire.decode(schema, message.value())
                if schema == "Command":
                    self.commands.append(record)
                answers = self._on[schema](record)
                if answers:
                    self.say(answers)
        self._consumer.close()


@contextmanager
def working(desk: Desk) -> Iterator[Desk]:
    stop = threading.Event()
    thread = threading.Thread(target=desk.run, args=(stop,))
    thread.start()
    try:
        yield desk
    finally:
        stop.set()
        thread.join()


class Counted(MemoryBroker):
    """Counts the consumers that are made, and tells no ends while it is `away`."""

    consumers = 0
    away = False

    def end_offsets(self, topic: str) -> dict[int, int]:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "away"))
        return super().end_offsets(topic)

    def consumer(self, *arguments: Any, **named: Any) -> Consumer:
        self.consumers += 1
        return super().consumer(*arguments, **named)


def memory() -> Counted:
    broker = Counted(SystemClock(), waits=True)
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in TOPICS])
    return broker


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "memory":
        return memory()
    broker = KafkaBroker(request.getfixturevalue("kafka").bootstrap_servers)
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in TOPICS])
    return broker


def test_decide_returns_what_a_person_decided(broker: Broker) -> None:
    submitted = decision()
    desk = Desk(broker, lambda record: [resolution(record["decision_id"])])
    with working(desk), Client(broker=broker) as client:
        decided = client.decide(submitted, timeout=60)
    assert decided == DecisionResult(
        decision_id=submitted.decision_id,
        status="decided",
        outcome="reject",
        source="review",
        version=1,
        final=True,
        decided_by=("ada",),
        decided_at=AT,
        verdict="reject",
        reason_code="income",
        reason_text="too low",
        modifications={"amount": 5},
        notices=("adverse_action",),
    )
    assert desk.commands == []


def test_what_takes_effect_by_itself_is_the_word_and_is_final_unless_it_can_be_rolled_back(broker: Broker) -> None:
    until = datetime(2026, 1, 2, tzinfo=UTC)
    windows = {"open": until, "shut": None}

    def route(record: dict[str, Any]) -> Answers:
        return [routed(record, override_until=windows[record["subject_id"]])]

    with working(Desk(broker, route)), Client(broker=broker) as client:
        shut = client.decide(decision(subject_id="shut"), timeout=60)
        unsure = client.decide(decision(subject_id="open"), timeout=60)
    assert (shut.source, shut.outcome, shut.version, shut.final) == ("auto", "approve", 1, True)
    assert (unsure.source, unsure.final, unsure.override_until) == ("auto", False, until)


def test_who_waits_for_the_final_word_gets_none_that_can_still_be_overridden(broker: Broker) -> None:
    until = datetime(2026, 1, 2, tzinfo=UTC)
    desk = Desk(broker, lambda record: [routed(record, audit=True)])
    with working(desk), Client(broker=broker) as client:
        submitted = decision()
        audited = client.decide(submitted, timeout=60)
        assert (audited.source, audited.final) == ("auto", False)
        final = client.resolution_future(submitted.decision_id, timeout=60, final=True)
        any_word = client.resolution_future(submitted.decision_id, timeout=60, after_version=1)
        changes = {"version": 2, "final": False, "override_until": until, "source": "override"}
        desk.say([resolution(submitted.decision_id, **changes)])
        assert any_word.result(60).version == 2
        assert not final.done()
        desk.say([resolution(submitted.decision_id, **changes | {"version": 3, "final": True})])
        assert final.result(60).version == 3
        assert client.wait(submitted.decision_id, timeout=60, final=True).version == 3


def test_what_is_decided_and_not_final_in_time_is_told_so(broker: Broker) -> None:
    with working(Desk(broker)) as desk, Client(broker=broker) as client:
        desk.say([resolution("d-open", final=False)])
        assert not client.wait("d-open", timeout=60).final
        with pytest.raises(NotDecidedError, match="there is no final resolution yet") as raised:
            client.wait("d-open", timeout=0.2, final=True)
        assert raised.value.code == "still-open"


def test_what_took_effect_is_the_word_even_if_its_record_is_damaged_or_has_impossible_times() -> None:
    broker = memory()
    producer = broker.producer(None)
    with Client(broker=broker) as client:
        for cut, decided_at in ((1, AT), (0, 2**63 - 1)):
            submitted = decision()
            future = client.resolution_future(submitted.decision_id, timeout=60)
            earlier = {"decision_id": "d-0", "outcome": "approve", "decided_at": decided_at}
            history = {"previous_decisions": [earlier], "model_accuracy_on_similar": None}
            topic, record = routed({**submitted.to_record(), "history": history})
            value = wire.encode("RoutedDecision", record)
            producer.produce(topic.name, value[: len(value) - cut], submitted.decision_id)
            producer.flush()
            assert future.result(30).outcome == "approve"


def test_after_the_time_out_the_desk_is_asked_and_its_safe_outcome_returned(broker: Broker) -> None:
    def safe(command: dict[str, Any]) -> Answers:
        timed_out = resolution(command["task_id"], source="timeout", decided_by=[], verdict="")
        return [reply(command, "ok"), timed_out]

    submitted = decision()
    with working(Desk(broker, on_command=safe)) as desk, Client(broker=broker) as client:
        decided = client.decide(submitted, timeout=0)
    assert (decided.status, decided.source, decided.outcome) == ("decided", "timeout", "reject")
    (command,) = desk.commands
    assert (command["kind"], command["task_id"]) == ("expire", submitted.decision_id)
    assert command["actor"].startswith("client-")
    (message,) = _decisions(broker, submitted.decision_id)
    assert dict(headers_of(message))[CALLER_HEADER] == command["actor"].encode(), "the desk knows who waits"


def test_a_caller_has_the_name_that_it_chose_and_nobody_else_takes_it(broker: Broker) -> None:
    with (
        working(
            Desk(broker, on_command=lambda command: [reply(command, "not-your-call", "shop waits for it")])
        ) as desk,
        Client(broker=broker, caller="shop") as client,
    ):
        submitted = decision()
        decided = client.decide(submitted, timeout=0, headers=[("traceparent", b"00"), (CALLER_HEADER, b"else")])
    assert desk.commands[0]["actor"] == "shop"
    assert (decided.status, "shop waits for it" in decided.message) == ("waiting", True)
    (message,) = _decisions(broker, submitted.decision_id)
    assert headers_of(message) == [("traceparent", b"00"), (CALLER_HEADER, b"shop"), (CALLER_SECONDS_HEADER, b"0.000")]


@pytest.mark.parametrize("change", [{"actor": "else"}, {"kind": "claim"}, {"task_id": "else"}], ids=str)
def test_a_reply_to_somebody_else_under_the_same_id_tells_the_caller_nothing(change: dict[str, Any]) -> None:
    def answers(command: dict[str, Any]) -> list[tuple[catalogue.Topic, dict[str, Any]]]:
        return [reply({**command, **change}, "escalated", "to mallory"), reply(command, "escalated", "to the leads")]

    broker = memory()
    with working(Desk(broker, on_command=answers)), Client(broker=broker, caller="shop") as client:
        decided = client.decide(decision(), timeout=0)
    assert (decided.status, "to the leads" in decided.message) == ("escalated", True)


@pytest.mark.parametrize(("timeout", "told"), [(30, b"30.000"), (0.25, b"0.250"), (-1, b"0.000"), (1e12, None)])
def test_a_decision_says_for_how_long_its_caller_waits(timeout: float, told: bytes | None) -> None:
    broker = memory()
    with Client(broker=broker, caller="shop") as client:
        submitted = decision()
        client.decide_future(submitted, timeout, headers=[(CALLER_SECONDS_HEADER, b"7")]).cancel()
    (message,) = _decisions(broker, submitted.decision_id)
    assert dict(headers_of(message)).get(CALLER_SECONDS_HEADER) == told


def test_a_decision_for_which_nobody_waits_says_nothing_of_a_caller() -> None:
    broker = memory()
    with Client(broker=broker) as client:
        client.submit(submitted := decision())
    (message,) = _decisions(broker, submitted.decision_id)
    assert headers_of(message) == []


def test_whoever_gives_up_waiting_signs_it() -> None:
    broker, signer = memory(), Signer("callers", bytes(range(32)))
    with Client(broker=broker, grace_seconds=0.1, signer=signer) as client, suppress(NotDecidedError):
        client.decide(decision(), timeout=0)
    (message,) = TableReader(broker, [catalogue.COMMANDS.name]).read_all()
    command = wire.decode("Command", message.value())
    signature = read_signature(message.headers())
    assert signature is not None
    assert signature.principal == command["actor"]
    assert signature.is_of(message.value() or b"", signer.key)


def test_an_escalated_decision_is_no_word_and_its_later_word_can_be_awaited(broker: Broker) -> None:
    submitted = decision()
    with (
        working(Desk(broker, on_command=lambda command: [reply(command, "escalated", "went to the leads")])) as desk,
        Client(broker=broker) as client,
    ):
        decided = client.decide(submitted, timeout=0)
        assert (decided.status, decided.final, decided.outcome, decided.version) == ("escalated", False, "", 0)
        assert decided.message == "went to the leads. `wait` for it, or read `resolutions`."
        desk.say([resolution(submitted.decision_id)])
        assert client.wait(submitted.decision_id, timeout=60).outcome == "reject"


def test_a_decision_that_is_no_sync_review_is_left_waiting() -> None:
    broker = memory()
    with (
        working(Desk(broker, on_command=lambda command: [reply(command, "not-sync", "nobody waits")])),
        Client(broker=broker) as client,
    ):
        decided = client.decide(decision(), timeout=0)
    assert (decided.status, decided.final) == ("waiting", False)


def to_people(record: dict[str, Any], route: str, topic: catalogue.Topic) -> tuple[catalogue.Topic, dict[str, Any]]:
    return topic, routed(record, route=route, queue="claims")[1]


@pytest.mark.parametrize(("route", "topic"), [("async", catalogue.REVIEWS_ASYNC), ("manual", catalogue.REVIEWS_MANUAL)])
def test_a_decision_for_people_who_have_time_is_answered_as_soon_as_it_is_routed(
    route: str, topic: catalogue.Topic
) -> None:
    broker = memory()
    submitted = decision()
    with (
        working(Desk(broker, lambda record: [to_people(record, route, topic)])) as desk,
        Client(broker=broker) as client,
    ):
        future = client.decide_future(submitted, timeout=3600)
        decided = future.result(30)
        assert (decided.status, decided.final, decided.outcome) == ("waiting", False, "")
        assert decided.message.startswith("it waits for people in queue claims, and nothing has taken effect.")
        assert desk.commands == []
        desk.say([resolution(submitted.decision_id)])
        assert client.wait(submitted.decision_id, timeout=60).outcome == "reject"


def test_the_asyncio_client_answers_five_of_them_at_once() -> None:
    broker = memory()

    async def decide() -> list[DecisionResult]:
        async with AsyncClient(broker=broker) as client:
            return await asyncio.wait_for(
                asyncio.gather(*(client.decide(decision(), timeout=3600) for _ in range(5))), timeout=30
            )

    with working(Desk(broker, lambda record: [to_people(record, "async", catalogue.REVIEWS_ASYNC)])):
        assert [result.status for result in asyncio.run(decide())] == ["waiting"] * 5


def test_who_wants_to_wait_for_people_all_the_same_gets_their_word() -> None:
    broker = memory()
    submitted = decision()

    def both(record: dict[str, Any]) -> Answers:
        return [to_people(record, "async", catalogue.REVIEWS_ASYNC), resolution(record["decision_id"])]

    with working(Desk(broker, both)), Client(broker=broker) as client:
        assert client.decide(submitted, timeout=60, wait=True).outcome == "reject"


def overridden_later(record: dict[str, Any]) -> Answers:
    first = resolution(record["decision_id"], outcome="approve", final=False)
    return [first, resolution(record["decision_id"], version=2, source="override")]


def test_who_does_what_cannot_be_undone_gets_the_final_word_in_one_call() -> None:
    broker = memory()
    with working(Desk(broker, overridden_later)), Client(broker=broker) as client:
        decided = client.decide(decision(), timeout=60, final_within=60)
    assert (decided.outcome, decided.version, decided.final) == ("reject", 2, True)


def test_a_word_that_is_final_at_once_is_not_waited_for_again() -> None:
    broker = memory()
    with working(Desk(broker, lambda record: [resolution(record["decision_id"])])), Client(broker=broker) as client:
        assert client.decide(decision(), timeout=60, final_within=0).final


def test_without_a_final_word_in_time_the_caller_is_told_so() -> None:
    broker = memory()
    with (
        working(Desk(broker, lambda record: [resolution(record["decision_id"], final=False)])),
        Client(broker=broker) as client,
        pytest.raises(NotDecidedError, match="there is no final resolution yet") as raised,
    ):
        client.decide(decision(), timeout=60, final_within=0.1)
    assert raised.value.code == "still-open"


def test_asyncio_callers_get_the_final_word_too() -> None:
    broker = memory()

    async def decide() -> DecisionResult:
        async with AsyncClient(broker=broker) as client:
            return await client.decide(decision(), timeout=60, final_within=60)

    with working(Desk(broker, overridden_later)):
        assert asyncio.run(decide()).version == 2


def test_the_copy_of_what_took_effect_that_people_see_is_no_reason_to_wait() -> None:
    broker = memory()

    def audited(record: dict[str, Any]) -> Answers:
        return [to_people(record, "auto", catalogue.REVIEWS_ASYNC), routed(record)]

    with working(Desk(broker, audited)), Client(broker=broker) as client:
        assert client.decide(decision(), timeout=60).status == "decided"


def test_without_an_answer_of_the_desk_the_caller_is_told_that_nothing_has_taken_effect() -> None:
    submitted = decision()
    with Client(broker=memory(), grace_seconds=0.1) as client:
        with pytest.raises(
            NotDecidedError, match=r"nothing has taken effect as far as is known.*Does the desk run"
        ) as raised:
            client.decide(submitted, timeout=0)
        assert (raised.value.decision_id, raised.value.code) == (submitted.decision_id, "no-answer")
        with pytest.raises(NotDecidedError) as raised:
            client.wait(submitted.decision_id, timeout=0)
        assert raised.value.code == "still-open"


def test_a_word_between_an_undecided_end_and_the_next_wait_is_not_missed() -> None:
    broker, submitted = memory(), decision()
    with Client(broker=broker, grace_seconds=0) as client:
        with pytest.raises(NotDecidedError):
            client.decide(submitted, timeout=0)
        desk = Desk(broker)
        desk.say([resolution(submitted.decision_id)])
        desk.say([resolution("marker")])
        assert client.wait(submitted.decision_id, timeout=60).outcome == "reject"


def test_many_callers_share_one_consumer_and_get_their_own_words() -> None:
    broker = memory()
    desk = Desk(broker, lambda record: [resolution(record["decision_id"], outcome=record["subject_id"])])
    before = broker.consumers
    many = [decision(subject_id=f"s{i}") for i in range(60)]
    with working(desk), Client(broker=broker) as client, ThreadPoolExecutor(30) as pool:
        results = list(pool.map(lambda decision: client.decide(decision, timeout=60), many))
    assert [result.outcome for result in results] == [f"s{i}" for i in range(60)]
    assert broker.consumers == before + 1


def test_who_only_submits_pays_for_no_consumer() -> None:
    broker = memory()
    with Client(broker=broker) as client:
        client.submit(decision())
    assert broker.consumers == 0


def test_asyncio_callers_wait_without_threads_and_leave_the_loop_free() -> None:
    broker = memory()
    all_there = threading.Event()
    held: list[dict[str, Any]] = []

    def hold(record: dict[str, Any]) -> Answers:
        held.append(record)
        if len(held) < 200:
            return []
        all_there.set()
        return [resolution(record["decision_id"]) for record in held]

    async def decide() -> tuple[list[DecisionResult], int]:
        turns = 0
        async with AsyncClient(broker=broker) as client:
            waiting = asyncio.gather(*(client.decide(decision(), timeout=60) for _ in range(200)))
            while not waiting.done():
                turns += 1
                await asyncio.sleep(0)
            return await waiting, turns

    with working(Desk(broker, hold)):
        results, turns = asyncio.run(decide())
    assert all_there.is_set()
    assert len({result.decision_id for result in results}) == 200
    assert turns > 1


def test_closing_tells_those_who_wait() -> None:
    client = Client(broker=memory())
    submitted = decision()
    future = client.decide_future(submitted, timeout=60)
    client.close()
    with pytest.raises(NotDecidedError, match="the client was closed") as raised:
        future.result(0)
    assert raised.value.code == "closed"
    with pytest.raises(RuntimeError, match="closed"):
        client.decide(decision(), timeout=1)


def test_a_decision_whose_answers_cannot_be_read_is_not_submitted() -> None:
    broker = MemoryBroker(SystemClock(), waits=True)
    broker.create_topics([TopicSpec(catalogue.DECISIONS.name, 1)])
    with Client(broker=broker) as client:
        with pytest.raises(DeliveryError, match=r"not submitted.*resolutions.* does not exist"):
            client.decide(decision(), timeout=1)
        with pytest.raises(NotDecidedError, match="does not exist"):
            client.wait("d", timeout=1)
    assert broker.end_offsets(catalogue.DECISIONS.name) == {0: 0}


def test_a_broken_reader_tells_everybody_and_the_next_caller_gets_a_new_one() -> None:
    broker = memory()
    mine = broker.process()
    desk = Desk(broker, lambda record: [resolution(record["decision_id"])] if record["subject_id"] else [])
    with working(desk), Client(broker=mine) as client:
        waiting = client.decide_future(decision(), timeout=60)
        mine.faults.inject_at("consume", ZeroDivisionError("broken"))
        with pytest.raises(NotDecidedError, match="its resolution cannot be read") as raised:
            waiting.result(60)
        assert raised.value.code == "not-listening"
        assert client.decide(decision(subject_id="s"), timeout=60).outcome == "reject"


def test_a_repetition_that_the_router_routes_nothing_for_gets_the_word_that_holds(broker: Broker) -> None:
    first = decision()
    desk = Desk(broker)
    desk.say([routed(first.to_record())])
    with working(Desk(broker)) as silent, Client(broker=broker) as client:
        assert client.decide(first, timeout=60).outcome == "approve"
        assert silent.commands == []
        with pytest.raises(NotDecidedError, match=r"its amount was None and is 5\.0 now") as raised:
            client.decide(first.model_copy(update={"amount": 5.0}), timeout=60)
    assert raised.value.code == "contradiction"


def dead_letter(broker: Broker, value: bytes, key: str, reason: str, step: str = "router") -> None:
    headers = with_error_headers(
        None, reason=reason, message="so it is", topic="decisions", partition=0, offset=7, step=step
    )
    producer = broker.producer(None)
    producer.produce(catalogue.DEAD_LETTER.name, value, key.encode(), headers=[*headers])
    producer.flush(30)


@pytest.mark.parametrize(("reason", "says"), [("contradiction", "not decided twice"), ("oversized", "was refused")])
def test_a_dead_letter_ends_the_waiting_of_just_the_one_who_submitted_it(
    broker: Broker, reason: str, says: str
) -> None:
    first = decision()
    other = first.model_copy(update={"amount": 5.0})
    with Client(broker=broker) as client:
        waiting, refused = (client.decide_future(each, timeout=60) for each in (first, other))
        value = wire.encode("Decision", other.to_record())
        dead_letter(broker, value, first.decision_id, "malformed-avro", step="calibration")  # somebody else's trouble
        dead_letter(broker, value, first.decision_id, reason)
        with pytest.raises(NotDecidedError, match=says) as raised:
            refused.result(60)
        assert raised.value.code == reason
        assert not waiting.done()
        Desk(broker).say([resolution(first.decision_id)])
        assert waiting.result(60).outcome == "reject"


def test_a_lookup_that_fails_is_named_and_what_comes_later_is_taken_all_the_same() -> None:
    broker = memory()
    with Client(broker=broker) as client:
        client.resolution_future("other", timeout=60)  # the reader runs
        broker.away = True
        first = client.resolution_future("d", timeout=60)
        with pytest.raises(UnavailableError, match="cannot be looked up"):
            client.resolution("d")
        Desk(broker).say([resolution("d")])
        assert first.result(60).outcome == "reject"


# The rules alone, without threads.


def test_a_decision_is_looked_up_once_its_word_should_be_there_and_deeply_when_the_desk_knows_it() -> None:
    waiting = PendingDecisions("c", grace_seconds=5)
    future = waiting.add("d", 10.0, expires=True, look_at=1.0)
    assert look_up(waiting, 0.9) == []
    assert look_up(waiting, 1.0) == [False]
    (ask,) = waiting.advance(10.0)
    waiting.reply(desk_reply(ask, "already-decided"))
    assert look_up(waiting, 10.0, d="reject") == [True]
    assert future.result(0).outcome == "reject"


def test_a_wait_ends_only_when_its_lookup_has_ended() -> None:
    waiting = PendingDecisions("c", grace_seconds=5)
    future = waiting.add("d", 0.0, expires=False, look_at=0.0, deep=True)
    waiting.advance(0.0)
    due = waiting.lookups(0.0)
    waiting.advance(4.9)
    assert not future.done()
    waiting.looked_up(due, {}, "Kafka is away")
    waiting.advance(4.9)
    with pytest.raises(NotDecidedError, match=r"no resolution yet.*Kafka is away") as raised:
        future.result(0)
    assert raised.value.code == "still-open"


def test_a_lookup_that_never_ends_ends_the_wait_after_the_grace_period() -> None:
    waiting = PendingDecisions("c", grace_seconds=5)
    future = waiting.add("d", 1.0, expires=False, look_at=0.0, deep=True)
    waiting.lookups(0.0)
    waiting.advance(6.0)
    with pytest.raises(NotDecidedError):
        future.result(0)


def test_a_dead_letter_without_its_value_ends_the_waiting_where_one_caller_waits() -> None:
    waiting = PendingDecisions("c")
    first, second = (waiting.add("d", 9.0, expires=True, submitted=Submitted(value, {})) for value in (b"1", b"2"))
    waiting.reject(b"d", None, "oversized", "too large")
    assert [each.done() for each in (first, second)] == [False, False]
    first.cancel()
    waiting.reject(b"d", None, "oversized", "too large")
    with pytest.raises(NotDecidedError, match="too large") as raised:
        second.result(0)
    assert raised.value.code == "oversized"


def test_only_a_later_version_ends_a_wait_for_a_later_version() -> None:
    waiting = PendingDecisions("c")
    future = waiting.add("d", 9.0, expires=False, look_at=0.0, deep=True, after_version=1)
    look_up(waiting, 0.0, d="approve")
    waiting.resolve(routed_word("d"))
    assert not future.done()
    waiting.resolve(DecisionResult("d", "decided", outcome="reject", version=2))
    assert future.result(0).outcome == "reject"


def routed_word(decision_id: str) -> DecisionResult:
    return DecisionResult(decision_id, "decided", outcome="approve", version=1)


def look_up(waiting: PendingDecisions, now: float, **outcomes: str) -> list[bool]:
    """What is due is looked up; `outcomes` by decision is what is found. Returns how deep each lookup was."""
    due = waiting.lookups(now)
    found = {
        name: FoundResolution(DecisionResult(name, "decided", outcome=outcome, version=1), {"prediction": "approve"})
        for name, outcome in outcomes.items()
    }
    waiting.looked_up(due, found)
    return [lookup.deep for lookup in due]


def _decisions(broker: Broker, decision_id: str) -> list[Message]:
    """The messages with a decision. Other tests share the topic, and their transactions take offsets too."""
    with closing(TableReader(broker, [catalogue.DECISIONS.name])) as decisions:
        return [message for message in decisions.read_all() if message.key() == decision_id.encode()]


def desk_reply(ask: Ask, code: str) -> dict[str, Any]:
    command = {"command_id": ask.command_id, "kind": "expire", "actor": "c", "task_id": ask.decision_id}
    return reply(command, code)[1]


def test_a_desk_that_does_not_know_the_task_yet_is_asked_again_under_a_new_id() -> None:
    waiting = PendingDecisions("c", grace_seconds=5)
    future = waiting.add("d", 10.0, expires=True)
    assert waiting.advance(9.9) == []
    (first,) = waiting.advance(10.0)
    assert waiting.advance(12.0) == []  # no answer is no reason to ask again: the question is under way
    waiting.reply(desk_reply(first, "unknown-task"))
    (second,) = waiting.advance(12.0 + ASK_AGAIN_SECONDS)
    assert first.command_id != second.command_id
    waiting.reply(desk_reply(second, "unknown-task"))
    look_up(waiting, 13.0)
    waiting.advance(15.0)
    with pytest.raises(NotDecidedError, match="Does the router run") as raised:
        future.result(0)
    assert raised.value.code == "unknown-task"


def test_an_accepted_question_waits_for_its_word_which_may_be_read_later() -> None:
    waiting = PendingDecisions("c", grace_seconds=5)
    future = waiting.add("d", 0.0, expires=True)
    (ask,) = waiting.advance(0.0)
    waiting.reply(desk_reply(ask, "ok"))
    assert waiting.advance(4.9) == []
    assert not future.done()
    waiting.resolve(routed_word("d"))
    assert future.result(0).outcome == "approve"


@pytest.mark.parametrize(("code", "says"), [("ok", "cannot be read yet"), ("already-decided", "cannot be found")])
def test_an_answer_without_a_word_never_becomes_a_decision(code: str, says: str) -> None:
    waiting = PendingDecisions("c", grace_seconds=5)
    future = waiting.add("d", 0.0, expires=True)
    (ask,) = waiting.advance(0.0)
    waiting.reply(desk_reply(ask, code))
    look_up(waiting, 0.0)
    waiting.advance(5.0)
    with pytest.raises(NotDecidedError, match=says) as raised:
        future.result(0)
    assert raised.value.code == code


def test_a_question_that_the_desk_refuses_ends_the_waiting_at_once() -> None:
    waiting = PendingDecisions("c")
    future = waiting.add("d", 0.0, expires=True)
    (ask,) = waiting.advance(0.0)
    waiting.reply(desk_reply(ask, "invalid"))
    with pytest.raises(NotDecidedError, match="so it is"):
        future.result(0)


def test_nothing_is_kept_for_decisions_that_nobody_waits_for() -> None:
    waiting = PendingDecisions("c", grace_seconds=0)
    waiting.resolve(routed_word("other"))
    assert not waiting.awaits(b"other")
    cancelled, settled = (waiting.add(name, 1.0, expires=True) for name in ("cancelled", "settled"))
    cancelled.cancel()
    waiting.resolve(routed_word("settled"))
    waiting.resolve(routed_word("settled"))
    assert settled.result(0).outcome == "approve"
    assert len(waiting) == 0
    assert not waiting.awaits(b"cancelled")
    assert not waiting.awaits(b"settled")


def test_only_so_many_decisions_are_left_open() -> None:
    waiting = PendingDecisions("c")
    for number in range(MAX_LEFT_OPEN + 1):
        waiting.add(str(number), 0.0, expires=False)
        waiting.advance(0.0)
    assert not waiting.awaits(b"0")
    assert waiting.awaits(b"1")


def test_a_decision_left_open_and_decided_since_is_answered_at_once_when_handed_in_again() -> None:
    waiting = PendingDecisions("c")
    waiting.add("d", 0.0, expires=False)
    waiting.advance(0.0)
    waiting.resolve(routed_word("d"))
    assert waiting.add("d", 9.0, expires=True).result(0).outcome == "approve"


def test_two_callers_of_one_decision_both_get_its_word() -> None:
    waiting = PendingDecisions("c")
    futures = [waiting.add("d", 9.0, expires=True) for _ in range(2)]
    waiting.resolve(routed_word("d"))
    assert [future.result(0).outcome for future in futures] == ["approve"] * 2


def test_callers_who_time_out_together_cost_no_more_each_the_more_they_are() -> None:
    """8,000 cost 1.1 s, sixteen times what 2,000 did, because each answer was compared with every question."""

    def seconds(callers: int) -> float:
        pending = PendingDecisions("client")
        futures = [pending.add(f"d{number}", 0.0, expires=True) for number in range(callers)]
        started = time.process_time()
        for ask in pending.advance(1.0):
            pending.reply(desk_reply(ask, "escalated"))
        spent = time.process_time() - started
        assert all(future.result(0).status == "escalated" for future in futures)
        return spent

    few, many = (min(seconds(callers) for _ in range(3)) for callers in (2_000, 8_000))
    assert many < 8 * few
