"""Reads what `interlock shadow compare` compares: the decisions of champion and challenger, and reviewed outcomes."""

from collections.abc import Iterator
from contextlib import closing

from interlock.processors.shadow.comparison import (
    ReviewedOutcome,
    ShadowComparison,
    VersionDecision,
    pair_cases,
    reviewed_outcome,
    version_decision,
)
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

_DECISION_TOPICS = (*catalogue.ROUTE_TOPICS, catalogue.SHADOW)


def read_comparison(broker: Broker, domain: str, champion: str, challenger: str) -> ShadowComparison:
    """The cases that the topics hold; versions as model_id@model_version. Raises KafkaException."""
    decisions: dict[str, dict[str, VersionDecision]] = {champion: {}, challenger: {}}
    # To look for a name among the bytes costs a thousandth of decoding the record.
    domain_bytes = domain.encode()
    model_bytes = [version.rpartition("@")[0].encode() for version in decisions]
    for message in _messages(broker, [topic.name for topic in _DECISION_TOPICS]):
        value = message.value() or b""
        if domain_bytes not in value or not any(model in value for model in model_bytes):
            continue
        try:
            routed = wire.decode_plain("RoutedDecision", value)
        except wire.WireError:
            continue
        decision = routed["decision"]
        version = f"{decision['model_id']}@{decision['model_version']}"
        if decision["domain"] == domain and version in decisions:
            # A decision that takes effect and is reviewed stands in two topics.
            decisions[version].setdefault(decision["decision_id"], version_decision(routed))
    outcomes = _reviewed_outcomes(broker, decisions[champion].keys() | decisions[challenger].keys())
    return pair_cases(decisions[champion].values(), decisions[challenger].values(), outcomes)


def _reviewed_outcomes(broker: Broker, decision_ids: set[str]) -> dict[str, ReviewedOutcome]:
    """One outcome for each decision: the last sample, which under four eyes is the second reviewer's."""
    outcomes = {}
    for message in _messages(broker, [catalogue.OUTCOMES.name]):
        if (message.key() or b"").decode(errors="replace") not in decision_ids:
            continue
        try:
            record = wire.decode("Outcome", message.value())
        except wire.WireError:
            continue
        outcome = reviewed_outcome(record)
        if outcome is not None:
            outcomes[record["decision_id"]] = outcome
    return outcomes


def _messages(broker: Broker, topics: list[str]) -> Iterator[Message]:
    with closing(TableReader(broker, topics, once=True)) as reader:
        for part in reader.read_parts():
            yield from part
