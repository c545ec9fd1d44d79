"""The envelope: Avro records are plain concatenation, so a routed decision is a small encoded prefix followed by
the untouched bytes of the decision.

The prefix falls into a part before `calibrated_confidence` and a part after it. Within a batch both take few
different values and are encoded once each; only the eight bytes between them differ from row to row.
"""

import json
from functools import cache
from io import BytesIO
from typing import Any

import fastavro

from policy.compiled import Group
from schemas import avro_schemas, wire


def encode(
    group: Group,
    *,
    policy_version: str,
    calibration_version: str,
    audit: bool,
    propensity: float,
    now: int,
) -> tuple[bytes, bytes]:
    """The bytes before and after `calibrated_confidence`; `now` (microseconds since the epoch) is `routed_at`."""
    seconds = group.override_seconds
    fields = {
        "routed_at": now,
        "route": group.route.label,
        "reasons": list(group.reasons),
        "policy_version": policy_version,
        "calibration_version": calibration_version,
        "workflow": str(group.workflow),
        "priority": str(group.priority),
        "queue": group.queue,
        "audit": audit,
        "propensity": propensity,
        "override_until": None if seconds is None else now + seconds * 1_000_000,
        "notices": list(group.notices),
    }
    before, after = _halves()
    return wire.header("RoutedDecision") + _encoded(before, fields), _encoded(after, fields)


@cache
def _halves() -> tuple[Any, Any]:
    """RoutedDecision cut at `calibrated_confidence`, and without `decision` at the end."""
    document = json.loads(avro_schemas.text("RoutedDecision"))
    names = [field["name"] for field in document["fields"]]
    assert names[-1] == "decision"
    cut = names.index("calibrated_confidence")
    before, after = dict(document), dict(document)
    before["fields"] = document["fields"][:cut]
    after["fields"] = document["fields"][cut + 1 : -1]
    return fastavro.parse_schema(before), fastavro.parse_schema(after)


def _encoded(schema: Any, record: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, schema, record)
    return buffer.getvalue()
