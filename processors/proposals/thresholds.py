"""A threshold above which one model version may decide alone, certified as examples arrive.

It is a threshold in the model's own confidence: what it accepts stays the same whatever recalibration is in force.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from interlock.learning.certification import (
    Evidence,
    add,
    audits_to_go,
    first_thresholds,
    no_evidence,
    sample_size,
)
from interlock.learning.reviewer_errors import Visible
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.ladder import Ladder, ladder, remaining

# Examples whose confidences choose the thresholds to test, and whose labels are not used for that.
WARM_UP = 200

# The strictest threshold accepts a tenth of what people see. With less, one unlucky error would end the sequence at its
# first step; with more, it would include decisions where the model errs.
STRICTEST = 0.1


@dataclass(frozen=True, slots=True)
class ThresholdProof:
    """The evidence for a threshold in raw confidence: of `labels` reviewed decisions it accepts `accepted`, `errors` of
    them wrong. `e_value`: the strength of the evidence, at least 1/δ. `lowest`: the smallest π that occurred. `limit`:
    the rate of overrides that the evidence is against. `seen`: what people's errors leave of the promise; None: they
    are taken to make none."""

    threshold: float
    labels: int
    accepted: int
    errors: int
    e_value: float
    lowest: float
    limit: float
    seen: Visible | None


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
        self._new: list[Example] = []
        self._accepted = self._errors = np.zeros(0, dtype=np.int64)
        self._weight = self._wrong = np.zeros(0)

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
                self._ladder = ladder(
                    self._alpha,
                    self._delta,
                    lambda limit, risk: no_evidence(steps, alpha=limit, delta=risk),
                    typical=self._typical,
                )
                count = len(self._ladder.plain.thresholds)
                self._accepted = self._errors = np.zeros(count, dtype=np.int64)
                self._weight = self._wrong = np.zeros(count)
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

    def steps(self, seen: Visible | None = None, delta: float | None = None) -> list[Step]:
        """How far each threshold is, strict → lax; empty before there are any, and where people's record allows no
        proof. `seen`, `delta`: as in `proof`."""
        evidence = self._current(seen, delta)
        if evidence is None:
            return []
        return [self._step(evidence, index) for index in range(len(evidence.thresholds))]

    def _step(self, evidence: Evidence, index: int) -> Step:
        audits, weight = float(self._lowest * self._weight[index]), float(self._weight[index])
        error = float(self._wrong[index]) / weight if weight else None
        missing = audits_to_go(evidence, index, error or 0.0)
        return Step(
            threshold=float(evidence.thresholds[index]),
            audits=audits,
            needed=None if missing is None else audits + missing,
            errors=int(self._errors[index]),
            error=error,
            evidence=min(1.0, float(evidence.peak[index]) / -math.log(evidence.delta)),
        )

    def _current(self, seen: Visible | None, delta: float | None) -> Evidence | None:
        if self._ladder is None:
            return None
        if self._new:
            self._ladder = self._add(self._ladder)
        evidence = self._ladder.evidence(seen)
        if evidence is None or delta is None:
            return evidence
        return replace(evidence, delta=delta if seen is None else remaining(delta))

    def proof(self, seen: Visible | None = None, delta: float | None = None) -> ThresholdProof | None:
        """The laxest threshold that is certified so far. `seen`: what of the promise people can see, if known. `delta`:
        at which risk, by default the one that chose the thresholds to test."""
        evidence = self._current(seen, delta)
        if evidence is None:
            return None
        threshold = evidence.certified
        if threshold is None:
            return None
        index = int(np.argmax(evidence.thresholds == threshold))
        return ThresholdProof(
            threshold=threshold,
            labels=evidence.decisions,
            accepted=int(self._accepted[index]),
            errors=int(self._errors[index]),
            # The e-value of a long proof exceeds the range of a float.
            e_value=math.exp(min(float(evidence.peak[index]), 700.0)),
            lowest=self._lowest,
            limit=evidence.alpha,
            seen=seen,
        )

    def _add(self, before: Ladder[Evidence]) -> Ladder[Evidence]:
        confidence = np.array([example.raw for example in self._new])
        correct = np.array([example.correct for example in self._new])
        propensity = np.array([example.propensity for example in self._new])
        self._new = []
        inside = confidence[:, None] >= before.plain.thresholds
        self._accepted = self._accepted + inside.sum(axis=0)
        wrong = inside & ~correct[:, None]
        self._errors = self._errors + wrong.sum(axis=0)
        self._weight = self._weight + (inside / propensity[:, None]).sum(axis=0)
        self._wrong = self._wrong + (wrong / propensity[:, None]).sum(axis=0)
        reviewed = np.ones(len(correct), dtype=np.bool_)
        return before.after(lambda one: add(one, confidence, correct, reviewed, propensity, self._lowest))
