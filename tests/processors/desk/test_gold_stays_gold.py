"""Whoever is given a planted case cannot tell it from other tasks: no classifier can, from all that a reviewer sees."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.processors.desk.plausible_ids import plausible_id
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.processors.review.context import review_context
from interlock.processors.review.payload import Payload, as_shown
from interlock.processors.review.view import build_view
from interlock.review.session import listed
from interlock.schemas import wire
from interlock.schemas.payload import payload_hash
from tests.processors.desk.desk_records import routed
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, SECOND, DeskWorld

PEOPLE = tuple(f"p{number}" for number in range(12))

# How sure the test is that no difference was found by chance: it must not fail on one seed of a thousand.
CHANCE = 0.001


class Office:
    """A desk where decisions come, people decide, and leads plant what was decided; `seen` is what people saw."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.world = DeskWorld()
        self.policy: Policy = parse(POLICY, "p")
        self.world.hire(*PEOPLE, capacity=100)
        self.world.hire("lee", role="lead")
        self.payloads: dict[str, bytes] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def come(self) -> str:
        """A decision that is routed to a person, or audited."""
        dice, now = self.dice, self.world.now
        audited = dice.random() < 0.5
        name = str(UUID(int=dice.getrandbits(128), version=4))
        fields: dict[str, Any] = {
            "route": "auto" if audited else dice.choice(["async", "manual"]),
            "audit": audited,
            "priority": "low" if audited else dice.choice(["medium", "high"]),
            "reasons": ["big"] if not audited and dice.random() < 0.3 else [],
            "routed_at": now,
        }
        prediction = dice.choice(["approve", "reject"])
        amount = float(dice.randint(1, 1_000))
        decision = {"prediction": prediction, "amount": amount, "created_at": now - dice.randint(1, 90) * SECOND}
        record = routed(name, decision=decision, **fields)
        assert record.value_bytes is not None
        self.payloads[name] = record.value_bytes
        place = {"offset": len(self.payloads), "payload_hash": payload_hash(record.value_bytes)}
        arrival = fields | {"reasons": tuple(fields["reasons"])}
        return self.world.arrive(name, prediction=prediction, amount=amount, **place, **arrival).task_id

    def plant(self) -> str | None:
        """A lead plants one of the cases that were decided."""
        tasks = self.world.desk.state.tasks.values()
        done = [task.task_id for task in tasks if task.state == "done" and task.kind != "gold" and task.round == 0]
        if not done:
            return None
        case = self.dice.choice(sorted(done))
        planted = self.world.command("gold", "lee", task_id=case, outcome=self.dice.choice(["approve", "reject"]))
        return str(planted["task_id"])

    def work(self, task_id: str) -> None:
        """Somebody who may takes the task, looks, and decides."""
        task, dice, world = self.world.task(task_id), self.dice, self.world
        world.wait(dice.randint(1, 20) * MINUTE)
        fit = [name for name in PEOPLE if name not in task.excluded and name not in task.involved]
        if not fit:
            return
        me = dice.choice(fit)
        claimed = world.claim(me, task_id)
        record = wire.decode("Task", wire.encode("Task", task_changed(task, "claimed", me, world.now).record or {}))
        whole = Payload(wire.decode("RoutedDecision", self.payloads[task.decision_id]), verified=True)
        payload = as_shown(record, whole)
        view = build_view(record, payload, world.now, routed_by=self.policy, in_force=self.policy)
        blind = {"verdict": "choose", "outcome": dice.choice(["approve", "reject"])}
        if view.ai_shown == "shown":
            blind = {"verdict": dice.choice(["approve", "reject"])}
        reply = world.decide(me, claimed=claimed, **blind)
        late = world.command("extend", me, task_id=task_id, epoch=claimed["epoch"])
        said = {"verdict": "choose", "outcome": "approve", "reason_code": "other", "reason_text": "a slip"}
        hashed = {"payload_hash": task.payload_hash}
        again = world.command("override", dice.choice([me, "lee"]), task_id=task_id, **said, **hashed)
        seen = {
            "row": listed(record, world.now),
            # What was taken of the case itself is the same by design: who has judged it is never given it.
            "view": {name: value for name, value in view.facts().items() if name != "amount"},
            "context": review_context(view, payload),
            "claimed": _for_people(claimed),
            "reply": _for_people(reply),
            "late": late["message"] if task.state == "done" else "",
            "again": _for_people(again),
            "alerts": [alert["kind"] for alert in world.said["alerts"] if alert["task_id"] == task_id],
        }
        kind = ("gold" if task.kind == "gold" else "ordinary") + (", blind" if view.ai_shown == "withheld" else "")
        self.seen.append((kind, _features(seen, task_id, world.now)))


def _for_people(reply: dict[str, Any]) -> dict[str, Any]:
    """As `Reply.for_people`: tools keep the place of the payload to themselves."""
    return {name: value for name, value in reply.items() if name not in ("topic", "partition", "offset")}


