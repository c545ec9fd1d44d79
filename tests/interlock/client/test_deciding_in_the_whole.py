"""A waiting caller, the real router, the real desk, people, and an executor: all in memory, all at once."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from interlock import Client, Decision, NotDecidedError
from interlock.executors import Executor
from interlock.policy.load import parse
from interlock.policy.version import resolved, version
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import FOLLOWED_TOPICS
from interlock.processors.desk.stream_clock import StreamClock
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.review.desk_client import DeskClient
from interlock.schemas import catalogue, wire
from interlock.services.desk_runner import desk_runner
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.tables import TableReader

POLICY = """
name: lending
domains:
  safe:
    models: ['*']
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.95, async: 0.50, sync: 0.30}}
    on_timeout: reject
  careful:
    models: ['*']
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.95, async: 0.50, sync: 0.30}}
  post:
    workflow: post_approval
    models: ['*']
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.5}, reject: {auto: 0.5}}
audit: {rate: 0}   # an audit may still change what took effect, and ids are random
"""

TIMEOUT_SECONDS = 60.0


def decision(domain: str, confidence: float) -> Decision:
    return Decision(
        decision_id=str(uuid4()),
        domain=domain,
        model_id="m",
        model_version="1",
        prediction="approve",
        confidence=confidence,
        created_at=datetime.now(UTC),
    )


class World:
    """Everything runs until `close`."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(SystemClock(), waits=True)
        self.broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        self._put_tables()
        self.done: list[str] = []
        self.changed = threading.Condition()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._run(self._router().run)
        self._run(self._desk().run)
        executor = Executor(self.broker, "executor", lambda execution: self._carry_out(execution.action_id))
        self._run(lambda: executor.run(self._stop))

    def wait_for(self, actions: list[str]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.done) >= len(actions), TIMEOUT_SECONDS), self.done
        assert self.done == actions

    def tasks(self) -> list[dict[str, Any]]:
        """Every record of a task so far."""
        read = TableReader(self.broker, [catalogue.TASKS.name]).read_all()
        return [wire.decode("Task", message.value() or b"") for message in read]

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _carry_out(self, action_id: str) -> None:
        with self.changed:
            self.done.append(action_id)
            self.changed.notify_all()

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target)
        thread.start()
        self._threads.append(thread)

    def _router(self) -> Runner:
        state = RouterState()
        for message in TableReader(self.broker, [catalogue.POLICIES.name]).read_all():
            state.apply(message.topic(), message.key(), message.value())
        router = Router(state, RouterSettings(bytes(16)))
        settings = RunnerSettings(group="router", instance="1", inputs=(catalogue.DECISIONS.name,))
        return Runner(self.broker, router, settings, stop=self._stop)

    def _desk(self) -> Runner:
        processor, tables = DeskProcessor(StreamClock("1")), TableReader(self.broker, FOLLOWED_TOPICS)
        for message in tables.read_all():
            processor.follow(message)
        return desk_runner(self.broker, processor, tables, "1", stop=self._stop)

    def _put_tables(self) -> None:
        policy = parse(POLICY, "lending")
        record = {
            "name": policy.name,
            "version": version(policy),
            "resolved": resolved(policy),
            "source": POLICY,
            "published_at": SystemClock().now(),
            "published_by": "the test",
        }
        producer = self.broker.producer(None)
        producer.produce(catalogue.POLICIES.name, wire.encode("PolicyVersion", record), policy.name.encode())
        for name, role in (("ada", "reviewer"), ("lea", "lead")):
            person: dict[str, Any] = {"id": name, "name": name, "role": role}
            producer.produce(catalogue.REVIEWERS.name, wire.encode("Reviewer", person), name.encode())
        producer.flush()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def decide(world: World, reviewer: str, decision_id: str, verdict: str) -> None:
    with DeskClient(world.broker, reviewer) as desk:
        desk.on_duty()
        lease = desk.claim(decision_id)
        view = (decision_id, lease.epoch, lease.payload_hash)
        desk.submit(*view, verdict, reason_code="other", reason_text="because")


