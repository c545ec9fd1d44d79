"""The calibration of one model version as a record: bins, errors, and the recalibration that the labels support."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlock.learning import calibration, calibration_metrics
from interlock.learning.arrays import Floats, effective_size
from interlock.learning.calibration import LogOdds
from interlock.learning.calibration_metrics import Bin, Notice
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.processors.calibration.buckets import BucketWindows
from interlock.processors.calibration.labels import Label


@dataclass(frozen=True, slots=True)
class CalibrationFinding:
    """`model`: the recalibration of all labels if there is one; `better`: it predicts later labels better than the
    model's own confidence did. `bins`: as in the report."""

    record: dict[str, Any]
    bins: list[Bin]
    model: LogOdds | None
    better: bool


def arrays(labels: Sequence[Label]) -> tuple[Floats, Floats, Floats]:
    """Confidence, correct (0 or 1) and 1/π."""
    confidence = np.array([label.confidence for label in labels])
    correct = np.array([float(label.correct) for label in labels])
    return confidence, correct, 1 / np.array([label.propensity for label in labels])


def report(labels: Sequence[Label], buckets: BucketWindows, number: int, allowed_gap: float) -> CalibrationFinding:
    """`labels` of one model version, oldest first, at least one: what a recalibration is fitted to; `buckets`: what
    bins and errors are of. `number`: how many labels it has had in all.

    The record lacks `published`, which the labels do not determine.
    """
    f, y, w = arrays(labels)
    refusal, method, model, better = "", "", None, False
    before = float(np.average(calibration.log_loss(f, y), weights=w))
    after: float | None = None
    try:
        recalibration = calibration.recalibrate(f, y, w)
    except InsufficientDataError as error:
        refusal = f"{error.reason}: {error}"
    else:
        model, better = recalibration.model, recalibration.deploy
        after = before - recalibration.gain
        if better:
            method = "temperature" if effective_size(w) < calibration.TEMPERATURE_BELOW else "logistic"
    used = model if model is not None and better else calibration.IDENTITY
    last = labels[-1]
    f, y, w = buckets.arrays()
    effective = effective_size(w)
    occupied = calibration_metrics.bins(f, y, w)
    record = {
        "report_id": f"{last.model}#{number}",
        "model_id": last.model_id,
        "model_version": last.model_version,
        "at": last.at,
        "reviewed": len(f),
        "effective": effective,
        "bins": [_bin_record(bucket, allowed_gap, buckets) for bucket in occupied],
        "ece": calibration_metrics.ece(f, y, w),
        # The formula counts labels of equal weight; unequal ones are worth fewer, and noise goes with the root.
        "ece_by_chance": min(1.0, calibration_metrics.ece_noise(f) * math.sqrt(len(f) / effective)),
        "smooth_ece": calibration_metrics.smooth_ece(f, y, w),
        "brier": float(np.average((f - y) ** 2, weights=w)),
        "log_loss_before": before,
        "log_loss_after": after,
        "method": method,
        "intercept": used.intercept,
        "slope": used.slope,
        "refusal": refusal,
    }
    return CalibrationFinding(record, occupied, model, better)


def _bin_record(bucket: Bin, allowed_gap: float, buckets: BucketWindows) -> dict[str, Any]:
    notice = bucket.notice(allowed_gap)
    return {
        "count": bucket.labels,
        "mean_confidence": bucket.mean_confidence,
        "accuracy": bucket.accuracy,
        # Wilson's interval holds the accuracy but for rounding.
        "lower": float(np.clip(bucket.mean_confidence + bucket.gap_low, 0, bucket.accuracy)),
        "upper": float(np.clip(bucket.mean_confidence + bucket.gap_high, bucket.accuracy, 1)),
        "gap": bucket.mean_confidence - bucket.accuracy,
        "finding": _few(bucket, allowed_gap, buckets) if notice is Notice.FEW else str(notice),
    }


def _few(bucket: Bin, allowed_gap: float, buckets: BucketWindows) -> str:
    """Counted as labels of equal weight, which audits among reviews are not."""
    what = "audits" if buckets.audited(bucket.low) else "reviews"
    return f"too few {what}: {bucket.effective:.0f} of about {bucket.needed(allowed_gap)}"
