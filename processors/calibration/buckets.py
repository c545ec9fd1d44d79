"""What the bins of a calibration report rest on: the latest verdicts of each bucket of confidence and way to a person.

One window over all verdicts is full of reviews. Where an overconfident model does harm, among what takes effect by
itself, only audits look, and at a rate of 5 % a window of 2,000 verdicts holds some 65 of them. Each bucket and way has
a window of its own, so that audits are pushed out only by audits.
"""

from collections import defaultdict, deque
from typing import NamedTuple

import numpy as np

from interlock.learning.arrays import Floats
from interlock.processors.calibration.labels import Label
from interlock.processors.outcomes import AUDIT

# Verdicts over which it is counted how many decisions each bucket and way stands for: ten windows, so that a way whose
# share changes is followed.
_SPAN = 20_000


class _Key(NamedTuple):
    """Tenth of the confidence, and way."""

    bucket: int
    way: str


class BucketWindows:
    """`size`: latest verdicts of each bucket and way."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._labels: dict[_Key, deque[Label]] = {}
        self._latest: deque[tuple[_Key, float]] = deque()
        self._decisions: defaultdict[_Key, float] = defaultdict(float)

    def add(self, label: Label) -> None:
        """Adds a verdict, and forgets the oldest of its bucket and way."""
        key = _Key(min(int(label.confidence * 10), 9), label.way)
        self._labels.setdefault(key, deque(maxlen=self._size)).append(label)
        self._latest.append((key, 1 / label.propensity))
        self._decisions[key] += 1 / label.propensity
        if len(self._latest) > _SPAN:
            oldest, weight = self._latest.popleft()
            self._decisions[oldest] -= weight

    def audited(self, low: float) -> bool:
        """Whether most decisions of the bucket that begins at `low` took effect, and only audits see any of them."""
        bucket = round(low * 10)
        of_bucket = {key.way: decisions for key, decisions in self._decisions.items() if key.bucket == bucket}
        return of_bucket.get(AUDIT, 0.0) > sum(of_bucket.values()) / 2

    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """Confidence, correct (0 or 1) and weight of all verdicts: 1/π, scaled so that each bucket and way weighs as
        many decisions as it stands for, however few of its verdicts are kept."""
        confidence: list[float] = []
        correct: list[bool] = []
        weights: list[float] = []
        for key, labels in self._labels.items():
            inverse = [1 / label.propensity for label in labels]
            # What the span no longer holds still counts a little.
            scale = max(self._decisions[key], 1.0) / sum(inverse)
            confidence += [label.confidence for label in labels]
            correct += [label.correct for label in labels]
            weights += [scale * weight for weight in inverse]
        return np.array(confidence), np.array(correct, dtype=np.float64), np.array(weights)
