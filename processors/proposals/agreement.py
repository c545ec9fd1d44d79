"""Reviewers whom the others outvote, told from decisions that two people judged without knowing of each other."""

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
from interlock.processors.proposals.proposal_table import Proposal
from interlock.processors.proposals.record import opened, proposal_id

# Share of disputes. At three of five, the odds of erring are half as high again as those of the people who judged the
# same cases; nearer to one half sooner or later everybody but the best would be named.
LOST_LIMIT = 0.6

# Double reviews that agreement and accuracy are estimated from, of all people; the fit to them takes half a second.
WINDOW = 5_000

# Tasks that wait for their second or third verdict. More than any desk holds; the oldest are forgotten then.
WAITING = 20_000


@dataclass(frozen=True, slots=True)
class _Answer:
    reviewer: str
    outcome: str


@dataclass
class _Person:
    """Counted since the latest time of being `named`. `place`: in the order of the first dispute, from 1."""

    place: int
    named: int = 0
    disputes: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Pair:
    """A double review."""

    domain: str
    answers: tuple[_Answer, _Answer]

    @property
    def agree(self) -> bool:
        return self.answers[0].outcome == self.answers[1].outcome

    def has(self, reviewer: str) -> bool:
        return any(one.reviewer == reviewer for one in self.answers)


class DoubleReviews:
    """A fold of the outcomes in their order. `risk`: of ever naming one reviewer or more wrongly.

    Under four eyes the first two judge alone; where they differ, a third decides, and one of the two has lost. Whoever
    is as good as the people who judge the same cases loses one dispute in two, however hard the cases are and whoever
    these people are; that makes every dispute a coin and every look valid (McNemar 1947, at every look).

    Nothing else is a double review. The third sees both answers, and only decides who was right. Appeals and overrides
    see what was decided before, and an override may be one of the two in his own cause. Audits are blind, but nobody
    judges after them. Gold items are chosen by a lead who knows what people said.

    `refused`: verdicts that could not be used, by reason.
    """

    def __init__(self, risk: float) -> None:
        self._risk = risk
        self._people: dict[str, _Person] = {}
        self._waiting: dict[str, tuple[_Answer, ...]] = {}
        self._pairs: deque[_Pair] = deque(maxlen=WINDOW)
        self.refused: Counter[str] = Counter()

    def take(self, outcome: Mapping[str, Any], *, replayed: bool = False) -> list[Proposal]:
        """Who is named after one `Outcome` record, times as integers. `replayed`: only the state is wanted."""
        if outcome["kind"] not in ("review", "post_approval"):
            return []
        task_id = outcome["task_id"]
        before = self._waiting.get(task_id, ())
        mine = _Answer(outcome["reviewer"], outcome["outcome"])
        if any(one.reviewer == mine.reviewer for one in before):
            self.refused["same-person"] += 1
            return []
        self._waiting.pop(task_id, None)
        match outcome["outcome_id"].rpartition("#")[2], before:
            case "1", _ if not outcome["resolves"]:
                self._wait(task_id, (mine,))
            case "2", (first,):
                self._second(outcome, (first, mine))
            case "2", _:
                self.refused["first-unknown"] += 1
            case "3", (first, second):
                return self._settled((first, second), mine, outcome, replayed=replayed)
        return []

    def _wait(self, task_id: str, answers: tuple[_Answer, ...]) -> None:
        self._waiting[task_id] = answers
        if len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.refused["waited-too-long"] += 1

    def _second(self, outcome: Mapping[str, Any], answers: tuple[_Answer, _Answer]) -> None:
        pair = _Pair(outcome["domain"], answers)
        self._pairs.append(pair)
        # Two may also differ in the fields they changed: a third decides that too, but nobody was wrong on the outcome.
        if not pair.agree:
            self._wait(outcome["task_id"], answers)

    def _settled(
        self, pair: tuple[_Answer, _Answer], third: _Answer, outcome: Mapping[str, Any], *, replayed: bool
    ) -> list[Proposal]:
        if third.outcome not in (one.outcome for one in pair):
            return []  # both were wrong: that tells nothing of one beside the other
        for one in pair:
            person = self._people.setdefault(one.reviewer, _Person(len(self._people) + 1))
            person.disputes += 1
            person.lost += one.outcome != third.outcome
        (loser,) = (one.reviewer for one in pair if one.outcome != third.outcome)
        person = self._people[loser]
        if person.lost <= LOST_LIMIT * person.disputes:
            return []  # and so is the lower bound below
        # Reviewers share the risk, as do the times of being named: 1/(k(k + 1)) adds up to 1.
        times = person.named + 1
        level = self._risk / (person.place * (person.place + 1) * times * (times + 1))
        low, high = anytime(person.lost, person.disputes, level)
        if low <= LOST_LIMIT:
            return []
        # Whoever got better since is left in peace, and whoever did not is named again.
        self._people[loser] = _Person(person.place, times)
        return [] if replayed else [self._named(loser, person, (low, high), level, outcome)]

    def _named(
        self, reviewer: str, person: _Person, bounds: tuple[float, float], level: float, outcome: Mapping[str, Any]
    ) -> Proposal:
        share = person.lost / person.disputes
        evidence = {
            "reviewer": reviewer,
            "method": "paired comparison with the others who judged the same decisions, valid at every look",
            "disputes": person.disputes,
            "lost": person.lost,
            "lost_share": share,
            "lower": bounds[0],
            "upper": bounds[1],
            "level": level,
            "domain": outcome["domain"],
            **_estimates([one for one in self._pairs if one.domain == outcome["domain"]], reviewer),
        }
        claim = (
            f"{reviewer} and somebody else judged {person.disputes} decisions differently without knowing of each "
            f"other, and the third sided with the other in {person.lost}, {share:.0%}; as good as the others would be "
            f"half, and it is above {LOST_LIMIT:.0%} beyond doubt (at least {bounds[0]:.0%}). Look at these cases "
            f"together: either {reviewer} misreads the guidelines, or sees what the others overlook"
        )
        return opened(
            "coaching",
            proposal_id("coaching", "agreement", reviewer, person.named),
            title=f"{reviewer} is outvoted by the others",
            claim=claim,
            at=outcome["at"],
            evidence=evidence,
        )


