"""Whether Kafka keeps the payloads of decisions for a bounded time: what identifies people must not stay for ever."""

from collections.abc import Iterator, Mapping
from typing import Literal

from interlock.schemas import catalogue
from interlock.schemas.catalogue import DAY_MS, Topic
from interlock.streams.ports import Broker, TopicState
from interlock.streams.topics import CLEANUP, RETENTION

# The topics whose records hold a decision with its input: as it came, routed, as an example, or as a dead letter.
PAYLOAD_TOPICS = (
    catalogue.DECISIONS,
    *catalogue.ROUTE_TOPICS,
    catalogue.SHADOW,
    catalogue.TRAINING_EXAMPLES,
    catalogue.DEAD_LETTER,
    catalogue.ACTIONS_RETRY,
)


def bounds(broker: Broker) -> tuple[Literal["ok", "warning"], str]:
    """For how long each keeps its records, and a warning where that is without end, or not as long as the catalogue
    says. Raises KafkaException."""
    states = broker.topic_states([topic.name for topic in PAYLOAD_TOPICS], [RETENTION, CLEANUP])
    problems = list(_problems(states))
    if problems:
        return "warning", "\n".join([*problems, "`interlock topics alter` shows what it would change"])
    return "ok", ", ".join(f"{topic.name} {topic.retention_days} d" for topic in PAYLOAD_TOPICS)


def _problems(states: Mapping[str, TopicState]) -> Iterator[str]:
    for topic in PAYLOAD_TOPICS:
        state = states.get(topic.name)
        if state is None:
            continue
        if "delete" not in state.config.get(CLEANUP, ""):
            yield f"{topic.name}: its records are never deleted ({CLEANUP} is {state.config.get(CLEANUP)})"
        else:
            yield from _wrong(topic, state.config.get(RETENTION, ""))


def _wrong(topic: Topic, found: str) -> Iterator[str]:
    expected = (topic.retention_days or 0) * DAY_MS
    kept = int(found) if found.lstrip("-").isdigit() else 0
    if kept == expected:
        return
    # Kafka's word for keeping records for ever.
    days = "for ever" if kept < 0 else f"{kept / DAY_MS:g} d"
    judged = "too short for what reads it" if 0 <= kept < expected else "longer than anything needs it"
    yield f"{topic.name}: payloads are kept {days}, {judged}; expected {topic.retention_days} d"
