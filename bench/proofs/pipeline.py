"""Router, desk, simulated people and all learning processors, in memory and on bytes, with a manual clock.

Records pass between the same processors as in production, encoded and decoded on the way; only Kafka is missing. A
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
from interlock.processors.calibration import confidence
from interlock.processors.calibration.confidence import ConfidenceDrift
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.events import Event
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.processors.learning_terms import LearningTerms
from interlock.processors.proposals.fold import TABLE_TOPICS, ProposalFold, ProposalSettings
from interlock.processors.proposals.retraining import propose_from_request
from interlock.processors.proposals.revoking import revoke
from interlock.processors.review.payload import Payload
from interlock.processors.review.view import build_view
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.simulation.personas import Persona, TruthSource, generator, handling_seconds, judge

Record = dict[str, Any]

SECOND = 1_000_000

# Long enough that no verdict falls on the microsecond of its claim, and far within every lease.
_REVIEW_TIME = 20 * SECOND

_REVIEWS = (catalogue.REVIEWS_SYNC.name, catalogue.REVIEWS_MANUAL.name, catalogue.REVIEWS_ASYNC.name)
_ROUTER_TABLES = (catalogue.POLICIES.name, catalogue.CONTROLS.name, catalogue.CALIBRATION_MODELS.name)


@dataclass(frozen=True, slots=True)
class _Message:
    """A message as a consumer returns it."""

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
class LearningSettings:
    """Settings of the learning processors."""

    feedback: RetrainingTerms = field(default_factory=RetrainingTerms)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)


@dataclass(frozen=True)
class Habits:
    """How people fall short of judging everything rightly.

    `misses`: the share of the model's errors that people take for right, whoever looks. `answers`: the share of tasks
    that anybody takes up; the others stay open. `objects`: of the errors in what took effect and may be looked at, the
    share that somebody overrides at once, before anybody takes up the task. `looks`: the share of the post_approval
    tasks that anybody takes up, although nobody has to; None: as of the others. `gold_errors`, `gold_right`: of
    reviewed decisions in which the model was wrong or right, the share that a lead plants again as gold items.
    """

    misses: float = 0.0
    answers: float = 1.0
    objects: float = 0.0
    looks: float | None = None
    gold_errors: float = 0.0
    gold_right: float = 0.0


FLAWLESS = Habits()

_LEAD = Persona("lead", "Lead", "lead", 60, 0.5, 1.0, 0.0, 0.0, 600)


def coin(seed: int, purpose: str, name: str, share: float) -> bool:
    """True for `share` of all names, the same ones under the same seed; every purpose has a coin of its own."""
    return share > 0 and Random(f"{seed}/{purpose}/{name}").random() < share


def people(count: int, accuracy: float = 1.0, deference: float = 0.0) -> list[Persona]:
    """Simulated people. By default they are always right and never defer to the AI."""
    # Their handling time only determines the order in which they finish.
    return [
        Persona(f"person-{number:02d}", f"Person {number}", "reviewer", 60, 0.5, accuracy, deference, 0.0, 600)
        for number in range(count)
    ]


class Pipeline:
    """One partition of every topic. `records`: all records of the desk and of learning by topic, in their order.

    `routed`: the `RoutedDecision` record of every decision, by id; of an audited one the record of the route by which
    it took effect.
    """

    def __init__(
        self,
        source: str,
        truth: TruthSource,
        people: Sequence[Persona],
        learning: LearningSettings,
        *,
        seed: int,
        start: int,
        habits: Habits = FLAWLESS,
    ) -> None:
        self.now = start
        self._habits = habits
        self.records: dict[str, list[Record]] = {}
        self.routed: dict[str, Record] = {}
        self._truth = truth
        self._people = people
        self._by_id = {person.id: person for person in people}
        self._seed = seed
        self._offsets: dict[str, count[int]] = {}
        self._commands = count()
        self._state = RouterState()
        self._router = Router(self._state, RouterSettings(seed.to_bytes(16, "big")))
        self._desk = DeskProcessor()
        self._payloads: dict[str, Record] = {}
        self._tasks: dict[str, Record] = {}
        self._waiting: list[Record] = []
        self._terms = LearningTerms()
        self._feedback = Feedback(learning.feedback, policies=self._terms)
        self._calibration = CalibrationFold(learning.calibration, policies=self._terms)
        self._confidence = ConfidenceDrift()
        self.proposals = ProposalFold(learning.proposals)
        for person in (*people, _LEAD):
            record = {"id": person.id, "name": person.name, "role": person.role}
            self._write(catalogue.REVIEWERS, person.id, record)
        self.publish(source)
        self._desk.restore([], [])
        self._command([{"kind": "on_duty", "actor": person.id} for person in people])

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
        """Signs a proposal as a person would: publishes the changed policy and accepts the proposal."""
        self.publish(changed_source(self.source, proposal), proposal["title"])
        signed = {"state": "accepted", "policy_version": version(self._policy), "decided_by": "ana"}
        self._write(catalogue.PROPOSALS, proposal["proposal_id"], proposal | signed | {"decided_at": self.now})

    def decide(self, decisions: Sequence[Record]) -> None:
        """Processes one batch of `Decision` records: routing, review where it is due, verdicts, learning."""
        messages, to_review = self.route(decisions)
        if to_review:
            self._process_at_desk(to_review)
        # The monitor reads `decisions` itself; in production it is ahead of the reviews too.
        for message in messages:
            self._write_events(self._confidence.process(message.value(), message.offset()))
        self._review_all()
        self._plant_gold()
        self._review_all()
        self._tasks, self._payloads = {}, {}

    def wait(self, microseconds: int) -> None:
        """Lets time pass without a decision: what is past its deadline is waited for no longer."""
        self.now += microseconds
        self._process_at_desk([])

    def sees(self, decision: Mapping[str, Any]) -> str | None:
        """What people take for the true outcome of a decision."""
        truth = self._truth(decision)
        prediction: str = decision["prediction"]
        return prediction if self._coin("misses", decision["decision_id"], self._habits.misses) else truth

    def route(self, decisions: Sequence[Record]) -> tuple[list[_Message], list[_Message]]:
        """Routes a batch; returns its messages and those for the desk."""
        self.now = max(self.now, *(_micros(decision["created_at"]) for decision in decisions))
        messages = []
        for decision in decisions:
            key = decision["decision_id"].encode()
            messages.append(self._message(catalogue.DECISIONS.name, key, wire.encode("Decision", decision)))
        outputs = self._router.process(messages, self.now)
        to_review = []
        for topic, name, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            assert name is not None
            message = self._message(topic, name, value)
            record = wire.decode_plain("RoutedDecision", value)
            self.routed.setdefault(record["decision"]["decision_id"], record)
            if topic in _REVIEWS:
                to_review.append(message)
                self._payloads[record["decision"]["decision_id"]] = wire.decode("RoutedDecision", value)
        return messages, to_review

    def of(self, topic: catalogue.Topic) -> list[Record]:
        """The records of a topic, oldest first."""
        return self.records.get(topic.name, [])

    def _review_all(self) -> None:
        """Lets every person claim and decide tasks until none is left but those that nobody takes up."""
        self._object()
        while to_do := [
            task for name, task in self._tasks.items() if task["state"] != "done" and self._is_taken_up(name)
        ]:
            claims = self._command(self._claims(to_do))
            claimed = [(self._by_id[lease["actor"]], lease) for lease in claims if lease["accepted"]]
            assert claimed, f"nobody may decide what is open: {claims[0]['message']}"
            self.now += _REVIEW_TIME
            # The fastest person submits first. In the order of the claims, most urgent first, the doubtful decisions
            # would come in clusters, and every rate monitor would raise false alarms.
            claimed.sort(key=lambda pair: handling_seconds(pair[0], self._rng("seconds", *pair)))
            replies = self._command([self._verdict(person, lease) for person, lease in claimed])
            for reply in replies:
                assert reply["accepted"], reply["message"]

    def _claims(self, to_do: Sequence[Record]) -> list[Record]:
        """Who claims what: everybody the next task, or, where some stay open, each one that does not."""
        if self._habits.answers == 1 and self._habits.looks is None:
            return [{"kind": "claim", "actor": person.id} for person in self._people]
        claims = []
        free = [task for task in to_do if task["state"] == "waiting"]
        held = {task["assigned_to"]: task for task in to_do if task["state"] == "assigned"}
        for person in self._people:
            mine = held.get(person.id) or next((task for task in free if person.id not in task["excluded"]), None)
            if mine is not None:
                claims.append({"kind": "claim", "actor": person.id, "task_id": mine["task_id"]})
                free = [task for task in free if task is not mine]
        return claims

    def _is_taken_up(self, task_id: str) -> bool:
        looks = self._habits.looks
        if looks is not None and self._tasks[task_id]["kind"] == "post_approval":
            return self._coin("looks", task_id, looks)
        return self._habits.answers == 1 or self._coin("answers", task_id, self._habits.answers)

    def _object(self) -> None:
        """Somebody overrides errors that took effect, without having been asked."""
        objections = []
        for task_id, task in self._tasks.items():
            may = task["state"] != "done" and task["kind"] in ("audit", "post_approval")
            if not may or task["decision_id"] not in self._payloads:
                continue
            decision = self._payloads[task["decision_id"]]["decision"]
            if self.sees(decision) != decision["prediction"] and self._coin("objects", task_id, self._habits.objects):
                lease = {"task_id": task_id, "payload_hash": task["payload_hash"], "epoch": 0}
                objections.append(self._verdict(self._people[0], lease) | {"kind": "override"})
        for reply in self._command(objections) if objections else []:
            assert reply["accepted"], reply["message"]

    def _plant_gold(self) -> None:
        """The lead, who knows the truth, plants some of what has just been decided as items with a known answer."""
        planted = []
        for task_id, task in self._tasks.items():
            # What has been open for longer may end here too, without a verdict.
            if task["state"] != "done" or task["kind"] == "gold" or task["decision_id"] not in self._payloads:
                continue
            decision = self._payloads[task["decision_id"]]["decision"]
            truth = self._truth(decision)
            wrong = truth != decision["prediction"]
            share = self._habits.gold_errors if wrong else self._habits.gold_right
            if self._coin("gold", task_id, share):
                planted.append({"kind": "gold", "actor": _LEAD.id, "task_id": task_id, "outcome": truth})
        for reply in self._command(planted) if planted else []:
            assert reply["accepted"], reply["message"]

    def _coin(self, purpose: str, name: str, share: float) -> bool:
        return coin(self._seed, purpose, name, share)

    def _verdict(self, person: Persona, lease: Record) -> Record:
        task = self._tasks[lease["task_id"]]
        payload = self._payloads[task["decision_id"]]
        shown = build_view(task, Payload(payload, verified=True), self.now, in_force=self._policy)
        judgement = judge(shown, self.sees(payload["decision"]), person, self._rng("verdict", person, lease))
        return {
            "kind": "submit",
            "actor": person.id,
            "task_id": lease["task_id"],
            "epoch": lease["epoch"],
            "payload_hash": lease["payload_hash"],
            "verdict": judgement.verdict,
            "outcome": judgement.outcome if judgement.verdict != "approve" else "",
            "reason_code": judgement.reason_code,
            "reason_text": judgement.reason_text,
        }

    def _rng(self, purpose: str, person: Persona, lease: Record) -> Random:
        return generator(self._seed, person, f"{purpose}/{lease['task_id']}")

    def _command(self, commands: Sequence[Mapping[str, Any]]) -> list[Record]:
        """The replies to commands of one batch, in their order."""
        messages = []
        for command in commands:
            record = {"command_id": f"c{next(self._commands)}", "issued_at": self.now, **command}
            value = wire.encode("Command", record)
            messages.append(self._message(catalogue.COMMANDS.name, command["actor"].encode(), value))
        return self._process_at_desk(messages)

    def _process_at_desk(self, messages: Sequence[_Message]) -> list[Record]:
        """The desk's replies; its outcomes go to the learning processors."""
        outputs = self._desk.process(messages, self.now)
        replies: list[Record] = []
        for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            assert key is not None
            if value is None:
                continue  # a tombstone of a task that is long done
            if topic == catalogue.TASKS.name:
                self._tasks[key.decode()] = wire.decode("Task", value)
            elif topic == catalogue.REPLIES.name:
                replies.append(wire.decode_plain("CommandReply", value))
            elif topic == catalogue.OUTCOMES.name:
                self._learn(wire.decode_plain("Outcome", value))
        return replies

    def _learn(self, outcome: Record) -> None:
        self.records.setdefault(catalogue.OUTCOMES.name, []).append(outcome)
        self._write_events(self._feedback.process(outcome, self._payloads.get(outcome["decision_id"])))
        self._write_events(self._calibration.process(outcome))

    def _write_events(self, events: Sequence[Event]) -> None:
        for event in events:
            assert event.record is not None
            self._write(event.topic, event.key, event.record)

    def _write(self, topic: catalogue.Topic, key: str, record: Record) -> None:
        """Writes a record, and passes it to all readers of the topic."""
        assert topic.schema is not None
        value = wire.encode(topic.schema, record)
        plain = wire.decode_plain(topic.schema, value)
        self.records.setdefault(topic.name, []).append(plain)
        if topic.name in _ROUTER_TABLES:
            self._state.apply(topic.name, key.encode(), value)
        if topic.name in (catalogue.POLICIES.name, catalogue.REVIEWERS.name):
            self._desk.follow(self._message(topic.name, key.encode(), value))
        if topic.name == catalogue.POLICIES.name:
            self._terms.apply(key.encode(), value)
        if topic.name in TABLE_TOPICS:
            self.proposals.apply(topic.name, key.encode(), value)
        if topic.name == catalogue.TRAINING_EXAMPLES.name:
            self._write_events(self.proposals.process(plain))
        if topic.name in confidence.TABLE_TOPICS:
            self._confidence.apply(topic.name, value)
        if topic.name == catalogue.DRIFT_SIGNALS.name:
            self._write_events(revoke(plain, self.proposals.table))
        if topic.name == catalogue.RETRAINING_REQUESTS.name:
            self._write_events(propose_from_request(plain, self.proposals.table))

    def _message(self, topic: str, key: bytes, value: bytes | None) -> _Message:
        return _Message(topic, next(self._offsets.setdefault(topic, count())), key, value)


def _micros(when: Any) -> int:
    return when if isinstance(when, int) else int(when.timestamp() * 1e6)
