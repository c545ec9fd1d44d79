"""Executions from the two topics to a handler: each once, in order, none lost."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from interlock.executors import Execution, Executor, MemorySeen, PermanentError, RetryLater, SqliteSeen
from interlock.executors.webhook import body_of
from interlock.schemas import catalogue, wire
from interlock.streams.memory import Crash, FaultPlan, MemoryBroker, Step, unavailable
from interlock.streams.ports import TopicSpec
from tests.interlock.client.test_client import decision
from tests.interlock.executors.executor_world import AT, World, put_action, put_bytes, put_routed, routed


@pytest.fixture
def world() -> World:
    return World()


def test_what_takes_effect_by_itself_is_executed_as_version_1_with_its_decision(world: World) -> None:
    put_routed(world.broker, "d", notices=["adverse_action"])
    world.settle(world.executor())
    (execution,) = world.done
    assert (execution.action_id, execution.kind, execution.version, execution.outcome) == (
        "d/1/execute",
        "execute",
        1,
        "approve",
    )
    assert execution.notices == ("adverse_action",)
    assert execution.decision is not None
    assert execution.decision["decision_id"] == "d"


def test_a_decision_is_executed_whatever_times_its_history_has(world: World) -> None:
    earlier = {"decision_id": "d-0", "outcome": "approve", "decided_at": 2**63 - 1}
    record = decision(decision_id="d").to_record()
    record["history"] = {"previous_decisions": [earlier], "model_accuracy_on_similar": None}
    put_routed(world.broker, "d", decision=record)
    world.settle(world.executor())
    assert world.ids == ["d/1/execute"]
    assert '"decided_at":"9999-12-31' in body_of(world.done[0])


def test_a_decision_that_is_damaged_behind_its_routing_fields_is_a_dead_letter_that_says_where(world: World) -> None:
    whole = wire.encode("RoutedDecision", routed("d"))
    put_bytes(world.broker, catalogue.AUTO_APPROVED, "d", whole[:-1])
    put_routed(world.broker, "e")
    world.settle(world.executor())
    assert world.ids == ["e/1/execute"]
    (letter,) = world.letters()
    assert letter.what["exception"] == "malformed-avro"
    assert "decision.vector and what follows it cannot be read" in letter.what["message"]


@pytest.mark.parametrize("odd", ["{", '{"a": NaN}', '{"a": "\\ud800"}', '{"a": ' * 990 + "1" + "}" * 990])
def test_changed_fields_that_cannot_be_read_are_a_dead_letter_and_the_rest_goes_on(world: World, odd: str) -> None:
    put_action(world.broker, "d", 2, modifications=odd)
    put_routed(world.broker, "e")
    world.settle(world.executor())
    assert world.ids == ["e/1/execute"]
    assert [letter.reason for letter in world.letters()] == ["malformed-json"]


def test_what_the_desk_orders_is_handed_over_as_it_stands(world: World) -> None:
    put_action(world.broker, "d", 2, "notify", notices=["adverse_action"], modifications='{"amount": 5}')
    world.settle(world.executor())
    assert world.done == [
        Execution(
            action_id="d/2/notify",
            kind="notify",
            decision_id="d",
            version=2,
            outcome="approve",
            domain="d",
            at=AT,
            modifications={"amount": 5},
            notices=("adverse_action",),
            reason_code="r",
            reason_text="because",
        )
    ]


def test_the_same_action_read_twice_is_done_once(world: World) -> None:
    put_action(world.broker, "d", 2)
    put_action(world.broker, "d", 2)
    world.settle(world.executor())
    assert world.ids == ["d/2/execute"]


def test_a_roll_back_never_overtakes_its_execute_whichever_topic_is_read_first(world: World) -> None:
    # The consumer in memory begins with another partition at each turn: among many, some roll-backs are read first.
    names = [f"d{number}" for number in range(40)]
    for name in names:
        put_action(world.broker, name, 1, "roll_back")
        put_action(world.broker, name, 2)
    for name in names:
        put_routed(world.broker, name)
    executor = world.executor()
    for _ in range(60):
        executor.step()
    for name in names:
        of_one = [key for key in world.ids if key.startswith(f"{name}/")]
        assert of_one == [f"{name}/1/execute", f"{name}/1/roll_back", f"{name}/2/execute"]


def test_a_roll_back_of_what_was_executed_long_ago_does_not_wait_for_ever(world: World) -> None:
    put_action(world.broker, "d", 1, "roll_back")
    world.settle(world.executor())
    assert world.ids == ["d/1/roll_back"]


def test_a_failure_is_tried_again_later_and_only_its_own_decision_waits(world: World) -> None:
    failures = iter([RetryLater("busy", after=30.0), ValueError("a bug")])

    def handler(execution: Execution) -> None:
        if execution.decision_id == "slow" and (failure := next(failures, None)):
            raise failure
        world.done.append(execution)

    world.handler = handler
    put_action(world.broker, "slow", 1)
    put_action(world.broker, "slow", 2)
    put_action(world.broker, "other", 1)
    executor = world.executor()
    world.settle(executor, seconds=29)
    assert world.ids == ["other/1/execute"]
    world.settle(executor, seconds=40)
    assert world.ids == ["other/1/execute", "slow/1/execute", "slow/2/execute"]
    assert world.letters() == []


def test_what_is_refused_becomes_a_dead_letter_with_its_bytes_key_and_headers(world: World) -> None:
    def handler(_: Execution) -> None:
        raise PermanentError("no such account", "http-410")

    world.handler = handler
    put_action(world.broker, "d", 2)
    world.settle(world.executor())
    (letter,) = world.letters()
    assert letter.key == b"d"
    assert letter.headers[0] == ("traceparent", b"00-1")
    assert (letter.reason, letter.what["topic"], letter.what["message"]) == (
        "http-410",
        "actions",
        "no such account",
    )
    assert letter.what["stacktrace"] == "interlock executors"
    assert world.metrics.value("dead_letters", reason="http-410") == 1


def test_after_the_last_attempt_it_becomes_a_dead_letter_and_the_next_of_the_decision_goes_on(world: World) -> None:
    tried = 0

    def handler(execution: Execution) -> None:
        nonlocal tried
        if execution.version == 1:
            tried += 1
            raise RetryLater("busy")
        world.done.append(execution)

    world.handler = handler
    put_action(world.broker, "d", 1)
    put_action(world.broker, "d", 2)
    world.settle(world.executor(attempts=3), seconds=60)
    assert tried == 3
    assert world.ids == ["d/2/execute"]
    (letter,) = world.letters()
    assert letter.reason == "failed"
    assert "busy" in letter.what["message"]


def test_a_dead_letter_that_is_sent_again_is_tried_again(world: World) -> None:
    def refuse(_: Execution) -> None:
        raise PermanentError("no")

    world.handler = refuse
    put_action(world.broker, "d", 2)
    executor = world.executor()
    world.settle(executor)
    world.handler = world.done.append
    put_action(world.broker, "d", 2)
    world.settle(executor)
    assert world.ids == ["d/2/execute"]


def test_while_no_dead_letter_can_be_written_nothing_is_committed_and_it_is_tried_again(world: World) -> None:
    def refuse(_: Execution) -> None:
        raise PermanentError("no")

    world.handler = refuse
    put_action(world.broker, "d", 2)
    executor = world.executor()
    world.broker.faults.inject_at("flush", unavailable())
    world.settle(executor, seconds=5)
    assert world.letters() == []
    world.settle(executor, seconds=20)
    assert len(world.letters()) == 1


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (catalogue.ACTIONS, b"nonsense", "not-wire-format"),
        (catalogue.AUTO_APPROVED, None, "empty-value"),
    ],
)
def test_what_cannot_be_read_becomes_a_dead_letter(
    world: World, topic: catalogue.Topic, value: bytes | None, reason: str
) -> None:
    put_bytes(world.broker, topic, "d", value)
    put_action(world.broker, "d", 2)
    world.settle(world.executor())
    assert [letter.reason for letter in world.letters()] == [reason]
    assert world.ids == ["d/2/execute"]


def test_modifications_that_are_no_json_become_a_dead_letter(world: World) -> None:
    put_action(world.broker, "d", 2, modifications="{")
    world.settle(world.executor())
    assert [letter.reason for letter in world.letters()] == ["malformed-json"]


@pytest.mark.parametrize(
    "modifications",
    ['{"a":' + "[" * 990 + "]" * 990 + "}", '{"a":' + "9" * 4301 + "}", "[" * 100_000, '"text"'],
    ids=["990 levels", "4301 digits", "100,000 brackets", "no object"],
)
def test_modifications_that_python_cannot_hold_become_a_dead_letter_and_the_others_go_on(
    world: World, modifications: str
) -> None:
    put_action(world.broker, "d", 2, modifications=modifications)
    put_action(world.broker, "other", 1)
    world.settle(world.executor())
    assert [letter.reason for letter in world.letters()] == ["malformed-json"]
    assert world.ids == ["other/1/execute"]


@pytest.mark.parametrize("error", [OverflowError("date value out of range"), RecursionError(), KeyError("at")])
def test_whatever_a_decoder_raises_becomes_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def decode(*_: object) -> None:
        raise error

    put_action(world.broker, "d", 2)
    put_routed(world.broker, "e")
    monkeypatch.setattr(wire, "decode", decode)
    world.settle(world.executor())
    monkeypatch.undo()
    assert [letter.reason for letter in world.letters()] == ["malformed-record", "malformed-record"]


@pytest.mark.parametrize("step", ["group-commit:before", "group-commit:after", "consume", "close"])
def test_a_crash_after_the_handler_redelivers_and_the_store_knows_what_was_done(
    world: World, tmp_path: Path, step: Step
) -> None:
    world.seen = SqliteSeen(tmp_path / "seen.sqlite")
    for number in range(20):
        put_action(world.broker, f"d{number}", 1)
    process = world.broker.process(FaultPlan())
    executor = world.executor(process)
    while len(world.done) < 20:
        executor.step()
    executor.step()
    process.faults.inject_at(step, Crash())
    with pytest.raises(Crash):
        executor.close() if step == "close" else world.settle(executor, seconds=3)
    done = len(world.done)
    world.seen = SqliteSeen(tmp_path / "seen.sqlite")
    world.clock.advance(60)
    put_action(world.broker, "new", 1)
    world.settle(world.executor(world.broker.process()))
    assert done == 20
    assert world.ids[20:] == ["new/1/execute"]


def test_a_crash_inside_the_handler_hands_it_over_again_under_the_same_id(world: World, tmp_path: Path) -> None:
    def dies(_: Execution) -> None:
        raise Crash

    world.seen = SqliteSeen(tmp_path / "seen.sqlite")
    world.handler = dies
    put_action(world.broker, "d", 1)
    process = world.broker.process()
    with pytest.raises(Crash):
        world.settle(world.executor(process))
    process.kill()
    world.handler = world.done.append
    world.clock.advance(60)
    world.settle(world.executor(world.broker.process()))
    assert world.ids == ["d/1/execute"]


def test_an_orderly_end_commits_so_that_the_next_process_begins_behind_it(world: World) -> None:
    put_action(world.broker, "d", 1)
    executor = world.executor()
    world.settle(executor)
    executor.close()
    world.seen = MemorySeen()  # it knows nothing: only the offsets tell
    put_action(world.broker, "d", 2)
    world.settle(world.executor())
    assert world.ids == ["d/1/execute", "d/2/execute"]


def test_a_second_member_takes_its_share_and_both_topics_of_a_decision_stay_together(world: World) -> None:
    first = world.executor()
    world.settle(first)
    second = world.executor(world.broker.process())
    for number in range(30):
        put_routed(world.broker, f"d{number}")
        put_action(world.broker, f"d{number}", 1, "roll_back")
    for _ in range(30):
        first.step()
        second.step()
    assert sorted(world.ids) == sorted(
        f"d{number}/1/{kind}" for number in range(30) for kind in ("execute", "roll_back")
    )
    for number in range(30):
        assert world.ids.index(f"d{number}/1/execute") < world.ids.index(f"d{number}/1/roll_back")


def test_partitions_that_are_lost_while_they_rest_are_read_on_when_they_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.streams.dispatch.dispatcher._MAX_UNFINISHED", 2)
    failing = True

    def handle(execution: Execution) -> None:
        if failing:
            raise RetryLater("the other side is down")
        world.done.append(execution)

    world.handler = handle
    for number in range(8):
        put_routed(world.broker, f"d{number}")
    executor = world.executor()
    world.settle(executor, 1)
    put_routed(world.broker, "afterwards")
    world.broker.evict("executors")
    failing = False
    for _ in range(10):
        world.settle(executor, 60)
    assert set(world.ids) == {*(f"d{number}/1/execute" for number in range(8)), "afterwards/1/execute"}


def test_an_executor_without_its_topics_says_which_are_missing() -> None:
    missing = r"actions, actions\.retry, actions\.sequences, decisions\.auto-approved does not exist"
    with pytest.raises(KafkaException, match=missing):
        Executor(MemoryBroker(), "g", lambda execution: None)  # noqa: ARG005


def test_an_executor_whose_topics_would_split_a_decision_between_processes_does_not_start() -> None:
    broker = MemoryBroker()
    topics = (catalogue.AUTO_APPROVED, catalogue.ACTIONS, catalogue.ACTIONS_RETRY, catalogue.ACTION_SEQUENCES)
    broker.create_topics([TopicSpec(topic.name, 3 if topic is catalogue.ACTIONS else 4) for topic in topics])
    with pytest.raises(KafkaException, match=r"decisions\.auto-approved has 4, actions has 3"):
        Executor(broker, "g", lambda execution: None)  # noqa: ARG005
