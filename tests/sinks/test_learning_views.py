"""What the views say about learning, against numbers worked out by hand, by `learning`, or by statsmodels."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from statsmodels.stats.proportion import proportion_confint

from interlock.learning import estimates
from interlock.learning.agreement import cohen_kappa, percent_agreement
from interlock.learning.bounds import clopper_pearson
from interlock.learning.double_reviews import PairCounts, false_alarms, sensitivity
from interlock.processors.feedback.pair_record import PairRecord
from interlock.schemas import catalogue, wire
from interlock.sinks import queries
from tests.sinks.learning_records import example, proposal, report, request, signal
from tests.sinks.review_records import DAY, START, outcome
from tests.sinks.sink_world import AUTO, OUTCOMES, World, decision, routed

pytestmark = pytest.mark.warehouse

# How far the ends of Clopper and Pearson's interval are off in SQL, where there are few trials.
QUANTILE_ERROR = 0.004

SHADOW = catalogue.SHADOW.name


class Tale:
    """Decisions and what people said, in a domain of the test's own."""

    def __init__(self, name: str, client: Client) -> None:
        self.world = World(name, client, partitions=1)
        self.made = 0

    def decide(
        self,
        overridden: bool | None,
        route: str = "async",
        *,
        propensity: float = 1.0,
        confidence: float = 0.9,
        workflow: str = "escalation",
        **changes: Any,
    ) -> None:
        """One decision; `overridden` None: no verdict, and of an auto decision no audit. `changes`: of the verdict."""
        self.made += 1
        name, world = f"{self.world.name}-{self.made}", self.world
        post = workflow == "post_approval"
        audit = route == "auto" and not post and overridden is not None
        envelope: dict[str, Any] = {
            "propensity": propensity,
            "calibrated_confidence": confidence,
            "audit": audit,
            "override_until": START + DAY if post else None,
            "workflow": workflow,
        }
        value = wire.encode("RoutedDecision", routed(decision(name, world.name), route, **envelope))
        topics = [AUTO] if route == "auto" else [f"reviews.{route}"]
        for topic in topics + ["reviews.async"] * (audit or post):
            world.send(topic, name.encode(), value)
        if overridden is not None:
            verdict: dict[str, Any] = {
                "domain": world.name,
                "kind": "post_approval" if post else "audit" if route == "auto" else "review",
                "route": route,
                "audit": audit,
                "workflow": workflow,
                "propensity": propensity,
                "confidence": confidence,
                "outcome": "reject" if overridden else "approve",
                **changes,
            }
            world.tell(OUTCOMES, name, outcome(name, **verdict))

    def tell(self, topic: str, records: Iterable[dict[str, Any]]) -> None:
        for record in records:
            self.world.tell(topic, "key", record)

    def view(self, name: str, order: str = "ALL") -> list[dict[str, Any]]:
        """The rows of a view on this domain, in order, once everything is inserted."""
        writer = self.world.writer(max_rows=5000, max_consumed=5000)
        self.world.settle(writer)
        writer.close()
        query = f"SELECT * FROM {name} WHERE domain = {{name:String}} ORDER BY {order}"
        found = self.world.client.query(query, parameters={"name": self.world.name})
        return [dict(row) for row in found.named_results()]

    def estimates(self) -> dict[str, Any]:
        (row,) = self.view("population_estimates")
        return row


@pytest.fixture
def tale(shared: Client, run_id: str) -> Tale:
    return Tale(run_id, shared)


def wilson(count: float, of: float) -> tuple[float, float]:
    lower, upper = proportion_confint(count, of, method="wilson")
    return float(lower), float(upper)


def tiny(tale: Tale) -> None:
    """Four decisions reviewed for sure, three of them overridden; of sixteen five are audited, one is overridden."""
    for overridden in (True, True, False, True):
        tale.decide(overridden, confidence=0.6)
    for overridden in (False, False, False, True, False):
        tale.decide(overridden, "auto", propensity=0.25, confidence=0.98)
    for _ in range(11):
        tale.decide(None, "auto", propensity=0.25, confidence=0.98)


