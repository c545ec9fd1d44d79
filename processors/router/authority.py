"""Whether a policy or a candidate was signed by a gateway that the routers know: without, it has no effect."""

from collections.abc import Mapping

from interlock.processors.events import Event, alert
from interlock.processors.records import Message
from interlock.schemas import catalogue, wire
from interlock.schemas.headers import headers_of
from interlock.schemas.signed_commands import read_signature
from interlock.schemas.signed_records import signed_bytes

# By topic: the schema, and the field that says when it was signed.
_SIGNED = {
    catalogue.POLICIES.name: ("PolicyVersion", "published_at"),
    catalogue.POLICY_CANDIDATES.name: ("PolicyCandidate", "started_at"),
}

# Clocks of gateways differ, by less than this. A recorded one that is older is sent again to bring back what was.
_MAX_AGE = 3600 * 1_000_000


class PolicyAuthority:
    """The keys of the signers by name; without any, every record counts. Takes a topic's records in their order."""

    def __init__(self, signers: Mapping[str, bytes] | None = None) -> None:
        self._signers = signers or {}
        self._latest: dict[tuple[str, bytes], int] = {}

    def distrust(self, record: Message) -> str | None:
        """Why a record must have no effect, in words; None if it counts."""
        topic, key, value = record.topic(), record.key() or b"", record.value()
        if not self._signers or topic not in _SIGNED:
            return None
        signature = read_signature(headers_of(record))
        if signature is None:
            return "nobody has signed it"
        signer = self._signers.get(signature.signer)
        if signer is None or not signature.is_of(signed_bytes(topic, key, value), signer):
            return f"the signature is not one of {signature.signer!r} that the routers know"
        return self._repetition(topic, key, value)

    def _repetition(self, topic: str, key: bytes, value: bytes | None) -> str | None:
        if value is None:
            return None
        schema, at = _SIGNED[topic]
        try:
            signed_at = int(wire.decode_plain(schema, value)[at])
        except wire.WireError:
            return None  # whoever applies it says so
        latest = max(signed_at, self._latest.get((topic, key), signed_at))
        if signed_at < latest - _MAX_AGE:
            return "a later one was in force already: somebody has sent a recorded one again"
        self._latest[topic, key] = latest
        return None


def unsigned(record: Message, why: str, now: int) -> Event:
    """The alert about a record without effect."""
    topic, place = record.topic(), f"partition {record.partition()}, offset {record.offset()}"
    name = (record.key() or b"").decode(errors="replace")
    message = (
        f"A record of topic {topic} about policy {name} ({place}) has no effect: {why}. What was in force stays. Find "
        "out who wrote it; if it was you, give the command the key (INTERLOCK_SIGNING__NAME and …__KEY) and repeat it"
    )
    cause = f"{topic}/{record.partition()}/{record.offset()}"
    return alert("policy_not_signed", cause, "critical", (), message, now)
