"""On a published stream whose inputs change at row 75,000: the warning, what follows, and the retraining proposal."""

from typing import Any

import pytest

from bench.proofs import car_loan as car_loan_proof
from bench.proofs import plots as learning_plots
from examples import car_loan

# 12,500 decisions go through the whole pipeline: two minutes on a quiet machine.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    return car_loan_proof.run(car_loan_proof.QUICK)


def _rows(story: dict[str, Any], kind: str) -> list[int]:
    return [event["row"] for event in story["events"] if event["kind"] == kind]


def test_the_drift_raises_its_alarm_within_a_thousand_rows_and_none_comes_before() -> None:
    first = next(car_loan_proof.confidence_alarms())
    assert car_loan.CHANGE <= first < car_loan.CHANGE + 1_000


def test_the_shift_is_told_and_by_itself_revokes_and_halts_nothing(story: dict[str, Any]) -> None:
    assert story["accepted"]
    (warning,) = _rows(story, "confidence")
    assert car_loan.CHANGE <= warning < car_loan.CHANGE + 1_000
    assert not any(row <= warning + 1_000 for kind in ("certificate", "controls") for row in _rows(story, kind))
    # A person sends everything to people then.
    assert story["automatic"] > 1_000
    assert story["last_automatic_row"] <= warning


def test_the_errors_that_follow_break_the_certificate_and_halt_the_model(story: dict[str, Any]) -> None:
    """It was signed while people saw everything, and is watched through the audits and on."""
    broken = _rows(story, "certificate")[0]
    assert car_loan.CHANGE < broken < car_loan.CHANGE + 5_000
    assert _rows(story, "controls") == [broken]
    assert len(story["revoked"]) == len(story["accepted"])
    assert all("at most 5% wrong was promised" in reason for reason in story["revoked"])


def test_retraining_is_requested_after_the_change_and_not_before_and_dates_the_change(story: dict[str, Any]) -> None:
    assert story["error_before"] < story["limit"] < story["error_after"]
    assert car_loan.CHANGE < _rows(story, "overrides")[0] < car_loan.CHANGE + 5_000
    assert car_loan.CHANGE < _rows(story, "retraining.requests")[0] < car_loan.CHANGE + 5_000
    (request,) = story["requests"]
    assert request["kind"] == "change"
    assert abs(request["changed_row"] - car_loan.CHANGE) < 1_000
    assert [title.partition(" ")[0] for title in story["asked"]] == ["Retrain"]


def test_the_plot_of_the_drift_names_the_alarms(story: dict[str, Any]) -> None:
    chart = learning_plots.drift(car_loan_proof.time_series(), story, car_loan.CHANGE)
    assert "confidence alarm" in chart
    assert "override alarm" in chart


def test_the_stream_is_in_the_order_of_time_and_the_truth_is_not_in_it() -> None:
    decisions = list(car_loan.decisions(74_990, 75_010))
    assert [decision.created_at for decision in decisions] == sorted(decision.created_at for decision in decisions)
    assert len({decision.decision_id for decision in decisions}) == 20
    records = [decision.to_record() for decision in decisions]
    assert [car_loan.truth_of(record) != record["prediction"] for record in records] == car_loan.wrong()[74_990:75_010]
    assert not any("truth" in key or key == "repaid" for record in records for key in record)
