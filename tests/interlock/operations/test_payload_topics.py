"""Payloads stay in Kafka for as long as the catalogue says, and the doctor tells where that is not so."""

import pytest

from interlock.operations.payload_topics import PAYLOAD_TOPICS, bounds
from interlock.schemas import catalogue
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS])
    return broker


def test_every_topic_whose_records_hold_a_decision_forgets_it() -> None:
    held = {"Decision", "RoutedDecision", "TrainingExample"}
    assert {topic for topic in catalogue.TOPICS if topic.schema in held} <= set(PAYLOAD_TOPICS)
    assert all(topic.retention_days and not topic.is_compacted for topic in PAYLOAD_TOPICS)


def test_the_doctor_tells_for_how_long_payloads_stay(broker: MemoryBroker) -> None:
    state, finding = bounds(broker)
    assert (state, finding.startswith("decisions 14 d, decisions.auto-approved 14 d")) == ("ok", True)


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("retention.ms", "-1", "decisions: payloads are kept for ever, longer than anything needs it; expected 14 d"),
        ("retention.ms", "86400000", "decisions: payloads are kept 1 d, too short for what reads it; expected 14 d"),
        ("cleanup.policy", "compact", "decisions: its records are never deleted (cleanup.policy is compact)"),
    ],
)
def test_what_is_kept_too_long_or_too_short_is_a_warning(
    broker: MemoryBroker, setting: str, value: str, told: str
) -> None:
    broker.configure_topic("decisions", {setting: value})
    state, finding = bounds(broker)
    assert (state, finding.splitlines()[0]) == ("warning", told)
