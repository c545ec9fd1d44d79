"""No resolution exists whose people violate the duties of its decision, whatever people and policies do."""

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.processors.desk.command import Command
from interlock.processors.events import Event
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, DeskWorld, arrival
from tests.processors.desk.duties_checker import Checker, Demands

PEOPLE = ("ann", "bob", "cid", "dee", "lee", "lou")
LEADS = ("dee", "lee", "lou")
SKILLS = ("clinician", "lawyer")
WAITS = (0, MINUTE, MINUTE, 10 * MINUTE, 20 * MINUTE, HOUR, HOUR, 5 * HOUR, DAY, 4 * DAY)
LIVES, CAMPAIGN_LIVES = 30, 3_000
STEPS = 400
OFTEN = {
    "judge": 40,
    "arrive": 8,
    "override": 20,
    "appeal": 5,
    "pass_on": 6,
    "recall": 3,
    "wait": 10,
    "change": 4,
    "staff": 6,
}


@dataclass(frozen=True)
class Bank:
    """A policy for loans and posts, as its text and as what it demands."""

    name: str = "bank"
    queue: str = "underwriting"
    outcomes: tuple[str, ...] = ("approve", "reject")
    skills: tuple[str, ...] = ()
    rule: str = "big"
    four_eyes: bool = True
    on_breach: str = "escalate"

    def text(self) -> str:
        return f"""
name: {self.name}
domains:
  loan:
    workflow: pre_approval
    models: ['*']
    outcomes: [{", ".join(self.outcomes)}]
    queue: {self.queue}
    on_timeout: {self.outcomes[-1]}
queues:
  {self.queue}: {{qualifications: [{", ".join(self.skills)}], on_breach: {self.on_breach}}}
rules:
  - {{id: {self.rule}, when: amount > 1000000, route: sync, four_eyes: {str(self.four_eyes).lower()}}}
"""

    def demands(self) -> Demands:
        return Demands(self.outcomes, {self.queue: self.skills}, frozenset({self.rule} if self.four_eyes else ()))

    def told(self, reasons: tuple[str, ...]) -> dict[str, Any]:
        """What its router tells."""
        quorum = 2 if self.four_eyes and self.rule in reasons else 1
        duties = {"quorum": quorum, "qualifications": self.skills, "outcomes": self.outcomes}
        return duties | {"queue": self.queue, "reasons": reasons}


