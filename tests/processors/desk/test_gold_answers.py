"""A gold item answers commands as the task that it looks like, and nothing takes effect."""

import re
from random import Random
from typing import Any

import pytest

from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, DeskWorld

AUDIT = {"route": "auto", "audit": True, "priority": "low"}


@pytest.mark.parametrize("later", [0, 2 * MINUTE, 30 * HOUR])
@pytest.mark.parametrize("actor", ["bob", "cid", "lee"])
@pytest.mark.parametrize("judges", [(), ("reject",), ("approve",), ("approve", "reject"), ("reject", "reject")])
@pytest.mark.parametrize("look", [{}, AUDIT, {"reasons": ("big",)}], ids=["review", "audit", "four eyes"])
def test_an_override_of_a_gold_item_gets_the_answer_that_any_task_would_give(
    look: dict[str, Any], judges: tuple[str, ...], actor: str, later: int
) -> None:
    world = DeskWorld()
    world.hire("ann", "amy", "bob", "cid", "dee")
    world.hire("lee", "lou", role="lead")
    world.arrive("loan-5", **look)
    for name in ("ann", "amy")[: 2 if "reasons" in look else 1]:
        world.decide(name, "choose", outcome="approve", task_id="loan-5")
    planted = world.command("gold", "lou", task_id="loan-5", outcome="approve")["task_id"]
    world.arrive("loan-9", **look)
    said = {"verdict": "choose", "outcome": "reject", "reason_code": "other", "reason_text": "it is wrong"}
    answers: dict[str, list[tuple[Any, ...]]] = {"loan-9": [], planted: []}
    for name, outcome in zip(("bob", "dee"), judges, strict=False):
        for task_id, answer in answers.items():
            if world.task(task_id).state != "done":
                answer.append(_answer(world.decide(name, "choose", outcome=outcome, task_id=task_id), task_id))
    # The desk looks at the clock when something is due, as at the end of the window.
    world.wait(min(later, DAY))
    world.wait(later - min(later, DAY))
    for task_id, answer in answers.items():
        for outcome in ("reject", "approve"):
            words = said | {"outcome": outcome, "payload_hash": world.task(task_id).payload_hash}
            answer.append(_answer(world.command("override", actor, task_id=task_id, **words), task_id))
        proposed = any("holds until another" in text for *_, text in answer)
        if world.task(task_id).state == "done" and not proposed:
            answer.append(_answer(world.command("claim", "dee", task_id=task_id), task_id))
    assert answers[planted] == answers["loan-9"]


def _answer(reply: dict[str, Any], task_id: str) -> tuple[Any, ...]:
    return reply["accepted"], reply["code"], reply["message"].replace(task_id, "the task")


def test_an_override_of_a_gold_item_has_no_effect_on_the_case_and_is_not_measured() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", "lou", role="lead")
    world.arrive("loan-5")
    world.decide("ann")
    planted = world.command("gold", "lou", task_id="loan-5", outcome="approve")["task_id"]
    world.decide("bob", "reject", task_id=planted)
    outside = [topic for topic in world.said if topic not in ("reviews.tasks", "reviews.replies")]
    before = {topic: len(world.said[topic]) for topic in outside}
    words = {"verdict": "approve", "reason_code": "other", "reason_text": "it is fine"}
    reply = world.command("override", "lee", task_id=planted, payload_hash=world.task(planted).payload_hash, **words)
    assert reply["message"] == "overridden: approve; what was done is rolled back"
    assert {topic: len(world.said[topic]) for topic in outside} == before
    told = world.command("claim", "ann", task_id=planted)["message"]
    assert f"{planted} was already decided: approve by lee" in told


def test_a_first_judgement_of_what_looks_like_an_audit_is_measured_also_as_an_override() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("loan-5", **AUDIT)
    world.decide("ann", "choose", outcome="approve")
    planted = world.command("gold", "lee", task_id="loan-5", outcome="approve")["task_id"]
    words = {"verdict": "choose", "outcome": "reject", "reason_code": "other", "reason_text": "it is wrong"}
    reply = world.command("override", "bob", task_id=planted, payload_hash=world.task(planted).payload_hash, **words)
    assert reply["accepted"]
    judged = world.last("reviews.outcomes")
    assert [judged[name] for name in ("kind", "reviewer", "outcome", "gold_outcome")] == [
        "gold",
        "bob",
        "reject",
        "approve",
    ]
    assert world.task(planted).state == "done"