def test_the_rate_of_all_decisions_is_estimated_from_those_that_were_reviewed(tale: Tale) -> None:
    tiny(tale)
    found = tale.estimates()
    assert (found["decisions"], found["covered_decisions"], found["reviewed_decisions"]) == (20, 20, 9)
    assert found["answered_rate"] == 1
    assert found["naive"] == pytest.approx(0.444444, abs=5e-7)
    assert found["horvitz_thompson"] == pytest.approx(0.35)
    assert found["hajek"] == pytest.approx(0.291667, abs=5e-7)
    assert found["aipw"] == pytest.approx(0.346)
    assert found["horvitz_thompson_standard_error"] ** 2 == pytest.approx(0.03)
    assert found["hajek_standard_error"] ** 2 == pytest.approx(0.0175420, abs=5e-8)
    # Sum of (1 - pi) (y - f)^2 / pi^2 over 20^2: four audits 12 x 0.02^2, one 12 x 0.98^2.
    assert found["aipw_standard_error"] ** 2 == pytest.approx(12 * (4 * 0.02**2 + 0.98**2) / 400)


def test_few_verdicts_get_the_wider_interval_around_what_is_known(tale: Tale) -> None:
    tiny(tale)
    found = tale.estimates()
    assert (found["naive_lower"], found["naive_upper"]) == pytest.approx(wilson(4, 9))
    # Three overrides are known; of the other sixteen five were audited, and one of these overridden.
    low, high = clopper_pearson(1, 5)
    unseen = (11 / 16) ** 0.5
    ends = [(3 + 16 * (0.2 + unseen * (end - 0.2))) / 20 for end in (low, high)]
    for name in ("horvitz_thompson", "aipw"):
        assert (found[f"{name}_lower"], found[f"{name}_upper"]) == pytest.approx(ends, abs=QUANTILE_ERROR)


def test_the_estimates_are_those_of_the_learning_side(tale: Tale) -> None:
    rng = np.random.default_rng(5)
    size = 600
    confidence = rng.uniform(0.5, 1.0, size)
    wrong = rng.random(size) < np.minimum(1.0, 1.4 * (1 - confidence))
    unseen = confidence >= 0.7
    propensity = np.where(unseen, 0.3, 1.0)
    reviewed = rng.random(size) < propensity
    for number in range(size):
        tale.decide(
            bool(wrong[number]) if reviewed[number] else None,
            "auto" if unseen[number] else "sync",
            propensity=float(propensity[number]),
            confidence=float(confidence[number]),
        )
    found = tale.estimates()
    expected = {
        "horvitz_thompson": estimates.horvitz_thompson(wrong, reviewed, propensity),
        "hajek": estimates.hajek(wrong, reviewed, propensity),
        "aipw": estimates.aipw(wrong, reviewed, propensity, 1 - confidence),
    }
    for name, item in expected.items():
        columns = (name, f"{name}_standard_error", f"{name}_lower", f"{name}_upper")
        expected_figures = [item.value, item.variance**0.5, item.low, item.high]
        assert [found[column] for column in columns] == pytest.approx(expected_figures, abs=QUANTILE_ERROR / 10)
    naive = estimates.naive(wrong, reviewed)
    assert [found["naive"], found["naive_lower"], found["naive_upper"]] == pytest.approx(
        [naive.value, naive.low, naive.high]
    )


def test_what_waits_for_its_verdict_is_taken_to_be_like_what_has_one_on_the_same_way(tale: Tale) -> None:
    for overridden in (True, True, False, False, *[None] * 4):
        tale.decide(overridden)
    for _ in range(12):
        tale.decide(False, "sync", confidence=0.8)
    found = tale.estimates()
    assert (found["covered_decisions"], found["reviewed_decisions"]) == (20, 16)
    assert found["answered_rate"] == pytest.approx(16 / 20)
    # Half of the eight asynchronous ones, none of the others; a plain mean of verdicts would say an eighth.
    assert found["naive"] == pytest.approx(2 / 16)
    assert found["horvitz_thompson"] == found["hajek"] == pytest.approx(4 / 20)
    # f: 0.1 for eight, 0.2 for twelve; y - f over 1/2, and over 1.
    assert found["aipw"] == pytest.approx((8 * 0.1 + 12 * 0.2 + (4 * -0.1 + 2) / 0.5 + 12 * -0.2) / 20)
    # Only the asynchronous ones leave anything to chance: (1 - 1/2) y^2 / (1/2)^2.
    assert found["horvitz_thompson_standard_error"] ** 2 == pytest.approx(2 * 2 / 20**2)


