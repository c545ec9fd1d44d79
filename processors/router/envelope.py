"""The envelope: Avro records are plain concatenation, so a routed decision is a small encoded prefix followed by
the untouched bytes of the decision.

In the prefix only `routed_at`, `calibrated_confidence` and `override_until` differ from batch to batch or from row to
row. What stands between them takes few different values and is encoded once each.
"""

import json
from functools import cache, lru_cache
from io import BytesIO
from itertools import pairwise
from typing import Any

import fastavro

from interlock.policy.compiled import Treatment
from interlock.processors.router.candidates import NO_TRIAL, Trial
from interlock.schemas import avro_schemas, wire

# The fields whose values are encoded anew for every batch or row.
_VARIABLE = ("routed_at", "calibrated_confidence", "override_until")

# As many entries, of 300 bytes, as a policy has cached treatments.
_CACHE_SIZE = 50_000


def encode(
    treatment: Treatment,
    *,
    policy_version: str,
    calibration_version: str,
    audit: bool,
    propensity: float,
    now: int,
    trial: Trial = NO_TRIAL,
) -> tuple[bytes, bytes]:
    """The bytes before and after `calibrated_confidence`; `now` (microseconds since the epoch) is `routed_at`."""
    routed_at, _, override_until = _variable_types()
    seconds = treatment.override_seconds
    until = None if seconds is None else now + seconds * 1_000_000
    start, middle, after, end = _fixed(treatment, policy_version, calibration_version, audit, propensity, trial)
    return start + _encoded(routed_at, now) + middle, after + _encoded(override_until, until) + end


@lru_cache(_CACHE_SIZE)
def _fixed(
    treatment: Treatment,
    policy_version: str,
    calibration_version: str,
    audit: bool,
    propensity: float,
    trial: Trial,
) -> tuple[bytes, ...]:
    """The bytes before, between and after the variable fields."""
    fields = {
        "route": treatment.route.label,
        "reasons": list(treatment.reasons),
        "policy_version": policy_version,
        "calibration_version": calibration_version,
        "workflow": str(treatment.workflow),
        "priority": str(treatment.priority),
        "queue": treatment.queue,
        "audit": audit,
        "propensity": propensity,
        "notices": list(treatment.notices),
        "quorum": treatment.duties.quorum,
        "qualifications": list(treatment.duties.qualifications),
        "outcomes": list(treatment.duties.outcomes),
        "calendar": treatment.duties.calendar,
        "service_levels": treatment.duties.service_levels,
        "outcome_notices": treatment.duties.notices,
        **trial._asdict(),
        "attestations": list(treatment.duties.attestations),
        "evidence_opened": treatment.duties.evidence_opened,
        "notify_within_days": treatment.duties.notify_within_days,
    }
    first, *others = (_encoded(schema, fields) for schema in _fixed_schemas())
    return wire.header("RoutedDecision") + first, *others


@cache
def _fixed_schemas() -> tuple[Any, ...]:
    """RoutedDecision without `decision` at the end, cut at the variable fields."""
    document = json.loads(avro_schemas.text("RoutedDecision"))
    fields = document["fields"]
    names = [field["name"] for field in fields]
    assert names[-1] == "decision"
    cuts = [-1, *(names.index(name) for name in _VARIABLE), len(names) - 1]
    return tuple(fastavro.parse_schema({**document, "fields": fields[a + 1 : b]}) for a, b in pairwise(cuts))


@cache
def _variable_types() -> tuple[Any, ...]:
    types = {field["name"]: field["type"] for field in json.loads(avro_schemas.text("RoutedDecision"))["fields"]}
    return tuple(fastavro.parse_schema(types[name]) for name in _VARIABLE)


def _encoded(schema: Any, value: Any) -> bytes:
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, schema, value)
    return buffer.getvalue()
