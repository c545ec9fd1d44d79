"""Router, desk, people and everything that learns, in memory and on bytes, with a clock that is moved.

Records pass between the same processors as in production, encoded and decoded on the way; only Kafka is missing. So a
hundred thousand decisions take half a minute, and the same seed gives the same records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from interlock.policies.signing import changed_source
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import resolved, version
from interlock.processors.calibration.confidence import ConfidenceDrift
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.events import Event
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import Terms
from interlock.processors.proposals.fold import FOLLOWED, ProposalFold, ProposalSettings
from interlock.processors.proposals.retraining import ask_after
from interlock.processors.proposals.revoking import revoke
from interlock.processors.review.payload import Payload
from interlock.processors.review.view import build_view
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.simulation.personas import Persona, TruthSource, generator, handling_seconds, judge

Record = dict[str, Any]

SECOND = 1_000_000

# Long enough that nobody decides within the microsecond of the claim, and far within every lease.
_LOOK = 20 * SECOND

_REVIEWS = (catalogue.REVIEWS_SYNC.name, catalogue.REVIEWS_MANUAL.name, catalogue.REVIEWS_ASYNC.name)
_ROUTER_TABLES = (catalogue.POLICIES.name, catalogue.CONTROLS.name, catalogue.CALIBRATION_MODELS.name)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message as a consumer hands it out."""

    _topic: str
    _offset: int
    _key: bytes
    _value: bytes | None

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 0, 0

    def error(self) -> None:
        return None


@dataclass(frozen=True)
class Learning:
    """How the learning side is set."""

    feedback: Terms = field(default_factory=Terms)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)


def people(count: int, accuracy: float = 1.0, deference: float = 0.0) -> list[Persona]:
    """Simulated people, who are always right and never yield to what the AI says unless told otherwise."""
    # How long they take only gives the order in which they finish.
    return [
        Persona(f"person-{place:02d}", f"Person {place}", "reviewer", 60, 0.5, accuracy, deference, 0.0, 600)
        for place in range(count)
    ]


