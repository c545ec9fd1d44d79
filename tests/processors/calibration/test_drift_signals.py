"""Alarms: overrides of all decisions from reviewed ones, and confidence that has moved."""

from typing import Any

import numpy as np
import pytest

from interlock.processors.calibration.confidence import ConfidenceDrift, routing_fields
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.calibration.rate import ReviewedRate
from interlock.processors.events import Event
from interlock.schemas import catalogue, wire
from tests.processors.calibration.reviewed_world import START, World, outcome


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
        monitor, rng = ReviewedRate(0.15, alpha=0.05, cusum_alpha=1e-9), np.random.default_rng(seed)
        for _ in range(3_000):
            doubtful = rng.random() < 0.1
            pi = 1.0 if doubtful else 0.05
            if rng.random() < pi and monitor.update(bool(rng.random() < (0.55 if doubtful else 0.05)), pi):
                alarms += 1
                break
    assert alarms <= 1 + 2  # 5 % of 20, and two standard errors


@pytest.mark.parametrize("limit", [0.02, 0.15, 0.9])
def test_the_capital_of_a_monitor_is_a_number_whatever_its_limit(limit: float) -> None:
    monitor = ReviewedRate(limit, alpha=0.05, cusum_alpha=1e-3)
    for number in range(2_000):
        crossing = monitor.update(number % 50 == 0, 0.05 if number % 7 else 1.0)
        assert crossing is None or np.isfinite(crossing.statistic)


def test_confidence_that_moves_is_told_soon_and_before_that_nothing_is() -> None:
    rng = np.random.default_rng(5)
    drift = ConfidenceDrift()
    alarms: list[tuple[int, dict[str, Any]]] = []
    for number in range(20_000):
        confidence = float(rng.beta(9, 2) if number < 15_000 else rng.beta(6, 3))
        alarms += [(number, signal) for signal in _signals(drift.process(_decision(confidence, number), 0, number))]
    assert 15_000 <= alarms[0][0] <= 15_500
    first = alarms[0][1]
    assert first["signal_id"] == f"confidence/scorer@7/0/{alarms[0][0]}"
    assert first["statistic"] > first["threshold"]
    assert first["at"] == START + alarms[0][0]
    assert "moved by -0.0" in first["message"]


def test_each_partition_says_the_same_in_whatever_order_the_partitions_are_read() -> None:
    rng = np.random.default_rng(6)
    records = [
        (_decision(float(rng.beta(9, 2) if number < 2_000 else rng.beta(4, 4)), number), number % 2, number // 2)
        for number in range(4_000)
    ]
    first, second = ConfidenceDrift(), ConfidenceDrift()
    in_order = [event for record in records for event in first.process(*record)]
    apart = [event for record in sorted(records, key=lambda record: record[1]) for event in second.process(*record)]
    assert in_order
    assert sorted(in_order, key=lambda event: event.key) == sorted(apart, key=lambda event: event.key)


def test_decisions_that_the_router_would_not_trust_are_not_watched() -> None:
    drift = ConfidenceDrift()
    odd = [b"", None, _decision(float("nan"), 1), _decision(1.5, 2), _decision(0.5, 3, created_at=-(10**17))]
    assert [drift.process(value, 0, offset) for offset, value in enumerate(odd)] == [[]] * len(odd)
    with pytest.raises(wire.WireError):
        routing_fields(b"\0\0")


def test_only_the_offsets_that_were_asked_for_are_read() -> None:
    drift = ConfidenceDrift(every=10)
    assert drift.process(b"unreadable, and not even looked at", 0, 7) == []
    assert not drift._monitors
    drift.process(_decision(0.5, 1), 0, 20)
    assert len(drift._monitors) == 1


def test_a_model_that_stays_as_it_is_gives_no_signal() -> None:
    fold = CalibrationFold(CalibrationSettings(override_limit=0.35))
    assert not _signals([event for outcome in World().outcomes(4_000) for event in fold.process(outcome)])
