"""What a proposal would change, estimated for all decisions from the reviewed ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from interlock.learning.estimates import Estimate, Target, hajek
from interlock.processors.proposals.examples import Example


def share(examples: Sequence[Example], condition: Callable[[Example], bool]) -> Estimate | None:
    """The share of all decisions, reviewed or not, that fulfil `condition`; None without examples. Hájek, weighted by
    1/π."""
    if not examples:
        return None
    hits = np.array([float(condition(example)) for example in examples])
    propensity = np.array([example.propensity for example in examples])
    return hajek(hits, np.ones(len(hits)), propensity, Target.PROCESS)


def scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    """The estimate and its interval times `factor`."""
    if estimate is None:
        return None
    return replace(estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)