class Twins:
    """A planted case and an ordinary one that looks like it: people do to both what they like, and get the same."""

    def __init__(self, look: dict[str, Any]) -> None:
        self.world = DeskWorld()
        self.world.hire("ann", "amy", "bob", "cid", "dee", "eve", "fay")
        self.world.hire("lee", "lou", "pat", role="lead")
        self.world.arrive("loan-5", **look)
        for name in ("ann", "amy")[: 2 if "reasons" in look else 1]:
            self.world.decide(name, "choose", outcome="approve", task_id="loan-5")
        self.planted = self.world.command("gold", "pat", task_id="loan-5", outcome="approve")["task_id"]
        self.world.arrive("loan-9", **look)
        for task_id in self.both:
            task = self.world.task(task_id)
            # Whoever has judged or planted the case is kept from the planted one.
            task.exclude("ann", "amy", "pat")
            self.world.desk.state.keep(task)

    @property
    def both(self) -> tuple[str, str]:
        return self.planted, "loan-9"

    def same(self, kind: str, actor: str, **words: Any) -> bool:
        """Whether it was accepted."""
        planted, ordinary = (self._answer(task_id, kind, actor, words) for task_id in self.both)
        assert planted == ordinary
        return bool(planted[0])

    def _answer(self, task_id: str, kind: str, actor: str, words: dict[str, Any]) -> tuple[Any, ...]:
        task = self.world.desk.state.tasks.get(task_id)
        assert task is not None
        lease = {"epoch": task.lease_epoch} if kind in ("submit", "release") else {}
        reply = self.world.command(kind, actor, task_id=task_id, payload_hash=task.payload_hash, **lease, **words)
        accepted, code, message = _answer(reply, task_id)
        # Which place it had among the others is another one for each.
        return accepted, code, re.sub(r"\b(first|number \d+) of \d+", "a place", message)

    def wait(self, micros: int) -> None:
        until = self.world.now + micros
        while self.world.now < until:
            # The desk looks at the clock when something is due, as at the end of a window.
            due = self.world.desk.state.first_due()
            step = until if due is None or due <= self.world.now else min(due, until)
            self.world.wait(step - self.world.now)

    def look_the_same(self) -> None:
        state = self.world.desk.state
        looks = [_looks(state, state.tasks[task_id], self.world.now) for task_id in self.both]
        assert looks[0] == looks[1]


def _looks(state: DeskState, task: Task, now: int) -> dict[str, Any]:
    """What the console and the HTTP API tell of a task, and who gets it."""
    shown = ordinary(task, state.terms(task), now)
    names = ("state", "kind", "version", "outcome", "decided_by", "decided_at", "override_until", "deciding_verdict")
    same = ("round", "appeals", "priority", "deadline", "warned", "breached", "blind", "quorum", "statement", "parties")
    told = {name: getattr(shown, name) for name in (*names, *same, "escalation", "verdicts", "warn_at")}
    return told | {"excluded": sorted(task.excluded)}


SAID = {"reason_code": "other", "reason_text": "it is wrong"}
APPEALED = {"reason_text": "please look again", "on_behalf_of": "the applicant"}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("look", [{}, AUDIT, {"reasons": ("big",)}], ids=["review", "audit", "four eyes"])
def test_whatever_is_done_to_a_gold_item_it_answers_and_looks_like_any_task(look: dict[str, Any], seed: int) -> None:
    dice = Random(seed)
    twins = Twins(look)
    people = ("bob", "cid", "dee", "eve", "fay", "lee", "lou")
    for _ in range(14):
        me = dice.choice(people)
        match dice.randrange(7):
            case 0:
                twins.same("appeal", me, **APPEALED)
            case 1:
                if twins.same("recall", me, reason_text="the model was halted"):
                    # Only the other one is shown to people as something that is to be judged anew.
                    return
            case 2 if "reasons" not in look:
                # Where two must agree, only one of the twins waits for the second.
                twins.same("override", me, verdict="choose", outcome=dice.choice(["approve", "reject"]), **SAID)
            case 3:
                # A gold item that is late does not go to the leads.
                done = twins.world.task(twins.planted).state == "done"
                twins.wait(dice.choice([MINUTE, HOUR, 30 * HOUR]) if done else MINUTE)
            case _:
                if twins.same("claim", me):
                    words = {"verdict": "choose", "outcome": dice.choice(["approve", "reject"]), **SAID}
                    twins.same("submit", me, **words)
        twins.look_the_same()


def test_who_judges_an_appeal_on_a_gold_item_is_not_measured_and_nothing_takes_effect() -> None:
    twins = Twins({})
    assert twins.same("claim", "bob")
    assert twins.same("submit", "bob", verdict="reject", **SAID)
    measured = len([record for record in twins.world.said["reviews.outcomes"] if record["kind"] == "gold"])
    assert twins.same("appeal", "cid", **APPEALED)
    assert twins.same("claim", "dee")
    assert twins.same("submit", "dee", verdict="approve", **SAID)
    assert len([record for record in twins.world.said["reviews.outcomes"] if record["kind"] == "gold"]) == measured == 1
    said = twins.world.said
    assert not [
        one for topic in ("resolutions", "actions") for one in said[topic] if twins.planted in map(str, one.values())
    ]


@pytest.mark.parametrize("number", [-1, 7, 2**31 - 1])
def test_verdicts_of_rounds_that_never_were_stop_nobody(number: int) -> None:
    """Whoever may write to the desk's own topics may write such a task."""
    twins = Twins({})
    twins.world.claim("bob", twins.planted)
    words = {"epoch": 1, "verdict": "choose", "outcome": "reject", **SAID}
    task = twins.world.task(twins.planted)
    twins.world.command("submit", "bob", task_id=twins.planted, payload_hash=task.payload_hash, **words)
    task = twins.world.task(twins.planted)
    task.verdicts = tuple(verdict | {"round": number} for verdict in task.verdicts)
    task.round = number
    twins.world.desk.state.keep(task)
    for kind in ("override", "appeal", "recall", "claim"):
        twins.world.command(kind, "lee", task_id=twins.planted, payload_hash=task.payload_hash, **SAID)