def test_nothing_is_said_of_ways_on_which_nobody_has_answered_or_that_reach_nobody(tale: Tale) -> None:
    for _ in range(3):
        tale.decide(True)
    tale.decide(None, "manual")
    tale.decide(None, "auto", propensity=0.0)
    tale.decide(None, "auto", propensity=0.05)
    found = tale.estimates()
    assert (found["decisions"], found["covered_decisions"]) == (6, 3)
    assert found["horvitz_thompson"] == found["hajek"] == found["aipw"] == pytest.approx(1)
    assert found["answered_rate"] == pytest.approx(3 / 4)


def test_nothing_is_estimated_before_the_first_verdict(tale: Tale) -> None:
    tale.decide(None)
    found = tale.estimates()
    assert (found["decisions"], found["covered_decisions"], found["reviewed_decisions"]) == (1, 0, 0)
    unknown = [value for name, value in found.items() if name.startswith(("naive", "horvitz", "hajek", "aipw"))]
    assert unknown == [None] * 16


def test_of_post_approval_audits_are_counted_and_not_what_people_open_or_object_to(tale: Tale) -> None:
    tale.decide(True, "auto", workflow="post_approval", propensity=0.25, kind="override")
    tale.decide(False, "auto", workflow="post_approval", propensity=0.25)
    for overridden in (True, False, None, None, None, None, None, None):
        tale.decide(overridden, "auto", propensity=0.25)
    others: list[dict[str, Any]] = [{"kind": "gold", "resolves": False}, {"kind": "appeal", "round": 1}]
    for changes in others:
        tale.tell(OUTCOMES, [outcome("x", domain=tale.world.name, outcome="reject", **changes)])
    found = tale.estimates()
    assert (found["decisions"], found["covered_decisions"], found["reviewed_decisions"]) == (10, 10, 2)
    assert found["hajek"] == pytest.approx(0.5)
    assert found["answered_rate"] == 1


def test_what_everybody_might_look_at_before_audits_in_post_approval_is_known_of_nothing(tale: Tale) -> None:
    tale.decide(True, "auto", workflow="post_approval", propensity=1.0)
    tale.decide(False)
    found = tale.estimates()
    assert (found["decisions"], found["covered_decisions"], found["reviewed_decisions"]) == (2, 1, 1)
    assert found["hajek"] == 0


@pytest.mark.parametrize("propensity", [0.0, float("nan"), 1.5, -1.0])
def test_a_verdict_without_a_usable_propensity_is_counted_and_estimates_nothing(tale: Tale, propensity: float) -> None:
    tale.decide(False)
    tale.decide(False)
    tale.tell(OUTCOMES, [outcome("odd", domain=tale.world.name, outcome="reject", propensity=propensity)])
    found = tale.estimates()
    assert (found["reviewed_decisions"], found["naive"]) == (3, pytest.approx(1 / 3))
    assert found["horvitz_thompson"] == found["hajek"] == 0


def test_a_confidence_that_is_no_number_spoils_no_estimate(tale: Tale) -> None:
    tale.decide(True)
    broken = decision("nan", tale.world.name, confidence=float("nan"))
    envelope = routed(broken, "manual", propensity=1.0, calibrated_confidence=float("nan"))
    tale.world.send("reviews.manual", b"nan", wire.encode("RoutedDecision", envelope))
    verdict = outcome("nan", domain=tale.world.name, route="manual", confidence=0.0, raw_confidence=float("nan"))
    tale.tell(OUTCOMES, [verdict])
    found = tale.estimates()
    assert found["aipw"] == found["hajek"] == pytest.approx(0.5)


