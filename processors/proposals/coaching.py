"""Reviewers who seem to need a word: they miss known items, override far less than their cases call for, or are
outvoted by the others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlock.learning.bounds import anytime
from interlock.learning.dawid_skene import too_few_overrides
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.processors.events import Event
from interlock.processors.proposals.agreement import DoubleReviews
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened, proposal_id

# Verdicts of all reviewers together at the first comparison; each further one waits for twice as many.
FIRST_TEST = 500

# Of gold items: below it a person is not trusted alone.
GOLD_LIMIT = 0.8


@dataclass
class _Reviewer:
    """`place`: among the reviewers, from 1 in the order in which they came."""

    place: int
    answers: int = 0
    overrides: int = 0
    expected: float = 0.0
    gold: int = 0
    gold_right: int = 0
    named: bool = False  # as one who misses known items


class CoachingFold:
    """A fold of the outcomes in their order. `risk`: of ever naming one reviewer or more wrongly, per question."""

    def __init__(self, book: ProposalTable, risk: float = 0.05) -> None:
        self._book = book
        self._risk = risk
        self._reviewers: dict[str, _Reviewer] = {}
        self._answers = 0
        self._tests = 0
        self._doubles = DoubleReviews(risk)

    def take(self, outcome: Mapping[str, Any], *, replayed: bool = False) -> list[Event]:
        """What follows from one `Outcome` record, times as integers. `replayed`: only the state is wanted."""
        one = self._reviewers.setdefault(outcome["reviewer"], _Reviewer(len(self._reviewers) + 1))
        made = self._doubles.take(outcome, replayed=replayed)
        if outcome["kind"] == "gold":
            one.gold += 1
            one.gold_right += outcome["outcome"] == outcome["gold_outcome"]
            made += self._gold(outcome["reviewer"], one, outcome["at"])
        elif self._shown(outcome):
            one.answers += 1
            one.overrides += outcome["overridden"]
            one.expected += 1 - outcome["confidence"]
            self._answers += 1
            made += self._overrides(outcome["at"])
        return [] if replayed else [self._book.note(one) for one in made if not self._book.get(one["proposal_id"])]

    @property
    def refused(self) -> Counter[str]:
        """Verdicts on what two people judged that could not be used, by reason."""
        return self._doubles.refused

    @staticmethod
    def _shown(outcome: Mapping[str, Any]) -> bool:
        """A first verdict that was given in sight of the AI's answer: only there can somebody just nod."""
        first = outcome["kind"] in ("review", "post_approval") and outcome["round"] == 0
        return first and not outcome["blind"] and 0 <= outcome["confidence"] <= 1

    def _gold(self, reviewer: str, one: _Reviewer, at: int) -> list[dict[str, Any]]:
        """Holds at every look; the reviewers share the risk, as 1/(k(k + 1)) adds up to 1."""
        if one.named:
            return []
        low, high = anytime(one.gold_right, one.gold, self._risk / (one.place * (one.place + 1)))
        if high >= GOLD_LIMIT:
            return []
        one.named = True
        share = one.gold_right / one.gold
        claim = (
            f"{reviewer} was right on {one.gold_right} of {one.gold} known items, {share:.0%}; it is below "
            f"{GOLD_LIMIT:.0%} beyond doubt (at most {high:.0%}). Talk about the guidelines before anything else"
        )
        evidence = {
            "method": "confidence sequence, valid at every look",
            "right": one.gold_right,
            "items": one.gold,
            "accuracy": share,
            "lower": low,
            "upper": high,
        }
        return [self._opened("gold", reviewer, f"{reviewer} misses known items", claim, evidence, at)]

    def _overrides(self, at: int) -> list[dict[str, Any]]:
        if self._answers < FIRST_TEST << self._tests:
            return []
        self._tests += 1
        # So do the tests.
        risk = self._risk / (self._tests * (self._tests + 1))
        names = sorted(name for name, one in self._reviewers.items() if one.answers)
        people = [self._reviewers[name] for name in names]
        try:
            found = too_few_overrides(
                np.array([one.overrides for one in people]),
                np.array([one.answers for one in people]),
                np.array([min(one.expected, one.answers) for one in people]),
                alpha=risk,
            )
        except InsufficientDataError:
            return []
        made = []
        for one in found:
            reviewer = names[one.reviewer]
            claim = (
                f"{reviewer} overrode {one.overrides} of {one.answers:,} decisions where the confidence of the models "
                f"calls for about {one.expected:.0f}. Perhaps reviews have become a habit: show some items blind, and "
                "ask. If the models are better than they think, calibrate them first"
            )
            evidence = {
                "method": "binomial test with Holm's correction over reviewers",
                "answers": one.answers,
                "overrides": one.overrides,
                "expected": one.expected,
                "adjusted_p_value": one.adjusted_p,
                "level": risk,
            }
            made.append(self._opened("overrides", reviewer, f"{reviewer} hardly ever overrides", claim, evidence, at))
        return made

    def _opened(
        self, question: str, reviewer: str, title: str, claim: str, evidence: Mapping[str, Any], at: int
    ) -> dict[str, Any]:
        name = proposal_id("coaching", question, reviewer, self._tests if question == "overrides" else 0)
        return opened("coaching", name, at=at, title=title, claim=claim, evidence={"reviewer": reviewer, **evidence})
