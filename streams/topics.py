"""Topics as they should be against topics as they are."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from interlock.streams.ports import Broker, TopicSpec, TopicState

# Kafka's limit of a topic: bytes of a stored batch, which holds at least one record.
MAX_BYTES = "max.message.bytes"

RETENTION = "retention.ms"
CLEANUP = "cleanup.policy"

_PARTITIONS = "partitions"

# Kafka's word for keeping records for ever.
_FOR_EVER = -1


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

    @property
    def too_short(self) -> bool:
        """Whether Kafka deletes records before the pipeline expects it."""
        return self.setting == RETENTION and _retention(self.found) < _retention(self.expected)

    @property
    def deletes_if_corrected(self) -> bool:
        """Whether Kafka would delete records that it keeps now, if it were as expected."""
        if self.setting == CLEANUP:
            return not set(self.expected.split(",")) <= set(self.found.split(","))
        return self.setting == RETENTION and _retention(self.found) > _retention(self.expected)

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


def alter_topics(broker: Broker, specs: Sequence[TopicSpec], *, deleting: bool, apply: bool) -> TopicReport:
    """Gives existing topics the configuration in `specs`, each topic at once; without `apply` only says what it would
    correct. What would let Kafka delete records stays a difference, unless `deleting`; partitions stay always.

    Raises KafkaException.
    """
    found = [each for each in _differences(_states(broker, specs), specs) if each.setting != _PARTITIONS]
    withheld = {each.topic for each in found if each.deletes_if_corrected and not deleting}
    corrected = [each for each in found if each.topic not in withheld]
    if apply:
        for topic in dict.fromkeys(each.topic for each in corrected):
            broker.configure_topic(topic, {each.setting: each.expected for each in corrected if each.topic == topic})
    return TopicReport((), tuple(corrected), tuple(each for each in found if each.topic in withheld))


def kept_too_short(broker: Broker, specs: Sequence[TopicSpec]) -> list[Difference]:
    """Existing topics of which Kafka deletes records too early, or for which it has another cleanup. Raises
    KafkaException."""
    found = _differences(_states(broker, specs), specs)
    return [each for each in found if each.too_short or each.setting == CLEANUP]


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
            yield Difference(spec.name, _PARTITIONS, str(spec.partitions), str(state.partitions))
        for key, expected in spec.config.items():
            if state.config.get(key) != expected:
                yield Difference(spec.name, key, expected, state.config.get(key, "not set"))


def _retention(text: str) -> float:
    """Milliseconds; without a number, as where it is not set, nobody knows that Kafka keeps anything."""
    try:
        milliseconds = int(text)
    except ValueError:
        return 0
    return inf if milliseconds == _FOR_EVER else milliseconds
