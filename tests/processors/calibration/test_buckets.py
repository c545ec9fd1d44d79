"""Bins of a calibration report: what they rest on, and when a gap is told."""

import math
from typing import Any

import numpy as np
import pytest

from bench.gates.buckets import audits_until_warned
from interlock.processors.calibration.buckets import BucketWindows
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.calibration.labels import Label
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import outcome


def _label(confidence: float, way: str, pi: float = 1.0, *, correct: bool = True) -> Label:
    return Label("scorer", "7", "loan", confidence, correct, pi, 0, way)


def test_audits_are_pushed_out_only_by_audits_of_the_same_bucket() -> None:
    windows = BucketWindows(10)
    for _ in range(4):
        windows.add(_label(0.97, "audit", 0.05))
    for _ in range(500):
        windows.add(_label(0.97, "async"))
        windows.add(_label(0.65, "audit", 0.05))
    confidence, _, _ = windows.arrays()
    assert len(confidence) == 4 + 10 + 10


def test_each_bucket_and_way_weighs_what_it_stands_for_however_few_verdicts_are_kept() -> None:
    windows = BucketWindows(10)
    for _ in range(5):
        windows.add(_label(0.97, "audit", 0.05))
    for _ in range(300):
        windows.add(_label(0.97, "async", correct=False))
    _, correct, weight = windows.arrays()
    assert weight[correct == 1].sum() == pytest.approx(100)
    assert weight[correct == 0].sum() == pytest.approx(300)


def test_a_model_that_is_too_sure_where_it_decides_alone_is_told_within_600_audits() -> None:
    rng = np.random.default_rng(1)
    assert [audits_until_warned(rng, 0.85, 31_000) <= 600 for _ in range(2)] == [True, True]


def test_a_calibrated_model_gets_no_warning() -> None:
    assert audits_until_warned(np.random.default_rng(2), None, 20_000) == math.inf


def _findings(settings: CalibratorSettings, count: int, wrong_every: int) -> list[str]:
    fold = CalibrationFold(CalibrationSettings(settings, override_limit=0.9))
    records: list[dict[str, Any]] = []
    for number in range(count):
        wrong = number % wrong_every == 0
        fields = {"confidence": 0.97, "kind": "audit", "audit": True, "propensity": 0.05}
        events = fold.process(outcome(number, outcome="reject" if wrong else "approve", **fields))
        records += [event.record for event in events if event.topic is catalogue.CALIBRATION_REPORTS and event.record]
    return [bucket["finding"] for bucket in records[-1]["bins"]]


def test_a_bucket_with_too_few_verdicts_says_how_many_there_are_of_about_how_many() -> None:
    assert _findings(CalibratorSettings(), 50, 30) == ["too few audits: 50 of about 106"]
    assert _findings(CalibratorSettings(), 250, 30) == [""]


def test_how_large_a_gap_is_worth_a_warning_is_a_setting() -> None:
    assert _findings(CalibratorSettings(), 200, 8) == [""]
    assert _findings(CalibratorSettings(gap=0.05), 200, 8) == ["warning"]
