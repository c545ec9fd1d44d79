"""Reading dead letters, and sending them again exactly once.

A replay with `--all` remembers how far it came as the committed offsets of a consumer group, one for all reasons and
one for each reason, moved in the same transaction that sends the letters: run twice, or killed half-way and run
again, it sends nothing a second time. Single letters named by hand are sent whenever asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from interlock.errors import UserError
from processors.router.dead_letters import read_error_headers, without_error_headers
from schemas import catalogue
from streams.ports import Broker

GROUP = "interlock-dead-letters-replay"

# How long the broker may be silent before a command gives up; longer than its restart.
PATIENCE = 30.0

# Enough for one fetch; a command is not a hot path.
BATCH = 1000


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

    def facts(self) -> dict[str, Any]:
        """For tables and JSON."""
        what = self.what
        return {
            "letter": f"{self.partition}:{self.offset}",
            "reason": what.get("exception", ""),
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
    consumer = broker.consumer(None)
    try:
        for letter in _read(consumer, dict.fromkeys(broker.end_offsets(catalogue.DEAD_LETTER.name), 0), broker):
            if reason is None or letter.what.get("exception") == reason:
                yield letter
    finally:
        consumer.close()


def read_letter(broker: Broker, partition: int, offset: int) -> Letter | None:
    """The dead letter at one place."""
    consumer = broker.consumer(None)
    try:
        found = next(_read(consumer, {partition: offset}, broker), None)
    finally:
        consumer.close()
    return found if found is not None and found.offset == offset else None


def replay(broker: Broker, places: list[tuple[int, int]] | None, reason: str | None) -> int:
    """Sends the letters at `places` again, or all not yet replayed (with `reason`: those); how many were sent."""
    if places is not None:
        letters = []
        for place in places:
            letter = read_letter(broker, *place)
            if letter is None:
                raise UserError(f"there is no dead letter {place[0]}:{place[1]}; nothing was sent")
            letters.append(letter)
        return _send(broker, letters, None)
    every = _replayed(broker, GROUP)
    ends = broker.end_offsets(catalogue.DEAD_LETTER.name)
    by_reason: dict[str, dict[int, int]] = {}
    letters = []
    for letter in read_letters(broker, reason):
        why = letter.what.get("exception", "")
        if why not in by_reason:
            by_reason[why] = _replayed(broker, f"{GROUP}.{why}")
        done = max(every.get(letter.partition, 0), by_reason[why].get(letter.partition, 0))
        if done <= letter.offset < ends.get(letter.partition, 0):
            letters.append(letter)
    group = GROUP if reason is None else f"{GROUP}.{reason}"
    return _send(broker, letters, (group, ends))


def _read(consumer: Any, starts: dict[int, int], broker: Broker) -> Iterator[Letter]:
    topic = catalogue.DEAD_LETTER.name
    ends = broker.end_offsets(topic)
    # Partitions that end where we start hold nothing; waiting for them would never end.
    left = {}
    for partition, start in starts.items():
        first, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE)
        if max(start, first) < ends.get(partition, 0):
            left[partition] = ends[partition]
    consumer.assign([TopicPartition(topic, p, starts[p] or OFFSET_BEGINNING) for p in left])
    while left:
        messages = consumer.consume(BATCH, 1.0)
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            if message.partition() in left and message.offset() < left[message.partition()]:
                yield Letter(
                    message.partition(),
                    message.offset(),
                    message.key(),
                    message.value(),
                    message.headers() or [],
                )
        for at in consumer.position([TopicPartition(topic, p) for p in left]):
            if at.offset >= left[at.partition]:
                del left[at.partition]


def _replayed(broker: Broker, group: str) -> dict[int, int]:
    topic = catalogue.DEAD_LETTER.name
    consumer = broker.consumer(group)
    try:
        partitions = [TopicPartition(topic, partition) for partition in broker.end_offsets(topic)]
        return {one.partition: max(one.offset, 0) for one in consumer.committed(partitions, timeout=PATIENCE)}
    finally:
        consumer.close()


def _send(broker: Broker, letters: list[Letter], progress: tuple[str, dict[int, int]] | None) -> int:
    producer = broker.producer(GROUP)
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    for letter in letters:
        topic = letter.what.get("topic", catalogue.DECISIONS.name)
        producer.produce(topic, letter.value, letter.key, headers=without_error_headers(letter.headers))  # type: ignore[arg-type]
    if progress is not None:
        group, ends = progress
        consumer: Consumer | Any = broker.consumer(group)
        positions = [TopicPartition(catalogue.DEAD_LETTER.name, partition, end) for partition, end in ends.items()]
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), PATIENCE)
        consumer.close()
    producer.commit_transaction(PATIENCE)
    return len(letters)
