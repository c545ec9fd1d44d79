"""A fold of proposals with a published policy, and what it says, as topics would carry it."""

from collections.abc import Iterable
from typing import Any

from interlock.policy.load import parse
from interlock.policy.version import resolved, version
from interlock.processors.events import Event
from interlock.processors.proposals.fold import ProposalFold, ProposalSettings
from interlock.schemas import catalogue, wire

SOURCE = """\
name: lending   # of the tests
domains:
  loan:
    models: [scorer]
    outcomes: [approve, reject]
    lanes:
      approve: {auto: 0.90, async: 0.85}   # as agreed in May
    attributes: {country: string, age: int, member: bool}
audit: {rate: 0.1}
"""


def policy_version(source: str = SOURCE) -> dict[str, Any]:
    """The `PolicyVersion` record of a policy."""
    policy = parse(source, "test")
    return {
        "name": policy.name,
        "version": version(policy),
        "resolved": resolved(policy),
        "source": source,
        "published_at": 0,
        "published_by": "ana",
        "note": "",
    }


def new_fold(source: str = SOURCE, *, alpha: float = 0.1, every: int = 100) -> ProposalFold:
    """A fold that knows the policy."""
    fold = ProposalFold(ProposalSettings(alpha=alpha, every=every))
    fold.apply(catalogue.POLICIES.name, b"lending", wire.encode("PolicyVersion", policy_version(source)))
    return fold


def taken(fold: ProposalFold, examples: Iterable[dict[str, Any]]) -> list[Event]:
    """Everything said; every record is written and read on the way."""
    events = [event for example in examples for event in fold.process(example)]
    for event in events:
        assert event.topic.schema is not None
        assert event.record is not None
        wire.decode(event.topic.schema, wire.encode(event.topic.schema, event.record))
    return events


def proposals(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The `Proposal` records among events, each as it was last."""
    latest = {e.key: e.record for e in events if e.topic is catalogue.PROPOSALS and e.record is not None}
    return list(latest.values())


def of(events: Iterable[Event], topic: catalogue.Topic) -> list[dict[str, Any]]:
    """The records for one topic."""
    return [event.record for event in events if event.topic is topic and event.record is not None]
