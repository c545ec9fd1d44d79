"""Warnings: overrides of all decisions from reviewed ones, and confidence that has shifted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from interlock.processors.calibration.confidence import (
    TABLE_TOPICS,
    ConfidenceDrift,
    ConfidenceSettings,
    routing_fields,
)
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.calibration.rate import ReviewedRate
from interlock.processors.events import Event
from interlock.schemas import catalogue, wire
from tests.processors.calibration.reviewed_world import SECOND, START, World, outcome


def _decision(confidence: float, number: int, **fields: Any) -> bytes:
    record = {
        "decision_id": f"d{number}",
        "domain": "loan",
        "model_id": "scorer",
        "model_version": "7",
        "prediction": "approve",
        "confidence": confidence,
        "created_at": START + number,
        **fields,
    }
    return wire.encode("Decision", record)


def _signals(events: list[Event]) -> list[dict[str, Any]]:
    return [event.record for event in events if event.topic is catalogue.DRIFT_SIGNALS and event.record is not None]


def test_overrides_above_the_limit_are_told_although_most_of_them_were_never_seen() -> None:
    fold = CalibrationFold(CalibrationSettings(override_limit=0.15))
    # 30 % of everything is wrong; people see a tenth of it.
    rng = np.random.default_rng(1)
    events: list[Event] = []
    for number in range(2_000):
        wrong = rng.random() < 0.3
        events += fold.process(outcome(number, outcome="reject" if wrong else "approve", propensity=0.1, kind="audit"))
    signals = _signals(events)
    assert [signal["monitor"] for signal in signals] == ["overrides"] * len(signals)
    assert signals[0]["seen"] < 400
    assert signals[0]["statistic"] >= signals[0]["threshold"]
    assert len(signals) <= 2  # not again with every hundred outcomes
    alerts = [event.record for event in events if event.topic is catalogue.ALERTS and event.record is not None]
    assert sum(alert["kind"] == "drift" for alert in alerts) == len(signals)


def test_reviewed_decisions_that_are_often_wrong_raise_no_alarm_where_the_others_are_right() -> None:
    # 10 % of all are overridden, but 55 % of the doubtful tenth that people always see.
    alarms = 0
    for seed in range(20):
        monitor, rng = ReviewedRate(0.15, alpha=0.05, quick=1e-9), np.random.default_rng(seed)
        for _ in range(3_000):
            doubtful = rng.random() < 0.1
            pi = 1.0 if doubtful else 0.05
            if rng.random() < pi and monitor.update(bool(rng.random() < (0.55 if doubtful else 0.05)), pi):
                alarms += 1
                break
    assert alarms <= 1 + 2  # 5 % of 20, and two standard errors


@pytest.mark.parametrize("limit", [0.02, 0.15, 0.9])
def test_the_capital_of_a_monitor_is_a_number_whatever_its_limit(limit: float) -> None:
    monitor = ReviewedRate(limit, alpha=0.05, quick=1e-3)
    for number in range(2_000):
        crossing = monitor.update(number % 50 == 0, 0.05 if number % 7 else 1.0)
        assert crossing is None or np.isfinite(crossing.statistic)


DAY = 86_400 * SECOND
PER_DAY = 400


def _stream(days: int, change: int, *, by: float = 0.0, rhythm: float = 0.0, seed: int = 5) -> Iterator[bytes]:
    """Decisions of so many days; from day `change` on their confidence is higher by `by`."""
    rng = np.random.default_rng(seed)
    for number in range(days * PER_DAY):
        wave = rhythm * np.sin(2 * np.pi * number / PER_DAY)
        confidence = rng.beta(6, 2) * 0.9 + wave + by * (number >= change * PER_DAY)
        yield _decision(float(np.clip(confidence, 0, 1)), number, created_at=START + number * DAY // PER_DAY)


def _told(drift: ConfidenceDrift, stream: Iterator[bytes]) -> list[tuple[int, dict[str, Any]]]:
    return [(offset, its) for offset, value in enumerate(stream) for its in _signals(drift.process(value, offset))]


@pytest.mark.parametrize(("by", "direction", "errors"), [(0.1, "higher", "fewer"), (-0.1, "lower", "more")])
def test_a_shift_of_confidence_is_told_once_with_its_sign_its_interval_and_what_it_means(
    by: float, direction: str, errors: str
) -> None:
    ((offset, signal),) = _told(ConfidenceDrift(), _stream(6, 4, by=by, rhythm=0.02))
    assert 4 * PER_DAY <= offset < 6 * PER_DAY
    assert signal["signal_id"] == "confidence/scorer@7/2026-01-05"
    assert signal["statistic"] == pytest.approx(0.1, abs=0.05)
    assert signal["threshold"] == 0.01
    assert f"{direction} (" in signal["message"]
    assert f"errors {errors} in a thousand" in signal["message"]
    assert "nothing is revoked" in signal["message"]


def test_a_shift_is_a_warning_of_a_kind_of_its_own() -> None:
    drift = ConfidenceDrift()
    events = [event for offset, value in enumerate(_stream(4, 3, by=-0.1)) for event in drift.process(value, offset)]
    (alert,) = [event.record for event in events if event.topic is catalogue.ALERTS and event.record is not None]
    assert (alert["kind"], alert["severity"]) == ("confidence_shift", "warning")


def test_what_a_shift_means_is_told_by_the_calibrated_confidence() -> None:
    # The model is far too sure: where it says 80 %, it is right in 66 %.
    model = {"model_id": "scorer", "model_version": "7", "version": "v", "intercept": 0.0, "slope": 0.5}
    record = wire.encode("CalibrationModel", model | {"labels": 1_000, "fitted_at": START})
    calibrated, raw = ConfidenceDrift(), ConfidenceDrift()
    calibrated.apply(catalogue.CALIBRATION_MODELS.name, record)
    errors = []
    for drift in (calibrated, raw):
        ((_, signal),) = _told(drift, _stream(4, 3, by=-0.1))
        errors.append(int(signal["message"].partition("that is ")[2].partition(" errors")[0]))
    assert errors[0] < errors[1]


def test_a_shift_that_was_told_is_not_told_again_by_a_process_that_starts_later() -> None:
    stream = list(_stream(4, 3, by=-0.1))
    first = ConfidenceDrift()
    ((offset, signal),) = _told(first, iter(stream))
    second = ConfidenceDrift()
    second.apply(catalogue.DRIFT_SIGNALS.name, wire.encode("DriftSignal", signal))
    for place, value in enumerate(stream[:offset]):
        second.process(value, place, replayed=True)
    assert not [its for place, value in enumerate(stream[offset:], offset) for its in second.process(value, place)]
    # Nor is anything told of what is only read again.
    third = ConfidenceDrift()
    assert not [event for place, value in enumerate(stream) for event in third.process(value, place, replayed=True)]


def test_partitions_that_are_read_one_after_the_other_are_one_stream() -> None:
    stream = list(_stream(5, 99, rhythm=0.03))
    drift = ConfidenceDrift()
    for partition in range(3):
        for value in stream[partition::3]:
            assert not drift.process(value, 0)


def test_unreadable_signals_and_recalibrations_change_nothing() -> None:
    drift = ConfidenceDrift()
    for topic in TABLE_TOPICS:
        drift.apply(topic, b"rubbish")
        drift.apply(topic, None)
    assert not drift._told
    assert not drift._recalibrations


def test_decisions_that_the_router_would_not_trust_are_not_watched() -> None:
    drift = ConfidenceDrift()
    odd = [b"", None, _decision(float("nan"), 1), _decision(1.5, 2), _decision(0.5, 3, created_at=-(10**17))]
    assert [drift.process(value, offset) for offset, value in enumerate(odd)] == [[]] * len(odd)
    with pytest.raises(wire.WireError):
        routing_fields(b"\0\0")


def test_only_the_offsets_that_were_asked_for_are_read() -> None:
    drift = ConfidenceDrift(ConfidenceSettings(every=10))
    assert drift.process(b"unreadable, and not even looked at", 7) == []
    assert not drift._monitors
    drift.process(_decision(0.5, 1), 20)
    assert len(drift._monitors) == 1


def test_a_model_that_stays_as_it_is_gives_no_signal() -> None:
    fold = CalibrationFold(CalibrationSettings(override_limit=0.35))
    assert not _signals([event for outcome in World().outcomes(4_000) for event in fold.process(outcome)])
