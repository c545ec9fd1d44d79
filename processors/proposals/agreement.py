"""Finds reviewers whom the others outvote, in decisions that two people judged independently."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.learning.agreement import krippendorff_alpha
from interlock.learning.bounds import anytime
from interlock.learning.dawid_skene import Quality, fit, quality
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.processors.double_reviews import Pair, PairFinder, Verdict
from interlock.processors.proposals.proposal_table import Proposal
from interlock.processors.proposals.record import opened, proposal_id

# Share of disputes lost. At three of five, the odds of erring are half as high again as those of the people who judged
# the same cases; with a limit nearer to one half, all but the best would be named sooner or later.
LOST_LIMIT = 0.6

# Double reviews, of all people, from which agreement and accuracy are estimated; the fit takes half a second.
WINDOW = 5_000


@dataclass
class _Reviewer:
    """Counted since the reviewer was last `named`. `rank`: position in the order of the first dispute, from 1."""

    rank: int
    named: int = 0
    disputes: int = 0
    lost: int = 0


class DoubleReviews:
    """A fold of the outcomes in their order. `risk`: of ever naming any reviewer wrongly.

    Under four eyes the first two reviewers judge alone. Where they differ, a third decides, and one of the two has
    lost. A reviewer who is as good as the others on the same cases loses one dispute in two, however hard the cases are
    and whatever the accuracy of the others. Every dispute is therefore a coin, and every look is valid (McNemar 1947,
    at every look).
    """

    def __init__(self, risk: float) -> None:
        self._risk = risk
        self._reviewers: dict[str, _Reviewer] = {}
        self._finder = PairFinder()
        self._pairs: deque[Pair] = deque(maxlen=WINDOW)

    @property
    def refused(self) -> Counter[str]:
        """Number of verdicts that could not be used, by reason."""
        return self._finder.refused

    def add(self, outcome: Mapping[str, Any], *, replayed: bool = False) -> list[Proposal]:
        """Adds an `Outcome` record, times as integers; a proposal for the reviewer whom it names, if any. `replayed`:
        only the state is needed."""
        pair = self._finder.add(outcome)
        if pair is None:
            return []
        if pair.agree or pair.word is None:
            self._pairs.append(pair)
            return []
        return self._dispute(pair.verdicts, pair.word, outcome, replayed=replayed)

    def _dispute(
        self, pair: tuple[Verdict, Verdict], word: str, outcome: Mapping[str, Any], *, replayed: bool
    ) -> list[Proposal]:
        if word not in (verdict.outcome for verdict in pair):
            return []  # both were wrong, which does not compare them
        for verdict in pair:
            reviewer = self._reviewers.setdefault(verdict.reviewer, _Reviewer(len(self._reviewers) + 1))
            reviewer.disputes += 1
            reviewer.lost += verdict.outcome != word
        (loser,) = (verdict.reviewer for verdict in pair if verdict.outcome != word)
        reviewer = self._reviewers[loser]
        if reviewer.lost <= LOST_LIMIT * reviewer.disputes:
            return []  # the lower bound is no higher
        # Reviewers share the risk, as do repeated namings of one reviewer: 1/(k(k + 1)) adds up to 1.
        times = reviewer.named + 1
        level = self._risk / (reviewer.rank * (reviewer.rank + 1) * times * (times + 1))
        low, high = anytime(reviewer.lost, reviewer.disputes, level)
        if low <= LOST_LIMIT:
            return []
        # Counting starts again: a reviewer who does not improve is named again.
        self._reviewers[loser] = _Reviewer(reviewer.rank, times)
        return [] if replayed else [self._named(loser, reviewer, (low, high), level, outcome)]

    def _named(
        self, name: str, reviewer: _Reviewer, bounds: tuple[float, float], level: float, outcome: Mapping[str, Any]
    ) -> Proposal:
        share = reviewer.lost / reviewer.disputes
        evidence = {
            "reviewer": name,
            "method": "paired comparison with the others who judged the same decisions, valid at every look",
            "disputes": reviewer.disputes,
            "lost": reviewer.lost,
            "lost_share": share,
            "lower": bounds[0],
            "upper": bounds[1],
            "level": level,
            "domain": outcome["domain"],
            **_estimates([pair for pair in self._pairs if pair.domain == outcome["domain"]], name),
        }
        claim = (
            f"{name} and another reviewer judged {reviewer.disputes} decisions independently and differently, and the "
            f"third reviewer sided against {name} in {reviewer.lost}, {share:.0%}; a reviewer as good as the others "
            f"would lose half, and the share is above {LOST_LIMIT:.0%} beyond doubt (at least {bounds[0]:.0%}). Look "
            f"at these cases together: either {name} misreads the guidelines, or sees what the others overlook"
        )
        return opened(
            "coaching",
            proposal_id("coaching", "agreement", name, reviewer.named),
            title=f"{name} is outvoted by the others",
            claim=claim,
            at=outcome["at"],
            evidence=evidence,
        )


def _estimates(pairs: list[Pair], reviewer: str) -> dict[str, Any]:
    """What the latest double reviews of one domain say about `reviewer`; not part of the test. None: not known.

    Pairs do not determine sensitivity and specificity (`learning.dawid_skene.fit`), so each reviewer has one accuracy.
    Its interval takes the accuracy of the others as known, which fits the worst of them and is too narrow for the best.
    """
    own = [pair for pair in pairs if pair.has(reviewer)]
    estimates: dict[str, Any] = {
        "double_reviews": len(own),
        "double_reviews_of_all": len(pairs),
        "agreed": sum(pair.agree for pair in own),
        "krippendorff_alpha": _alpha(own),
        "krippendorff_alpha_of_others": _alpha([pair for pair in pairs if not pair.has(reviewer)]),
    }
    try:
        accuracy = _quality(pairs, reviewer)
    except InsufficientDataError as error:
        return estimates | {"dawid_skene_accuracy": None, "dawid_skene_refusal": f"{error.reason}: {error}"}
    return estimates | {
        "dawid_skene_accuracy": accuracy.accuracy,
        "dawid_skene_lower": accuracy.low,
        "dawid_skene_upper": accuracy.high,
    }


def _alpha(pairs: list[Pair]) -> dict[str, float] | None:
    """Krippendorff's alpha with its interval; None without pairs, or if all verdicts have the same outcome."""
    _, answers = _numbered([[verdict.outcome for verdict in pair.verdicts] for pair in pairs])
    try:
        alpha = krippendorff_alpha(answers)
    except InsufficientDataError:
        return None
    return {"value": alpha.value, "lower": alpha.low, "upper": alpha.high}


def _quality(pairs: list[Pair], reviewer: str) -> Quality:
    """Raises InsufficientDataError."""
    names, people = _numbered([[verdict.reviewer for verdict in pair.verdicts] for pair in pairs])
    outcomes, answers = _numbered([[verdict.outcome for verdict in pair.verdicts] for pair in pairs])
    if reviewer not in names:
        raise InsufficientDataError(
            Reason.NO_DATA, f"no decision of {reviewer} is among the latest {WINDOW:,} double reviews"
        )
    rows = np.repeat(np.arange(len(pairs)), 2), people.ravel(), answers.ravel()
    fitted = fit(*rows, classes=len(outcomes), one_accuracy=True)
    return quality(fitted, *rows)[names.index(reviewer)]


def _numbered(pairs: list[list[str]]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts, sorted, and the (pairs × 2) array of their numbers."""
    texts = sorted({text for pair in pairs for text in pair})
    numbers = {text: number for number, text in enumerate(texts)}
    return texts, np.array([[numbers[text] for text in pair] for pair in pairs], dtype=np.int64).reshape(-1, 2)