def test_overrides_are_told_by_day_with_the_reviewed_rate_beside_that_of_all(tale: Tale) -> None:
    tiny(tale)
    for code, times in (("income", 3), ("age", 2), ("fraud", 1), ("other", 1)):
        for _ in range(times):
            tale.decide(True, reason_code=code, at=START + DAY, verdict="modify" if code == "age" else "reject")
    first, second = tale.view("override_analytics", "day")
    assert (first["reviewed_decisions"], first["overrides"], str(first["day"])) == (9, 4, "2026-01-01")
    assert first["override_rate"] == pytest.approx(4 / 9)
    assert (first["override_rate_lower"], first["override_rate_upper"]) == pytest.approx(wilson(4, 9))
    assert first["population_override_rate"] == pytest.approx(7 / 24)
    pi = np.array([1.0] * 4 + [0.25] * 5)
    expected = estimates.hajek([1, 1, 0, 1, 0, 0, 0, 1, 0], np.ones(9), pi)
    interval = (first["population_override_rate_lower"], first["population_override_rate_upper"])
    assert interval == pytest.approx((expected.low, expected.high), abs=QUANTILE_ERROR)
    assert (first["ways"], second["ways"]) == (["async", "audit"], ["async"])
    assert first["top_reason_codes"] == [{"reason_code": "fits", "overrides": 4}]
    assert (second["reviewed_decisions"], second["override_rate"], second["population_override_rate"]) == (7, 1, 1)
    assert second["modification_rate"] == pytest.approx(2 / 7)
    codes = [(item["reason_code"], item["overrides"]) for item in second["top_reason_codes"]]
    assert codes == [("income", 3), ("age", 2), ("fraud", 1)]


def test_reviewers_are_measured_by_gold_by_who_spoke_last_and_by_what_the_models_expect(
    own: Client, run_id: str
) -> None:
    tale = Tale(run_id, own)

    def say(decision_id: str, reviewer: str, said: str, number: int = 1, **changes: Any) -> None:
        record = outcome(decision_id, number, reviewer=reviewer, outcome=said, domain=run_id, **changes)
        tale.tell(OUTCOMES, [record])

    say("two", "ann", "reject", resolves=False)
    say("two", "bob", "approve", 2, resolves=False)
    say("two", "lea", "approve", 3)
    say("appealed", "ann", "reject")
    say("appealed", "bob", "reject", 2, kind="appeal", round=1)
    say("open", "ann", "reject", resolves=False)
    say("open", "bob", "approve", 2, resolves=False)
    for number, right in enumerate((True, True, False)):
        item: dict[str, Any] = {"kind": "gold", "resolves": False, "gold_outcome": "approve"}
        say(f"gold:{number}", "ann", "approve" if right else "reject", **item)
    # Whoever is misled by a wrong answer that was put there on purpose judges no worse for it.
    misled: dict[str, Any] = {
        "kind": "gold",
        "resolves": False,
        "gold_outcome": "approve",
        "prediction": "reject",
        "seeded": True,
    }
    say("gold:wrong", "ann", "reject", **misled)
    for number in range(60):
        say(f"nod-{number}", "eve", "approve", confidence=0.8)
        say(f"look-{number}", "joe", "reject" if number % 6 == 0 else "approve", confidence=0.8)
    say("blind", "eve", "reject", kind="audit", blind=True, propensity=0.1)
    tale.view("population_estimates")
    found = {row["reviewer"]: row for row in own.query("SELECT * FROM reviewer_quality").named_results()}

    # bob spoke last on the appeal, and of the open one nobody knows how it ends.
    assert (found["ann"]["judged_again"], found["ann"]["agreement"]) == (2, 0.5)
    assert (found["bob"]["judged_again"], found["bob"]["agreement"]) == (1, 1)
    assert (found["lea"]["judged_again"], found["lea"]["agreement"], found["lea"]["agreement_lower"]) == (0, None, None)
    assert (found["ann"]["agreement_lower"], found["ann"]["agreement_upper"]) == pytest.approx(wilson(1, 2))
    assert (found["ann"]["verdicts"], found["ann"]["gold_items"]) == (3, 3)
    gold = [found["ann"][f"gold_accuracy{end}"] for end in ("", "_lower", "_upper")]
    assert gold == pytest.approx([2 / 3, *wilson(2, 3)])
    assert (found["eve"]["blind_override_rate"], found["eve"]["seen_override_rate"]) == (1, 0)
    # Twelve overrides were to be expected of each: nobody is named for ten, or where too little is known.
    assert found["eve"]["expected_override_rate"] == pytest.approx(0.2)
    assert {name for name, row in found.items() if row["too_few_overrides"]} == {"eve"}
    assert found["joe"]["seen_override_rate_upper"] == pytest.approx(wilson(10, 60)[1])


