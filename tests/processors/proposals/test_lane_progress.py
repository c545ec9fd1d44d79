"""How far a lane is on its way to a certificate is told at every look, in audits."""

from typing import Any

import pytest

from interlock.processors.proposals.progress import DAY
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import START, World, example
from tests.processors.proposals.proposal_world import new_fold, of, proposals, taken


def _flawless(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Audits at 5 %, all right, forty a day."""
    at = START
    return [
        example(
            n, confidence=0.6 + n % 40 / 100, propensity=0.05, kind="audit", decided_at=at + n * DAY // 40, **fields
        )
        for n in range(count)
    ]


def test_before_there_are_thresholds_it_says_how_many_reviews_are_missing() -> None:
    records = of(taken(new_fold(alpha=0.05), _flawless(100)), catalogue.LANE_PROGRESS)
    assert [(record["examples"], record["warm_up"], record["steps"]) for record in records] == [(100, 100, [])]


def test_a_lane_without_errors_needs_about_eighty_audits_and_is_certified_by_then() -> None:
    events = taken(new_fold(alpha=0.05, every=20), _flawless(1_100))
    records = of(events, catalogue.LANE_PROGRESS)
    under_test = [record for record in records if record["steps"] and record["certified"] is None]
    strictest = [record["steps"][0] for record in under_test]
    assert strictest[0]["needed"] == pytest.approx(76, abs=2)
    assert all(step["needed"] == pytest.approx(76, abs=2) for step in strictest)
    certified = next(record for record in records if record["certified"] is not None)
    first = next(step for step in certified["steps"])
    assert first["audits"] == pytest.approx(strictest[-1]["needed"], abs=3)
    assert first["evidence"] == 1
    # The strictest accepts a tenth or so of forty a day.
    share = first["audits"] / (certified["examples"] - 200)
    assert first["per_day"] == pytest.approx(40 * share, rel=0.2)


def test_reviews_that_were_certain_count_for_as_much_less_as_they_were_surer() -> None:
    certain = [record | {"propensity": 1.0, "kind": "review"} for record in _flawless(600)]
    mixed = [*_flawless(1), *certain]
    (last,) = of(taken(new_fold(alpha=0.05, every=600), mixed), catalogue.LANE_PROGRESS)
    step = last["steps"][0]
    assert last["smallest_propensity"] == 0.05
    assert step["audits"] < 0.05 * 600
    assert step["needed"] == pytest.approx(76, abs=2)


def test_a_lane_that_errs_too_often_where_it_is_surest_has_no_forecast() -> None:
    world = World(intercept=-1.0)
    record = of(taken(new_fold(alpha=0.05), world.examples(4_000)), catalogue.LANE_PROGRESS)[-1]
    assert record["steps"][0]["needed"] is None
    assert record["steps"][0]["error"] > 0.05


def test_nothing_is_certified_before_four_fifths_of_the_audits_are_answered() -> None:
    def told(count: int, answered: float) -> list[dict[str, Any]]:
        return [
            record | {"audit": True, "round": 0, "way_settled": number, "way_judged": int(answered * number)}
            for number, record in enumerate(_flawless(count))
        ]

    few, enough = (taken(new_fold(alpha=0.05), told(1_200, answered)) for answered in (0.6, 0.9))
    assert not proposals(few)
    missing = of(few, catalogue.LANE_PROGRESS)[-1]["missing"]
    assert len(missing) == 1
    assert "audits answered" in missing[0]
    assert of(enough, catalogue.LANE_PROGRESS)[-1]["certified"] is not None
