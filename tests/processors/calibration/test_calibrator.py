"""Calibration as outcomes come: against models whose truth is known."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.learning.calibration import LogOdds, log_loss
from interlock.processors.calibration.calibrator import RISK, CalibratorSettings
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.events import Event
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from tests.processors.calibration.reviewed_world import World, outcome

# Where only what is published in the end counts: each look fits the model anew.
SELDOM = 200


def _fold(every: int = 50) -> CalibrationFold:
    return CalibrationFold(CalibrationSettings(CalibratorSettings(every), override_limit=0.6))


def _taken(fold: CalibrationFold, outcomes: Iterable[dict[str, Any]]) -> list[Event]:
    return [event for outcome in outcomes for event in fold.process(outcome)]


def _of(events: list[Event], topic: catalogue.Topic) -> list[dict[str, Any]]:
    return [event.record for event in events if event.topic is topic and event.record is not None]


def test_an_overconfident_model_is_recalibrated_so_that_later_decisions_lose_less() -> None:
    world = World(slope=0.5, auto=0.9, rate=0.1)
    events = _taken(_fold(SELDOM), world.outcomes(6_000))
    last = _of(events, catalogue.CALIBRATION_MODELS)[-1]
    assert last["slope"] == pytest.approx(0.5, abs=0.15)
    later = list(World(slope=0.5, seed=2).decide(20_000))  # all of them, whether people saw them or not
    confidence, right = np.array([pair[0] for pair in later]), np.array([float(pair[1]) for pair in later])
    calibrated = LogOdds(last["intercept"], last["slope"]).apply(confidence)
    assert log_loss(calibrated, right).mean() < log_loss(confidence, right).mean() - 0.02
    # And the probability above the auto threshold is right, where hardly anybody looks.
    above = confidence >= 0.9
    assert calibrated[above].mean() == pytest.approx(right[above].mean(), abs=0.04)


def test_a_calibrated_model_is_left_alone() -> None:
    recalibrated = sum(
        bool(_of(_taken(_fold(), World(seed=seed).outcomes(600)), catalogue.CALIBRATION_MODELS)) for seed in range(12)
    )
    # Two standard errors above the risk.
    assert recalibrated / 12 <= RISK + 2 * math.sqrt(RISK * (1 - RISK) / 12)


def test_a_recalibration_is_withdrawn_when_the_model_no_longer_needs_one() -> None:
    fold = _fold(SELDOM)
    bad, good = World(slope=0.4, seed=3), World(slope=1.0, seed=4)
    assert _of(_taken(fold, bad.outcomes(2_000)), catalogue.CALIBRATION_MODELS)
    later = _of(_taken(fold, good.outcomes(5_000)), catalogue.CALIBRATION_MODELS)
    assert (later[-1]["intercept"], later[-1]["slope"]) == (0.0, 1.0)


def test_the_router_takes_what_is_published_and_names_its_version() -> None:
    events = _taken(_fold(SELDOM), World(slope=0.5).outcomes(3_000))
    published = [event for event in events if event.topic is catalogue.CALIBRATION_MODELS]
    state = RouterState()
    for event in published:
        assert event.record is not None
        state.apply(event.topic.name, event.key.encode(), wire.encode("CalibrationModel", event.record))
    (model,) = state.calibrations.values()
    assert published[-1].record is not None
    assert (model.version, model.slope) == (published[-1].record["version"], published[-1].record["slope"])


def test_a_report_comes_every_fifty_outcomes_of_a_model_version_and_says_what_was_published() -> None:
    events = _taken(_fold(), World(slope=0.5).outcomes(3_000))
    reports = _of(events, catalogue.CALIBRATION_REPORTS)
    assert [report["report_id"] for report in reports] == [f"scorer@7#{50 * (n + 1)}" for n in range(len(reports))]
    assert sum(report["published"] for report in reports) == len(_of(events, catalogue.CALIBRATION_MODELS))
    assert all(report["published"] is False or report["method"] for report in reports)


def test_the_same_outcomes_give_the_same_records() -> None:
    outcomes = list(World(slope=0.5).outcomes(1_500))
    assert _taken(_fold(), outcomes) == _taken(_fold(), outcomes)


def test_a_gap_that_is_real_is_told_once_as_long_as_it_lasts() -> None:
    world = World(slope=0.2, auto=1.0, rate=1.0)
    alerts = _of(_taken(_fold(), world.outcomes(1_500)), catalogue.ALERTS)
    warned = [alert["alert_id"].rpartition("/")[0] for alert in alerts if alert["kind"] == "calibration_gap"]
    assert warned
    assert len(warned) == len(set(warned))
    assert "too sure" in alerts[0]["message"]


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([outcome(n, confidence=0.5 + n / 200) for n in range(50)], "single-class"),
        ([outcome(n, outcome="reject" if n % 4 else "approve") for n in range(50)], "constant-confidence"),
        ([outcome(n, confidence=0.9 if n % 2 else 0.6, outcome="reject" if n % 2 else "approve") for n in range(50)],
         "reversed"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_reported_with_the_reason_and_nothing_is_published(
    outcomes: list[dict[str, Any]], reason: str
) -> None:
    events = _taken(_fold(), outcomes)
    (report,) = _of(events, catalogue.CALIBRATION_REPORTS)
    assert report["refusal"].startswith(f"{reason}: ")
    assert (report["method"], report["published"], report["log_loss_after"]) == ("", False, None)
    assert not _of(events, catalogue.CALIBRATION_MODELS)


def test_outcomes_that_cannot_be_used_are_counted_and_change_nothing() -> None:
    outcomes = list(World().outcomes(500))
    spoilt = [
        *outcomes[:30],
        outcome(9_999, propensity=0.0),
        outcome(9_998, raw_confidence=float("nan")),
        *outcomes[30:],
    ]
    fold, clean = _fold(), _fold()
    assert _taken(fold, spoilt) == _taken(clean, outcomes)
    assert fold.refused == {"bad-propensity": 1, "bad-confidence": 1}


_outcomes = st.lists(
    st.fixed_dictionaries(
        {
            "confidence": st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5]) | st.floats(),
            "propensity": st.sampled_from([1.0, 0.05, 1e-9, 1.0]) | st.floats(0, 1) | st.floats(),
            "outcome": st.sampled_from(["approve", "reject"]),
            "kind": st.sampled_from(["review", "audit", "gold"]),
        }
    ),
    min_size=5,
    max_size=60,
)


@given(_outcomes)
@settings(max_examples=30)
def test_whatever_comes_every_record_can_be_written_and_holds_only_numbers(fields: list[dict[str, Any]]) -> None:
    fold = CalibrationFold(CalibrationSettings(CalibratorSettings(5)))
    for number, its in enumerate(fields):
        for event in fold.process(outcome(number, **its)):
            assert event.topic.schema is not None
            assert event.record is not None
            read = wire.decode(event.topic.schema, wire.encode(event.topic.schema, event.record))
            assert _finite(read)
            if event.topic is catalogue.CALIBRATION_REPORTS:
                assert all(
                    0 <= bucket["lower"] <= bucket["accuracy"] <= bucket["upper"] <= 1 for bucket in read["bins"]
                )


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
