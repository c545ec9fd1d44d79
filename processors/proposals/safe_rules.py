"""Rules under which everything that people saw was right, tested a few times on ever more examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interlock.learning.certification import uniform_sample
from interlock.learning.rules import SafeRule, safe_rules
from interlock.policy.vocabulary import ColumnType
from interlock.processors.proposals.examples import Example, coin
from interlock.processors.proposals.patterns import Pattern, columns, pattern

# Examples at the first test; each further one waits for twice as many. Fewer than some 240 prove no rule at 5 %.
FIRST_TEST = 500


@dataclass(frozen=True, slots=True)
class Safe:
    """A certified rule. `level`: the risk this test had, of all that there will ever be."""

    pattern: Pattern
    rule: SafeRule
    sample: int
    level: float


class RuleTests:
    """When to test, and at which risk: the k-th test may err with probability δ/(k(k + 1)), all together with δ."""

    def __init__(self, alpha: float, delta: float) -> None:
        self._alpha = alpha
        self._delta = delta
        self._tests = 0

    def due(self, count: int) -> bool:
        """Whether so many examples are enough for the next test."""
        return count >= FIRST_TEST << self._tests

    def test(self, examples: Sequence[Example], types: Mapping[str, ColumnType]) -> list[Safe]:
        """The certified rules of the next test, over declared attributes of `types`, widest first."""
        self._tests += 1
        level = self._delta / (self._tests * (self._tests + 1))
        propensity = np.array([one.propensity for one in examples])
        coins = np.array([coin(one.example_id, "uniform sample") for one in examples])
        kept = uniform_sample(propensity, coins, float(propensity.min()))
        sample = [one for one, its in zip(examples, kept, strict=True) if its]
        features = columns(sample, types)
        if not features:
            return []
        first = np.array([coin(one.example_id, "first half") < 0.5 for one in sample])
        correct = np.array([one.correct for one in sample])
        found = safe_rules(features, correct, first, alpha=self._alpha, delta=level)
        certified = [(pattern(one.found.conditions, types), one) for one in found if one.certified]
        return [Safe(its, one, len(sample), level) for its, one in certified if its is not None]
