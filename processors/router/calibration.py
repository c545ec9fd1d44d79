"""Recalibration of confidence: logistic on log-odds, one model version at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.learning.recalibration_limits import LIFT_FLOOR

# Log-odds of 0 and 1 are infinite: a confidence closer to either than this counts as this. A threshold that a person
# writes cannot express so small a difference.
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Calibration:
    """p' = sigmoid(intercept + slope * logit(p)), at most LIFT_FLOOR where p is below it; every record that it was
    applied to names its `version`."""

    version: str
    intercept: float
    slope: float


def calibrate(
    frame: pl.DataFrame, models: Mapping[tuple[str, str], Calibration]
) -> tuple[pl.Series, NDArray[np.int32], list[str]]:
    """The calibrated confidence of every row, with the version that was applied.

    `models` is keyed by (model_id, model_version). Returns the confidences, an index per row, and the versions
    the index points to; version 0 is "", the model's own confidence.
    """
    raw = frame["confidence"]
    index = np.zeros(len(frame), dtype=np.int32)
    versions = [""]
    confidence = raw
    for (model_id, model_version), model in sorted(models.items()):
        rows = (frame["model_id"] == model_id) & (frame["model_version"] == model_version)
        if not rows.any():
            continue
        versions.append(model.version)
        index[rows.to_numpy()] = len(versions) - 1
        clipped = raw.clip(EPSILON, 1 - EPSILON)
        odds = model.intercept + model.slope * (clipped / (1 - clipped)).log()
        # A confidence that is no probability stays as it is: validation flags it.
        valid = rows & raw.is_between(0.0, 1.0)
        calibrated = 1 / (1 + (-odds).exp())
        if model.intercept > 0:  # otherwise no confidence below one half is lifted above it
            calibrated = calibrated.clip(upper_bound=LIFT_FLOOR).zip_with(raw < LIFT_FLOOR, calibrated)
        confidence = calibrated.zip_with(valid, confidence)
    return confidence, index, versions
