"""Anchors: the ends of chains, signed with Ed25519, and what a set of anchors proves.

Who can write ClickHouse can compute a whole chain anew; without the key they cannot sign its end. An anchor names the
anchor before it, so that one that is taken away leaves a trace.

What is signed: `interlock anchor 1`, a zero byte, and the record without `anchor_id` and `signature` as JSON with
sorted keys, no spaces and times as whole microseconds.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from interlock.sinks.trail.walk import Head, in_order

_PURPOSE = b"interlock anchor 1\0"

_KEY_BYTES = 32

ChainName = tuple[str, str, int]
"""Stream, topic and partition."""


class AnchorSigner(Protocol):
    """What signs anchors: a key in memory, or a client of a key management system (see docs/audit-trail.md)."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the Ed25519 key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature. May raise whatever it likes; it is asked again later."""
        ...


def signed_anchor(
    signer: AnchorSigner,
    heads: Mapping[ChainName, tuple[int, bytes]],
    *,
    name: str,
    previous: str,
    now: int,
    next_key: bytes = b"",
) -> dict[str, Any]:
    """A record of schema AuditAnchor. `heads`: offset and link by chain. `now`: microseconds since the epoch."""
    record: dict[str, Any] = {
        "previous": previous,
        "signed_at": now,
        "signer": name,
        "public_key": signer.public_key.hex(),
        "next_key": next_key.hex(),
        "heads": [
            {"stream": stream, "topic": topic, "partition": partition, "offset": offset, "link": link.hex()}
            for (stream, topic, partition), (offset, link) in sorted(heads.items())
        ],
    }
    message = signed_bytes(record)
    return {
        "anchor_id": hashlib.sha256(message).hexdigest(),
        **record,
        "signature": signer.sign(message).hex(),
    }


def signed_bytes(record: Mapping[str, Any]) -> bytes:
    """What the signature of `record` is over."""
    content = {name: value for name, value in record.items() if name not in ("anchor_id", "signature")}
    return _PURPOSE + json.dumps(content, sort_keys=True, separators=(",", ":"), default=_microseconds).encode()


def key_id(public_key: bytes) -> str:
    """Short name of a key, for people: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Proved:
    """What the anchors that a trusted key proves say. `refused`: what is wrong with the others, by anchor_id.
    `missing`: anchors that another one names as the one before it and that are not there."""

    anchors: Sequence[Mapping[str, Any]] = ()
    heads: Mapping[ChainName, Sequence[Head]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    keys: Sequence[bytes] = ()

    @property
    def latest(self) -> datetime | None:
        """When the newest of them was signed."""
        return max((_time(anchor["signed_at"]) for anchor in self.anchors), default=None)


def proved(records: Iterable[Mapping[str, Any]], trusted: Iterable[bytes]) -> Proved:
    """What `records` prove to somebody who trusts the public keys `trusted`, and those that they name in turn."""
    unique = {(record["anchor_id"], record["signature"]): record for record in records}
    waiting = list(unique.values())
    keys = list(dict.fromkeys(trusted))
    good: list[Mapping[str, Any]] = []
    refused: dict[str, str] = {}
    while True:
        known_keys = {key.hex() for key in keys}
        mine = [record for record in waiting if record["public_key"] in known_keys]
        if not mine:
            break
        waiting = [record for record in waiting if record["public_key"] not in known_keys]
        for record in mine:
            problem = _problem(record)
            if problem:
                refused[record["anchor_id"]] = problem
                continue
            good.append(record)
            if record["next_key"] and bytes.fromhex(record["next_key"]) not in keys:
                keys.append(bytes.fromhex(record["next_key"]))
    known = {record["anchor_id"] for record in good}
    refused |= {
        record["anchor_id"]: "its key is neither trusted nor named by a trusted one"
        for record in waiting
        if record["anchor_id"] not in known
    }
    good.sort(key=lambda record: _time(record["signed_at"]))
    heads: dict[ChainName, list[Head]] = {}
    for record in good:
        for head in record["heads"]:
            name = (head["stream"], head["topic"], head["partition"])
            signed = Head(head["offset"], bytes.fromhex(head["link"]), _time(record["signed_at"]))
            heads.setdefault(name, []).append(signed)
    missing = {record["previous"] for record in good if record["previous"]} - known
    return Proved(good, {name: in_order(found) for name, found in heads.items()}, refused, sorted(missing), keys)


def _problem(record: Mapping[str, Any]) -> str:
    message = signed_bytes(record)
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(record["public_key"]))
        key.verify(bytes.fromhex(record["signature"]), message)
        if record["next_key"] and len(bytes.fromhex(record["next_key"])) != _KEY_BYTES:
            return "the key it names is none"
    except (InvalidSignature, ValueError):
        return "its signature is wrong"
    return "" if hashlib.sha256(message).hexdigest() == record["anchor_id"] else "its id is another anchor's"


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromtimestamp(value / 1e6, UTC)


def _microseconds(value: Any) -> int:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} has no place in an anchor")
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
