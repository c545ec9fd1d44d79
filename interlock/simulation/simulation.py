"""Simulated reviewers at work: each in a thread, all through the same line to the desk as people's tools use.

`speedup` shortens what people do (handling, breaks), not what the desk measures: its clock is the real one.
`puts_aside`: the tasks, by id, that whoever gets them puts aside without deciding, again whenever they come back.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException

from interlock.policies.published import Policies
from interlock.policy.model import Policy
from interlock.processors.review.payload import Payload
from interlock.processors.review.view import TaskView, build_view
from interlock.review.board import Board, Record
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, DeskConnection
from interlock.review.enrolment import publish_reviewers
from interlock.review.payload import PayloadReader
from interlock.review.roster import Person
from interlock.simulation.personas import (
    Judgement,
    Persona,
    TruthSource,
    absence_seconds,
    generator,
    handling_seconds,
    judge,
)
from interlock.streams.clock import Clock
from interlock.streams.ports import Broker

# For how long people put a task aside, in microseconds. The desk takes seven days at most.
_ASIDE = 6 * 86_400_000_000

# What is put aside stays with the person: who does so holds as many tasks as the roster allows.
_MAX_CAPACITY = 1_000

# The pause of a reviewer who finds no task, in seconds of the machine.
_IDLE_SECONDS = 0.2

# The pause after an error of Kafka: the desk may be moving from one instance to another.
_RETRY_SECONDS = 1.0


@dataclass
class Tally:
    """What one person has done. `right` counts among `known`, the tasks whose truth is known; `yielded`: own opinion
    given up for the AI's answer; `refused`: codes of refusals; `seconds`: simulated handling time."""

    decided: int = 0
    agreed: int = 0
    blind: int = 0
    yielded: int = 0
    known: int = 0
    right: int = 0
    breaks: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)


