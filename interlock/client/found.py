"""A resolution that was looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.client.result import DecisionResult

# The source of what took effect by itself.
AUTO = "auto"

# What a resolution and a routed decision say of the decision itself, as far as each of them does.
CONTENT = (
    "domain",
    "model_id",
    "model_version",
    "prediction",
    "confidence",
    "amount",
    "jurisdiction",
    "subject_id",
    "input",
)


@dataclass(frozen=True, slots=True)
class FoundResolution:
    """A resolution, and what its record says about the decision (fields of CONTENT)."""

    result: DecisionResult
    content: Mapping[str, Any]


Found = dict[str, FoundResolution]


def found_resolution(record: Mapping[str, Any]) -> FoundResolution:
    """Of a `Resolution` record."""
    content = {name: record[name] for name in CONTENT if name in record}
    return FoundResolution(DecisionResult.from_resolution(dict(record)), content)


def found_routed(record: Mapping[str, Any]) -> FoundResolution:
    """Of a `RoutedDecision` record that takes effect by itself."""
    content = {name: record["decision"][name] for name in CONTENT}
    return FoundResolution(DecisionResult.from_routed(dict(record)), content)


def replaces(new: FoundResolution, known: FoundResolution | None) -> bool:
    """A later version does; of one version, what the desk says replaces what the router said."""
    if known is None or new.result.version != known.result.version:
        return known is None or new.result.version > known.result.version
    return new.result.source != AUTO
