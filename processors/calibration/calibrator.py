"""The calibration of one model version as its outcomes come: reports, warnings, and the recalibration in force."""

import hashlib
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from interlock.learning.calibration import IDENTITY, LogOdds, fit, log_loss
from interlock.learning.calibration_metrics import GAP, Bin, Notice
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.recalibration_limits import limited
from interlock.processors.calibration.buckets import BucketWindows
from interlock.processors.calibration.labels import Label
from interlock.processors.calibration.report import CalibrationFinding, arrays, report
from interlock.processors.events import Event, alert
from interlock.schemas import catalogue

# Labels that a fit uses, by default: few enough to follow a drift (log-loss after a drift: .454 with a window of 500,
# .506 with all labels), enough for two parameters where audits weigh twenty times as much as the rest. A report takes
# some 30 ms.
WINDOW = 2_000

# Verdicts of one bucket and way, by default: with as many a gap of .1 is certain at any confidence, and a bucket that
# only audits see, at 5 % of 5,000 decisions a day, is younger than two weeks.
GAP_WINDOW = 500

# The risk of ever recalibrating a model that needs none. A gate that is asked every fifty outcomes whether the gain
# is positive opens sooner or later: 5–9 % at each look.
RISK = 0.05

# The least change of confidence that is worth a new version of the recalibration: less is noise of the fit.
MIN_CHANGE = 0.03

# Digits of the published parameters: the same on every machine, and far below MIN_CHANGE.
_DIGITS = 4

_GRID = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])


@dataclass(frozen=True, slots=True)
class CalibratorSettings:
    """`every`: outcomes between two reports. `window`: labels that a recalibration is fitted to. `gap`: between
    confidence and accuracy that is worth a warning; `gap_window`: latest verdicts of each bucket and way that bins rest
    on."""

    every: int = 50
    window: int = WINDOW
    gap: float = GAP
    gap_window: int = GAP_WINDOW


class Calibrator:
    """Calibrates one model version.

    A recalibration comes into force under two conditions. The gate of `learning.calibration.recalibrate` is open: the
    refits predict the labels of the window better than the model does. And evidence that is valid at every look has
    reached 1/RISK: the likelihood ratio of every label under the fit made before it, against the model's own
    confidence. When the gate closes again, the identity replaces the recalibration.
    """

    def __init__(self, settings: CalibratorSettings) -> None:
        self._settings = settings
        self._labels: deque[Label] = deque(maxlen=settings.window)
        self._buckets = BucketWindows(settings.gap_window)
        self._number = 0
        self._challenger: LogOdds | None = None
        self._log_evidence = 0.0
        self._lowest = 1.0
        self._in_force = IDENTITY
        self._warned: set[float] = set()

    def add(self, label: Label, *, concludes: bool = True) -> list[Event]:
        """Adds a label; the report, warnings and recalibration that follow from it. `concludes`: enough is answered for
        warnings and recalibrations; else there is only the report."""
        self._number += 1
        self._weigh(label)
        self._labels.append(label)
        self._buckets.add(label)
        if self._number % self._settings.every:
            return []
        finding = report(self._labels, self._buckets, self._number, self._settings.gap)
        model = self._next_model(finding) if concludes else None
        events = self._warnings(finding, label) if concludes else []
        if model is not None:
            self._in_force = model
            events.append(_published(model, label, len(self._labels)))
        record = finding.record | {"published": model is not None}
        self._challenger = self._refit()
        return [Event(catalogue.CALIBRATION_REPORTS, label.model, record), *events]

    def _weigh(self, label: Label) -> None:
        """Adds a label to the evidence against the model's own confidence.

        A label counts λ/π, λ the smallest π so far, so that the evidence is about all decisions and stays a martingale
        under a calibrated model. A smaller π resets it.
        """
        if label.propensity < self._lowest:
            self._lowest = label.propensity
            self._log_evidence = 0.0
        if self._challenger is None:
            return
        f, y = np.array([label.confidence]), np.array([float(label.correct)])
        ratio = math.exp(float((log_loss(f, y) - log_loss(self._challenger.apply(f), y))[0]))
        self._log_evidence += math.log1p(self._lowest / label.propensity * (ratio - 1))

    def _next_model(self, finding: CalibrationFinding) -> LogOdds | None:
        """The recalibration that comes into force now; None if the present one stays."""
        in_force = self._in_force != IDENTITY
        if not finding.better or finding.model is None:
            if in_force and not finding.record["refusal"]:
                self._log_evidence = 0.0
                return IDENTITY
            return None
        if not in_force and self._log_evidence < -math.log(RISK):
            return None
        intercept, slope = limited(finding.model.intercept, finding.model.slope)
        model = LogOdds(round(intercept, _DIGITS), round(slope, _DIGITS))
        change = np.abs(model.apply(_GRID) - self._in_force.apply(_GRID)).max()
        return model if model.slope > 0 and change > MIN_CHANGE else None

    def _refit(self) -> LogOdds | None:
        try:
            return fit(*arrays(self._labels))
        except InsufficientDataError:
            return None

    def _warnings(self, finding: CalibrationFinding, label: Label) -> list[Event]:
        """An alert for every bin that starts to warn. A bin may warn again once its gap has closed."""
        events = []
        by_low = {bucket.low: bucket for bucket in finding.bins}
        for low in sorted(by_low):
            bucket = by_low[low]
            notice = bucket.notice(self._settings.gap)
            if notice is Notice.WARNING and low not in self._warned:
                self._warned.add(low)
                cause = f"{label.model}/{low:.1f}/{self._number}"
                events.append(alert("calibration_gap", cause, "warning", (), _gap(bucket, label), label.at))
            elif notice in (Notice.NONE, Notice.FEW):
                self._warned.discard(low)
        return events


def _gap(bucket: Bin, label: Label) -> str:
    direction = "too sure" if bucket.gap < 0 else "not sure enough"
    return (
        f"{label.model} is {direction} of itself: where it says {bucket.mean_confidence:.0%}, people confirm "
        f"{bucket.accuracy:.0%} (between {max(0.0, bucket.mean_confidence + bucket.gap_low):.0%} and "
        f"{min(1.0, bucket.mean_confidence + bucket.gap_high):.0%}; {bucket.labels:,} reviews, corrected "
        "for which decisions were reviewed). Recalibration corrects it as soon as the evidence allows; retrain the "
        "model if it does not"
    )


def _published(model: LogOdds, label: Label, labels: int) -> Event:
    parameters = f"{model.intercept:.{_DIGITS}f} {model.slope:.{_DIGITS}f}"
    record = {
        "model_id": label.model_id,
        "model_version": label.model_version,
        "version": hashlib.sha256(parameters.encode()).hexdigest()[:16],
        "intercept": model.intercept,
        "slope": model.slope,
        "labels": labels,
        "fitted_at": label.at,
    }
    return Event(catalogue.CALIBRATION_MODELS, label.model, record)
