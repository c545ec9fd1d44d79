"""What people's own errors make of rates and promises: how many errors they miss, and how many right answers they
change, from items whose answer is known.

With sensitivity Se and false-alarm rate F a decision that errs with rate e is overridden with rate Se·e + F·(1 − e).
Assumes that people judge known items as they judge others. Where those are harder, as cases that a lead picks mostly
are, more is missed among them, and what follows for e is too cautious.
"""

from dataclasses import dataclass, replace
from math import hypot

from interlock.learning.bounds import anytime, clopper_pearson
from interlock.learning.estimates import Estimate, rogan_gladen
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# With 30 of 30 found a sensitivity of 90 % is still possible (Clopper–Pearson): with fewer nothing is assumed.
MIN_ITEMS = 30

# The share of an allowed risk that goes to not knowing how good people are; the rest is that of the evidence itself.
RISK_SHARE = 0.2

# What proposals and pages tell of where nothing is known: that people miss a fifth.
SUPPOSED_MISSED = 0.2


@dataclass(frozen=True, slots=True)
class GoldItems:
    """Answers to known items. `wrong`: those that showed a wrong answer, of which people `found` so many; `right`:
    those that showed the right one, of which they `left` so many as they were."""

    wrong: int = 0
    found: int = 0
    right: int = 0
    left: int = 0

    @property
    def judged(self) -> int:
        """All of them."""
        return self.wrong + self.right

    @property
    def enough(self) -> bool:
        """Whether anything may be concluded about what people miss."""
        return self.wrong >= MIN_ITEMS

    def with_answer(self, *, shown_right: bool, changed: bool) -> "GoldItems":
        """One more answer: `changed` if the person decided for another outcome than the one that was shown."""
        if shown_right:
            return replace(self, right=self.right + 1, left=self.left + (not changed))
        return replace(self, wrong=self.wrong + 1, found=self.found + changed)


@dataclass(frozen=True, slots=True)
class Visible:
    """What of a promise people can see. `limit`: the rate at which people override, at most, if the promise holds in
    truth. `sensitivity`, `false_alarms`: at least so many errors are found, and so many right answers changed."""

    limit: float
    sensitivity: float
    false_alarms: float


def visible(alpha: float, items: GoldItems, risk: float, *, typical: bool = False) -> Visible | None:
    """The limit that stands for a true rate of `alpha`; None where too few items are known, then nothing is assumed.

    With probability ≥ 1 − risk, at every look together: whoever errs more often than `alpha` is overridden more often
    than `limit`. `typical`: the items are as hard as other decisions, so the right answers that people changed among
    them count too, and the limit may lie above `alpha`. Without it they do not: a lead picks hard cases, people change
    more of them, and a limit that counted on that would let errors through.
    """
    if not items.enough:
        return None
    sensitivity = anytime(items.found, items.wrong, risk / 2 if typical else risk)[0]
    false_alarms = anytime(items.right - items.left, items.right, risk / 2)[0] if typical else 0.0
    # Who changes right answers as often as wrong ones tells nothing; the limit then falls to the promise times that.
    limit = sensitivity * alpha + false_alarms * (1 - alpha) if sensitivity > false_alarms else 0.0
    return Visible(limit, sensitivity, false_alarms)


def corrected(estimate: Estimate, items: GoldItems, alpha: float = 0.05) -> Estimate:
    """The rate that flawless reviewers would have found, with the uncertainty of three numbers: of the estimate, and of
    both shares of known items (Rogan and Gladen 1978; Clopper–Pearson for the shares, joined by MOVER).

    `alpha` MUST be that of the estimate. Refuses fewer than MIN_ITEMS of a kind, and people who cannot tell right from
    wrong.
    """
    if not items.enough or items.right < MIN_ITEMS:
        raise InsufficientDataError(
            Reason.TOO_FEW_LABELS,
            f"{items.wrong} known items showed a wrong answer and {items.right} the right one; {MIN_ITEMS} of each are "
            "needed: plant more",
        )
    found, left = items.found / items.wrong, items.left / items.right
    best = rogan_gladen(estimate, found, left, alpha=alpha)
    low, high = best.value - best.low, best.high - best.value
    for ends, other in (
        (clopper_pearson(items.found, items.wrong, alpha), False),
        (clopper_pearson(items.left, items.right, alpha), True),
    ):
        values = [_value(estimate, *((found, end) if other else (end, left))) for end in ends]
        low, high = hypot(low, best.value - min(values)), hypot(high, max(values) - best.value)
    return replace(best, low=max(0.0, best.value - low), high=min(1.0, best.value + high))


def if_missed(rate: float, missed: float = SUPPOSED_MISSED) -> float:
    """The true error rate where people see `rate` and miss the share `missed` of errors."""
    return min(1.0, rate / (1 - missed))


def _value(estimate: Estimate, sensitivity: float, specificity: float) -> float:
    """1 where people could not tell right from wrong: then any rate is possible."""
    if sensitivity + specificity <= 1:
        return 1.0
    return rogan_gladen(estimate, sensitivity, specificity).value