def test_the_agreement_of_people_who_judged_alone_is_that_of_the_functions(tale: Tale) -> None:
    rng = np.random.default_rng(1)
    said: dict[str, list[tuple[int, int]]] = {"ann": [], "bob": [], "cyd": []}
    disputes = dict.fromkeys(said, 0)
    outcomes = ("approve", "reject", "ask")

    def say(name: str, number: int, reviewer: str, answer: int, **changes: Any) -> None:
        made = {"reviewer": reviewer, "outcome": outcomes[answer], "domain": tale.world.name, **changes}
        tale.tell(OUTCOMES, [outcome(f"{tale.world.name}-{name}", number, **made)])

    for task in range(60):
        first, second = (str(item) for item in rng.permutation(sorted(said))[:2])
        a, b, c = (int(item) for item in rng.choice(3, 3, p=[0.6, 0.3, 0.1]))
        said[first].append((a, b))
        said[second].append((b, a))
        kind = "post_approval" if task % 3 else "review"
        say(f"{task}", 1, first, a, resolves=False, kind=kind)
        say(f"{task}", 2, second, b, resolves=a == b, kind=kind)
        if a != b and task % 5:
            say(f"{task}", 3, "lea", c, kind=kind)
            disputes[first] += c in (a, b)
            disputes[second] += c in (a, b)
    # None of these are two who judged alone.
    for number, kind in enumerate(("override", "appeal"), 2):
        say("contested", number, "ann", 1, kind=kind, round=number - 2)
    say("contested", 1, "bob", 0)
    say("gold:1", 1, "ann", 0, kind="gold", gold_outcome="approve", resolves=False)
    say("open", 1, "ann", 0, resolves=False)

    found = {row["reviewer"]: row for row in tale.view("reviewer_agreement")}
    assert set(found) == set(said)
    for name, pairs in said.items():
        row, ratings = found[name], np.array(pairs)
        kappa, agreed = cohen_kappa(ratings), percent_agreement(ratings)
        assert row["double_reviews"] == len(pairs)
        told = [row[f"agreement{end}"] for end in ("", "_lower", "_upper")]
        assert told == pytest.approx([agreed.value, agreed.low, agreed.high])
        told = [row[f"kappa{end}"] for end in ("", "_lower", "_upper")]
        assert told == pytest.approx([kappa.value, kappa.low, kappa.high])
        assert row["disputes"] == disputes[name] > 0
        told = [row[f"lost_share{end}"] for end in ("", "_lower", "_upper")]
        lost, of = row["disputes_lost"], row["disputes"]
        assert told == pytest.approx([lost / of, *wilson(lost, of)])
    assert sum(row["disputes_lost"] for row in found.values()) * 2 == sum(disputes.values())