class Pipeline:
    """One partition of everything. `said`: all records of the desk and of learning by topic, in their order.

    `routed`: what became of every decision, by id, as a `RoutedDecision` record; of an audited one that of the route
    it took effect by.
    """

    def __init__(
        self, source: str, truth: TruthSource, people: Sequence[Persona], learning: Learning, *, seed: int, start: int
    ) -> None:
        self.now = start
        self.said: dict[str, list[Record]] = {}
        self.routed: dict[str, Record] = {}
        self._truth = truth
        self._people = people
        self._seed = seed
        self._offsets: dict[str, count[int]] = {}
        self._commands = count()
        self._state = RouterState()
        self._router = Router(self._state, RouterSettings(seed.to_bytes(16, "big")))
        self._desk = DeskProcessor()
        self._payloads: dict[str, Record] = {}
        self._tasks: dict[str, Record] = {}
        self._waiting: list[Record] = []
        self._feedback = Feedback(learning.feedback)
        self._calibration = CalibrationFold(learning.calibration)
        self._confidence = ConfidenceDrift()
        self.proposals = ProposalFold(learning.proposals)
        for one in people:
            self._write(catalogue.REVIEWERS, one.id, {"id": one.id, "name": one.name, "role": one.role})
        self.publish(source)
        self._desk.restore([], [])
        self._command([{"kind": "on_duty", "actor": one.id} for one in people])

    def publish(self, source: str, note: str = "") -> None:
        """Puts a policy in force."""
        self.source = source
        self._policy: Policy = parse(source, "proof")
        record = {
            "name": self._policy.name,
            "version": version(self._policy),
            "resolved": resolved(self._policy),
            "source": source,
            "published_at": self.now,
            "published_by": "the proof",
            "note": note,
        }
        self._write(catalogue.POLICIES, self._policy.name, record)

    def accept(self, proposal: Record) -> None:
        """A person signs: the changed policy in force, and the proposal accepted."""
        self.publish(changed_source(self.source, proposal), proposal["title"])
        signed = {"state": "accepted", "policy_version": version(self._policy), "decided_by": "ana"}
        self._write(catalogue.PROPOSALS, proposal["proposal_id"], proposal | signed | {"decided_at": self.now})

    def decide(self, decisions: Sequence[Record]) -> None:
        """One batch of `Decision` records: routed, put to people where that is called for, judged, learned from."""
        messages, to_review = self.route(decisions)
        if to_review:
            self._desk_takes(to_review)
        # The monitor reads `decisions` for itself; that it is a batch ahead of the reviews is what happens in life.
        for message in messages:
            self._say(self._confidence.take(message.value(), 0, message.offset()))
        self._work()

    def route(self, decisions: Sequence[Record]) -> tuple[list[_Sent], list[_Sent]]:
        """Only that; the messages that went in, and those for the desk."""
        self.now = max(self.now, *(_micros(one["created_at"]) for one in decisions))
        messages = []
        for one in decisions:
            key = one["decision_id"].encode()
            messages.append(self._message(catalogue.DECISIONS.name, key, wire.encode("Decision", one)))
        outputs = self._router.process(messages, self.now)
        to_review = []
        for topic, name, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            assert name is not None
            message = self._message(topic, name, value)
            record = wire.decode_plain("RoutedDecision", value)
            self.routed.setdefault(record["decision"]["decision_id"], record)
            if topic in _REVIEWS:
                to_review.append(message)
                self._payloads[record["decision"]["decision_id"]] = record
        return messages, to_review

    def of(self, topic: catalogue.Topic) -> list[Record]:
        """The records of a topic, oldest first."""
        return self.said.get(topic.name, [])

    def _work(self) -> None:
        """Everybody takes the next best task and decides it, until none is left."""
        while True:
            claims = self._command([{"kind": "claim", "actor": one.id} for one in self._people])
            held = [(one, reply) for one, reply in zip(self._people, claims, strict=True) if reply["accepted"]]
            if not held:
                assert all(one["state"] == "done" for one in self._tasks.values())
                self._tasks, self._payloads = {}, {}
                return
            self.now += _LOOK
            # Whoever needs least time is first: were it the order of the claims, most urgent first, the doubtful
            # decisions would come in clusters, and every monitor of rates would alarm for nothing.
            held.sort(key=lambda one: handling_seconds(one[0], self._rng("seconds", *one)))
            replies = self._command([self._verdict(one, reply) for one, reply in held])
            for reply in replies:
                assert reply["accepted"], reply["message"]

    def _verdict(self, one: Persona, lease: Record) -> Record:
        task = self._tasks[lease["task_id"]]
        payload = self._payloads[lease["task_id"]]
        shown = build_view(task, Payload(payload, verified=True), self.now, in_force=self._policy)
        said = judge(shown, self._truth(payload["decision"]), one, self._rng("verdict", one, lease))
        return {
            "kind": "submit",
            "actor": one.id,
            "task_id": lease["task_id"],
            "epoch": lease["epoch"],
            "payload_hash": lease["payload_hash"],
            "verdict": said.verdict,
            "outcome": said.outcome if said.verdict != "approve" else "",
            "reason_code": said.reason_code,
            "reason_text": said.reason_text,
        }

    def _rng(self, purpose: str, one: Persona, lease: Record) -> Random:
        return generator(self._seed, one, f"{purpose}/{lease['task_id']}")

    def _command(self, commands: Sequence[Mapping[str, Any]]) -> list[Record]:
        """The replies to commands that come together, in their order."""
        messages = []
        for one in commands:
            record = {"command_id": f"c{next(self._commands)}", "issued_at": self.now, **one}
            value = wire.encode("Command", record)
            messages.append(self._message(catalogue.COMMANDS.name, one["actor"].encode(), value))
        return self._desk_takes(messages)

    def _desk_takes(self, messages: Sequence[_Sent]) -> list[Record]:
        """The desk's replies; what it says of decisions is learned from."""
        outputs = self._desk.process(messages, self.now)
        replies: list[Record] = []
        for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            assert key is not None
            if value is None:
                continue  # a task that is long done is forgotten
            if topic == catalogue.TASKS.name:
                self._tasks[key.decode()] = wire.decode("Task", value)
            elif topic == catalogue.REPLIES.name:
                replies.append(wire.decode_plain("CommandReply", value))
            elif topic == catalogue.OUTCOMES.name:
                self._learn(wire.decode_plain("Outcome", value))
        return replies

    def _learn(self, outcome: Record) -> None:
        self.said.setdefault(catalogue.OUTCOMES.name, []).append(outcome)
        self._say(self._feedback.take(outcome, self._payloads.get(outcome["decision_id"])))
        self._say(self._calibration.take(outcome))

    def _say(self, events: Sequence[Event]) -> None:
        for one in events:
            assert one.record is not None
            self._write(one.topic, one.key, one.record)

    def _write(self, topic: catalogue.Topic, key: str, record: Record) -> None:
        """Writes a record, and gives it to whoever reads the topic."""
        assert topic.schema is not None
        value = wire.encode(topic.schema, record)
        plain = wire.decode_plain(topic.schema, value)
        self.said.setdefault(topic.name, []).append(plain)
        if topic.name in _ROUTER_TABLES:
            self._state.apply(topic.name, key.encode(), value)
        if topic.name in (catalogue.POLICIES.name, catalogue.REVIEWERS.name):
            self._desk.follow(self._message(topic.name, key.encode(), value))
        if topic.name in FOLLOWED:
            self.proposals.follow(topic.name, key.encode(), value)
        if topic.name == catalogue.TRAINING_EXAMPLES.name:
            self._say(self.proposals.take(plain))
        if topic.name == catalogue.DRIFT_SIGNALS.name:
            self._say(revoke(plain, self.proposals.book))
            self._say(ask_after(plain, self.proposals.book))

    def _message(self, topic: str, key: bytes, value: bytes | None) -> _Sent:
        return _Sent(topic, next(self._offsets.setdefault(topic, count())), key, value)


def _micros(when: Any) -> int:
    return when if isinstance(when, int) else int(when.timestamp() * 1e6)
