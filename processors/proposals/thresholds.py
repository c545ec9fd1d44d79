"""A threshold above which one model version may decide alone, certified as examples arrive.

It is a threshold in the model's own confidence: what it accepts stays the same whatever recalibration is in force.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from interlock.learning.arrays import Bools, Floats
from interlock.learning.certification import (
    Evidence,
    add,
    audits_to_go,
    first_thresholds,
    no_evidence,
    sample_size,
)
from interlock.processors.proposals.by_group import MAX_GROUPS, ByGroup, Grouping, occurs
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.ladder import Ladder, Terms, ladder, terms

# Examples whose confidences choose the thresholds to test, and whose labels are not used for that.
WARM_UP = 200

# The strictest threshold accepts a tenth of what people see. With less, one unlucky error would end the sequence at its
# first step; with more, it would include decisions where the model errs.
STRICTEST = 0.1


@dataclass(frozen=True, slots=True)
class ThresholdProof:
    """The evidence for a threshold in raw confidence: of `labels` reviewed decisions it accepts `accepted`, `errors` of
    them wrong. `e_value`: the strength of the evidence, at least 1/δ. `lowest`: the smallest π that occurred. `limit`:
    the rate of overrides that the evidence is against. `groups`: each of which keeps the promise for itself."""

    threshold: float
    labels: int
    accepted: int
    errors: int
    e_value: float
    lowest: float
    limit: float
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """How far one threshold is. `audits`: reviewed decisions that it accepts, each counted as lowest π / π. `needed`:
    how many there will be when it is certified, if its error stays as it is, None where it errs too often. `error`:
    its share of wrong ones, weighted by 1/π, None without any. `evidence`: log e-value as a share of log 1/δ."""

    threshold: float
    audits: float
    needed: float | None
    errors: int
    error: float | None
    evidence: float


class _Counts:
    """By threshold, what it accepts of some examples, and what of that is wrong: in numbers, and weighted by 1/π."""

    def __init__(self, thresholds: int) -> None:
        self.accepted = self.errors = np.zeros(thresholds, dtype=np.int64)
        self.weight = self.wrong = np.zeros(thresholds)

    def add(self, inside: Bools, correct: Bools, propensity: Floats) -> None:
        """`inside`: examples × thresholds."""
        wrong = inside & ~correct[:, None]
        self.accepted = self.accepted + inside.sum(axis=0)
        self.errors = self.errors + wrong.sum(axis=0)
        self.weight = self.weight + (inside / propensity[:, None]).sum(axis=0)
        self.wrong = self.wrong + (wrong / propensity[:, None]).sum(axis=0)


class ThresholdEvidence:
    """The evidence about one lane and model version.

    It starts after WARM_UP examples, and starts again when a smaller π appears, because the smallest must be known
    beforehand. Every start has a risk δ of its own.
    """

    def __init__(self, alpha: float, delta: float, *, typical: bool = False) -> None:
        self._alpha = alpha
        self._delta = delta
        self._typical = typical
        self._lowest = 1.0
        self._earlier: deque[float] = deque(maxlen=WARM_UP)
        self.reset()

    def reset(self) -> None:
        """Forgets all labels. The latest confidences choose the next thresholds."""
        self._ladder: Ladder[Evidence] | None = None
        self._thresholds = np.empty(0)
        self._new: list[Example] = []
        self._counts = _Counts(0)
        self._by: ByGroup[Evidence] | None = None
        self._group_counts: dict[str, _Counts] = {}

    def add(self, example: Example) -> bool:
        """Adds an example; True if it restarted the evidence."""
        restarted = False
        if example.propensity < self._lowest:
            self._lowest = example.propensity
            restarted = self._ladder is not None
            self.reset()
        elif len(self._earlier) == WARM_UP:
            if self._ladder is None:
                labels = round(2 * sample_size(self._alpha, self._delta) / STRICTEST)
                steps = first_thresholds(np.array(self._earlier), labels, self._alpha, self._delta)
                self._thresholds = np.unique(steps)[::-1]
                self._ladder = self._no_evidence()
                self._counts = _Counts(len(self._thresholds))
            self._new.append(example)
        self._earlier.append(example.raw)
        return restarted

    @property
    def lowest(self) -> float:
        """The smallest π that has occurred."""
        return self._lowest

    @property
    def warm_up(self) -> int:
        """Examples that chose, or will choose, the thresholds: up to WARM_UP."""
        return len(self._earlier)

    def certify_by(self, by: Grouping | None, latest: Sequence[Example]) -> None:
        """From now on proofs are of every group; None: of all together. `latest`: the latest examples added, from which
        the evidence of groups begins where they were others before."""
        if by == (self._by.by if self._by else None):
            return
        labels = self._count()
        self._by = None if by is None else ByGroup(by, self._no_evidence, self._added)
        self._group_counts = {}
        # Where the lane keeps fewer examples than were counted, groups begin with those.
        self._count_groups(list(latest)[-labels:] if labels else [])

    def steps(self, at: Terms | None = None) -> list[Step]:
        """How far each threshold is, strict → lax; empty before there are any, and where the terms allow no proof."""
        evidence = self._evidence(at)
        return [] if evidence is None else [self._step(evidence, index) for index in range(len(evidence.thresholds))]

    def _step(self, evidence: Evidence, index: int) -> Step:
        step = _step(evidence, self._counts, index, self._lowest)
        each = [step, *(own for _, own in self._group_steps(evidence, index))]
        if len(each) == 1:
            return step
        # Audits come to the groups in the shares in which they came so far.
        needed = None if any(own.needed is None for own in each) else max(_times(own) for own in each) * step.audits
        return replace(step, needed=needed, evidence=min(own.evidence for own in each))

    def _group_steps(self, evidence: Evidence, index: int) -> list[tuple[str, Step]]:
        """Of each group inside a threshold."""
        if self._by is None:
            return []
        return [
            (group, _step(replace(own, delta=evidence.delta), self._group_counts[group], index, self._lowest))
            for group, own in self._by.evidence(evidence.alpha)
            if occurs(own)[index]
        ]

    def hindrance(self, at: Terms | None = None) -> str:
        """Which group keeps even the strictest threshold from being certified; empty where none does."""
        evidence = self._evidence(at)
        if evidence is None or self._by is None or not len(evidence.thresholds):
            return ""
        if self._by.too_many:
            return f"certified for none: {self._by.by.attribute} has more than {MAX_GROUPS} groups"
        behind = [(group, own) for group, own in self._group_steps(evidence, 0) if own.evidence < 1]
        if not behind:
            return ""
        group, worst = min(behind, key=lambda item: item[1].evidence)
        return f"certified for none: {self._by.by.named(group)} has {_told(worst, evidence.alpha)}"

    def proof(self, at: Terms | None = None) -> ThresholdProof | None:
        """The laxest threshold that is certified so far. `at`: under which terms, by default those of people who judge
        everything and make no errors."""
        evidence = self._evidence(at)
        if evidence is None:
            return None
        if self._by is not None:
            evidence = self._by.weakest(evidence, evidence.alpha)
        threshold = evidence.certified
        if threshold is None:
            return None
        index = int(np.argmax(evidence.thresholds == threshold))
        return ThresholdProof(
            threshold=threshold,
            labels=evidence.decisions,
            accepted=int(self._counts.accepted[index]),
            errors=int(self._counts.errors[index]),
            # The e-value of a long proof exceeds the range of a float.
            e_value=math.exp(min(float(evidence.peak[index]), 700.0)),
            lowest=self._lowest,
            limit=evidence.alpha,
            groups=self._by.inside(index, evidence.alpha) if self._by else (),
        )

    def _evidence(self, at: Terms | None) -> Evidence | None:
        """Of all together, at the risk of the terms."""
        at = at or terms(self._alpha, self._delta)
        self._count()
        evidence = self._ladder.evidence(at.limit) if self._ladder else None
        return None if evidence is None else replace(evidence, delta=at.delta)

    def _count(self) -> int:
        """Counts what is new; how many examples were counted in all."""
        if self._ladder is None:
            return 0
        new, self._new = self._new, []
        if new:
            self._ladder = self._added(self._ladder, new)
            self._counts.add(*self._seen(new))
            self._count_groups(new)
        return next(iter(self._ladder.rungs.values())).decisions

    def _count_groups(self, new: Sequence[Example]) -> None:
        if self._by is None:
            return
        self._by.add(new)
        for group, own in self._by.by.apart(new).items():
            if not self._by.too_many:
                counts = self._group_counts.setdefault(group, _Counts(len(self._thresholds)))
                counts.add(*self._seen(own))

    def _seen(self, examples: Sequence[Example]) -> tuple[Bools, Bools, Floats]:
        inside = np.array([example.raw for example in examples])[:, None] >= self._thresholds
        correct = np.array([example.correct for example in examples])
        return inside, correct, np.array([example.propensity for example in examples])

    def _no_evidence(self) -> Ladder[Evidence]:
        return ladder(
            self._alpha,
            lambda limit: no_evidence(self._thresholds, alpha=limit, delta=self._delta),
            typical=self._typical,
        )

    def _added(self, before: Ladder[Evidence], new: Sequence[Example]) -> Ladder[Evidence]:
        confidence = np.array([example.raw for example in new])
        correct = np.array([example.correct for example in new])
        propensity = np.array([example.propensity for example in new])
        reviewed = np.ones(len(correct), dtype=np.bool_)
        return before.after(lambda one: add(one, confidence, correct, reviewed, propensity, self._lowest))


def _step(evidence: Evidence, counts: _Counts, index: int, lowest: float) -> Step:
    audits, weight = float(lowest * counts.weight[index]), float(counts.weight[index])
    error = float(counts.wrong[index]) / weight if weight else None
    missing = audits_to_go(evidence, index, error or 0.0)
    return Step(
        threshold=float(evidence.thresholds[index]),
        audits=audits,
        needed=None if missing is None else audits + missing,
        errors=int(counts.errors[index]),
        error=error,
        evidence=min(1.0, float(evidence.peak[index]) / -math.log(evidence.delta)),
    )


def _times(step: Step) -> float:
    """How many times its audits it needs."""
    return step.needed / step.audits if step.needed is not None and step.audits else 1.0


def _told(step: Step, limit: float) -> str:
    count = round(step.audits)
    audits = f"{count} audit{'' if count == 1 else 's'}"
    if step.needed is None:
        return f"{step.error or 0:.1%} wrong in {audits} where the model is surest, too many for {limit * 100:.3g}%"
    return f"{audits} of about {step.needed:.0f}"
