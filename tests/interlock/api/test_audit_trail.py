"""The system says when the audit trail was signed last."""

from interlock.operations.audit_trail import publisher
from interlock.platform.trail_keys import Ed25519Signer
from interlock.sinks.trail.anchors import key_id, signed_anchor
from tests.interlock.api.api_world import World


def test_the_system_tells_when_the_audit_trail_was_signed_last(api: World) -> None:
    assert api.get("/v1/system").json()["audit_trail"] == {"signed_at": None, "key_id": None}
    key = Ed25519Signer(bytes(32))
    heads = {("log", "tasks", 0): (3, b"l" * 32)}
    anchor = signed_anchor(key, heads, name="sink-1", previous="", now=1_767_225_600_000_000)
    publisher(api.broker, None)(anchor)
    told = api.get("/v1/system").json()["audit_trail"]
    assert told == {"signed_at": "2026-01-01T00:00:00Z", "key_id": key_id(key.public_key)}
