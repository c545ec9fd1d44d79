"""How the risk of false certificates that a policy allows is shared, so that it adds up to no more.

Every lane has an equal part of it, in every lane thresholds and safe rules have half each, and within a year the k-th
start of the evidence of a lane, with a new model version or after an alarm, has the share 1/(k(k + 1)) of that.
"""

from collections import Counter
from collections.abc import Iterable

from interlock.policy.model import Policy
from interlock.policy.vocabulary import Workflow
from interlock.schemas.times import moment

# In other workflows everything waits for a person, whatever the confidence.
AUTOMATIC = (Workflow.ESCALATION, Workflow.POST_APPROVAL)

# Kinds of certificates of a lane: thresholds and safe rules.
KINDS = 2


class Starts:
    """Numbers the starts of the evidence of each lane, whatever the model version, from 1 in every year."""

    def __init__(self) -> None:
        self._started: Counter[tuple[str, str, int]] = Counter()

    def next(self, domain: str, prediction: str, at: int) -> int:
        """The number of one more start, `at` in microseconds since the epoch."""
        key = domain, prediction, moment(at).year
        self._started[key] += 1
        return self._started[key]


def lanes_of(policy: Policy) -> int:
    """Among how many lanes the risk is shared."""
    return sum(len(domain.lanes) for domain in policy.domains.values() if domain.workflow in AUTOMATIC)


def delta_of(policy: Policy | None, start: int, otherwise: float) -> float:
    """The risk of the certificates of one kind in one lane: `otherwise` for each, unless the policy has a budget."""
    if policy is None or policy.risk.per_year is None:
        return otherwise
    return min(otherwise, policy.risk.per_year / (KINDS * max(1, lanes_of(policy)) * start * (start + 1)))


def used(policy: Policy, starts: Iterable[int]) -> float | None:
    """What the starts of a year have used of its risk; None without a budget. `starts`: of each lane, how many."""
    if policy.risk.per_year is None:
        return None
    # 1/(1·2) + … + 1/(k(k + 1)) = 1 − 1/(k + 1)
    return sum(1 - 1 / (start + 1) for start in starts) * policy.risk.per_year / max(1, lanes_of(policy))
