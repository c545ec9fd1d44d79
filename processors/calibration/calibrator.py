"""The calibration of one model version as its outcomes come: reports, warnings, and the recalibration in force."""

import hashlib
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from interlock.learning.calibration import IDENTITY, LogOdds, fit, log_loss
from interlock.learning.calibration_metrics import Bin, Notice
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.processors.calibration.labels import Label
from interlock.processors.calibration.report import Finding, arrays, report
from interlock.processors.events import Event, alert
from interlock.schemas import catalogue

# Labels that a fit rests on: few enough to follow a drift (log-loss after one: window of 500 .454, everything .506;
# statistics), enough for two parameters where audits weigh twenty times as much as the rest. A report takes some 30 ms.
WINDOW = 2_000

# The risk of ever recalibrating a model that needs none. A gate that asks again every fifty outcomes whether the gain
# is positive says yes sooner or later: 5–9 % at each look.
RISK = 0.05

# A change of confidence that is worth a new version of the recalibration: less is noise of the fit.
STEP = 0.03

# Digits of the published parameters: the same on every machine, and far below STEP.
_DIGITS = 4

_GRID = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])


@dataclass(frozen=True, slots=True)
class CalibratorSettings:
    """A report after every so many outcomes."""

    every: int = 50


class Calibrator:
    """One model version. A recalibration comes into force when two things are shown: the gate of
    `learning.calibration.recalibrate` (it predicts the labels of the window better), and evidence that holds however
    often one looks: the likelihood ratio of every label under the fit made before it came, against the model's own
    confidence. It is withdrawn (by the identity) when the gate closes again.
    """

    def __init__(self, settings: CalibratorSettings) -> None:
        self._settings = settings
        self._labels: deque[Label] = deque(maxlen=WINDOW)
        self._number = 0
        self._challenger: LogOdds | None = None
        self._log_evidence = 0.0
        self._lowest = 1.0
        self._in_force = IDENTITY
        self._warned: set[float] = set()

    def take(self, label: Label) -> list[Event]:
        """The report, warnings and recalibration that this label gives."""
        self._number += 1
        self._weigh(label)
        self._labels.append(label)
        if self._number % self._settings.every:
            return []
        finding = report(self._labels, self._number)
        chosen = self._chosen(finding)
        events = self._warnings(finding, label)
        if chosen is not None:
            self._in_force = chosen
            events.append(_published(chosen, label, len(self._labels)))
        record = finding.record | {"published": chosen is not None}
        self._challenger = self._refit()
        return [Event(catalogue.CALIBRATION_REPORTS, label.model, record), *events]

    def _weigh(self, label: Label) -> None:
        """Adds a label to the evidence against the model's own confidence.

        A label counts λ/π, λ the smallest π so far, so that the evidence is about all decisions and stays a martingale
        under a calibrated model; a smaller π begins anew.
        """
        if label.propensity < self._lowest:
            self._lowest = label.propensity
            self._log_evidence = 0.0
        if self._challenger is None:
            return
        f, y = np.array([label.confidence]), np.array([float(label.correct)])
        ratio = math.exp(float((log_loss(f, y) - log_loss(self._challenger.apply(f), y))[0]))
        self._log_evidence += math.log1p(self._lowest / label.propensity * (ratio - 1))

    def _chosen(self, finding: Finding) -> LogOdds | None:
        """What comes into force now; None: what is in force stays."""
        in_force = self._in_force != IDENTITY
        if not finding.better or finding.model is None:
            if in_force and not finding.record["refusal"]:
                self._log_evidence = 0.0
                return IDENTITY
            return None
        if not in_force and self._log_evidence < -math.log(RISK):
            return None
        model = LogOdds(round(finding.model.intercept, _DIGITS), round(finding.model.slope, _DIGITS))
        moved = np.abs(model.apply(_GRID) - self._in_force.apply(_GRID)).max()
        return model if model.slope > 0 and moved > STEP else None

    def _refit(self) -> LogOdds | None:
        try:
            return fit(*arrays(self._labels))
        except InsufficientDataError:
            return None

    def _warnings(self, finding: Finding, label: Label) -> list[Event]:
        """An alert for every bin that begins to warn; it may do so again once its gap was gone."""
        events = []
        by_low = {one.low: one for one in finding.bins}
        for low in sorted(by_low):
            one = by_low[low]
            if one.notice is Notice.WARNING and low not in self._warned:
                self._warned.add(low)
                cause = f"{label.model}/{low:.1f}/{self._number}"
                events.append(alert("calibration_gap", cause, "warning", (), _gap(one, label), label.at))
            elif one.notice is Notice.NONE:
                self._warned.discard(low)
        return events


def _gap(one: Bin, label: Label) -> str:
    direction = "too sure" if one.gap < 0 else "not sure enough"
    return (
        f"{label.model} is {direction} of itself: where it says {one.mean_confidence:.0%}, people confirm "
        f"{one.accuracy:.0%} (between {max(0.0, one.mean_confidence + one.gap_low):.0%} and "
        f"{min(1.0, one.mean_confidence + one.gap_high):.0%}; {one.labels:,} reviews, corrected for who was reviewed). "
        "Recalibration corrects it as soon as the evidence allows; retrain the model if it does not"
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
