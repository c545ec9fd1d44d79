"""Finds safe rules on earlier examples and proves them on later ones, in a few rounds on ever more examples."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interlock.learning.rule_evidence import SAME, Found, RuleEvidence, add, find, nearness, no_evidence, proved
from interlock.policy.vocabulary import ColumnType
from interlock.processors.proposals.by_group import ByGroup, Grouping
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.ladder import Ladder, Terms, ladder, terms
from interlock.processors.proposals.patterns import Pattern, literals, pattern

# Examples at the first round; each further one waits for twice as many. With a tenth of them audits, as at a rate of 5
# %, a rule over a third of them has the cases of its own that finding needs.
FIRST_ROUND = 500

# Latest examples that rules are found in, of those that were certain to be seen and of the audits each: the many of the
# one do not push out the few of the other.
WINDOW = 4_000


@dataclass(frozen=True, slots=True)
class CertifiedRule:
    """A certified rule: found on `found`, proved on `cases` later examples, `errors` of them wrong. `level`: its share
    of the risk; `e_value`: the strength of the evidence, at least 1/level. `limit`, `groups`: see
    `ThresholdProof`."""

    pattern: Pattern
    found: Found
    cases: int
    errors: int
    e_value: float
    level: float
    limit: float
    groups: tuple[str, ...]


class RuleTests:
    """The rounds of one lane: the k-th may err with probability δ/(k(k + 1)), all together with δ."""

    def __init__(self, alpha: float, delta: float, *, typical: bool = False) -> None:
        self._alpha = alpha
        self._delta = delta
        self._typical = typical
        self._certain: deque[Example] = deque(maxlen=WINDOW)
        self._audits: deque[Example] = deque(maxlen=WINDOW)
        self._seen = [0, 0]
        self._lowest = 1.0
        self._rounds: list[_Round] = []
        self._certified: list[Pattern] = []
        self._widest: list[Pattern] = []
        self._by: Grouping | None = None

    @property
    def tested(self) -> int:
        """How many rules are tested or were certified."""
        return sum(each.count for each in self._rounds)

    def certify_by(self, by: Grouping | None, latest: Sequence[Example]) -> None:
        """As `ThresholdEvidence.certify_by`."""
        self._by = by
        for each in self._rounds:
            each.certify_by(by, latest, self._lowest)

    def nearest(self, at: Terms | None = None) -> float:
        """Of the rule nearest to its certificate, or certified: log e-value as a share of what it needs, 0 to 1."""
        return max((each.nearest(own) for each, own in self._levels(at)), default=0.0)

    def _levels(self, at: Terms | None) -> list[tuple["_Round", Terms]]:
        whole = at or terms(self._alpha, self._delta)
        return [
            (each, replace(whole, delta=whole.delta / (number * (number + 1))))
            for number, each in enumerate(self._rounds, 1)
        ]

    def add(self, example: Example) -> None:
        """Adds an example. Its π MUST NOT be below those of before, once rules have been found."""
        self._lowest = min(self._lowest, example.propensity)
        is_audit = example.propensity < 1
        self._seen[is_audit] += 1
        (self._audits if is_audit else self._certain).append(example)
        for each in self._rounds:
            each.new.append(example)

    def prove(self, types: Mapping[str, ColumnType], at: Terms | None = None) -> list[CertifiedRule]:
        """The rules that are certified so far, over declared attributes of `types`. Begins a round when it is due.
        `at`: under which terms, by default those of people who judge everything and make no errors."""
        rules = [rule for each, own in self._levels(at) for rule in each.certified(self._lowest, own)]
        if [rule.pattern for rule in rules] != self._certified:
            self._certified = [rule.pattern for rule in rules]
            self._widest = self._without_narrower(rules)
        if types and sum(self._seen) >= FIRST_ROUND << len(self._rounds):
            self._rounds.append(_Round(self._find(types), self._alpha, self._by, typical=self._typical))
        return [rule for rule in rules if rule.pattern in self._widest]

    def _without_narrower(self, rules: list[CertifiedRule]) -> list[Pattern]:
        """The patterns that cover waiting decisions of which no wider one covers nearly all."""
        waiting = [example for example in (*self._certain, *self._audits) if example.waited]
        covered = {
            rule.pattern: {number for number, example in enumerate(waiting) if rule.pattern.holds(example)}
            for rule in rules
        }
        widest: list[Pattern] = []
        for narrow in sorted(covered, key=lambda rule: -len(covered[rule])):
            if not any(len(covered[narrow] & covered[wider]) > SAME * len(covered[narrow]) for wider in widest):
                widest.append(narrow)
        return widest

    def _find(self, types: Mapping[str, ColumnType]) -> list[tuple[Pattern, Found]]:
        examples = [*self._certain, *self._audits]
        # Both parts speak for the same time, however far back either window reaches.
        spans = [
            max(1, seen) / max(1, len(part))
            for seen, part in zip(self._seen, (self._certain, self._audits), strict=True)
        ]
        weight = np.array([spans[example.propensity < 1] / example.propensity for example in examples])
        correct = np.array([example.correct for example in examples])
        waited = np.array([example.waited for example in examples])
        rules = find(literals(examples, types, weight), correct, weight, waited, alpha=self._alpha)
        expressed = [(pattern(found.conditions, types), found) for found in rules]
        return [(readable, found) for readable, found in expressed if readable is not None]


class _Round:
    """The rules of one round and the evidence of later examples about them."""

    def __init__(self, rules: list[tuple[Pattern, Found]], alpha: float, by: Grouping | None, *, typical: bool) -> None:
        self.new: list[Example] = []
        self._rules = rules
        self._alpha = alpha
        self._typical = typical
        self._lowest = 1.0
        self._labels = 0
        self._ladder = self._no_evidence()
        self._by: ByGroup[RuleEvidence] | None = None
        self.certify_by(by, (), 1.0)

    @property
    def count(self) -> int:
        return len(self._rules)

    def certify_by(self, by: Grouping | None, latest: Sequence[Example], lowest: float) -> None:
        if by == (self._by.by if self._by else None):
            return
        self._count(lowest)
        self._by = None if by is None else ByGroup(by, self._no_evidence, self._added)
        if self._by is not None and self._labels:
            self._by.add(list(latest)[-self._labels :])

    def nearest(self, at: Terms) -> float:
        evidence = self._evidence(at.limit)
        return 0.0 if evidence is None else max(nearness(evidence, at.delta), default=0.0)

    def certified(self, lowest: float, at: Terms) -> list[CertifiedRule]:
        self._count(lowest)
        evidence = self._evidence(at.limit)
        if evidence is None:
            return []
        return [
            CertifiedRule(
                *self._rules[rule],
                cases=int(evidence.cases[rule]),
                errors=int(evidence.errors[rule]),
                # The e-value of a long proof exceeds the range of a float.
                e_value=math.exp(min(float(evidence.peak[rule]), 700.0)),
                level=level,
                limit=evidence.alpha,
                groups=self._by.inside(rule, evidence.alpha) if self._by else (),
            )
            for rule, level in proved(evidence, at.delta)
        ]

    def _evidence(self, limit: float) -> RuleEvidence | None:
        """Of all, or where groups are told apart of the weakest inside each rule."""
        evidence = self._ladder.evidence(limit)
        return evidence if evidence is None or self._by is None else self._by.weakest(evidence, evidence.alpha)

    def _count(self, lowest: float) -> None:
        new, self.new, self._lowest = self.new, [], lowest
        if new and self._rules:
            self._labels += len(new)
            self._ladder = self._added(self._ladder, new)
            if self._by is not None:
                self._by.add(new)

    def _no_evidence(self) -> Ladder[RuleEvidence]:
        return ladder(self._alpha, lambda limit: no_evidence(len(self._rules), limit), typical=self._typical)

    def _added(self, before: Ladder[RuleEvidence], new: Sequence[Example]) -> Ladder[RuleEvidence]:
        inside = np.array([[rule.holds(example) for rule, _ in self._rules] for example in new])
        correct = np.array([example.correct for example in new])
        propensity = np.array([example.propensity for example in new])
        return before.after(lambda one: add(one, inside, correct, propensity, self._lowest))
