"""Signed commands: a gateway that has logged a person in says so to the desk, which Kafka cannot.

Kafka checks who may write to a topic and does not tell readers who wrote a record. The signature is an HMAC-SHA256 of
the person and the bytes of the command, under a key that the gateway and the desk share.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

PRINCIPAL_HEADER = "interlock-principal"
SIGNATURE_HEADER = "interlock-signature"

# As a key of HMAC-SHA256 should be long.
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs. `name`: under which the desk knows the key."""

    name: str
    key: bytes = field(repr=False)

    def headers(self, principal: str, command: bytes) -> list[tuple[str, bytes | None]]:
        """The headers of a command that `principal`, who is logged in, has given."""
        signature = f"{self.name}:{_digest(self.key, principal, command)}"
        return [(PRINCIPAL_HEADER, principal.encode()), (SIGNATURE_HEADER, signature.encode())]


@dataclass(frozen=True, slots=True)
class Signature:
    """What the headers of a command say; nothing of it is proved before `is_of`."""

    principal: str
    signer: str
    digest: str

    def is_of(self, command: bytes, key: bytes) -> bool:
        """Whether whoever has `key` signed the bytes of `command` for the principal."""
        return hmac.compare_digest(_digest(key, self.principal, command), self.digest)


def read_signature(headers: Iterable[tuple[str, bytes | None]]) -> Signature | None:
    """The signature of a command; None where there is none that can be read."""
    found = {name: value or b"" for name, value in headers if name in (PRINCIPAL_HEADER, SIGNATURE_HEADER)}
    try:
        principal, signature = (found[name].decode() for name in (PRINCIPAL_HEADER, SIGNATURE_HEADER))
    except (KeyError, UnicodeDecodeError):
        return None
    signer, _, digest = signature.rpartition(":")
    return Signature(principal, signer, digest) if digest.isascii() else None


def _digest(key: bytes, principal: str, command: bytes) -> str:
    # The length keeps the end of one from being the beginning of the other.
    name = principal.encode()
    return hmac.new(key, len(name).to_bytes(8) + name + command, hashlib.sha256).hexdigest()
