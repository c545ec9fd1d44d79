"""What people's own errors make of rates and promises: how many errors they miss, and how many right answers they
change, from items whose answer is known and from decisions that two judged independently.

With sensitivity Se and false-alarm rate F a decision that errs with rate e is overridden with rate Se·e + F·(1 − e).
Assumes that people judge known items, or what two judge, as they judge others. Where those are harder, as cases that a
lead picks mostly are, more is missed among them, and what follows for e is too cautious. Where both sources tell, what
follows holds if either of them speaks for other decisions: a promise takes the smaller bound, a rate the interval that
covers both. So no risk is divided between them.
"""

from dataclasses import dataclass, replace
from math import hypot

from interlock.learning.bounds import anytime, clopper_pearson
from interlock.learning.double_reviews import MIN_FOUND, PairCounts, Share
from interlock.learning.double_reviews import false_alarms as false_alarms_of_pairs
from interlock.learning.double_reviews import sensitivity as sensitivity_of_pairs
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
    truth. `sensitivity`, `false_alarms`: at least so many errors are found, and so many right answers changed.
    `by_gold`, `by_pairs`: the sensitivity that each source vouches for; None where it knows too little."""

    limit: float
    sensitivity: float
    false_alarms: float
    by_gold: float | None = None
    by_pairs: float | None = None


def visible(
    alpha: float, items: GoldItems, risk: float, *, typical: bool = False, pairs: PairCounts | None = None
) -> Visible | None:
    """The limit that stands for a true rate of `alpha`; None where too little is known, then nothing is assumed.

    With probability ≥ 1 − risk, at every look together: whoever errs more often than `alpha` is overridden more often
    than `limit`. `pairs` can only lower a limit. `typical`: the items are as hard as other decisions, so the right
    answers that people changed among them count too, and the limit may lie above `alpha`. Without it they do not: a
    lead picks hard cases, people change more of them, and a limit that counted on that would let errors through.
    """
    risk = risk / 2 if typical else risk
    by_gold = anytime(items.found, items.wrong, risk)[0] if items.enough else None
    by_pairs = sensitivity_of_pairs(pairs, risk, anytime).low if pairs is not None and pairs.enough else None
    known = [bound for bound in (by_gold, by_pairs) if bound is not None]
    if not known:
        return None
    sensitivity, false_alarms = min(known), 0.0
    if typical and items.enough:
        false_alarms = anytime(items.right - items.left, items.right, risk)[0]
        if pairs is not None and pairs.enough:
            false_alarms = min(false_alarms, false_alarms_of_pairs(pairs, risk, anytime).low)
    # Who changes right answers as often as wrong ones tells nothing; the limit then falls to the promise times that.
    limit = sensitivity * alpha + false_alarms * (1 - alpha) if sensitivity > false_alarms else 0.0
    return Visible(limit, sensitivity, false_alarms, by_gold, by_pairs)


def corrected(estimate: Estimate, items: GoldItems, alpha: float = 0.05, pairs: PairCounts | None = None) -> Estimate:
    """The rate that flawless reviewers would have found, with the uncertainty of three numbers: of the estimate, and of
    both shares of known items (Rogan and Gladen 1978; Clopper–Pearson for the shares, joined by MOVER). The value is
    that of the known items where there are enough of them.

    `alpha` MUST be that of the estimate. Refuses fewer than MIN_ITEMS of a kind, and people who cannot tell right from
    wrong.
    """
    known = []
    if items.enough and items.right >= MIN_ITEMS:
        known.append((_share(items.found, items.wrong, alpha), _share(items.left, items.right, alpha)))
    if pairs is not None and pairs.enough and pairs.neither >= MIN_ITEMS:
        known.append((sensitivity_of_pairs(pairs, alpha), false_alarms_of_pairs(pairs, alpha).rest))
    if not known:
        raise InsufficientDataError(
            Reason.TOO_FEW_LABELS,
            f"{items.wrong} known items showed a wrong answer and {items.right} the right one; {MIN_ITEMS} of each are "
            f"needed: plant more. Of two who judged independently one has found {pairs.found if pairs else 0} errors; "
            f"{MIN_FOUND} are needed, and {MIN_ITEMS} decisions that both left",
        )
    found = [_by(estimate, *shares, alpha) for shares in known]
    return replace(found[0], low=min(one.low for one in found), high=max(one.high for one in found))


def _share(successes: int, trials: int, alpha: float) -> Share:
    return Share(successes / trials, *clopper_pearson(successes, trials, alpha))


def _by(estimate: Estimate, found: Share, left: Share, alpha: float) -> Estimate:
    """`found`: the share of errors that people find; `left`: that of right answers that they leave."""
    best = rogan_gladen(estimate, found.value, left.value, alpha=alpha)
    low, high = best.value - best.low, best.high - best.value
    for values in (
        [_value(estimate, end, left.value) for end in (found.low, found.high)],
        [_value(estimate, found.value, end) for end in (left.low, left.high)],
    ):
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
