"""One round: which decisions of the pool people see, and with which probability they do.

Given the pool, a decision is audited by a coin with the policy's rate ρ, and independently of that picked with
probability p: 1 where the greedy part takes it, r / n' where it is one of n' others of which r are drawn. So people see
it with probability π = 1 − (1 − ρ)(1 − p) ≥ ρ, which is what its record says. Whether a decision is in the pool is a
coin of its own that knows nothing of the rest, so that Σ y/π over what is reviewed inside and outside is unbiased.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from interlock.learning.active import pick
from interlock.learning.arrays import Floats
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.processors.records import OutputLists
from interlock.processors.router import audit_sampling as coin
from interlock.processors.sampling.candidate import Candidate, for_review
from interlock.schemas import catalogue, wire
from interlock.schemas.reasons import PICKED_AUDIT, PICKED_CHANCE, PICKED_GREEDY

DAY = 86_400_000_000  # microseconds

# Vectors of earlier picks by model version, from which new ones should differ: some days' worth, a megabyte each.
REMEMBERED = 1000

_Kind = tuple[str, tuple[str, str]]  # domain and model version: decisions whose vectors have the same features


@dataclass(frozen=True, slots=True)
class Sampled:
    """A decision for review; `how`: PICKED_AUDIT, PICKED_GREEDY or PICKED_CHANCE."""

    candidate: Candidate
    propensity: float
    how: str


class Sampler:
    """Picks by the policies in force. `key`: that of the audit coin."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._policies: dict[str, Policy] = {}
        self._seen: dict[_Kind, deque[tuple[float, ...]]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def follow(self, key: bytes | None, value: bytes | None) -> None:
        """Takes over a record of topic `policies`; one that cannot be read leaves the policy before in force."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._policies.pop(name, None)
            return
        try:
            self._policies[name] = from_resolved(wire.decode("PolicyVersion", value)["resolved"])
        except ValueError:  # WireError is one
            return

    def pick(self, pool: Sequence[Candidate], since: int, now: int) -> list[Sampled]:
        """What people shall see of `pool`. The round stands for the time from `since` to `now`, microseconds.

        Where the policy in force knows no active learning any more, what is still in the pool is only audited.
        """
        kinds: dict[_Kind, list[Candidate]] = defaultdict(list)
        # A decision that its producer sent twice has one chance, and order is no matter of partitions.
        for one in sorted({one.decision_id: one for one in pool}.values(), key=lambda one: one.decision_id):
            kinds[one.domain, one.model].append(one)
        found: list[Sampled] = []
        for policy in (None, *(self._policies[name] for name in sorted(self._policies))):
            mine = {kind: its for kind, its in sorted(kinds.items()) if self._owner(kind[0]) is policy}
            active = policy.audit.active if policy else None
            budget = _budget(active.budget_per_day, since, now) if active else 0
            for (kind, its), share in zip(
                mine.items(), _shares(budget, [len(one) for one in mine.values()]), strict=True
            ):
                found += self._of_kind(kind, its, share)
        return found

    def remember(self, picked: Iterable[Sampled]) -> None:
        """These have gone to people for certain."""
        for one in picked:
            self._seen[one.candidate.domain, one.candidate.model].append(one.candidate.vector)

    def _owner(self, domain: str) -> Policy | None:
        return next((one for _, one in sorted(self._policies.items()) if domain in one.domains), None)

    def _of_kind(self, kind: _Kind, pool: list[Candidate], budget: int) -> list[Sampled]:
        ids = [one.decision_id for one in pool]
        uncertainty = 1 - np.array([one.confidence for one in pool])
        vectors, seen = _vectors([one.vector for one in pool], self._seen[kind])
        # Each purpose has coins of its own: that of the bare id has chosen the pool.
        coins = coin.siphash(pa.array([f"pick:{one}" for one in ids]), self._key) / 2.0**64
        picks = pick(uncertainty, vectors, seen, coins, budget=budget)
        audits = coin.siphash(pa.array([f"audit:{one}" for one in ids]), self._key) / 2.0**64
        how = {place: PICKED_AUDIT for place, one in enumerate(pool) if audits[place] < one.rate}
        how |= {
            place: PICKED_GREEDY if order < picks.greedy else PICKED_CHANCE for order, place in enumerate(picks.chosen)
        }
        return [
            Sampled(pool[place], 1 - (1 - pool[place].rate) * (1 - float(picks.propensity[place])), how[place])
            for place in sorted(how)
        ]


def records(picked: Iterable[Sampled]) -> OutputLists:
    """The records that send them to review, with the headers they came with."""
    outputs = OutputLists()
    for one in picked:
        candidate = one.candidate
        value = for_review(candidate, one.propensity, one.how)
        key, headers = candidate.decision_id.encode(), candidate.message.headers()
        outputs.add(catalogue.REVIEWS_ASYNC.name, key, value, headers)
    return outputs


def _budget(per_day: int, since: int, now: int) -> int:
    """What a round may spend, so that all rounds of a day spend `per_day`; at most a day's worth at once."""
    return max(0, min(per_day, per_day * now // DAY - per_day * since // DAY))


def _shares(budget: int, sizes: Sequence[int]) -> list[int]:
    """The budget by size of the kinds, whole numbers that add up to it; what is left over goes to the largest rests."""
    total = sum(sizes)
    shares = [budget * size // total for size in sizes]
    rests = sorted(range(len(sizes)), key=lambda place: (-(budget * sizes[place] % total), place))
    for place in rests[: budget - sum(shares)] if sizes else ():
        shares[place] += 1
    return shares


def _vectors(vectors: Sequence[tuple[float, ...]], seen: Iterable[tuple[float, ...]]) -> tuple[Floats, Floats]:
    """Features of the candidates and of what was picked before; none at all where they are not all of one length.

    Without vectors, or with broken ones, uncertainty alone decides.
    """
    width = len(vectors[0])
    points = [one if len(one) == width and np.isfinite(one).all() else None for one in vectors]
    if width == 0 or None in points:
        return np.zeros((len(vectors), 0)), np.zeros((0, 0))
    known = [one for one in seen if len(one) == width]
    return np.array(vectors, dtype=np.float64), np.array(known, dtype=np.float64).reshape(len(known), width)
