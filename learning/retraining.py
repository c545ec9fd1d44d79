"""When to request retraining: the override rate of all decisions is above its limit beyond doubt, at any look.

A raw rate over the last hundred reviewed decisions requests it wrongly (87 % of the time within 50 looks at a true
rate of 10 % against 15 %), because it looks often and sees only the doubtful decisions. This rule is wrong with
probability ≤ alpha over all looks together, for the rate of *all* decisions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from interlock.learning.arrays import binary, open_unit, propensities
from interlock.learning.betting import log_capital, lower
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# The override rate above which a model version should be trained again.
LIMIT = 0.15


@dataclass(frozen=True, slots=True)
class OverrideRateAssessment:
    """`rate`: weighted override rate (Hájek); `lower`: its anytime-valid lower bound, one-sided at 1 − alpha.

    `after`: reviewed outcomes after which the bound first exceeded the limit; None: it never did.
    """

    rate: float
    lower: float
    reviewed: int
    after: int | None

    @property
    def retrain(self) -> bool:
        return self.after is not None


def assess_override_rate(
    overridden: ArrayLike,
    propensity: ArrayLike,
    smallest_propensity: float,
    limit: float = LIMIT,
    alpha: float = 0.05,
) -> OverrideRateAssessment:
    """Assesses the reviewed outcomes of one model version so far, in the order in which they came.

    `overridden` (n,) 0/1 and `propensity` (n,) π in (0, 1], of reviewed decisions; those without review are not
    needed. `smallest_propensity`: the least π that the policy allows (its audit rate), fixed before the first outcome.
    Sound if reviews are finished in an order that does not depend on their verdict. Refuses π that is 0, missing or
    below the smallest, and no outcome.
    """
    open_unit(limit, "limit")
    values = np.asarray(overridden, dtype=np.float64)
    x = binary(values, values, "overridden")
    pi = propensities(propensity, x)
    if not 0 < smallest_propensity <= pi.min():
        raise InsufficientDataError(
            Reason.BAD_PROPENSITY,
            f"a decision was reviewed with propensity {pi.min()}, the smallest is given as {smallest_propensity}: "
            "give the audit rate of the policy, and start again when it falls",
        )
    w = smallest_propensity / pi
    above = log_capital(x, w, limit, alpha) >= -np.log(open_unit(alpha, "alpha"))
    return OverrideRateAssessment(
        rate=float(np.average(x, weights=w)),
        lower=lower(x, w, alpha),
        reviewed=len(x),
        after=int(np.argmax(above)) + 1 if above.any() else None,
    )
