"""The intervals of the views against the functions of `learning`: open work, several strata, few and many overrides."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from interlock.learning.arrays import Bools, Floats
from interlock.learning.bounds import clopper_pearson
from interlock.learning.estimates import Estimate, Target, aipw, hajek, horvitz_thompson

pytestmark = pytest.mark.warehouse

MIGRATIONS = Path(__file__).parents[2] / "sinks" / "migrations"

# (way, decisions, propensity, share that errs)
Way = tuple[str, int, float, float]
USUAL: tuple[Way, ...] = (("async", 600, 1.0, 0.25), ("auto", 400, 0.05, 0.03))


class Decisions:
    """Decisions of some ways, which of them were chosen, and on which of these a person has said something."""

    def __init__(self, ways: tuple[Way, ...], seed: int, answered: float = 1.0) -> None:
        rng = np.random.default_rng(seed)
        self.way = np.concatenate([np.full(size, number) for number, (_, size, _, _) in enumerate(ways)])
        self.pi: Floats = np.array([pi for _, _, pi, _ in ways])[self.way]
        self.confidence: Floats = rng.uniform(0.6, 1.0, len(self.way))
        self.wrong: Bools = rng.random(len(self.way)) < np.array([error for *_, error in ways])[self.way]
        self.chosen: Bools = rng.random(len(self.way)) < self.pi
        self.judged: Bools = self.chosen & (rng.random(len(self.way)) < answered)
        self.routes = [route for route, *_ in ways]

    @property
    def share(self) -> Floats:
        """Of the way of each decision, how much of what was chosen is answered."""
        shares = [
            self.judged[self.way == way].sum() / self.chosen[self.way == way].sum() for way in range(len(self.routes))
        ]
        by_row: Floats = np.array(shares)[self.way]
        return by_row

    def write(self, client: Client, domain: str) -> None:
        """Into the tables that the views read."""
        hours, outcomes = [], []
        for number, route in enumerate(self.routes):
            mine = self.way == number
            auto = route == "auto"
            counted: list[tuple[Bools, bool]] = [(mine, False), (mine & self.chosen, True)][: 1 + auto]
            about = [domain, "m", "1", route, "escalation"]
            hours += [
                [*about, self.pi[rows].sum(), int(rows.sum()), copied, copied, self.confidence[rows].sum()]
                for rows, copied in counted
            ]
            said = [True, "audit" if auto else "review", auto, "someone", "yes", "approve"]
            told = int((mine & self.chosen).sum()), int((mine & self.judged).sum())
            outcomes += [
                [*about, bool(self.wrong[row]), self.pi[row], self.confidence[row], self.confidence[row], *said, *told]
                for row in np.flatnonzero(mine & self.judged)
            ]
        columns = ["domain", "model_id", "model_version", "route", "workflow"]
        sums = ["propensity_sum", "records", "review_copy", "audit", "calibrated_confidence_sum"]
        client.insert("routed_by_hour", hours, column_names=columns + sums)
        columns += ["overridden", "propensity", "confidence", "raw_confidence", "reviewed", "kind", "audit"]
        client.insert(
            "outcomes",
            outcomes,
            column_names=[*columns, "reviewer", "prediction", "verdict", "way_settled", "way_judged"],
        )

    def estimates(self) -> dict[str, Estimate]:
        """By the functions."""
        about, share = (self.wrong, self.judged, self.pi), self.share
        return {
            "horvitz_thompson": horvitz_thompson(*about, answered=share),
            "hajek": hajek(*about, answered=share),
            "aipw": aipw(*about, 1 - self.confidence, answered=share),
        }


def row(client: Client, domain: str, view: str = "population_estimates") -> dict[str, Any]:
    query = f"SELECT * FROM {view} WHERE domain = {{domain:String}}"
    (found,) = client.query(query, parameters={"domain": domain}).named_results()
    return dict(found)


@pytest.mark.parametrize(
    ("ways", "answered"),
    [
        (USUAL, 1.0),
        (USUAL, 0.9),
        ((("async", 300, 1.0, 0.3), ("sync", 200, 1.0, 0.1), ("auto", 4000, 0.05, 0.01)), 0.98),
        ((("manual", 50, 1.0, 0.5), ("async", 900, 1.0, 0.2), ("auto", 3000, 0.1, 0.08)), 0.7),
    ],
)
def test_views_and_functions_give_the_same_intervals(
    shared: Client, run_id: str, ways: tuple[Way, ...], answered: float
) -> None:
    for seed in range(2):
        decisions = Decisions(ways, seed, answered)
        decisions.write(shared, f"{run_id}-{seed}")
        found = row(shared, f"{run_id}-{seed}")
        for name, estimate in decisions.estimates().items():
            assert found[name] == pytest.approx(estimate.value)
            assert found[f"{name}_standard_error"] ** 2 == pytest.approx(estimate.variance, abs=1e-12)
            ends = (found[f"{name}_lower"], found[f"{name}_upper"])
            assert ends == pytest.approx((estimate.low, estimate.high), abs=0.0025), (name, seed)


def test_one_review_that_is_open_changes_next_to_nothing(shared: Client, run_id: str) -> None:
    decisions = Decisions((("async", 600, 1.0, 0.25), ("auto", 400, 0.05, 0.0)), 1)
    decisions.write(shared, f"{run_id}-closed")
    decisions.judged[5] = False
    decisions.write(shared, f"{run_id}-open")
    closed, opened = row(shared, f"{run_id}-closed"), row(shared, f"{run_id}-open")
    for name in ("horvitz_thompson", "hajek", "aipw"):
        ends = [(found[f"{name}_lower"], found[f"{name}_upper"]) for found in (opened, closed)]
        assert ends[0] == pytest.approx(ends[1], abs=2 / 1000), name
        assert ends[0][1] - opened[name] > 0.03, name


def test_where_too_little_is_answered_the_ends_are_null_and_the_row_says_what_is_missing(
    shared: Client, run_id: str
) -> None:
    decisions = Decisions((("async", 100, 1.0, 0.2), ("auto", 1000, 0.1, 0.02)), 2)
    chosen = np.flatnonzero(decisions.chosen & (decisions.way == 1))
    decisions.judged[chosen[len(chosen) // 3 :]] = False
    decisions.write(shared, run_id)
    found = row(shared, run_id)
    judged = len(chosen) // 3
    assert found["hajek"] is not None
    assert (found["hajek_lower"], found["horvitz_thompson_upper"], found["aipw_upper"]) == (None, None, None)
    assert found["missing"] == [f"{judged} of {len(chosen)} audits answered, {int(np.ceil(0.8 * len(chosen)))} needed"]
    assert [tuple(way.values())[:4] for way in found["ways"]] == [
        ("async", 100, 100, 100),
        ("audit", 1000, len(chosen), judged),
    ]


def test_audits_of_different_propensities_are_strata_of_their_own(shared: Client, run_id: str) -> None:
    """How many decisions each has is not stored, so only Hájek, who estimates that, is the same to the last digit."""
    decisions = Decisions((("async", 300, 1.0, 0.25), ("auto", 4000, 0.05, 0.01)), 3)
    picked = (decisions.way == 1) & (np.arange(len(decisions.way)) % 8 == 0)
    decisions.pi[picked] = 0.52
    rng = np.random.default_rng(4)
    decisions.chosen = decisions.judged = rng.random(len(decisions.pi)) < decisions.pi
    decisions.write(shared, run_id)
    found, expected = row(shared, run_id), decisions.estimates()
    assert (found["hajek_lower"], found["hajek_upper"]) == pytest.approx(
        (expected["hajek"].low, expected["hajek"].high), abs=0.0025
    )
    for name in ("horvitz_thompson", "aipw"):
        assert found[f"{name}_upper"] == pytest.approx(expected[name].high, abs=0.01)


@pytest.mark.parametrize("answered", [1.0, 0.9, 0.6])
def test_overrides_of_a_day_have_the_interval_of_the_functions_and_say_of_which_ways(
    shared: Client, run_id: str, answered: float
) -> None:
    decisions = Decisions((("async", 60, 1.0, 0.25), ("auto", 400, 0.05, 0.03)), 5, answered)
    decisions.write(shared, run_id)
    found = row(shared, run_id, "override_analytics")
    judged = decisions.judged
    about = decisions.wrong[judged], np.ones(judged.sum()), decisions.pi[judged]
    expected = hajek(*about, answered=decisions.share[judged])
    ends = [found[f"population_override_rate{end}"] for end in ("", "_lower", "_upper")]
    assert ends == pytest.approx([expected.value, expected.low, expected.high], abs=0.0025)
    assert found["ways"] == ["async", "audit"]
    assert bool(found["missing"]) == (answered < 0.8)


def test_a_day_on_which_less_than_half_of_the_audits_was_answered_has_no_interval(shared: Client, run_id: str) -> None:
    decisions = Decisions((("async", 60, 1.0, 0.25), ("auto", 1000, 0.05, 0.03)), 5)
    audits = np.flatnonzero(decisions.judged & (decisions.way == 1))
    decisions.judged[audits[len(audits) // 3 :]] = False
    decisions.write(shared, run_id)
    found = row(shared, run_id, "override_analytics")
    assert (found["population_override_rate_lower"], found["population_override_rate_upper"]) == (None, None)
    assert found["population_override_rate"] is not None
    needed = int(np.ceil(0.8 * len(audits)))
    assert found["missing"] == [f"{len(audits) // 3} of {len(audits)} audits answered, {needed} needed"]


def test_what_was_open_on_other_days_is_no_open_work_of_the_day(shared: Client, run_id: str) -> None:
    """The desk's counts run on: the first day left half open, the second nothing, and the third tells nothing."""
    columns = [
        "domain",
        "model_id",
        "model_version",
        "route",
        "workflow",
        "overridden",
        "propensity",
        "reviewed",
        "kind",
    ]
    columns += ["reviewer", "prediction", "verdict", "at", "way_settled", "way_judged"]
    about = [run_id, "m", "1", "async", "escalation", False, 1.0, True, "review", "someone", "yes", "approve"]
    days = [datetime(2026, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    counts = [
        *((days[0], 20, judged) for judged in range(1, 11)),
        *((days[1], 20 + one, 10 + one) for one in (1, 2, 3)),
    ]
    rows = [[*about, *told] for told in [*counts, (days[2], None, None)]]
    shared.insert("outcomes", rows, column_names=columns)
    query = "SELECT missing FROM override_analytics WHERE domain = {domain:String} ORDER BY day"
    found = shared.query(query, parameters={"domain": run_id}).result_rows
    assert found == [(["10 of 20 async reviews answered, 16 needed"],), ([],), ([],)]


@pytest.mark.parametrize("answered", [1.0, 0.98, 0.9, 0.6])
def test_the_accuracy_of_a_domain_has_the_interval_of_the_functions(
    shared: Client, run_id: str, answered: float
) -> None:
    ways: tuple[Way, ...] = (("async", 300, 1.0, 0.3), ("sync", 200, 1.0, 0.1), ("auto", 4000, 0.05, 0.02))
    decisions = Decisions(ways, 7, answered)
    decisions.write(shared, run_id)
    count_verdicts(shared, run_id, decisions)
    found = row(shared, run_id, "metrics_by_domain")
    told = hajek(decisions.wrong, decisions.judged, decisions.pi, Target.PROCESS, answered=decisions.share)
    ends = [found[f"ai_accuracy{end}"] for end in ("", "_lower", "_upper")]
    assert ends == pytest.approx([1 - told.value, 1 - told.high, 1 - told.low], abs=0.0025)
    assert 0 < found["ai_accuracy_standard_error"] < 0.02


def test_objections_that_an_early_release_took_for_reviews_are_no_sample_of_the_accuracy(
    shared: Client, run_id: str
) -> None:
    decisions = Decisions(USUAL, 8)
    decisions.write(shared, run_id)
    count_verdicts(shared, run_id, decisions)
    before = row(shared, run_id, "metrics_by_domain")["ai_accuracy"]
    columns = ["domain", "model_id", "model_version", "route", "workflow", "overridden", "propensity", "reviewed"]
    objection = [run_id, "m", "1", "auto", "post_approval", True, 1.0, True]
    shared.insert("outcomes", [objection] * 50, column_names=columns)
    assert row(shared, run_id, "metrics_by_domain")["ai_accuracy"] == pytest.approx(before)


def test_where_too_little_is_answered_the_accuracy_has_no_interval(shared: Client, run_id: str) -> None:
    """As little as in an hour in which people have begun with what is doubtful, and nobody has done an audit."""
    for number, ways in enumerate([(1, 0), (0, 1)]):
        decisions = Decisions((("async", 600, 1.0, 0.25), ("auto", 400, 0.05, 0.03)), 1)
        for way, kept in enumerate(ways):
            judged = np.flatnonzero(decisions.judged & (decisions.way == way))
            decisions.judged[judged[0 if not kept else len(judged) :]] = False
        decisions.write(shared, f"{run_id}-{number}")
        count_verdicts(shared, f"{run_id}-{number}", decisions)
        found = row(shared, f"{run_id}-{number}", "metrics_by_domain")
        assert found["ai_accuracy"] is not None
        assert (found["ai_accuracy_lower"], found["ai_accuracy_upper"]) == (None, None)


def count_verdicts(client: Client, domain: str, decisions: Decisions) -> None:
    """Into the sums by hour, without which a domain has no metrics."""
    client.insert(
        "outcomes_by_hour",
        [[domain, True, int(decisions.judged.sum())]],
        column_names=["domain", "reviewed", "records"],
    )


def test_the_quantile_of_the_views_is_off_by_no_more_than_they_say(shared: Client) -> None:
    """As in the comment of the migration. Every view that has it has the same."""
    texts = [" ".join(path.read_text().split()) for path in sorted(MIGRATIONS.glob("*.sql"))]
    pattern = r"1\.959963984540054 AS z, \(x -> .*?AS upper_end"
    definitions = [found for text in texts for found in re.findall(pattern, text)]
    assert len(definitions) == sum(text.count("AS upper_end") for text in texts)
    (definition,) = set(definitions)
    trials = np.concatenate([np.linspace(0.7, 12, 15), [19.3, 20, 50, 300, 5000, 1e6]])
    pairs = [(share * size, size) for size in trials.tolist() for share in np.linspace(0, 1, 25).tolist()]
    query = f"WITH {definition} SELECT arrayMap(one -> upper_end(one.1, one.2), {pairs})"
    ((found,),) = shared.query(query).result_rows
    errors = np.array(found) - [clopper_pearson(x, n)[1] for x, n in pairs]
    sizes = np.array([n for _, n in pairs])
    assert np.abs(errors).max() < 0.004
    assert np.abs(errors[sizes >= 50]).max() < 0.0005
    assert np.abs(errors[[x == 0 for x, _ in pairs]]).max() < 1e-12
