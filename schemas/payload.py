"""What a verdict must name: the hash of the routed decision that a person was shown."""

import hashlib

# 128 bits: two payloads with the same hash cannot be found.
HASH_DIGITS = 32


def payload_hash(value: bytes) -> str:
    """First hex digits of the SHA-256 of a routed decision's bytes, as `Task.payload_hash` has them."""
    return hashlib.sha256(value).hexdigest()[:HASH_DIGITS]


def planted_hash(task_id: str, case_hash: str) -> str:
    """The hash that stands in for that of its case on a gold item, so that the case is not found by it."""
    return hashlib.sha256(f"{task_id}/{case_hash}".encode()).hexdigest()[:HASH_DIGITS]
