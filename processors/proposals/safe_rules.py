"""Mines and certifies safe rules, in a few tests on ever more examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interlock.learning.certification import uniform_sample
from interlock.learning.rules import SafeRule, safe_rules
from interlock.policy.vocabulary import ColumnType
from interlock.processors.proposals.examples import Example, coin
from interlock.processors.proposals.patterns import Pattern, columns, pattern

# Examples at the first test; each further one waits for twice as many. Fewer than about 240 cannot prove any rule at 5
# %.
FIRST_TEST = 500


@dataclass(frozen=True, slots=True)
class CertifiedRule:
    """A certified rule. `level`: the share of the total risk that this test had."""

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
        """Whether `count` examples are enough for the next test."""
        return count >= FIRST_TEST << self._tests

    def test(self, examples: Sequence[Example], types: Mapping[str, ColumnType]) -> list[CertifiedRule]:
        """The certified rules of the next test, over declared attributes of `types`, widest first."""
        self._tests += 1
        level = self._delta / (self._tests * (self._tests + 1))
        propensity = np.array([example.propensity for example in examples])
        coins = np.array([coin(example.example_id, "uniform sample") for example in examples])
        kept = uniform_sample(propensity, coins, float(propensity.min()))
        sample = [example for example, keep in zip(examples, kept, strict=True) if keep]
        features = columns(sample, types)
        if not features:
            return []
        first = np.array([coin(example.example_id, "first half") < 0.5 for example in sample])
        correct = np.array([example.correct for example in sample])
        rules = safe_rules(features, correct, first, alpha=self._alpha, delta=level)
        certified = [(pattern(rule.mined.conditions, types), rule) for rule in rules if rule.certified]
        return [
            CertifiedRule(readable, rule, len(sample), level) for readable, rule in certified if readable is not None
        ]