class Office:
    """A desk with people and policies that do anything, and the checker that hears of all of it."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.world = DeskWorld(Bank().text())
        self.checker = Checker(policies={"bank": {"loan": Bank().demands()}})
        self.in_force = {"bank": Bank()}
        self.decisions = self.commands = 0
        for name in PEOPLE:
            self.staff(name)

    @property
    def now(self) -> int:
        return self.world.now

    def live(self, steps: int) -> None:
        for step in self.dice.choices(list(OFTEN), list(OFTEN.values()), k=steps):
            getattr(self, step)()

    def arrive(self) -> None:
        """The router may have had another policy than the desk has."""
        dice = self.dice
        known = [*self.in_force.values()]
        routed_by = dice.choice(known) if known and dice.random() < 0.6 else self._some_bank()
        told = routed_by.told(dice.choice([(), ("big",), ("big",), ("large",)]))
        took_effect = dice.random() < 0.2 and told["quorum"] == 1
        effect = {"route": "auto", "audit": dice.random() < 0.5} if took_effect else {}
        self.decisions += 1
        name = f"d{self.decisions}"
        self.checker.arrived(name, told | {"domain": "loan"})
        prediction = dice.choice(routed_by.outcomes)
        self._say(self.world.desk.arrive(arrival(name, self.now, prediction=prediction, **told, **effect), self.now))
        self._tick()

    def judge(self) -> None:
        """Somebody takes a task, by name or as it comes, and gives a verdict; or tries to."""
        dice, actor = self.dice, self.dice.choice(PEOPLE)
        open_tasks = self.world.desk.state.open_tasks()
        if not open_tasks:
            return
        task = dice.choice(open_tasks)
        self._send("claim", actor, task_id=task.task_id if dice.random() < 0.8 else "")
        held = [other for other in open_tasks if other.lease_holder == actor] or [task]
        self._verdict("submit", actor, dice.choice(held))

    def override(self) -> None:
        decided = [task for task in self.world.desk.state.tasks.values() if task.took_effect]
        if decided:
            appealed = [task for task in decided if task.round and task.state == "done"]
            task = self.dice.choice(appealed if appealed and self.dice.random() < 0.4 else decided[-6:])
            judges = [verdict["reviewer"] for verdict in task.verdicts]
            actor = self.dice.choice(judges if judges and self.dice.random() < 0.5 else LEADS)
            self._verdict("override", actor, task)

    def appeal(self) -> None:
        decided = [task for task in self.world.desk.state.tasks.values() if task.state == "done"]
        if decided:
            behalf = self.dice.choice(["", "", "the applicant", *PEOPLE])
            task_id = self.dice.choice(decided).task_id
            self._send("appeal", self.dice.choice(PEOPLE), task_id=task_id, reason_text="wrong", on_behalf_of=behalf)

    def recall(self) -> None:
        """What took effect by itself comes to people after all; or what people decided, in vain."""
        decided = [task for task in self.world.desk.state.tasks.values() if task.took_effect]
        if decided:
            unjudged = [task for task in decided if not task.verdicts]
            task = self.dice.choice(unjudged if unjudged and self.dice.random() < 0.8 else decided)
            self._send("recall", self.dice.choice([*PEOPLE, *LEADS]), task_id=task.task_id, reason_text="halted")

    def pass_on(self) -> None:
        """Escalations to leads, queues and people, reassignments, skips, callers who give up."""
        dice = self.dice
        tasks = list(self.world.desk.state.tasks.values())
        if tasks:
            task, actor = dice.choice(tasks), dice.choice([*PEOPLE, *LEADS])
            kind = dice.choice(["escalate", "escalate", "reassign", "release", "expire"])
            where = dice.choice([{}, {"queue": dice.choice(["underwriting", "credit", "counsel"])}, {}])
            to = {"to_reviewer": dice.choice(PEOPLE)} if kind == "reassign" or dice.random() < 0.3 else where
            self._send(kind, actor, task_id=task.task_id, epoch=task.lease_epoch, reason_text="because", **to)

    def wait(self) -> None:
        self.world.clock.advance(self.dice.choice(WAITS) / 1_000_000)
        self._tick()
        for name in PEOPLE:
            if self.dice.random() < 0.8:
                self._send("on_duty", name)

    def change(self) -> None:
        """A policy is replaced, withdrawn, or joined by a second owner of its domain."""
        dice = self.dice
        name = dice.choice(["bank", "bank", "bank", "other"])
        policy = self._some_bank(name) if dice.random() < (0.8 if name == "bank" else 0.4) else None
        self.in_force.pop(name, None)
        if policy is None:
            self.world.desk.state.set_policy(name, None)
            self.checker.policies.pop(name, None)
        else:
            read = parse(policy.text(), name)
            self.world.desk.state.set_policy(name, read, version(read))
            self.checker.policies[name] = {"loan": policy.demands()}
            self.in_force[name] = policy
        self._tick()

    def staff(self, name: str = "") -> None:
        """A person comes, learns, forgets, or leaves."""
        dice = self.dice
        who = name or dice.choice(PEOPLE)
        if not name and dice.random() < 0.1:
            self.world.desk.state.set_reviewer(who, None)
            self.checker.roster.pop(who, None)
        else:
            ends = {skill: dice.choice([None, None, None, self.now + HOUR, self.now - HOUR]) for skill in SKILLS}
            held = {skill: until for skill, until in ends.items() if dice.random() < 0.8}
            role = "lead" if who in LEADS or dice.random() < 0.1 else "reviewer"
            skills = [{"name": skill, "expires_at": until} for skill, until in held.items()]
            self.world.hire(who, on_duty=False, role=role, qualifications=skills, capacity=9)
            self.checker.roster[who] = held
            self.checker.roles[who] = role
        self._tick()
        self._send("on_duty", who)

    def _some_bank(self, name: str = "bank") -> Bank:
        dice = self.dice
        outcomes = dice.choice([("approve", "reject"), ("approve", "refer", "reject"), ("approve", "refer")])
        return Bank(
            name=name,
            queue=dice.choice(["underwriting", "underwriting", "credit"]),
            outcomes=outcomes,
            skills=dice.choice([(), (), ("clinician",), ("lawyer",), SKILLS]),
            rule=dice.choice(["big", "big", "large"]),
            four_eyes=dice.random() < 0.7,
            on_breach=dice.choice(["escalate", "escalate", "raise_priority", outcomes[-1]]),
        )

    def _verdict(self, kind: str, actor: str, task: Any) -> None:
        dice = self.dice
        before = task.this_round()
        outcome = (
            before[-1]["outcome"] if before and dice.random() < 0.6 else dice.choice(["approve", "refer", "reject"])
        )
        verdict = {"verdict": "choose", "outcome": outcome, "reason_code": "other", "reason_text": "because"}
        place = {"epoch": task.lease_epoch, "payload_hash": task.payload_hash}
        self._send(kind, actor, task_id=task.task_id, **verdict, **place)

    def _send(self, kind: str, actor: str, **fields: Any) -> None:
        self._tick()
        self.commands += 1
        command = Command(command_id=f"c{self.commands}", kind=kind, actor=actor, **fields)
        said = self._records(self.world.desk.apply(command, self.now))
        self.checker.carried_out(command, said, self.now)
        self._say(self.world.desk.push(self.now))

    def _tick(self) -> None:
        self._say(self.world.desk.advance(self.now))

    def _say(self, events: list[Event]) -> None:
        self.checker.said(self._records(events), self.now)

    @staticmethod
    def _records(events: list[Event]) -> list[tuple[str, dict[str, Any]]]:
        return [(event.topic.name, dict(event.record)) for event in events if event.record is not None]


@pytest.mark.timeout(3_600)  # three thousand lives
def test_nobody_decides_against_the_duties_of_a_decision(campaign: bool) -> None:
    checked = recalled = overrides = 0
    for seed in range(CAMPAIGN_LIVES if campaign else LIVES):
        office = Office(Random(seed))
        office.live(STEPS)
        checked += office.checker.checked
        recalled += sum(office.checker.recalled.values())
        overrides += office.checker.overrides
    assert checked > 100, "hardly anything was decided"
    assert overrides > 20, "hardly anything was overridden"
    assert recalled > 5, "hardly anything was recalled and judged"
