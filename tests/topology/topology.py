"""The whole pipeline in memory: router and desk on their runners, one clock that is moved, everything on bytes."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.policy.load import load
from interlock.policy.version import resolved, version
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import FOLLOWED_TOPICS
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.services.desk_runner import desk_runner
from interlock.streams.clock import ManualClock
from interlock.streams.memory import Crash, InlineExecutor, MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.tables import TableReader
from tests.streams.world import Impatient

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

POLICY = Path(__file__).with_name("pipeline.yaml")


class Topology:
    """One router and as many desks as are started."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.create_topics(
            [TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS]
        )
        self._producer = self.broker.producer(None)
        self._commands = 0
        policy = load(POLICY)
        record = {
            "name": policy.name,
            "version": version(policy),
            "resolved": resolved(policy),
            "source": POLICY.read_text(),
            "published_at": self.now,
            "published_by": "the test",
            "note": "",
        }
        self.send(catalogue.POLICIES, policy.name, record)
        self._router = self._start_router()
        self.desks: dict[str, tuple[Runner, MemoryBroker]] = {}

    @property
    def now(self) -> int:
        return self.clock.now()

    def start_desk(self, instance: str = "a") -> MemoryBroker:
        """A desk in a process of its own."""
        process = self.broker.process()
        processor = DeskProcessor()
        followed = TableReader(process, FOLLOWED_TOPICS)
        for record in followed.read_all():
            processor.follow(record)
        runner = desk_runner(
            process,
            processor,
            followed,
            instance,
            clock=self.clock,
            stop=Impatient(),
            executor=InlineExecutor(),
        )
        self.desks[instance] = (runner, process)
        return process

    def hire(self, *names: str, **fields: Any) -> None:
        for name in names:
            self.send(catalogue.REVIEWERS, name, {"id": name, "name": name} | fields)
            self.command("on_duty", name)

    def decide(self, decision_id: str, confidence: float = 0.9, **fields: Any) -> None:
        """A model decides."""
        record = {
            "decision_id": decision_id,
            "domain": "loan",
            "model_id": "m",
            "model_version": "1",
            "prediction": "approve",
            "confidence": confidence,
            "created_at": self.now,
            "impact": "",
            "amount": 100.0,
            "novel": False,
            "compliance_review": False,
            "jurisdiction": "",
            "subject_id": "",
            "attributes": {},
            "input": "{}",
            "alternatives": [],
            "explanation": {"top_features": [], "reasoning": "", "similar_cases": []},
            "history": {"previous_decisions": [], "model_accuracy_on_similar": None},
            "vector": [],
        } | fields
        self.send(catalogue.DECISIONS, decision_id, record)

    def command(self, kind: str, actor: str, command_id: str = "", **fields: Any) -> str:
        """Sends a command; returns its id."""
        self._commands += 1
        command_id = command_id or f"c{self._commands}"
        record = {"command_id": command_id, "kind": kind, "actor": actor, "issued_at": self.now} | fields
        self.send(catalogue.COMMANDS, actor, record)
        return command_id

    def send(self, topic: catalogue.Topic, key: str, record: dict[str, Any]) -> None:
        assert topic.schema is not None
        self._producer.produce(topic.name, wire.encode(topic.schema, record), key.encode())
        self._producer.flush()

    def run(self, steps: int = 12) -> None:
        """Lets everybody do what there is to do."""
        for _ in range(steps):
            self._router.step()
            for runner, process in list(self.desks.values()):
                if not process.dead:
                    with suppress(Crash):
                        runner.step()

    def wait(self, micros: int) -> None:
        """Time passes, and everybody notices."""
        self.clock.advance(micros / SECOND)
        self.run()

    def reply(self, command_id: str) -> dict[str, Any]:
        """The one reply to a command."""
        (found,) = [one for one in self.records("reviews.replies") if one["command_id"] == command_id]
        return found

    def ask(self, kind: str, actor: str, **fields: Any) -> dict[str, Any]:
        """A command and its reply."""
        command_id = self.command(kind, actor, **fields)
        self.run()
        return self.reply(command_id)

    def judge(self, actor: str, verdict: str = "approve", task_id: str = "", **fields: Any) -> dict[str, Any]:
        """Claims and submits; returns the reply to the verdict."""
        lease = self.ask("claim", actor, task_id=task_id)
        assert lease["accepted"], lease["message"]
        given = {"reason_code": "other", "reason_text": "because"} | fields
        held = {key: lease[key] for key in ("task_id", "epoch", "payload_hash")}
        return self.ask("submit", actor, verdict=verdict, **held, **given)

    def records(self, topic: str) -> list[dict[str, Any]]:
        """What readers of a topic see, oldest first."""
        schema = catalogue.BY_NAME[topic].schema
        assert schema is not None
        return [wire.decode_plain(schema, value) for value in values(self.broker, topic) if value is not None]

    def events(self, task_id: str) -> list[str]:
        return [one["event"] for one in self.records("reviews.tasks") if one["task_id"] == task_id]

    def words(self, decision_id: str) -> list[tuple[int, str, str]]:
        """Version, source and outcome of every resolution."""
        mine = [one for one in self.records("resolutions") if one["decision_id"] == decision_id]
        return [(one["version"], one["source"], one["outcome"]) for one in mine]

    def actions(self, decision_id: str) -> list[str]:
        return [one["action_id"] for one in self.records("actions") if one["decision_id"] == decision_id]

    def _start_router(self) -> Runner:
        process = self.broker.process()
        state = RouterState()
        tables = TableReader(process, [topic.name for topic in _ROUTER_TABLES])
        for record in tables.read_all():
            state.apply(record.topic(), record.key(), record.value())
        settings = RunnerSettings("interlock-router", "1", (catalogue.DECISIONS.name,))
        router = Router(state, RouterSettings(audit_key=bytes(16)))
        return Runner(process, router, settings, clock=self.clock, stop=Impatient(), executor=InlineExecutor())


_ROUTER_TABLES = (catalogue.POLICIES, catalogue.CONTROLS, catalogue.CALIBRATION_MODELS)


def values(broker: Broker, topic: str) -> Sequence[bytes | None]:
    partitions = range(catalogue.BY_NAME[topic].partitions)
    consumer = broker.consumer(None)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    found = []
    while messages := consumer.consume(1000, 0):
        found += [message.value() for message in messages]
    consumer.close()
    return found