@pytest.mark.parametrize(("error", "found", "changed", "third"), [(0.3, 0.8, 0.1, 0.8), (0.3, 0.95, 0.0, 1.0)])
def test_what_two_people_find_is_that_of_the_fold_and_the_functions(
    tale: Tale, error: float, found: float, changed: float, third: float
) -> None:
    rng, record, undecided = np.random.default_rng(2), PairRecord(), 0

    def say(task: int, number: int, reviewer: str, said: str, **changes: Any) -> None:
        made = {"reviewer": reviewer, "outcome": said, "prediction": "approve", "domain": tale.world.name, **changes}
        told = outcome(f"{tale.world.name}-{task}", number, **made)
        record.add(told)
        tale.tell(OUTCOMES, [told])

    for task in range(200):
        wrong = rng.random() < error
        first, second = ("reject" if rng.random() < (found if wrong else changed) else "approve" for _ in range(2))
        if first == second == "reject" and task % 3 == 0:
            second = "ask"
        say(task, 1, "ann", first, resolves=False)
        say(task, 2, "bob", second, resolves=first == second)
        if first != second and task % 10:
            say(task, 3, "lea", "reject" if wrong == (rng.random() < third) else "approve")
        elif first != second:
            undecided += "approve" in (first, second)

    (row,) = tale.view("errors_found_by_two")
    counts = record.fields(tale.world.name)
    assert {name: row[name] for name in counts} == counts
    assert row["double_reviews"] == sum(counts.values())
    pairs = PairCounts(*counts.values())
    assert row["enough"] == pairs.enough is True
    assert row["undecided"] == undecided
    for name, share in (("sensitivity", sensitivity(pairs)), ("false_alarm_rate", false_alarms(pairs))):
        assert row[name] == pytest.approx(share.value)
        assert [row[f"{name}_{end}"] for end in ("lower", "upper")] == pytest.approx([share.low, share.high], abs=0.01)


def test_two_who_found_nothing_tell_nothing_of_what_they_miss(tale: Tale) -> None:
    for number, reviewer in ((1, "ann"), (2, "bob")):
        made = {"reviewer": reviewer, "domain": tale.world.name, "resolves": number == 2}
        tale.tell(OUTCOMES, [outcome(f"{tale.world.name}-1", number, **made)])
    (row,) = tale.view("errors_found_by_two")
    assert (row["sensitivity"], row["sensitivity_lower"], row["sensitivity_upper"]) == (None, 0, 1)
    assert (row["left_by_both"], row["false_alarm_rate"], row["enough"]) == (1, 0, False)


def test_full_agreement_on_one_outcome_is_no_agreement_beyond_chance(tale: Tale) -> None:
    for number, reviewer in ((1, "ann"), (2, "bob")):
        made = {"reviewer": reviewer, "domain": tale.world.name, "resolves": number == 2}
        tale.tell(OUTCOMES, [outcome(f"{tale.world.name}-1", number, **made)])
    rows = tale.view("reviewer_agreement")
    assert [(row["agreement"], row["kappa"], row["disputes"], row["lost_share"]) for row in rows] == [
        (1, None, 0, None)
    ] * 2


def test_the_latest_calibration_report_of_every_version_is_told_bin_by_bin(own: Client, run_id: str) -> None:
    tale = Tale(run_id, own)
    newest = report(number=300, published=False, method="", refusal="")
    # After a crash an older one is written again.
    tale.tell(catalogue.CALIBRATION_REPORTS.name, [report(number=200), newest, report(number=200)])
    empty = report("other", bins=[], log_loss_after=None, refusal="too-few-labels: wait")
    tale.tell(catalogue.CALIBRATION_REPORTS.name, [empty])
    tale.view("population_estimates")
    rows = [dict(row) for row in own.query("SELECT * FROM calibration_report ORDER BY ALL").named_results()]
    assert [(row["model_id"], row["report_id"], row["bin"]) for row in rows] == [
        ("other", "other@7#200", 0),
        ("scorer", "scorer@7#300", 1),
        ("scorer", "scorer@7#300", 2),
    ]
    last = rows[-1]
    assert (last["bin_count"], last["mean_confidence"], last["accuracy"], last["finding"]) == (
        80,
        0.95,
        0.75,
        "warning",
    )
    assert (last["lower"], last["upper"], last["gap"]) == pytest.approx((0.65, 0.83, 0.2))
    assert (last["ece"], last["ece_by_chance"], last["smooth_ece"], last["published"]) == (0.09, 0.05, 0.08, False)
    assert (rows[0]["log_loss_after"], rows[0]["refusal"]) == (None, "too-few-labels: wait")


