"""Reading dead letters, and sending them again exactly once.

A replay with `--all` remembers how far it came as the committed offsets of a consumer group, one for all reasons and
one for each reason, moved in the same transaction that sends the dead letters: run twice, or killed half-way and run
again, it sends nothing a second time. Single dead letters named by hand are sent whenever asked.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import TopicPartition

from interlock.errors import InterlockError
from interlock.schemas import catalogue
from interlock.schemas.catalogue import DEAD_LETTER_REPLAY_GROUP
from interlock.schemas.dead_letters import is_by_reference
from interlock.schemas.error_headers import read_error_headers, without_error_headers
from interlock.schemas.headers import headers_of
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Broker, Headers, Message, Producer
from interlock.streams.ranges import FIRST_OFFSET, read_range

# How long the broker may be silent before a command gives up; longer than its restart.
TIMEOUT_SECONDS = 30.0

TOPIC = catalogue.DEAD_LETTER.name


@dataclass(frozen=True)
class Letter:
    """One dead letter: its offset on the dead-letter topic, the original parts, the error as `what`."""

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

    @property
    def is_by_reference(self) -> bool:
        """Whether it holds no copy of its message, which was too large."""
        return is_by_reference(self.reason, self.value)

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
    ends = {(TOPIC, number): end for number, end in broker.end_offsets(TOPIC).items()}
    for message in read_range(broker, dict.fromkeys(ends, FIRST_OFFSET), ends):
        letter = _letter(message)
        if reason is None or letter.reason == reason:
            yield letter


def read_letter(broker: Broker, partition: int, offset: int) -> Letter | None:
    """The dead letter at one offset; None if there is none."""
    if not 0 <= offset < broker.end_offsets(TOPIC).get(partition, 0):
        return None
    messages = read_range(broker, {(TOPIC, partition): offset}, {(TOPIC, partition): offset + 1})
    return next((_letter(message) for message in messages), None)


def replay(broker: Broker, named: list[tuple[int, int]] | None, reason: str | None) -> int:
    """Sends the dead letters `named` (partition, offset) again, or all not yet replayed (with `reason`: those).

    Returns how many were sent. Those that hold no copy of their message are left out.
    """
    # First of all, because it ends the transaction that a killed replay has left open and fences one that still runs:
    # only then is it final what has been sent already.
    producer = broker.producer(DEAD_LETTER_REPLAY_GROUP)
    producer.init_transactions(TIMEOUT_SECONDS)
    if named is not None:
        letters = []
        for partition, offset in named:
            letter = read_letter(broker, partition, offset)
            if letter is None:
                raise InterlockError(f"there is no dead letter {partition}:{offset}; nothing was sent")
            if letter.is_by_reference:
                message = f"dead letter {partition}:{offset} holds no copy ({letter.what['message']}); nothing was sent"
                raise InterlockError(message)
            letters.append(letter)
        return _send(broker, producer, letters, None)
    ends = broker.end_offsets(TOPIC)
    replayed = _replayed(broker, None, len(ends))
    letters = [
        letter
        for letter in read_letters(broker, reason)
        if replayed[letter.partition] <= letter.offset < ends[letter.partition] and not letter.is_by_reference
    ]
    by_reason = {name: _replayed(broker, name, len(ends)) for name in {letter.reason for letter in letters}}
    letters = [letter for letter in letters if by_reason[letter.reason][letter.partition] <= letter.offset]
    return _send(broker, producer, letters, (_group(reason), ends))


def _letter(message: Message) -> Letter:
    return Letter(message.partition(), message.offset(), message.key(), message.value(), headers_of(message))


def _group(reason: str | None) -> str:
    """The group whose offsets tell how far a replay came, of all dead letters or of those with one reason."""
    return DEAD_LETTER_REPLAY_GROUP if reason is None else f"{DEAD_LETTER_REPLAY_GROUP}.{reason}"


def _replayed(broker: Broker, reason: str | None, partitions: int) -> dict[int, int]:
    offsets = committed_offsets(broker, _group(reason), {TOPIC: partitions})
    return {number: offset for (_, number), offset in offsets.items()}


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
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), TIMEOUT_SECONDS)
    producer.commit_transaction(TIMEOUT_SECONDS)
    return len(letters)
