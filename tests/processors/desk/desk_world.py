"""A desk with a clock of its own, people, a policy, and routed decisions, for tests without Kafka."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.processors.desk import reviewers as people
from interlock.processors.desk.arrivals import Arrival
from interlock.processors.desk.command import Command
from interlock.processors.desk.desk import Desk
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.events import Event
from interlock.streams.clock import ManualClock

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

POLICY = """
name: bank
domains:
  loan:
    workflow: pre_approval
    models: ['*']
    outcomes: [approve, reject]
    lanes:
      approve: {auto: 0.95}
      reject: {auto: 0.95, notice: adverse_action}
    queue: underwriting
    on_timeout: reject
    reason_codes: [income, history]
  advice:
    workflow: hybrid
    models: ['*']
    outcomes: [hold, buy, sell]
    queue: advisers
    options: 2
  post:
    workflow: post_approval
    models: ['*']
    outcomes: [publish, remove]
    lanes: {publish: {auto: 0.5}, remove: {auto: 0.5}}
    queue: moderation
queues:
  underwriting: {}
  moderation: {on_breach: raise_priority}
  advisers: {order: score}
rules:
  - {id: big, when: amount > 1000000, route: sync, four_eyes: true}
"""


class DeskWorld:
    """Everything that happens to the desk goes through here; `said` is what it said, by topic."""

    def __init__(self, policy: str = POLICY) -> None:
        self.clock = ManualClock()
        self.desk = Desk(DeskState())
        self.said: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.set_policy(policy)
        self._commands = 0

    @property
    def now(self) -> int:
        return self.clock.now()

    def task(self, task_id: str) -> Task:
        return self.desk.state.tasks[task_id]

    def set_policy(self, text: str) -> None:
        policy = parse(text, "policy.yaml")
        self.desk.state.set_policy(policy.name, policy, version(policy))

    def hire(self, *names: str, on_duty: bool = True, **fields: Any) -> None:
        """People who are on duty at once; `fields` as in Reviewer.avsc."""
        for name in names:
            record = {
                "id": name,
                "name": name,
                "role": "reviewer",
                "manager": "",
                "queues": [],
                "qualifications": [],
                "capacity": 5,
                "time_zone": "UTC",
                "hours": [],
                "time_off": [],
                "contact": "",
            } | fields
            self.desk.state.set_reviewer(name, people.from_record(record))
            if on_duty:
                self.command("on_duty", name)

    def dismiss(self, name: str) -> None:
        self.desk.state.set_reviewer(name, None)
        self.wait(0)

    def arrive(self, decision_id: str = "d1", **fields: Any) -> Task:
        """A routed decision; by default a loan that the model would grant."""
        self._record(self.desk.advance(self.now))
        self._record(self.desk.arrive(arrival(decision_id, self.now, **fields), self.now))
        self._record(self.desk.advance(self.now))
        self._push()
        return self.task(decision_id)

    def command(self, kind: str, actor: str, **fields: Any) -> dict[str, Any]:
        """Sends a command and returns the reply."""
        self._commands += 1
        command = Command(command_id=f"c{self._commands}", kind=kind, actor=actor, **fields)
        return self.send(command)

    def send(self, command: Command) -> dict[str, Any]:
        self._record(self.desk.advance(self.now))
        made = self.desk.apply(command, self.now)
        self._record(made)
        self._push()
        reply = made[-1].record
        assert reply is not None
        return reply

    def claim(self, actor: str, task_id: str = "", **fields: Any) -> dict[str, Any]:
        reply = self.command("claim", actor, task_id=task_id, **fields)
        assert reply["accepted"], reply["message"]
        return reply

    def decide(
        self,
        actor: str,
        verdict: str = "approve",
        *,
        claimed: dict[str, Any] | None = None,
        task_id: str = "",
        **fields: Any,
    ) -> dict[str, Any]:
        """Claims, unless it is claimed already, and submits; returns the reply to the verdict."""
        lease = claimed or self.claim(actor, task_id)
        given = {"reason_code": "other", "reason_text": "because"} | fields
        return self.command(
            "submit",
            actor,
            task_id=lease["task_id"],
            epoch=lease["epoch"],
            payload_hash=lease["payload_hash"],
            verdict=verdict,
            **given,
        )

    def wait(self, micros: int) -> None:
        """Time passes, and the desk notices."""
        self.clock.advance(micros / SECOND)
        self._record(self.desk.advance(self.now))
        self._push()

    def last(self, topic: str) -> dict[str, Any]:
        return self.said[topic][-1]

    def events(self, task_id: str) -> list[str]:
        """The names of everything that happened to a task."""
        return [record["event"] for record in self.said["reviews.tasks"] if record["task_id"] == task_id]

    def _push(self) -> None:
        self._record(self.desk.push(self.now))
        # As after every batch.
        self.desk.state.pack({})

    def _record(self, events: list[Event]) -> None:
        for event in events:
            if event.record is not None:
                self.said[event.topic.name].append(event.record)


def arrival(decision_id: str, now: int, **fields: Any) -> Arrival:
    plain = Arrival(
        topic="reviews.async",
        partition=0,
        offset=0,
        payload_hash=f"hash of {decision_id}",
        routed_at=now,
        route="async",
        reasons=("lane:loan/approve:async",),
        calibrated_confidence=0.9,
        policy_version="v",
        workflow="pre_approval",
        priority="medium",
        queue="underwriting",
        audit=False,
        propensity=1.0,
        override_until=None,
        decision_id=decision_id,
        domain="loan",
        model_id="m",
        model_version="1",
        prediction="approve",
        confidence=0.88,
        impact="",
        amount=100.0,
        compliance_review=False,
        caller="the client",
    )
    return replace(plain, **fields)
