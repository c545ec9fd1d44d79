"""Simulations of warnings about buckets of confidence: how soon a gap is told, and how often one that is not there."""

import math

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.calibration_metrics import Notice, bins
from interlock.processors.calibration.buckets import BucketWindows
from interlock.processors.calibration.calibrator import GAP_WINDOW
from interlock.processors.calibration.labels import Label

Measured = dict[str, float]

# The default of `audit.rate`, and of the outcomes between two reports.
AUDIT_RATE, EVERY = 0.05, 50

# Two fifths take effect by themselves, at a confidence of .95 to .99; the others are reviewed, at .6 to .9.
AUTO = 0.4


def bucket_warnings(runs: int, seed: int = 11) -> Measured:
    """Models that say .97 where they are right in 85 % (or 80 %); calibrated ones for a year of 500 decisions a day."""
    rng = np.random.default_rng(seed)
    audits = np.array([audits_until_warned(rng, 0.85, 40_000) for _ in range(runs)])
    worse = np.array([audits_until_warned(rng, 0.80, 40_000) for _ in range(runs)])
    year = [math.isfinite(audits_until_warned(rng, None, 500 * 365)) for _ in range(max(1, runs // 4))]
    return {
        ".97 said, .85 right: warned within 600 audits": float((audits <= 600).mean()),
        ".97 said, .85 right: median audits": float(np.median(audits)),
        ".97 said, .80 right: median audits": float(np.median(worse)),
        "calibrated: warned within a year": float(np.mean(year)),
    }


def audits_until_warned(rng: np.random.Generator, right: float | None, decisions: int) -> float:
    """Audits until the first warning; inf: none. `right`: share of automatic decisions; None: as they say. Warnings
    about any bucket count where all are calibrated, else those about the automatic ones."""
    windows = BucketWindows(GAP_WINDOW)
    audits, reviewed = 0, 0
    for auto, coin, spread, luck in rng.random((decisions, 4)).tolist():
        is_auto = auto < AUTO
        if is_auto and coin >= AUDIT_RATE:
            continue
        confidence = 0.95 + 0.04 * spread if is_auto else 0.6 + 0.3 * spread
        correct = luck < (right if is_auto and right is not None else confidence)
        pi, way = (AUDIT_RATE, "audit") if is_auto else (1.0, "async")
        windows.add(Label("m", "1", "d", confidence, correct, pi, 0, way))
        reviewed += 1
        audits += is_auto
        if reviewed % EVERY == 0:
            told = [bucket.low for bucket in bins(*windows.arrays()) if bucket.notice() is Notice.WARNING]
            if any(low >= 0.9 or right is None for low in told):
                return float(audits)
    return math.inf


GATES = {
    "bucket warnings": Gate(
        bucket_warnings,
        100,
        (
            Promise(".97 said, .85 right: warned within 600 audits", at_least=0.9, before=0.05),
            Promise("calibrated: warned within a year", at_most=0.05),
        ),
        4,
    ),
}
