"""What a proposal would change, estimated for all decisions from the reviewed ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from interlock.learning.answered import MIN_SHOWN, span
from interlock.learning.estimates import Estimate, Target, hajek
from interlock.processors.proposals.examples import Example


def share(examples: Sequence[Example], condition: Callable[[Example], bool]) -> Estimate | None:
    """The share of all decisions, reviewed or not, that fulfil `condition`. Hájek, weighted by 1/(π · answered share).

    None without examples, and where less than half of the audits is answered: more would be guessed than known.
    """
    audits = span((example.audits.settled, example.audits.judged) for example in examples if example.audits)
    answered = audits.share if audits else 1.0
    if not examples or answered < MIN_SHOWN:
        return None
    hits = np.array([float(condition(example)) for example in examples])
    propensity = np.array([example.propensity for example in examples])
    told = np.array([answered if example.audits else 1.0 for example in examples])
    return hajek(hits, np.ones(len(hits)), propensity, Target.PROCESS, answered=told)


def scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    """The estimate and its interval times `factor`."""
    if estimate is None:
        return None
    return replace(estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)
