"""How far a recalibration may move a model's confidence without a person's signature.

Nobody signs a recalibration: it follows from outcomes, or from whoever may write to its topic. A fit whose prior is the
identity with a standard deviation of 1 stays well inside; parameters outside describe another model, or an error.
"""

import math

# sigmoid(2.5) is 0.92: a confidence of one half stays below 0.95, the threshold of a lane that names none.
MAX_INTERCEPT = 2.5

# Three standard deviations of the prior: underconfident models (averages of many votes) have slopes of 2 to 3.
MAX_SLOPE = 4.0

# A recalibration never lifts a lower confidence above this, whatever its parameters: a model that takes its own
# prediction for more probably wrong than right is not overruled without a person.
LIFT_FLOOR = 0.5


def problem(intercept: float, slope: float) -> str | None:
    """Why these parameters must not be applied; None if they may."""
    if not (math.isfinite(intercept) and math.isfinite(slope)):
        return f"intercept {intercept} and slope {slope} must be finite"
    if not 0 < slope <= MAX_SLOPE:
        return f"slope {slope} is not above 0 and at most {MAX_SLOPE:g}"
    if abs(intercept) > MAX_INTERCEPT:
        return f"intercept {intercept} is not between -{MAX_INTERCEPT:g} and {MAX_INTERCEPT:g}"
    return None


def limited(intercept: float, slope: float) -> tuple[float, float]:
    """The point nearest to the parameters on the way to them from the identity that may be applied.

    The log-loss is convex, so that every point on the way is better than the identity where the end is. `slope` MUST be
    positive.
    """
    share = 1.0
    if abs(intercept) > MAX_INTERCEPT:
        share = MAX_INTERCEPT / abs(intercept)
    if slope > MAX_SLOPE:
        share = min(share, (MAX_SLOPE - 1) / (slope - 1))
    return intercept * share, 1 + (slope - 1) * share
