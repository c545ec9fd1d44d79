"""What the records of a decision name elsewhere: policies, calibrations, scopes of controls, people."""

from collections.abc import Iterator
from typing import Final

from interlock.processors.explanation import controls
from interlock.processors.explanation.records import Records

# What is read of a decision as it arrived, and of a person: the router's records have the rest of the one, and nobody
# needs the rest of the other.
RECEIVED: Final = ("domain", "model_id", "model_version", "prediction", "confidence", "created_at")
PEOPLE: Final = ("id", "name")

# What stands behind the routing fields of a decision, where a record may be damaged without being refused.
BEHIND: Final = frozenset({"input", "alternatives", "explanation", "history", "vector"})


def policies_of(records: Records) -> frozenset[str]:
    """Versions of policies."""
    return frozenset(entry.record["policy_version"] for entry in records.routed) - {""}


def calibrations_of(records: Records) -> frozenset[str]:
    """Versions of calibrations."""
    return frozenset(entry.record["calibration_version"] for entry in records.routed) - {""}


def scopes_of(records: Records) -> frozenset[str]:
    """Scopes of the kill switch."""
    return frozenset(scope for entry in records.routed for scope in controls.scopes_of(entry.record["decision"]))


def people_of(records: Records) -> frozenset[str]:
    """Ids of everybody who is named; some may be programs, or the desk itself."""
    return frozenset(_people(records)) - {""}


def _people(records: Records) -> Iterator[str]:
    for entry in records.tasks:
        yield from (entry.record["actor"], entry.record["lease_holder"], entry.record["assigned_to"])
    for entry in records.outcomes:
        yield entry.record["reviewer"]
    for entry in records.resolutions:
        yield from entry.record["decided_by"]
    for entry in records.replies:
        yield entry.record["actor"]
    for entry in records.policies:
        yield entry.record["published_by"]
        yield from entry.record["signed_by"]
    for entry in records.controls:
        yield entry.record["set_by"]