def _estimates(pairs: list[_Pair], reviewer: str) -> dict[str, Any]:
    """What the latest double reviews of one domain say of `reviewer`; no part of the test. None: it cannot be told.

    Sensitivity and specificity cannot be told from pairs (`learning.dawid_skene.fit`), so everybody has one accuracy.
    Its interval takes that of the others as known, which fits the worst of them and is too narrow for the best.
    """
    mine = [one for one in pairs if one.has(reviewer)]
    told: dict[str, Any] = {
        "double_reviews": len(mine),
        "double_reviews_of_all": len(pairs),
        "agreed": sum(one.agree for one in mine),
        "krippendorff_alpha": _alpha(mine),
        "krippendorff_alpha_of_others": _alpha([one for one in pairs if not one.has(reviewer)]),
    }
    try:
        own = _quality(pairs, reviewer)
    except InsufficientDataError as refusal:
        return told | {"dawid_skene_accuracy": None, "dawid_skene_refusal": f"{refusal.reason}: {refusal}"}
    return told | {
        "dawid_skene_accuracy": own.accuracy,
        "dawid_skene_lower": own.low,
        "dawid_skene_upper": own.high,
    }


def _alpha(pairs: list[_Pair]) -> dict[str, float] | None:
    """With its interval; None where nothing, or only one outcome, was said."""
    _, answers = _numbered([[one.outcome for one in pair.answers] for pair in pairs])
    try:
        found = krippendorff_alpha(answers)
    except InsufficientDataError:
        return None
    return {"value": found.value, "lower": found.low, "upper": found.high}


def _quality(pairs: list[_Pair], reviewer: str) -> Quality:
    """Raises Refusal."""
    names, people = _numbered([[one.reviewer for one in pair.answers] for pair in pairs])
    outcomes, answers = _numbered([[one.outcome for one in pair.answers] for pair in pairs])
    if reviewer not in names:
        raise InsufficientDataError(
            Reason.NO_DATA, f"no decision of {reviewer} is among the latest {WINDOW:,} double reviews"
        )
    rows = np.repeat(np.arange(len(pairs)), 2), people.ravel(), answers.ravel()
    fitted = fit(*rows, classes=len(outcomes), one_accuracy=True)
    return quality(fitted, *rows)[names.index(reviewer)]


def _numbered(pairs: list[list[str]]) -> tuple[list[str], NDArray[np.int64]]:
    """The different texts in order, and (pairs × 2) their numbers."""
    texts = sorted({one for pair in pairs for one in pair})
    numbers = {text: number for number, text in enumerate(texts)}
    return texts, np.array([[numbers[one] for one in pair] for pair in pairs], dtype=np.int64).reshape(-1, 2)
