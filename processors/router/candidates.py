"""Candidates: versions of policies that are tried beside those in force, in shadow or on a share of the decisions."""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interlock.policy.compiled import CompiledPolicy, Treatment, compile_policy
from interlock.policy.stages import MAX_SHARE, Stage
from interlock.policy.version import from_resolved
from interlock.processors.router.audit_sampling import KEY_LENGTH, flip
from interlock.schemas.keys import check_key
from interlock.schemas.reasons import SHADOW

# Another key than that of the audit coin: who is in the share would otherwise be audited more often or never.
_COIN = b"candidate-share"


class Trial(NamedTuple):
    """What a routed decision tells of the candidate that was asked about it; empty where none was."""

    candidate_version: str = ""
    candidate_route: str = ""
    live_route: str = ""


NO_TRIAL = Trial()


@dataclass(frozen=True, slots=True)
class Candidate:
    """`base_version`: the version in force that it is tried against, "" for none. `share`: 0 in shadow."""

    policy: CompiledPolicy
    base_version: str
    share: float

    def share_beside(self, live: CompiledPolicy | None) -> float:
        """The share that it decides beside the policy in force.

        None beside another version than its base: what that brought, perhaps in a hurry, the candidate does not have.
        """
        return self.share if self.base_version == (live.version if live else "") else 0.0


def candidate_of(name: str, record: dict[str, Any]) -> Candidate:
    """The candidate of a `PolicyCandidate` record under the key `name`; raises ValueError where it makes no sense."""
    policy = from_resolved(record["resolved"])
    check_key(name, record["name"], policy.name)
    stage, share = record["stage"], record["share"]
    if stage not in (Stage.SHADOW, Stage.SHARE):
        raise ValueError(f"the stage is {stage!r}, neither {Stage.SHADOW} nor {Stage.SHARE}")
    if stage == Stage.SHARE and not 0 < share <= MAX_SHARE:
        raise ValueError(f"the share is {share}, not above 0 and at most {MAX_SHARE}")
    return Candidate(
        compile_policy(policy, record["version"]), record["base_version"], share if stage == Stage.SHARE else 0.0
    )


def in_share(ids: pa.StringArray, audit_key: bytes, share: float) -> NDArray[np.bool_]:
    """For every decision id, whether it is in the share; one that is in a share is in every larger one."""
    if not share:
        return np.zeros(len(ids), dtype=bool)
    return flip(ids, hashlib.blake2b(key=audit_key, digest_size=KEY_LENGTH, person=_COIN).digest(), share)


def trial(candidate: CompiledPolicy, asked: Treatment, live: Treatment) -> Trial:
    """What a decision tells that the candidate would treat as `asked`, and the policy in force as `live`."""
    return Trial(candidate.version, _told_route(asked), _told_route(live))


def _told_route(treatment: Treatment) -> str:
    # Nothing comes of a decision of a challenger, so it has no route.
    return SHADOW if treatment.shadow else treatment.route.label
