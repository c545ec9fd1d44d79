"""Finds the decisions that two people judged independently, and what the third decided where they differed.

Under four eyes the first two reviewers judge alone. Nothing else is a double review. The third reviewer sees both
verdicts, and only decides which was right. Appeals and overrides follow a known decision, and one of the two may
override in their own cause. Audits are blind, but no second verdict follows them. A lead who knows the verdicts chooses
gold items.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from interlock.processors.outcomes import verdict_number

# Tasks that wait for their second or third verdict: more than any desk holds. Beyond it the oldest are forgotten.
MAX_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one person decided for."""

    reviewer: str
    outcome: str

    def has(self, reviewer: str) -> bool:
        return self.reviewer == reviewer


@dataclass(frozen=True, slots=True)
class Pair:
    """A double review. `prediction`: what the model had proposed. `word`: the outcome of both, or the third's where
    they differ; None while that is awaited."""

    domain: str
    prediction: str
    verdicts: tuple[Verdict, Verdict]
    word: str | None

    @property
    def agree(self) -> bool:
        """Two may also differ only in the fields they changed. A third decides that too, but neither outcome was wrong:
        they agree."""
        return self.verdicts[0].outcome == self.verdicts[1].outcome

    @property
    def changed(self) -> int:
        """How many of the two decided for another outcome than the model."""
        return sum(verdict.outcome != self.prediction for verdict in self.verdicts)

    def has(self, reviewer: str) -> bool:
        return any(verdict.has(reviewer) for verdict in self.verdicts)


class PairFinder:
    """A fold of the outcomes in their order. `refused`: number of verdicts that could not be used, by reason."""

    def __init__(self) -> None:
        self._waiting: dict[str, Verdict | Pair] = {}
        self.refused: Counter[str] = Counter()

    def add(self, outcome: Mapping[str, Any]) -> Pair | None:
        """Adds an `Outcome` record; the pair that it makes as the second verdict, or settles as the third."""
        if outcome["kind"] not in ("review", "post_approval"):
            return None
        task_id = outcome["task_id"]
        verdict = Verdict(outcome["reviewer"], outcome["outcome"])
        before = self._waiting.get(task_id)
        if before is not None and before.has(verdict.reviewer):
            self.refused["same-person"] += 1
            return None
        self._waiting.pop(task_id, None)
        match verdict_number(outcome), before:
            case 1, _ if not outcome["resolves"]:
                self._wait(task_id, verdict)
            case 2, Verdict() as first:
                return self._second(outcome, (first, verdict))
            case 2, _:
                self.refused["first-unknown"] += 1
            case 3, Pair() as pair:
                return replace(pair, word=verdict.outcome)
        return None

    def _second(self, outcome: Mapping[str, Any], verdicts: tuple[Verdict, Verdict]) -> Pair:
        pair = Pair(outcome["domain"], outcome["prediction"], verdicts, None)
        if pair.agree:
            return replace(pair, word=outcome["outcome"])
        self._wait(outcome["task_id"], pair)
        return pair

    def _wait(self, task_id: str, what: Verdict | Pair) -> None:
        self._waiting[task_id] = what
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.refused["waited-too-long"] += 1