def test_a_sure_decision_takes_effect_at_once(world: World) -> None:
    submitted = decision("safe", 0.99)
    with Client(broker=world.broker) as client:
        decided = client.decide(submitted, timeout=TIMEOUT_SECONDS)
    assert (decided.source, decided.outcome, decided.final) == ("auto", "approve", True)
    world.wait_for([f"{submitted.decision_id}/1/execute"])


def test_a_person_decides_while_the_caller_waits(world: World) -> None:
    submitted = decision("safe", 0.4)
    with Client(broker=world.broker) as client, TasksSeen(world) as tasks:
        future = client.decide_future(submitted, timeout=TIMEOUT_SECONDS)
        tasks.wait_for(submitted.decision_id)
        decide(world, "ada", submitted.decision_id, "approve")
        decided = future.result(TIMEOUT_SECONDS)
    assert (decided.source, decided.outcome, decided.decided_by) == ("review", "approve", ("ada",))
    world.wait_for([f"{submitted.decision_id}/1/execute"])


def test_when_nobody_decides_the_safe_outcome_of_the_policy_holds(world: World) -> None:
    submitted = decision("safe", 0.4)
    with Client(broker=world.broker) as client:
        decided = client.decide(submitted, timeout=0.2)
    assert (decided.source, decided.outcome, decided.decided_by) == ("timeout", "reject", ())
    world.wait_for([f"{submitted.decision_id}/1/execute"])


def test_when_the_policy_wants_a_person_a_lead_decides_and_the_caller_can_wait_for_it(world: World) -> None:
    submitted = decision("careful", 0.4)
    with Client(broker=world.broker) as client:
        assert client.decide(submitted, timeout=0.2).status == "escalated"
        decide(world, "lea", submitted.decision_id, "reject")
        decided = client.wait(submitted.decision_id, timeout=TIMEOUT_SECONDS)
        assert (decided.outcome, decided.decided_by) == ("reject", ("lea",))
        assert client.wait(submitted.decision_id, timeout=0) == decided
        with pytest.raises(NotDecidedError) as raised:
            client.wait(submitted.decision_id, timeout=0, after_version=decided.version)
        assert raised.value.code == "still-open"


def test_a_caller_who_dies_while_it_waits_leaves_nobody_with_a_task_in_a_hurry(world: World) -> None:
    submitted, careful = decision("safe", 0.4), decision("careful", 0.4)
    with Client(broker=world.broker) as client:
        for each in (careful, submitted):
            client.decide_future(each, timeout=1.0)
    # The client asks the desk for nothing any more.
    world.wait_for([f"{submitted.decision_id}/1/execute"])
    with Client(broker=world.broker) as other:
        decided = other.wait(submitted.decision_id, timeout=TIMEOUT_SECONDS)
        assert (decided.source, decided.outcome, decided.decided_by) == ("timeout", "reject", ())
    escalated = [each for each in world.tasks() if each["task_id"] == careful.decision_id and each["escalation"]]
    assert [(each["event"], each["caller_left"], each["actor"]) for each in escalated] == [("escalated", True, "desk")]


def test_after_a_restart_the_word_of_a_person_is_had_by_resolution_wait_and_decide(world: World) -> None:
    submitted = decision("careful", 0.4)
    with Client(broker=world.broker) as client:
        assert client.decide(submitted, timeout=0.2).status == "escalated"
        assert client.resolution(submitted.decision_id) is None
    decide(world, "lea", submitted.decision_id, "reject")
    with Client(broker=world.broker) as client:
        resolution = client.resolution(submitted.decision_id)
        assert resolution is not None
        assert (resolution.outcome, resolution.source, resolution.decided_by) == ("reject", "review", ("lea",))
        assert client.wait(submitted.decision_id, timeout=TIMEOUT_SECONDS) == resolution
        assert client.decide(submitted, timeout=TIMEOUT_SECONDS) == resolution
        # The desk's `already-decided` comes back with the word too: nobody waited long enough to look it up.
        assert client.decide(submitted, timeout=0) == resolution


