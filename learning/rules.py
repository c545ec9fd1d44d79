"""Rules under which a model may decide alone ("purpose = 'car' AND country = 'DE'"), found on one half of the labels
and certified on the other: a rule that looks perfect where it was found proves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interlock.learning.arrays import Bools, Floats
from interlock.learning.certification import binomial_p, error_bound, sample_size
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.slices import Condition, Features, counted, matches


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule that looks safe on the half it was found on."""

    conditions: tuple[Condition, ...]
    cases: int
    errors: int


@dataclass(frozen=True, slots=True)
class SafeRule:
    """A candidate with the evidence of the other half.

    `cases`, `errors`: there. `p`: exact, of "its error is above alpha"; `adjusted_p`: after Holm over all candidates.
    `bound`: upper limit of its error, holding for all candidates together with probability ≥ 1 − delta (Bonferroni,
    so it may exceed alpha slightly for a rule that Holm certifies).
    """

    mined: Candidate
    cases: int
    errors: int
    p: float
    adjusted_p: float
    bound: float
    certified: bool


def safe_rules(
    features: Features,
    correct: Bools,
    first_half: Bools,
    *,
    alpha: float,
    delta: float,
    depth: int = 2,
    limit: int = 20,
) -> list[SafeRule]:
    """Candidates from the rows in `first_half`, tested on the others; certified ones first, widest first.

    Rows are labelled decisions drawn uniformly (certification.uniform_sample); `first_half` is a coin that knows
    nothing of them. With probability ≥ 1 − delta no certified rule has a true error above alpha.
    """
    if first_half.shape != correct.shape:
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, f"{len(first_half)} coins for {len(correct)} labels: give one for each"
        )
    first = {name: column[first_half] for name, column in features.items()}
    second = {name: column[~first_half] for name, column in features.items()}
    candidates = mine(first, correct[first_half], alpha=alpha, delta=delta, depth=depth, limit=limit)
    return verify(candidates, second, correct[~first_half], alpha=alpha, delta=delta)


def mine(
    features: Features, correct: Bools, *, alpha: float, delta: float, depth: int = 2, limit: int = 20
) -> list[Candidate]:
    """Up to `limit` patterns of up to `depth` conditions, most convincing first.

    Only patterns that an equally large second half could certify, and none that merely narrows a pattern taken before.
    """
    min_support = sample_size(alpha, delta, hypotheses=limit)
    patterns = counted(features, ~correct, depth=depth, min_support=min_support)
    p = binomial_p(np.array([k for _, _, k in patterns]), np.array([n for _, n, _ in patterns]), alpha)
    taken: list[Candidate] = []
    for index in np.argsort(p, kind="stable"):
        conditions, cases, errors = patterns[index]
        if p[index] > delta or len(taken) == limit:
            break
        if not any(set(candidate.conditions) < set(conditions) for candidate in taken):
            taken.append(Candidate(conditions, cases, errors))
    return taken


def verify(
    candidates: Sequence[Candidate], features: Features, correct: Bools, *, alpha: float, delta: float
) -> list[SafeRule]:
    """The evidence of labels that took no part in finding the candidates."""
    inside = [matches(features, candidate.conditions) for candidate in candidates]
    cases = [int(rows.sum()) for rows in inside]
    errors = [int((rows & ~correct).sum()) for rows in inside]
    p = binomial_p(np.array(errors, dtype=np.int64), np.array(cases, dtype=np.int64), alpha)
    adjusted = holm(p)
    tested = [
        SafeRule(
            candidate,
            n,
            k,
            float(raw),
            float(corrected),
            error_bound(k, n, delta / len(candidates)),
            bool(corrected <= delta),
        )
        for candidate, n, k, raw, corrected in zip(candidates, cases, errors, p, adjusted, strict=True)
    ]
    return sorted(tested, key=lambda rule: (not rule.certified, -rule.cases))


def holm(p: Floats) -> Floats:
    """p-values corrected so that all conclusions together are wrong with probability ≤ the level (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
