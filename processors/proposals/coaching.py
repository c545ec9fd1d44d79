"""Proposes coaching for reviewers who miss gold items, override far less than their cases call for, or are outvoted by
the others."""

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

# Verdicts of all reviewers together at the first comparison; each further comparison waits for twice as many.
FIRST_TEST = 500

# The share of gold items below which a person is not trusted alone.
GOLD_LIMIT = 0.8


@dataclass
class _Reviewer:
    """`rank`: position among the reviewers, from 1, in the order of their first verdict."""

    rank: int
    answers: int = 0
    overrides: int = 0
    expected: float = 0.0
    gold: int = 0
    gold_right: int = 0
    named: bool = False  # for missing gold items


class CoachingFold:
    """A fold of the outcomes in their order. `risk`: of ever naming any reviewer wrongly, for each of the questions."""

    def __init__(self, table: ProposalTable, risk: float = 0.05) -> None:
        self._table = table
        self._risk = risk
        self._reviewers: dict[str, _Reviewer] = {}
        self._answers = 0
        self._tests = 0
        self._double_reviews = DoubleReviews(risk)

    def process(self, outcome: Mapping[str, Any], *, replayed: bool = False) -> list[Event]:
        """What follows from one `Outcome` record, times as integers. `replayed`: only the state is needed."""
        if outcome["seeded"]:
            return []  # a wrong answer was shown on purpose: what that says of a person the reliance report tells
        reviewer = self._reviewers.setdefault(outcome["reviewer"], _Reviewer(len(self._reviewers) + 1))
        proposals = self._double_reviews.add(outcome, replayed=replayed)
        if outcome["kind"] == "gold":
            reviewer.gold += 1
            reviewer.gold_right += outcome["outcome"] == outcome["gold_outcome"]
            proposals += self._gold(outcome["reviewer"], reviewer, outcome["at"])
        elif self._shown(outcome):
            reviewer.answers += 1
            reviewer.overrides += outcome["overridden"]
            reviewer.expected += 1 - outcome["confidence"]
            self._answers += 1
            proposals += self._overrides(outcome["at"])
        if replayed:
            return []
        return [self._table.put(new) for new in proposals if not self._table.get(new["proposal_id"])]

    @property
    def refused(self) -> Counter[str]:
        """Number of verdicts in double reviews that could not be used, by reason."""
        return self._double_reviews.refused

    @staticmethod
    def _shown(outcome: Mapping[str, Any]) -> bool:
        """A first verdict by a person who saw the AI's answer: only such a person can just agree with it. Not of what
        people pick themselves among post_approval decisions, where doubtful ones are opened first."""
        first = outcome["kind"] == "review" and outcome["round"] == 0
        return first and not outcome["blind"] and 0 <= outcome["confidence"] <= 1

    def _gold(self, name: str, reviewer: _Reviewer, at: int) -> list[dict[str, Any]]:
        """The test is valid at every look. Reviewers share the risk: 1/(k(k + 1)) adds up to 1."""
        if reviewer.named:
            return []
        low, high = anytime(reviewer.gold_right, reviewer.gold, self._risk / (reviewer.rank * (reviewer.rank + 1)))
        if high >= GOLD_LIMIT:
            return []
        reviewer.named = True
        share = reviewer.gold_right / reviewer.gold
        claim = (
            f"{name} was right on {reviewer.gold_right} of {reviewer.gold} known items, {share:.0%}; it is below "
            f"{GOLD_LIMIT:.0%} beyond doubt (at most {high:.0%}). Talk about the guidelines before anything else"
        )
        evidence = {
            "method": "confidence sequence, valid at every look",
            "right": reviewer.gold_right,
            "items": reviewer.gold,
            "accuracy": share,
            "lower": low,
            "upper": high,
        }
        return [self._opened("gold", name, f"{name} misses known items", claim, evidence, at)]

    def _overrides(self, at: int) -> list[dict[str, Any]]:
        if self._answers < FIRST_TEST << self._tests:
            return []
        self._tests += 1
        # The tests share the risk in the same way.
        risk = self._risk / (self._tests * (self._tests + 1))
        names = sorted(name for name, reviewer in self._reviewers.items() if reviewer.answers)
        reviewers = [self._reviewers[name] for name in names]
        try:
            results = too_few_overrides(
                np.array([reviewer.overrides for reviewer in reviewers]),
                np.array([reviewer.answers for reviewer in reviewers]),
                np.array([min(reviewer.expected, reviewer.answers) for reviewer in reviewers]),
                alpha=risk,
            )
        except InsufficientDataError:
            return []
        proposals = []
        for result in results:
            name = names[result.reviewer]
            claim = (
                f"{name} overrode {result.overrides} of {result.answers:,} decisions where the confidence of the "
                f"models calls for about {result.expected:.0f}. Perhaps reviewing has become a habit: show some items "
                "blind, and ask. If the models are better than they think, calibrate them first"
            )
            evidence = {
                "method": "binomial test with Holm's correction over reviewers",
                "answers": result.answers,
                "overrides": result.overrides,
                "expected": result.expected,
                "adjusted_p_value": result.adjusted_p,
                "level": risk,
            }
            proposals.append(self._opened("overrides", name, f"{name} hardly ever overrides", claim, evidence, at))
        return proposals

    def _opened(
        self, question: str, reviewer: str, title: str, claim: str, evidence: Mapping[str, Any], at: int
    ) -> dict[str, Any]:
        proposal = proposal_id("coaching", question, reviewer, self._tests if question == "overrides" else 0)
        return opened(
            "coaching", proposal, at=at, title=title, claim=claim, evidence={"reviewer": reviewer, **evidence}
        )