def test_what_took_effect_by_itself_is_had_after_a_restart_although_the_desk_never_saw_it(world: World) -> None:
    submitted = decision("safe", 0.99)
    with Client(broker=world.broker) as client:
        decided = client.decide(submitted, timeout=TIMEOUT_SECONDS)
    with Client(broker=world.broker) as client:
        assert client.resolution(submitted.decision_id) == decided
        assert client.wait(submitted.decision_id, timeout=0) == decided
        assert client.resolution("nobody-knows-it") is None


def test_a_client_that_restarts_before_the_word_gets_it_when_it_comes(world: World) -> None:
    submitted = decision("careful", 0.4)
    with Client(broker=world.broker) as client, TasksSeen(world) as tasks:
        client.submit(submitted)
        tasks.wait_for(submitted.decision_id)
    with Client(broker=world.broker) as client:
        future = client.resolution_future(submitted.decision_id, TIMEOUT_SECONDS)
        decide(world, "ada", submitted.decision_id, "approve")
        assert future.result(TIMEOUT_SECONDS).decided_by == ("ada",)


def test_an_override_is_what_holds(world: World) -> None:
    submitted = decision("post", 0.9)
    with Client(broker=world.broker) as client, TasksSeen(world) as tasks:
        decided = client.decide(submitted, timeout=TIMEOUT_SECONDS)
        tasks.wait_for(submitted.decision_id)
        later = client.resolution_future(submitted.decision_id, TIMEOUT_SECONDS, after_version=decided.version)
        decide(world, "ada", submitted.decision_id, "reject")
        assert (later.result(TIMEOUT_SECONDS).version, later.result().outcome) == (2, "reject")
        assert client.resolution(submitted.decision_id) == later.result()


def test_another_decision_under_a_decided_id_is_told_so_and_changes_nothing(world: World) -> None:
    submitted = decision("careful", 0.4)
    with Client(broker=world.broker) as client:
        client.decide(submitted, timeout=0.2)
        decide(world, "lea", submitted.decision_id, "reject")
        other = submitted.model_copy(update={"prediction": "reject"})
        with pytest.raises(NotDecidedError, match="another decision was submitted under this id before") as raised:
            client.decide(other, timeout=TIMEOUT_SECONDS)
        assert raised.value.code == "contradiction"


def test_a_decision_that_waits_in_a_queue_is_no_sync_review(world: World) -> None:
    with Client(broker=world.broker) as client:
        assert client.decide(decision("safe", 0.7), timeout=0.2).status == "waiting"


def test_an_override_rolls_back_what_had_taken_effect_and_executes_the_other_in_this_order(world: World) -> None:
    submitted = decision("post", 0.9)
    with Client(broker=world.broker) as client, TasksSeen(world) as tasks:
        decided = client.decide(submitted, timeout=TIMEOUT_SECONDS)
        assert (decided.source, decided.final) == ("auto", False)
        assert decided.override_until is not None
        tasks.wait_for(submitted.decision_id)
        decide(world, "ada", submitted.decision_id, "reject")
    name = submitted.decision_id
    world.wait_for([f"{name}/1/execute", f"{name}/1/roll_back", f"{name}/2/execute"])


class TasksSeen:
    """Waits until the desk has made a task."""

    def __init__(self, world: World) -> None:
        self._reader = TableReader(world.broker, [catalogue.TASKS.name])
        self._seen = {message.key() for message in self._reader.read_all()}

    def wait_for(self, decision_id: str) -> None:
        pause = threading.Event()
        for _ in range(int(TIMEOUT_SECONDS / 0.02)):
            self._seen |= {message.key() for message in self._reader.poll()}
            if decision_id.encode() in self._seen:
                return
            pause.wait(0.02)
        raise AssertionError(f"no task for {decision_id}")

    def __enter__(self) -> "TasksSeen":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
