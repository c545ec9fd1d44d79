"""Topics as they should be against topics as they are."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from interlock.streams.ports import Broker, TopicSpec, TopicState

# Kafka's limit of a topic: bytes of a stored batch, which holds at least one record.
MAX_BYTES = "max.message.bytes"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as specified about an existing topic. `setting`: `partitions` or a configuration key."""

    topic: str
    setting: str
    expected: str
    found: str

    @property
    def too_small(self) -> bool:
        """Whether it is a limit below which records are refused that the pipeline may write."""
        return self.setting == MAX_BYTES and self.found.isdigit() and int(self.found) < int(self.expected)

    def __str__(self) -> str:
        text = f"topic {self.topic}: {self.setting} is {self.found}, expected {self.expected}"
        if not self.too_small:
            return text
        return (
            f"{text}. A large record would stop the role that writes it. Raise it: kafka-configs.sh --bootstrap-server "
            f"HOST:PORT --alter --entity-type topics --entity-name {self.topic} "
            f"--add-config {self.setting}={self.expected}"
        )


@dataclass(frozen=True, slots=True)
class TopicReport:
    """`created`: names of topics that did not exist; `corrected`: settings that were changed to what is expected;
    `differences`: what is left for a person to decide."""

    created: tuple[str, ...]
    corrected: tuple[Difference, ...]
    differences: tuple[Difference, ...]


def ensure_topics(broker: Broker, specs: Sequence[TopicSpec], correct: Collection[str] = ()) -> TopicReport:
    """Creates what is missing and reports what differs; of what exists it changes only the settings in `correct`.

    Raising the number of partitions moves keys, and other settings may have been changed on purpose.
    Raises KafkaException.
    """
    existing = _states(broker, specs)
    missing = [spec for spec in specs if spec.name not in existing]
    broker.create_topics(missing)
    differences = list(_differences(existing, specs))
    corrected = [difference for difference in differences if difference.setting in correct]
    for difference in corrected:
        broker.configure_topic(difference.topic, {difference.setting: difference.expected})
    left = [difference for difference in differences if difference.setting not in correct]
    return TopicReport(tuple(spec.name for spec in missing), tuple(corrected), tuple(left))


def too_small_limits(broker: Broker, specs: Sequence[TopicSpec]) -> list[Difference]:
    """Existing topics that refuse records which the pipeline may write. Raises KafkaException."""
    return [difference for difference in _differences(_states(broker, specs), specs) if difference.too_small]


def _states(broker: Broker, specs: Sequence[TopicSpec]) -> dict[str, TopicState]:
    keys = sorted({key for spec in specs for key in spec.config})
    return broker.topic_states([spec.name for spec in specs], keys)


def _differences(existing: Mapping[str, TopicState], specs: Sequence[TopicSpec]) -> Iterator[Difference]:
    for spec in specs:
        state = existing.get(spec.name)
        if state is None:
            continue
        if state.partitions != spec.partitions:
            yield Difference(spec.name, "partitions", str(spec.partitions), str(state.partitions))
        for key, expected in spec.config.items():
            if state.config.get(key) != expected:
                yield Difference(spec.name, key, expected, state.config.get(key, "not set"))
