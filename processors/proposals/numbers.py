"""What a proposal would change, estimated from the reviewed decisions for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from interlock.learning.estimates import Estimate, Target, hajek
from interlock.processors.proposals.examples import Example


def share(examples: Sequence[Example], of: Callable[[Example], bool]) -> Estimate | None:
    """The share of all decisions, reviewed or not, that fulfil `of`; None without examples. Hájek, weighted by 1/π."""
    if not examples:
        return None
    hits = np.array([float(of(one)) for one in examples])
    propensity = np.array([one.propensity for one in examples])
    return hajek(hits, np.ones(len(hits)), propensity, Target.PROCESS)


def scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    """`factor` of it."""
    if estimate is None:
        return None
    return replace(estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)
