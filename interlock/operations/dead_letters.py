"""Reading dead letters, and sending them again exactly once.

A replay with `--all` remembers how far it came as the committed offsets of a consumer group, one for all reasons and
one for each reason, moved in the same transaction that sends the letters: run twice, or killed half-way and run
again, it sends nothing a second time. Single letters named by hand are sent whenever asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.errors import InterlockError
from interlock.schemas import catalogue
from interlock.schemas.error_headers import read_error_headers, without_error_headers
from interlock.sinks import _kafka_reading_old as kafka_reading
from interlock.streams.ports import Broker, Headers, Producer

GROUP = "interlock-dead-letters-replay"

# How long the broker may be silent before a command gives up; longer than its restart.
PATIENCE = 30.0

TOPIC = catalogue.DEAD_LETTER.name


@dataclass(frozen=True)
class Letter:
    """One dead letter: its place on the dead-letter topic, the original parts, the error as `what`."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def what(self) -> dict[str, str]:
        """exception, message, topic, partition, offset as the headers of KIP-1034 give them."""
        return read_error_headers(self.headers)

    @property
    def reason(self) -> str:
        """The stable code of what was wrong."""
        return self.what.get("exception", "")

    def facts(self) -> dict[str, Any]:
        """For tables and JSON."""
        what = self.what
        return {
            "letter": f"{self.partition}:{self.offset}",
            "reason": self.reason,
            "source": f"{what.get('topic', '?')} {what.get('partition', '?')}:{what.get('offset', '?')}",
            "key": (self.key or b"").decode(errors="backslashreplace"),
            "bytes": len(self.value or b""),
            "message": what.get("message", ""),
        }

    def header_facts(self) -> list[tuple[str, str]]:
        """The producer's own headers as text."""
        return [(k, (v or b"").decode(errors="backslashreplace")) for k, v in without_error_headers(self.headers)]


def read_letters(broker: Broker, reason: str | None = None) -> Iterator[Letter]:
    """Every dead letter, or those with one reason, partition by partition."""
    for letter in _read(broker, broker.end_offsets(TOPIC)):
        if reason is None or letter.reason == reason:
            yield letter


def read_letter(broker: Broker, partition: int, offset: int) -> Letter | None:
    """The dead letter at one place."""
    if partition not in broker.end_offsets(TOPIC):
        return None
    found = next(_read(broker, [partition], offset), None)
    return found if found is not None and found.offset == offset else None


def replay(broker: Broker, places: list[tuple[int, int]] | None, reason: str | None) -> int:
    """Sends the letters at `places` again, or all not yet replayed (with `reason`: those); how many were sent."""
    # First of all, because it ends what a killed replay has left open and fences one that still runs: only then is
    # it final what has been sent already.
    producer = broker.producer(GROUP)
    producer.init_transactions(PATIENCE)
    if places is not None:
        letters = []
        for place in places:
            letter = read_letter(broker, *place)
            if letter is None:
                raise InterlockError(f"there is no dead letter {place[0]}:{place[1]}; nothing was sent")
            letters.append(letter)
        return _send(broker, producer, letters, None)
    ends = broker.end_offsets(TOPIC)
    every = _replayed(broker, GROUP, len(ends))
    letters = [one for one in read_letters(broker, reason) if every[one.partition] <= one.offset < ends[one.partition]]
    by_reason = {why: _replayed(broker, f"{GROUP}.{why}", len(ends)) for why in {one.reason for one in letters}}
    letters = [one for one in letters if by_reason[one.reason][one.partition] <= one.offset]
    group = GROUP if reason is None else f"{GROUP}.{reason}"
    return _send(broker, producer, letters, (group, ends))


def _read(broker: Broker, partitions: Iterable[int], start: int = OFFSET_BEGINNING) -> Iterator[Letter]:
    with closing(broker.consumer(None, overrides={"enable.partition.eof": True})) as consumer:
        for messages in kafka_reading.read(consumer, TOPIC, partitions, start):
            for one in messages:
                yield Letter(one.partition(), one.offset(), one.key(), one.value(), one.headers() or [])


def _replayed(broker: Broker, group: str, partitions: int) -> dict[int, int]:
    found = kafka_reading.committed(broker.consumer, group, {TOPIC: partitions})
    return {partition: offset for (_, partition), offset in found.items()}


def _send(
    broker: Broker, producer: Producer, letters: list[Letter], progress: tuple[str, Mapping[int, int]] | None
) -> int:
    producer.begin_transaction()
    for letter in letters:
        topic = letter.what.get("topic", catalogue.DECISIONS.name)
        headers: Headers = [*without_error_headers(letter.headers)]
        producer.produce(topic, letter.value, letter.key, headers=headers)
    if progress is not None:
        group, ends = progress
        positions = [TopicPartition(TOPIC, partition, end) for partition, end in ends.items()]
        with closing(broker.consumer(group)) as consumer:
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), PATIENCE)
    producer.commit_transaction(PATIENCE)
    return len(letters)
