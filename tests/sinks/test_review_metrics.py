"""What the views say about verdicts, against numbers worked out by hand or by statsmodels."""

import math
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from statsmodels.stats.proportion import proportion_confint

from interlock.learning.estimates import Target, hajek
from interlock.schemas import wire
from interlock.sinks import queries
from tests.sinks.review_records import MINUTE, SECOND, START, outcome
from tests.sinks.sink_world import OUTCOMES, World

pytestmark = pytest.mark.warehouse

# Of the ends of exact intervals in SQL.
QUANTILE_ERROR = 0.004


def metrics(client: Client, run_id: str, *outcomes: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a domain of the test's own, so that tests share a database."""
    tell(client, run_id, *(record | {"domain": run_id} for record in outcomes))
    found = client.query("SELECT * FROM metrics_by_domain WHERE domain = {name:String}", parameters={"name": run_id})
    (row,) = found.named_results()
    return dict(row)


def tell(client: Client, run_id: str, *outcomes: dict[str, Any]) -> World:
    world = World(run_id, client, partitions=1)
    for record in outcomes:
        world.tell(OUTCOMES, record["decision_id"], record)
    writer = world.writer(max_rows=100, max_consumed=100)
    world.settle(writer)
    writer.close()
    return world


def overridden(decision_id: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    return outcome(decision_id, number, verdict="reject", outcome="reject", **changes)


AUDIT: dict[str, Any] = {"kind": "audit", "audit": True, "propensity": 0.25}


def tiny(domain: str = "lending") -> list[dict[str, Any]]:
    """Four reviewed for sure, three of them overridden; five of sixteen audited with 0.25, one of them overridden."""
    sure = [
        (overridden if changed else outcome)(f"{domain}-s{n}", domain=domain)
        for n, changed in enumerate((True, True, False, True))
    ]
    audits = [
        (overridden if changed else outcome)(f"{domain}-a{n}", domain=domain, resolves=changed, **AUDIT)
        for n, changed in enumerate((False, False, False, True, False))
    ]
    return sure + audits


def test_accuracy_is_weighted_by_how_likely_a_review_was(shared: Client, run_id: str) -> None:
    found = metrics(shared, run_id, *tiny())
    assert found["reviewed_decisions"] == 9
    # Weights: 4 x 1 + 5 x 4 = 24, overridden of them 3 x 1 + 1 x 4 = 7.
    assert found["ai_accuracy"] == pytest.approx(1 - 7 / 24)
    assert found["ai_accuracy_reviewed"] == pytest.approx(1 - 4 / 9)
    assert found["override_rate"] == pytest.approx(4 / 9)
    # Sum of (1 - pi) (y - p)^2 / pi^2 over 24^2: the four sure ones add nothing, four audits 12 x (7/24)^2 each, one
    # 12 x (17/24)^2. 0.0175420 is the reference value.
    variance = 12 * (4 * (7 / 24) ** 2 + (17 / 24) ** 2) / 24**2
    assert variance == pytest.approx(0.0175420, abs=5e-8)
    assert found["ai_accuracy_standard_error"] == pytest.approx(math.sqrt(variance))
    assert interval(found) == right_of_all([1, 1, 0, 1, 0, 0, 0, 1, 0], [1.0] * 4 + [0.25] * 5)


def wilson(rate: float, count: float) -> tuple[float, float]:
    lower, upper = proportion_confint(rate * count, count, method="wilson")
    return float(lower), float(upper)


def interval(found: dict[str, Any]) -> tuple[float, float]:
    return found["ai_accuracy_lower"], found["ai_accuracy_upper"]


def right_of_all(overridden: list[int], propensity: list[float]) -> Any:
    """The interval of these and further decisions like them, as the functions give it."""
    told = hajek(overridden, [1] * len(overridden), propensity, Target.PROCESS)
    return pytest.approx((1 - told.high, 1 - told.low), abs=QUANTILE_ERROR)


def test_the_interval_widens_with_unequal_weights(shared: Client, run_id: str) -> None:
    sure = [overridden("s1"), *(outcome(f"s{n}") for n in (2, 3, 4, 5, 6, 7, 8))]
    audits = [overridden("a1", kind="audit", propensity=0.05), outcome("a2", kind="audit", propensity=0.05)]
    found = metrics(shared, run_id, *sure, *audits)
    # Weights 8 + 40 = 48, right 7 + 20 = 27.
    rate = 27 / 48
    assert found["ai_accuracy"] == pytest.approx(rate)
    assert interval(found) == right_of_all([1, *[0] * 7, 1, 0], [1.0] * 8 + [0.05] * 2)


def test_verdicts_that_all_agree_are_not_certain(shared: Client, run_id: str) -> None:
    audits = [outcome(f"a{n}", kind="audit", propensity=0.1) for n in range(5)]
    found = metrics(shared, run_id, outcome("s"), *audits)
    # Equal verdicts have no variance; five audits leave much unsure all the same.
    assert (found["ai_accuracy"], found["ai_accuracy_standard_error"]) == pytest.approx((1.0, 0.0))
    assert interval(found) == right_of_all([0] * 6, [1.0] + [0.1] * 5)
    assert found["ai_accuracy_lower"] < 0.6


def test_reviewing_everything_leaves_the_interval_of_plain_counting(shared: Client, run_id: str) -> None:
    found = metrics(shared, run_id, overridden("s0"), *(outcome(f"s{n}") for n in range(1, 10)))
    assert found["ai_accuracy"] == found["ai_accuracy_reviewed"] == pytest.approx(0.9)
    assert interval(found) == pytest.approx(proportion_confint(9, 10, method="beta"), abs=QUANTILE_ERROR)


def test_only_first_words_on_what_routing_picked_are_reviews(shared: Client, run_id: str) -> None:
    unseen: dict[str, Any] = {"kind": "override", "route": "auto", "propensity": 0.05, "claimed_at": None}
    found = metrics(
        shared,
        run_id,
        outcome("d-1"),
        overridden("gold", kind="gold", resolves=False, gold_outcome="reject"),
        overridden("appeal", 2, kind="appeal", round=1),
        overridden("decided-before", 2, kind="override", claimed_at=None),
        overridden("first-of-two", resolves=False),
        overridden("by-the-policy", reviewer="", claimed_at=None),
        overridden("nobody-was-asked", **unseen),
    )
    assert (found["reviewed_decisions"], found["override_rate"], found["approval_rate"]) == (1, 0.0, 1.0)


def test_an_audit_counts_whether_it_changes_anything_or_not_and_however_it_objects(shared: Client, run_id: str) -> None:
    objection: dict[str, Any] = {"kind": "override", "route": "auto", "claimed_at": None}
    found = metrics(
        shared,
        run_id,
        outcome("agrees", kind="audit", audit=True, resolves=False),
        overridden("too-late", kind="audit", audit=True, resolves=False),
        overridden("in-time", kind="audit", audit=True),
        overridden("unclaimed", **objection, audit=True),
        overridden("post-approval", **objection, workflow="post_approval"),
    )
    assert (found["reviewed_decisions"], found["override_rate"]) == (4, pytest.approx(3 / 4))


def test_confirmed_overridden_and_modified_are_told_apart(shared: Client, run_id: str) -> None:
    found = metrics(
        shared,
        run_id,
        outcome("d-1"),
        outcome("d-2", verdict="choose"),
        outcome("d-3", verdict="modify", modifications='{"amount": 5}'),
        outcome("d-4", verdict="modify", outcome="reject"),
        overridden("d-5"),
    )
    assert found["approval_rate"] == pytest.approx(2 / 5)
    assert found["override_rate"] == pytest.approx(2 / 5)
    assert found["modification_rate"] == pytest.approx(2 / 5)


def test_review_time_runs_from_claim_to_verdict(shared: Client, run_id: str) -> None:
    times = [
        outcome(f"d-{seconds}", claimed_at=START, at=START + seconds * SECOND) for seconds in (10, 20, 30, 40, 900)
    ]
    found = metrics(shared, run_id, *times, outcome("unclaimed", claimed_at=None), outcome("g", kind="gold"))
    assert found["avg_review_time"] == pytest.approx(200.0)
    assert found["median_review_time"] == pytest.approx(30.0)


def test_calibration_compares_weighted_confidence_with_weighted_accuracy(shared: Client, run_id: str) -> None:
    found = metrics(
        shared,
        run_id,
        overridden("d-1", confidence=0.6),
        outcome("d-2", confidence=0.95, kind="audit", propensity=0.25),
        outcome("no-number", confidence=float("nan")),
    )
    # Weights 1 and 4: confidence (0.6 + 4 x 0.95) / 5 = 0.88, accuracy 4 / 5.
    assert found["confidence_calibration"] == pytest.approx(0.08)


@pytest.mark.parametrize("propensity", [0.0, -1.0, float("nan"), 1.5, 1e-300])
def test_a_propensity_that_is_none_spoils_no_estimate(shared: Client, run_id: str, propensity: float) -> None:
    found = metrics(shared, run_id, outcome("d-1"), overridden("d-2", propensity=propensity))
    assert (found["ai_accuracy"], found["reviewed_decisions"], found["override_rate"]) == (1.0, 2, 0.5)
    assert interval(found) == right_of_all([0], [1.0])


def test_nothing_is_known_of_accuracy_where_only_gold_was_judged(shared: Client, run_id: str) -> None:
    found = metrics(shared, run_id, outcome("g", kind="gold", resolves=False, gold_outcome="approve"))
    unknown = ("ai_accuracy", "ai_accuracy_lower", "ai_accuracy_upper", "ai_accuracy_standard_error", "override_rate")
    assert [found[name] for name in (*unknown, "confidence_calibration", "avg_review_time")] == [None] * 7


def test_every_domain_has_its_own_numbers_and_what_only_the_desk_knows_is_shown(own: Client, run_id: str) -> None:
    world = tell(own, run_id, *tiny("lending"), outcome("m-1", domain="moderation"))
    world.pipeline(6)
    world.settle(world.writer())
    columns, rows = queries.select(own, "SELECT * FROM metrics_by_domain ORDER BY domain")
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert set(found) == {"lending", "moderation", run_id}
    assert found["lending"]["ai_accuracy"] == pytest.approx(17 / 24)
    assert (found["moderation"]["reviewed_decisions"], found["moderation"]["total_decisions"]) == (1, 0)
    assert found["moderation"]["human_review_rate"] is None
    assert (found[run_id]["reviewed_decisions"], found[run_id]["total_decisions"]) == (4, 5)
    assert queries.metrics(own)["reviewed_decisions"] == 14


def test_overrides_are_sliced_with_their_interval(own: Client, run_id: str) -> None:
    tell(
        own,
        run_id,
        *(outcome(f"a{n}", confidence=0.97) for n in range(7)),
        *(overridden(f"b{n}", reason_code="income", confidence=0.45, queue="night") for n in range(3)),
        overridden("blind-gold", kind="gold", resolves=False),
    )
    _, rows = queries.select(
        own, "SELECT slice, value, reviewed_decisions, overrides, lower, upper FROM overrides_by_slice"
    )
    found = {(row[0], row[1]): row[2:] for row in rows}
    assert found["all", ""] == pytest.approx((10, 3, *wilson(0.3, 10)))
    assert found["model", "scorer 7"] == found["prediction", "approve"] == found["all", ""]
    assert found["reason_code", "income"][:2] == found["queue", "night"][:2] == (3, 3)
    assert found["queue", "underwriting"] == pytest.approx((7, 0, *wilson(0.0, 7)))
    assert (found["confidence", "0.9"][:2], found["confidence", "0.4"][:2]) == ((7, 0), (3, 3))


def test_a_chunk_that_is_sent_again_changes_no_roll_up(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    world.pipeline(12)
    writer = world.writer()
    world.settle(writer)
    writer.close()
    before = snapshot(own)
    # Kafka has forgotten how far the sink was: everything is read and inserted again.
    world.broker.cluster.group("interlock-sink").committed.clear()
    world.settle(world.writer())
    assert snapshot(own) == before
    assert world.reconcile().ok


def snapshot(client: Client) -> list[Any]:
    return [
        client.query(f"SELECT count(), sum(records) FROM (SELECT * FROM {roll_up} FINAL)").result_rows
        for roll_up in (
            "outcomes_by_minute",
            "outcomes_by_hour",
            "task_events_by_minute",
            "task_events_by_hour",
            "task_round_states",
        )
    ]


def test_roll_ups_say_what_the_raw_table_says(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    kinds: list[dict[str, Any]] = [
        {},
        {"kind": "audit", "propensity": 0.2},
        {"claimed_at": None},
        {"verdict": "modify"},
    ]
    for number in range(40):
        changed = {
            **kinds[number % 4],
            "at": START + number * MINUTE,
            "outcome": ("approve", "reject")[number % 3 == 0],
        }
        value = wire.encode("Outcome", outcome(f"d-{number}", **changed))
        world.producer.produce(OUTCOMES, value, b"k", timestamp=changed["at"] // 1000)
    world.producer.flush()
    world.settle(world.writer())
    raw = own.query(
        "SELECT count(), sum(1 / propensity), sum(1 / propensity / propensity), sum(confidence / propensity), "
        "countIf(claimed_at IS NOT NULL), sum(toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(claimed_at)) / 1e6 "
        "FROM outcomes"
    ).result_rows
    for bucket, buckets in (("minute", 40), ("hour", 1)):
        rolled = own.query(
            "SELECT sum(records), sum(weight_sum), sum(weight_squared_sum), sum(confidence_weighted_sum), "
            f"sum(review_count), sum(review_seconds_sum) FROM outcomes_by_{bucket}"
        ).result_rows
        assert rolled[0] == pytest.approx(raw[0])
        ((found,),) = own.query(f"SELECT uniqExact({bucket}) FROM outcomes_by_{bucket}").result_rows
        assert found == buckets
