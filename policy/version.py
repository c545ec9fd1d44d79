"""The version of a policy is the hash of its meaning."""

import hashlib
import json

from interlock.policy.limits import MAX_RESOLVED_CHARACTERS
from interlock.policy.model import Policy

# 64 bits: a handful of versions a day for centuries, without a chance of two being the same.
VERSION_DIGITS = 16


def resolved(policy: Policy) -> str:
    """Canonical JSON of the whole policy: packs written out, defaults explicit, fields in alphabetical order.

    Lists keep their order: the order of rules is the order of reasons.
    """
    content = policy.model_dump(mode="json", by_alias=True)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_resolved(text: str) -> Policy:
    """The policy that `resolved` wrote; raises ValueError if `text` is no such thing."""
    if len(text) > MAX_RESOLVED_CHARACTERS:
        raise ValueError(f"the policy has {len(text):,} characters; {MAX_RESOLVED_CHARACTERS:,} are possible")
    return Policy.model_validate_json(text)


def version(policy: Policy) -> str:
    """First 16 hex digits of the SHA-256 of `resolved`: comments, spelling and the order of fields do not matter."""
    return hashlib.sha256(resolved(policy).encode()).hexdigest()[:VERSION_DIGITS]
