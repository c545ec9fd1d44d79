"""One sampling run: which candidates people see, and with which probability.

A coin with the policy's rate ρ audits each candidate, and independently of that it is selected with probability p: 1
where the greedy part takes it, r / n' where it is one of n' others of which r are drawn. People therefore see it with
probability π = 1 − (1 − ρ)(1 − p) ≥ ρ, which its record states. Whether a decision is a candidate is decided by a
separate, independent coin, so Σ y/π over what is reviewed, candidates or not, is unbiased.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from interlock.learning.active import select
from interlock.learning.arrays import Floats
from interlock.policy.errors import PolicyError
from interlock.policy.model import Active, Policy
from interlock.policy.version import from_resolved
from interlock.processors.records import OutputLists
from interlock.processors.router import audit_sampling as coin
from interlock.processors.sampling.candidate import Candidate, for_review
from interlock.schemas import catalogue, wire
from interlock.schemas.headers import headers_of
from interlock.schemas.keys import check_key
from interlock.schemas.reasons import PICKED_AUDIT, PICKED_CHANCE, PICKED_GREEDY

DAY = 86_400_000_000  # microseconds

# Vectors of earlier samples for each stratum, from which new ones should differ: some days' worth, a megabyte each.
REMEMBERED_VECTORS = 1000

_Stratum = tuple[str, tuple[str, str]]  # domain and model version: decisions whose vectors have the same features


@dataclass(frozen=True, slots=True)
class Sampled:
    """A decision for review; `reason`: PICKED_AUDIT, PICKED_GREEDY or PICKED_CHANCE."""

    candidate: Candidate
    propensity: float
    reason: str


class Sampler:
    """Samples by the policies in force. `key`: that of the audit coin."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._policies: dict[str, Policy] = {}
        self._seen: dict[_Stratum, deque[tuple[float, ...]]] = defaultdict(lambda: deque(maxlen=REMEMBERED_VECTORS))

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Applies a record of topic `policies`; one that cannot be used leaves the previous policy in force."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._policies.pop(name, None)
            return
        try:
            record = wire.decode("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
        except (PolicyError, ValueError):  # WireError is a ValueError
            return
        self._policies[name] = policy

    def sample(self, candidates: Sequence[Candidate], since: int, now: int) -> list[Sampled]:
        """The candidates that people see. The run covers the time from `since` to `now`, microseconds.

        Where the policy in force has no active learning any more, remaining candidates are only audited.
        """
        strata: dict[_Stratum, list[Candidate]] = defaultdict(list)
        # A decision that its producer sent twice has one chance, and the result must not depend on partitions.
        distinct = {candidate.decision_id: candidate for candidate in candidates}
        for _, candidate in sorted(distinct.items()):
            strata[candidate.domain, candidate.model].append(candidate)
        sampled: list[Sampled] = []
        for policy in (None, *(self._policies[name] for name in sorted(self._policies))):
            owned = {
                stratum: members for stratum, members in sorted(strata.items()) if self._owner(stratum[0]) is policy
            }
            active = policy.audit.active if policy else None
            budget = _budget(active.budget_per_day, since, now) if active else 0
            shares = _shares(budget, [len(members) for members in owned.values()])
            for (stratum, members), share in zip(owned.items(), shares, strict=True):
                sampled += self._of_stratum(stratum, members, share, active)
        return sampled

    def remember(self, sampled: Iterable[Sampled]) -> None:
        """Records that these have been sent to people."""
        for sample in sampled:
            self._seen[sample.candidate.domain, sample.candidate.model].append(sample.candidate.vector)

    def _owner(self, domain: str) -> Policy | None:
        return next((policy for _, policy in sorted(self._policies.items()) if domain in policy.domains), None)

    def _of_stratum(
        self, stratum: _Stratum, candidates: list[Candidate], budget: int, active: Active | None
    ) -> list[Sampled]:
        ids = [candidate.decision_id for candidate in candidates]
        uncertainty = 1 - np.array([candidate.confidence for candidate in candidates])
        vectors, seen = _vectors([candidate.vector for candidate in candidates], self._seen[stratum])
        # Each purpose has its own coins: that of the bare id decided what is a candidate.
        coins = coin.siphash(pa.array([f"pick:{decision_id}" for decision_id in ids]), self._key) / 2.0**64
        shares = {"explore": active.explore, "uncertainty_share": active.uncertainty} if active else {}
        selection = select(uncertainty, vectors, seen, coins, budget=budget, **shares)
        audits = coin.siphash(pa.array([f"audit:{decision_id}" for decision_id in ids]), self._key) / 2.0**64
        reasons = {row: PICKED_AUDIT for row, candidate in enumerate(candidates) if audits[row] < candidate.rate}
        reasons |= {
            row: PICKED_GREEDY if order < selection.greedy else PICKED_CHANCE
            for order, row in enumerate(selection.selected)
        }
        return [
            Sampled(candidates[row], _propensity(candidates[row].rate, float(selection.propensity[row])), reason)
            for row, reason in sorted(reasons.items())
        ]


def _propensity(audit_rate: float, selection: float) -> float:
    return 1 - (1 - audit_rate) * (1 - selection)


def records(sampled: Iterable[Sampled]) -> OutputLists:
    """The records that send them to review, with their original headers."""
    outputs = OutputLists()
    for sample in sampled:
        candidate = sample.candidate
        value = for_review(candidate, sample.propensity, sample.reason)
        key, headers = candidate.decision_id.encode(), headers_of(candidate.message)
        outputs.add(catalogue.REVIEWS_ASYNC.name, key, value, headers)
    return outputs


def _budget(per_day: int, since: int, now: int) -> int:
    """The budget of one run, so that all runs of a day spend `per_day`; at most a day's worth at once."""
    return max(0, min(per_day, per_day * now // DAY - per_day * since // DAY))


def _shares(budget: int, sizes: Sequence[int]) -> list[int]:
    """The budget split by size, in whole numbers that add up to it: largest remainders first."""
    total = sum(sizes)
    shares = [budget * size // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda index: (-(budget * sizes[index] % total), index))
    for index in by_remainder[: budget - sum(shares)] if sizes else ():
        shares[index] += 1
    return shares


def _vectors(vectors: Sequence[tuple[float, ...]], seen: Iterable[tuple[float, ...]]) -> tuple[Floats, Floats]:
    """Features of the candidates and of earlier samples; none at all if their lengths differ.

    Without vectors, or with malformed ones, uncertainty alone decides.
    """
    width = len(vectors[0])
    points = [vector if len(vector) == width and np.isfinite(vector).all() else None for vector in vectors]
    if width == 0 or None in points:
        return np.zeros((len(vectors), 0)), np.zeros((0, 0))
    known = [vector for vector in seen if len(vector) == width]
    return np.array(vectors, dtype=np.float64), np.array(known, dtype=np.float64).reshape(len(known), width)
