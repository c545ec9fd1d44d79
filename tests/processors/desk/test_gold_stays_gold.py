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
from interlock.processors.desk.task_records import task_changed
from interlock.processors.review.context import review_context
from interlock.processors.review.payload import Payload, as_shown
from interlock.processors.review.view import build_view
from interlock.review.session import listed
from interlock.schemas import wire
from interlock.schemas.payload import payload_hash
from tests.processors.desk.desk_records import routed
from tests.processors.desk.desk_world import MINUTE, POLICY, SECOND, DeskWorld

PEOPLE = tuple(f"p{number}" for number in range(12))

# How sure the test is that no difference was found by chance: it must not fail on one seed of a thousand.
CHANCE = 0.001


class Office:
    """A desk where decisions come, people decide, and leads plant what was decided; `seen` is what people saw."""

    def __init__(self, seed: int, policy: str = POLICY, *, reviews_alone: bool = False) -> None:
        """`reviews_alone`: nothing is audited or handled by hand, as such decisions take no part in an experiment."""
        self.reviews_alone = reviews_alone
        self.dice = Random(seed)
        self.world = DeskWorld(policy)
        self.world.desk.state.arm_key = bytes(16)
        self.policy: Policy = parse(policy, "p")
        self.world.hire(*PEOPLE, capacity=100)
        self.world.hire("lee", role="lead")
        self.payloads: dict[str, bytes] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def come(self) -> str:
        """A decision that is routed to a person, or audited."""
        dice, now = self.dice, self.world.now
        audited = not self.reviews_alone and dice.random() < 0.5
        name = str(UUID(int=dice.getrandbits(128), version=4))
        fields: dict[str, Any] = {
            "route": "auto" if audited else dice.choice(["async", "async" if self.reviews_alone else "manual"]),
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
        # What is decided is packed; nobody appeals here.
        done = [name for name in self.payloads if self.world.desk.state.tasks.is_packed(name)]
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
        if task.decides_first and task.blind:
            given = {name: claimed[name] for name in ("task_id", "epoch", "payload_hash")}
            world.command("first_opinion", me, outcome=dice.choice(["approve", "reject"]), **given)
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
        kind = "planted wrong answer" if task.seeded else "gold" if task.kind == "gold" else "ordinary"
        kind += ", blind" if view.ai_shown == "withheld" else ""
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


# The reliance experiment


def test_no_classifier_tells_a_planted_wrong_answer_from_an_ordinary_review_of_the_experiment() -> None:
    plan = "{rate: 1.0, decide_first: 0.5, wrong_answers: 1.0}"
    office = Office(2, POLICY.replace("  loan:\n", f"  loan:\n    reliance: {plan}\n"), reviews_alone=True)
    for _ in range(250):
        task_id = office.plant() if office.dice.random() < 0.4 else office.come()
        if task_id is not None:
            office.work(task_id)
    auc, chance = _auc(office.seen, "planted wrong answer", "ordinary")
    assert chance > CHANCE, f"told apart with an AUC of {auc:.2f}"


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
