"""What a threshold in the model's own confidence accepts stays the same under every recalibration."""

import numpy as np
import polars as pl
import pytest

from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.policy.vocabulary import Route
from interlock.processors.router.calibration import Calibration, calibrate
from tests.policy.test_compiled_policy import COLUMNS, ROW

POLICY = parse(
    """
name: lending
domains:
  e: {models: [m], outcomes: [yes, no], lanes: {yes: {auto: 0.83, async: 0.6, auto_raw: {m@1: 0.83}}}}
""",
    "lending",
)

# Two fits of an overconfident model that follow one another, and none: the last one was withdrawn.
PUBLISHED = [None, Calibration("first", -0.20, 0.62), Calibration("second", -0.35, 0.70), None]


def _automatic(version: str, calibration: Calibration | None) -> set[float]:
    """The raw confidences that take effect without a person."""
    raw = np.random.default_rng(5).uniform(0.5, 1, 2_000)
    row = ROW | {"model_version": version, "prediction": "yes"}
    frame = pl.DataFrame([row], schema=COLUMNS).select(pl.all().repeat_by(len(raw)).explode())
    frame = frame.with_columns(confidence=pl.Series(raw), raw_confidence=pl.Series(raw))
    confidence, _, _ = calibrate(frame, {("m", version): calibration} if calibration else {})
    evaluation = compile_policy(POLICY).evaluate(frame.with_columns(confidence=confidence))
    auto = [evaluation.treatments[index].route is Route.AUTO for index in evaluation.index]
    return set(raw[auto].tolist())


@pytest.mark.parametrize("calibration", PUBLISHED)
def test_two_recalibrations_and_a_withdrawal_leave_what_is_accepted_as_it_was(calibration: Calibration | None) -> None:
    accepted = _automatic("1", calibration)
    assert accepted == _automatic("1", None)
    assert 0.83 <= min(accepted) < 0.84


def test_another_version_keeps_the_threshold_that_recalibration_moves() -> None:
    sizes = [len(_automatic("2", calibration)) for calibration in PUBLISHED]
    assert sizes[0] == sizes[3]
    assert len({*sizes[:3]}) == 3
