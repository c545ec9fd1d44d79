"""Recalibration that follows a drifting stream: Online Platt Scaling (Gupta and Ramdas, ICML 2023, 2305.00070).

The online Newton step on the log-loss of sigmoid(intercept + slope · logit(p)). Its total log-loss is within
O(log n) of the best fixed recalibration in hindsight, for any sequence; no batch, no window, no refit.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from interlock.learning.arrays import Floats, binary, positive, probabilities
from interlock.learning.calibration import LogOdds, log_odds
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# γ of the online Newton step, and the radius of the ball that (slope, intercept) stay in: the paper's values.
GAMMA = 0.1
RADIUS = 100.0


@dataclass(frozen=True, slots=True)
class OnlinePlatt:
    """State after `labels` labels; the second moments of the gradients (`ss`, `si`, `ii`) start as the identity."""

    slope: float = 1.0
    intercept: float = 0.0
    ss: float = 1.0
    si: float = 0.0
    ii: float = 1.0
    labels: int = 0

    def predict(self, confidence: float) -> float:
        """The calibrated confidence before its label is known."""
        (x,) = log_odds(probabilities([confidence]))
        return float(expit(self.slope * x + self.intercept))

    def update(self, confidence: float, correct: bool, weight: float = 1.0) -> "OnlinePlatt":
        """The state after one more label.

        `weight` in (0, 1]: π_min/π where outcomes were selected for review. Weights above 1 are refused: one rare
        label would move the parameters further than the method's bound allows.
        """
        f = probabilities([confidence])
        (w,) = positive([weight], f, "weight")
        if w > 1:
            raise InsufficientDataError(
                Reason.BAD_WEIGHT, f"weight {w} is above 1: scale 1/π by the smallest π that can occur"
            )
        (y,) = binary([correct], f)
        x = np.array([log_odds(f)[0], 1.0])
        theta = np.array([self.slope, self.intercept])
        gradient = w * (expit(theta @ x) - y) * x
        moments = np.array([[self.ss, self.si], [self.si, self.ii]]) + np.outer(gradient, gradient)
        theta = _within(theta - np.linalg.solve(moments, gradient) / GAMMA, moments)
        return OnlinePlatt(
            slope=float(theta[0]),
            intercept=float(theta[1]),
            ss=float(moments[0, 0]),
            si=float(moments[0, 1]),
            ii=float(moments[1, 1]),
            labels=self.labels + 1,
        )

    def model(self) -> LogOdds:
        """What to deploy now; refuses a slope that is not positive, which would reverse the order of confidences."""
        if self.slope <= 0:
            raise InsufficientDataError(
                Reason.REVERSED, f"after {self.labels} labels the slope is {self.slope:.3f}: check the model"
            )
        return LogOdds(self.intercept, self.slope, self.labels, float(self.labels))


def _within(theta: Floats, moments: Floats) -> Floats:
    """The point of the ball that is nearest in the metric of the moments: (A + μI)⁻¹ A θ, μ ≥ 0 on its border."""
    from scipy.optimize import brentq

    if np.linalg.norm(theta) <= RADIUS:
        return theta
    drawn = moments @ theta

    def pulled(mu: float) -> Floats:
        return np.asarray(np.linalg.solve(moments + mu * np.eye(2), drawn), dtype=np.float64)

    # At this μ the point is inside: |(A + μI)⁻¹ A θ| ≤ |Aθ|/μ.
    highest = float(np.linalg.norm(drawn)) / RADIUS
    return pulled(brentq(lambda mu: np.linalg.norm(pulled(mu)) - RADIUS, 0.0, highest))