def _features(seen: Any, task_id: str, now: int, path: str = "") -> dict[str, Any]:
    """All values by their path; ids by their shape, times as an age."""
    if isinstance(seen, Mapping):
        parts = [(f"{path}.{name}", value) for name, value in seen.items()]
    elif isinstance(seen, list | tuple):
        parts = [(f"{path}[]", value) for value in seen]
    elif isinstance(seen, bool) or seen is None:
        return {f"{path}={seen}": 1.0}
    elif isinstance(seen, int | float):
        return {path: (now - seen) / SECOND if seen > now / 2 else float(seen)}
    else:
        text = str(seen).replace(task_id, re.sub("[0-9a-f]", "x", task_id))
        text = re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+", "time", re.sub("[0-9a-f]{32}", "hash", text))
        return {f"{path}={re.sub('p[0-9]+', 'somebody', text)}": 1.0}
    found: dict[str, Any] = {}
    for name, value in parts:
        for feature, number in _features(value, task_id, now, name).items():
            found[feature] = number
    return found


def _auc(seen: Sequence[tuple[str, dict[str, Any]]], one: str, other: str) -> tuple[float, float]:
    """How well a classifier tells two kinds apart, and how often chance would do as well (the AUC is the statistic of
    the rank test of Mann and Whitney)."""
    rows = [(kind == one, features) for kind, features in seen if kind in (one, other)]
    labels = np.array([label for label, _ in rows])
    assert min(labels.sum(), (~labels).sum()) > 30
    matrix = DictVectorizer(sparse=False).fit_transform([features for _, features in rows])
    forest = RandomForestClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=0)
    scores = cross_val_predict(forest, matrix, labels, cv=5, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(labels, scores))
    return auc, float(mannwhitneyu(scores[labels], scores[~labels], alternative="greater").pvalue)


@pytest.fixture(scope="module")
def seen() -> list[tuple[str, dict[str, Any]]]:
    office = Office(1)
    for _ in range(400):
        task_id = office.plant() if office.dice.random() < 0.3 else office.come()
        if task_id is not None:
            office.work(task_id)
    return office.seen


@pytest.mark.parametrize("look", ["", ", blind"])
def test_no_classifier_tells_a_planted_case_from_the_others_by_what_a_reviewer_sees(
    seen: list[tuple[str, dict[str, Any]]], look: str
) -> None:
    auc, chance = _auc(seen, f"gold{look}", f"ordinary{look}")
    assert chance > CHANCE, f"told apart with an AUC of {auc:.2f}"


def test_the_classifier_would_have_noticed_what_told_gold_items_before(
    seen: list[tuple[str, dict[str, Any]]],
) -> None:
    """Blind items against others: what the test cannot find is not there."""
    auc, chance = _auc(seen, "ordinary, blind", "ordinary")
    assert (auc > 0.95, chance < CHANCE) == (True, True)


# Ids


def test_an_id_is_made_like_those_around_it_and_is_free() -> None:
    known = {"loan-000001", "loan-000002", "loan-000004", "loan-000007", "loan-12", "card-000009"}
    assert plausible_id("loan-000002", "s", known, known) == "loan-000006"
    assert plausible_id("loan-000002", "s", known | {"loan-000006"}, known) == "loan-000005"
    assert plausible_id("card-000009", "s", known, known) == "card-000008"
    assert plausible_id("0", "s", {"0", "1"}, {"0", "1"}) == "2"


@pytest.mark.parametrize(
    "pattern", ["0b9a9f6e-4b1f-4c7e-9d2c-1f2e3d4c5b6a", "case/0123456789ABCDEF", "d41d8cd98f00b204e9800998ecf8427e"]
)
def test_a_random_id_gets_other_digits_that_nobody_can_tell(pattern: str) -> None:
    made = {plausible_id(pattern, secret, {pattern}, {pattern}) for secret in "abcdefgh"}
    assert len(made | {pattern}) == 9
    shapes = {re.sub("[0-9A-Fa-f]", "x", each.removeprefix("case/")) for each in made}
    assert shapes == {re.sub("[0-9A-Fa-f]", "x", pattern.removeprefix("case/"))}
    assert plausible_id(pattern, "a", {pattern}, {pattern}) == plausible_id(pattern, "a", {pattern}, {pattern}), (
        "the same in every replay"
    )


def test_an_id_without_digits_gets_some() -> None:
    assert re.fullmatch("the-case-[0-9a-f]{8}-[0-9a-f]{8}", plausible_id("the-case", "s", {"the-case"}, ()))


def test_a_gold_item_gives_way_to_a_decision_that_comes_under_its_id() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("loan-5")
    world.decide("ann")
    planted = world.command("gold", "lee", task_id="loan-5", outcome="approve")["task_id"]
    assert planted == "loan-4"
    world.claim("bob", planted)
    task = world.arrive("loan-4")
    assert (task.kind, task.state, task.decision_id) == ("review", "waiting", "loan-4")
    assert world.desk.state.load("bob") == 0
    world.decide("bob", task_id="loan-4")
    assert world.last("resolutions")["decision_id"] == "loan-4"


def test_a_judged_gold_item_is_told_of_like_any_decided_task() -> None:
    world = DeskWorld()
    world.hire("ann", "bob", "cid")
    world.hire("lee", role="lead")
    world.arrive("loan-5")
    world.decide("ann")
    planted = world.command("gold", "lee", task_id="loan-5", outcome="approve")["task_id"]
    world.decide("bob", "reject", task_id=planted)
    told = world.command("claim", "cid", task_id=planted)["message"]
    ordinary = world.command("claim", "cid", task_id="loan-5")["message"]
    assert told.replace(planted, "loan-5").replace("reject by bob", "approve by ann") == ordinary


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