class Simulation:
    """Works the queues until stopped, or until the desk has accepted `decisions` verdicts."""

    def __init__(
        self,
        broker: Broker,
        people: Iterable[Persona],
        *,
        truth: TruthSource,
        clock: Clock,
        payloads: PayloadReader,
        seed: int = 0,
        speedup: float = 1.0,
        decisions: int | None = None,
        puts_aside: Callable[[str], bool] | None = None,
    ) -> None:
        self._broker = broker
        self._people = list(people)
        self._truth = truth
        self._clock = clock
        self._payloads = payloads
        self._seed = seed
        self._speedup = speedup
        self._limit = decisions
        self._left = decisions
        self._puts_aside = puts_aside
        self._lock = threading.Lock()
        self._policies = Policies(broker)
        self._busy = len(self._people)
        self.stopping = threading.Event()
        self.tallies = {person.id: Tally() for person in self._people}
        self.aside: set[str] = set()
        self.trouble = ""
        self.failure: BaseException | None = None

    @property
    def idle(self) -> bool:
        """Whether every reviewer found no task when asking last."""
        return self._busy == 0

    @property
    def decided(self) -> int:
        """Verdicts that the desk accepted."""
        return sum(tally.decided for tally in self.tallies.values())

    def register(self) -> None:
        """Adds all reviewers to the roster, with every qualification that a published policy asks for."""
        needed = sorted(qualifications(self._policies.in_force.values()))
        holds: Record = {} if self._puts_aside is None else {"capacity": _MAX_CAPACITY}
        publish_reviewers(
            self._broker,
            [
                Person.model_validate(
                    {"id": person.id, "name": person.name, "role": person.role, "qualifications": needed, **holds}
                ).to_record()
                for person in self._people
            ],
        )

    def run(self) -> None:
        """Returns when all have stopped and gone off duty; raises the first error that ended one of them."""
        with DeskConnection(self._broker) as line, Board(self._broker) as board:
            threads = [
                threading.Thread(target=self._work, args=(person, line, board), name=person.id)
                for person in self._people
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self.failure is not None:
            raise self.failure

    def _work(self, persona: Persona, line: DeskConnection, board: Board) -> None:
        """In the thread of one reviewer."""
        desk = DeskClient(self._broker, persona.id, connection=line, clock=self._clock)
        try:
            self._retry_unknown(desk.on_duty)
            idle = False
            while not self.stopping.is_set():
                try:
                    worked = self._one_task(persona, desk, board)
                except KafkaException as error:
                    self.trouble, worked = error.args[0].str(), False
                    self.stopping.wait(_RETRY_SECONDS)
                idle = self._set_idle(idle, not worked)
                if not worked:
                    self.stopping.wait(_IDLE_SECONDS)
            desk.off_duty()
        except Exception as error:
            self.failure = self.failure or error
            self.stopping.set()

    def _retry_unknown(self, command: Callable[[], Any]) -> None:
        """Repeats a command until the desk has read the new roster."""
        while not self.stopping.is_set():
            try:
                command()
            except CommandRefusedError as refused:
                if refused.code != "unknown-reviewer":
                    raise
                self.stopping.wait(_IDLE_SECONDS)
            else:
                return

    def _one_task(self, persona: Persona, desk: DeskClient, board: Board) -> bool:
        """Claims and decides a task; False if there was none."""
        tally = self.tallies[persona.id]
        try:
            lease = desk.claim()
        except CommandRefusedError as refused:
            if refused.code != "nothing-to-do":
                tally.refused[refused.code] += 1
            return False
        if self._puts_aside is not None and self._puts_aside(lease.task_id):
            try:
                until = self._clock.now() + _ASIDE
                desk.snooze(lease.task_id, lease.epoch, until, reason_code="other", reason_text="not now")
            except CommandRefusedError as refused:
                tally.refused[refused.code] += 1
            else:
                self.aside.add(lease.task_id)
            return True
        task = board.leased(lease.task_id, lease.epoch)
        payload = self._payloads.read(task)
        rng = generator(self._seed, persona, task["task_id"])
        shown = self._view(task, payload, persona)
        truth = self._truth(payload.routed["decision"])
        if shown.opinion_due:
            # The same dice: the person goes on thinking so, and may give in to the answer.
            opinion = judge(shown, truth, persona, generator(self._seed, persona, task["task_id"]))
            desk.first_opinion(lease.task_id, lease.epoch, lease.payload_hash, opinion.outcome)
            shown = self._view(task | {"blind": False}, payload, persona)
        judgement = judge(shown, truth, persona, rng)
        seconds = handling_seconds(persona, rng)
        if self.stopping.wait(seconds / self._speedup) or not self._reserve():
            desk.release(lease.task_id, lease.epoch)
            return False
        try:
            if shown.evidence == "folded":
                desk.open_evidence(lease.task_id, lease.epoch, lease.payload_hash)
            desk.submit(
                lease.task_id,
                lease.epoch,
                lease.payload_hash,
                judgement.verdict,
                outcome=judgement.outcome if judgement.verdict != "approve" else "",
                reason_code=judgement.reason_code,
                reason_text=judgement.reason_text,
                attestations=shown.attestations,
            )
        except CommandRefusedError as refused:
            tally.refused[refused.code] += 1
            self._settle(accepted=False)
        else:
            _count(tally, judgement, task["prediction"], truth, seconds)
            self._settle(accepted=True)
        away = absence_seconds(persona, rng)
        if away:
            tally.breaks += 1
            desk.off_duty()
            self.stopping.wait(away / self._speedup)
            desk.on_duty()
        return True

    def _view(self, task: Record, payload: Payload, persona: Persona) -> TaskView:
        return build_view(
            task,
            payload,
            self._clock.now(),
            routed_by=self._policies.routed_by(task["policy_version"]),
            in_force=self._policies.owner(task["domain"]),
            reader=persona.id,
        )

    def _reserve(self) -> bool:
        """Whether one more verdict is wanted."""
        with self._lock:
            if self._left == 0:
                return False
            if self._left is not None:
                self._left -= 1
            return True

    def _settle(self, accepted: bool) -> None:
        """Ends a reservation: the verdict was accepted or not. The last one of the limit stops the simulation."""
        with self._lock:
            if self._left is not None and not accepted:
                self._left += 1
            if self.decided == self._limit:
                self.stopping.set()

    def _set_idle(self, was_idle: bool, is_idle: bool) -> bool:
        with self._lock:
            self._busy += was_idle - is_idle
        return is_idle


def qualifications(policies: Iterable[Policy]) -> set[str]:
    """Every qualification that some queue or pack of these policies asks for."""
    names: set[str] = set()
    for policy in policies:
        for queue in policy.queues.values():
            names.update(queue.qualifications)
        for pack in policy.packs:
            names.update(pack.qualifications)
    return names


def summary(people: Iterable[Persona], tallies: dict[str, Tally]) -> list[dict[str, Any]]:
    """One row a person, for tables and JSON."""
    return [
        {
            "reviewer": person.id,
            "role": person.role,
            "decided": tally.decided,
            "agreed_with_ai": tally.agreed,
            "overrode_ai": tally.decided - tally.agreed,
            "blind": tally.blind,
            "yielded_to_ai": tally.yielded,
            "accuracy": round(tally.right / tally.known, 4) if tally.known else None,
            "mean_handling_seconds": round(tally.seconds / tally.decided, 1) if tally.decided else None,
            "breaks": tally.breaks,
            "refused": dict(sorted(tally.refused.items())),
        }
        for person in people
        for tally in [tallies[person.id]]
    ]


def _count(tally: Tally, judgement: Judgement, prediction: str, truth: str | None, seconds: float) -> None:
    tally.decided += 1
    tally.seconds += seconds
    tally.agreed += judgement.outcome == prediction
    tally.blind += judgement.verdict == "choose"
    tally.yielded += judgement.outcome != judgement.own
    if truth is not None:
        tally.known += 1
        tally.right += judgement.outcome == truth