def test_alarms_and_the_slices_of_the_latest_request_are_told_once(tale: Tale) -> None:
    name = tale.world.name
    late = signal(f"{name}/2", domain=name, at=START + 5, monitor="confidence", revokes=[])
    early = signal(f"{name}/1", domain=name)
    tale.tell(catalogue.DRIFT_SIGNALS.name, [early, late, early])
    first = request(name, 1, domain=name)
    changed = {"kind": "change", "changed_at": START, "rate_since_change": 0.4, "rate_since_change_lower": 0.2}
    second = request(
        name,
        2,
        domain=name,
        at=START + 9,
        slices=first["slices"][:1],
        slices_since_change=first["slices"][1:],
        reviewed_since_change=120,
        **changed,
    )
    tale.tell(catalogue.RETRAINING_REQUESTS.name, [first, second, first, second])
    found = tale.view("drift", "at")
    assert [(row["signal_id"], row["monitor"], row["revoked_proposals"]) for row in found] == [
        (f"{name}/1", "overrides", ["threshold-1", "safe-rule-2"]),
        (f"{name}/2", "confidence", []),
    ]
    slice_, since = tale.view("retraining_slices", "span DESC")
    assert (slice_["pattern"], slice_["support"], slice_["overrides"], slice_["lift"]) == ("purpose = car", 40, 30, 2.8)
    assert (slice_["override_rate_limit"], slice_["override_rate_lower"]) == (0.15, 0.17)
    assert (since["span"], since["pattern"]) == ("change", "purpose = car AND prediction = approve")
    assert (since["override_rate_estimate"], since["override_rate_lower"]) == (0.4, 0.2)
    assert since["changed_at"] is not None


def challenger(tale: Tale, decision_id: str, route: str, **changes: Any) -> None:
    record = routed(
        decision(decision_id, tale.world.name, model_version="8"), route, propensity=0.0, reasons=["shadow"], **changes
    )
    tale.world.send(SHADOW, decision_id.encode(), wire.encode("RoutedDecision", record))


def test_a_challenger_is_shown_beside_the_champion_and_counts_nowhere_else(tale: Tale) -> None:
    for route in ("auto", "auto", "auto", "manual"):
        challenger(tale, f"{tale.world.name}-{route}", route, calibrated_confidence=0.7)
    tiny(tale)
    champion, shadowed = tale.view("shadow_comparison", "model_version")
    assert [champion[name] for name in ("on_trial", "decisions", "auto_rate", "async_rate")] == [False, 20, 0.8, 0.2]
    assert [shadowed[name] for name in ("on_trial", "decisions", "auto_rate", "manual_rate")] == [True, 4, 0.75, 0.25]
    assert [shadowed[name] for name in ("mean_confidence", "mean_calibrated_confidence")] == pytest.approx([0.9, 0.7])
    (by_domain,) = tale.view("metrics_by_domain")
    assert by_domain["total_decisions"] == 20
    assert [row["model_version"] for row in tale.view("population_estimates")] == ["7"]


def test_the_timeline_tells_of_challengers_and_examples(tale: Tale) -> None:
    name = f"{tale.world.name}-tale"
    challenger(tale, name, "async")
    tale.tell(catalogue.TRAINING_EXAMPLES.name, [example(name), example(name)])
    tale.view("population_estimates")
    shadowed, learned = queries.decision_timeline(tale.world.client, name)
    assert shadowed["event"] == "routed on trial"
    assert shadowed["detail"].startswith("would have been async because of shadow")
    assert (learned["event"], learned["detail"]) == ("training example", "reject is right, with weight 4")


def test_all_that_the_learning_side_says_arrives_exactly_once(tale: Tale) -> None:
    tiny(tale)
    challenger(tale, "shadowed", "auto")
    for topic, record in (
        (catalogue.TRAINING_EXAMPLES, example("d")),
        (catalogue.RETRAINING_REQUESTS, request()),
        (catalogue.CALIBRATION_REPORTS, report()),
        (catalogue.DRIFT_SIGNALS, signal("s")),
        (catalogue.PROPOSALS, proposal("p")),
    ):
        tale.tell(topic.name, [record, record])
    tale.world.tell(catalogue.PROPOSALS.name, "key", None)
    tale.view("drift")
    assert tale.world.in_clickhouse() == tale.world.in_kafka()
    again = tale.world
    again.broker.cluster.group("interlock-sink").committed.clear()
    again.settle(again.writer(max_rows=5000, max_consumed=5000))
    assert again.in_clickhouse() == again.in_kafka()
