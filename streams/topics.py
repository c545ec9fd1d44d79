"""Topics as they should be against topics as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.streams.ports import Broker, TopicSpec


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as specified about an existing topic. `setting`: `partitions` or a configuration key."""

    topic: str
    setting: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"topic {self.topic}: {self.setting} is {self.found}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class TopicReport:
    """`created`: names of topics that did not exist; `differences`: what is left for a person to decide."""

    created: tuple[str, ...]
    differences: tuple[Difference, ...]


def ensure_topics(broker: Broker, specs: Sequence[TopicSpec]) -> TopicReport:
    """Creates what is missing and reports what differs, but changes nothing that exists.

    Raising the number of partitions moves keys, and a configuration may have been changed on purpose.
    Raises KafkaException.
    """
    keys = sorted({key for spec in specs for key in spec.config})
    existing = broker.topic_states([spec.name for spec in specs], keys)
    missing = [spec for spec in specs if spec.name not in existing]
    broker.create_topics(missing)
    differences = []
    for spec in specs:
        state = existing.get(spec.name)
        if state is None:
            continue
        if state.partitions != spec.partitions:
            differences.append(Difference(spec.name, "partitions", str(spec.partitions), str(state.partitions)))
        differences += [
            Difference(spec.name, key, expected, state.config.get(key, "not set"))
            for key, expected in spec.config.items()
            if state.config.get(key) != expected
        ]
    return TopicReport(tuple(spec.name for spec in missing), tuple(differences))
