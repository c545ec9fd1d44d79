"""What is known of one model version: its reviewed decisions, and whether it must be trained again."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlock.learning.retraining import LIMIT
from interlock.learning.slices import Slice, find
from interlock.processors.feedback.martingale import TestMartingale
from interlock.processors.feedback.patterns import columns, facts


@dataclass(frozen=True)
class Terms:
    """How it is judged.

    `smallest_propensity`: the least π that any policy gives a decision, its audit rate: known beforehand, because the
    bound would not hold for the smallest that happened to be seen. `every`: outcomes between two looks. `renew`:
    outcomes after which retraining is asked for again. `window`: latest outcomes in which patterns are looked for.
    """

    limit: float = LIMIT
    smallest_propensity: float = 0.05
    every: int = 100
    renew: int = 500
    window: int = 20_000
    min_support: int = 11
    alpha: float = 0.05
    level: float = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """One reviewed decision."""

    overridden: bool
    propensity: float
    facts: dict[str, str]


class Sums:
    """Rates of a run of samples."""

    def __init__(self) -> None:
        self.count = self.overridden = 0
        self._weights = self._weighted = 0.0

    def add(self, one: Sample) -> None:
        weight = 1 / one.propensity
        self.count += 1
        self.overridden += one.overridden
        self._weights += weight
        self._weighted += weight * one.overridden

    @property
    def rate(self) -> float:
        """Of all decisions, each sample counting 1/π (Hájek); 0 before the first one."""
        return self._weighted / self._weights if self.count else 0.0


class ModelVersionStats:
    """The samples of one model version, in the order in which people finished them."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._lower = TestMartingale(terms.limit, terms.alpha)
        self._upper = TestMartingale(1 - terms.limit, terms.alpha)
        self.all = Sums()
        self._since_asked = Sums()
        self._asked = False
        self.window: deque[Sample] = deque(maxlen=terms.window)
        self._words: OrderedDict[str, str] = OrderedDict()
        self._told: set[str] = set()
        self._looks = 0
        self._next_look = terms.every
        self.contradictions = 0
        self.first_example = self.last_example = ""
        self.too_small = False

    def add(self, outcome: dict[str, Any], example: dict[str, Any]) -> bool:
        """Takes a sample; False where the decision was one already. The first word on a decision is its sample."""
        decision = outcome["decision_id"]
        word = self._words.get(decision)
        if word is not None:
            self.contradictions += word != outcome["outcome"]
            return False
        self._words[decision] = outcome["outcome"]
        if len(self._words) > self._terms.window:
            self._words.popitem(last=False)
        one = Sample(outcome["outcome"] != outcome["prediction"], outcome["propensity"], facts(example))
        self.window.append(one)
        self.all.add(one)
        self._since_asked.add(one)
        self.first_example = self.first_example or example["example_id"]
        self.last_example = example["example_id"]
        if one.propensity < self._terms.smallest_propensity:
            self.too_small = True
        else:
            weight = self._terms.smallest_propensity / one.propensity
            self._lower.add(float(one.overridden), weight)
            self._upper.add(float(not one.overridden), weight)
        return True

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Of the override rate of all decisions; each end holds at 1 − alpha at any look. None: nothing can be said."""
        return None if self.too_small else (self._lower.lower, 1 - self._upper.lower)

    def must_ask(self) -> bool:
        """Whether to ask for retraining now; counts as asked then.

        The bound stays exceeded for good. It is renewed only if people went on overriding as much since.
        """
        if self.too_small or not self._lower.exceeded:
            return False
        since = self._since_asked
        if self._asked and (since.count < self._terms.renew or since.rate <= self._terms.limit):
            return False
        self._asked, self._since_asked = True, Sums()
        return True

    def slices(self, level: float | None = None) -> list[Slice]:
        """Patterns with more overrides than elsewhere, most certain first."""
        return find(
            columns([one.facts for one in self.window]),
            np.array([one.overridden for one in self.window], dtype=np.bool_),
            np.array([one.propensity for one in self.window]),
            min_support=self._terms.min_support,
            level=level if level is not None else self._terms.level,
        )

    def new_slices(self) -> list[Slice]:
        """Patterns that were not told before, if it is time to look for them.

        A full window hardly changes with a hundred outcomes, and looking at it takes 0.2 s: a tenth of it must be new.
        The k-th look may be wrong with probability level / (k (k + 1)), so that all looks together are with `level`.
        """
        if self.all.count < self._next_look:
            return []
        self._next_look = self.all.count + max(self._terms.every, len(self.window) // 10)
        self._looks += 1
        found = self.slices(self._terms.level / (self._looks * (self._looks + 1)))
        new = [one for one in found if str(one.conditions) not in self._told]
        self._told.update(str(one.conditions) for one in new)
        return new
