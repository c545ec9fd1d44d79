"""Sending dead letters again, exactly once.

A replay of all remembers how far it came as the committed offsets of a consumer group, one for all reasons and one for
each reason. They move in the transactions that send the dead letters: run twice, or killed half-way and run again, it
sends nothing a second time. Single dead letters named by hand are sent whenever asked.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache

from confluent_kafka import KafkaException, TopicPartition

from interlock.errors import InterlockError
from interlock.operations.letters import TOPIC, Letter, letter_of, read_letter, read_letters
from interlock.operations.replay_targets import Target, target_of
from interlock.schemas.catalogue import DEAD_LETTER_REPLAY_GROUP
from interlock.schemas.retry_headers import Order
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Broker, Producer
from interlock.streams.ranges import read_range

__all__ = ["Letter", "discard", "read_letter", "read_letters", "replay"]

# How long the broker may be silent before a command gives up; longer than its restart.
TIMEOUT_SECONDS = 30.0

# What one transaction sends: it has 15 s, also on a link of 2 MB/s, and is what a killed replay begins again.
_LETTERS_AT_ONCE = 1_000
_BYTES_AT_ONCE = 16 * 1024 * 1024

# A full queue of the producer empties within milliseconds.
_FULL_QUEUE_SECONDS = 0.05

# The reasons whose progress is remembered while all are replayed; more are asked for again.
_REASONS_KEPT = 1_000

# Far more than any code of ours.
_LONGEST_REASON = 200

Progress = Callable[[int, int], None]
"""Called with how many offsets have been looked at, and how many there are."""

Refused = Callable[[str], None]
"""Called with a sentence for every dead letter that cannot be sent."""


def replay(
    broker: Broker,
    named: Sequence[tuple[int, int]] | None,
    reason: str | None,
    *,
    on_progress: Progress | None = None,
    on_refused: Refused | None = None,
) -> int:
    """Sends the dead letters `named` (partition, offset) again, or all not yet replayed (with `reason`: those).

    Returns how many were sent. Raises InterlockError if a named one does not exist or cannot be sent; then none is.
    """
    if named is not None:
        return _send_named(broker, named, "retry")
    return _send_all(broker, reason, on_progress, on_refused)


def discard(broker: Broker, named: Sequence[tuple[int, int]]) -> int:
    """Tells executors not to wait for the dead letters `named` any more, as `replay` would tell them to try again."""
    return _send_named(broker, named, "discard")


def _send_named(broker: Broker, places: Sequence[tuple[int, int]], order: Order) -> int:
    producer = _producer(broker)
    targets = _Targets(broker, order)

    def letters() -> Iterator[Letter]:
        for partition, offset in places:
            letter = read_letter(broker, partition, offset)
            if letter is None:
                raise InterlockError(f"there is no dead letter {partition}:{offset}; nothing was sent")
            yield letter

    for letter in letters():
        try:
            targets.of(letter)
        except InterlockError as error:
            raise InterlockError(f"{error}; nothing was sent") from error
    for part in _in_parts(letters()):
        _send(producer, part, targets)
    return len(places)


def _send_all(broker: Broker, reason: str | None, on_progress: Progress | None, on_refused: Refused | None) -> int:
    producer = _producer(broker)
    targets = _Targets(broker, "retry")
    ends = broker.end_offsets(TOPIC)
    progress = _Replayed(broker, reason, ends)
    positions = dict(progress.starts)
    sent = 0
    with closing(broker.consumer(progress.group)) as consumer:

        def send(part: Sequence[Letter]) -> None:
            nonlocal sent
            good = []
            for letter in part:
                try:
                    targets.of(letter)
                except InterlockError as error:
                    if on_refused is not None:
                        on_refused(str(error))
                else:
                    good.append(letter)
            offsets = [TopicPartition(TOPIC, number, offset) for number, offset in positions.items()]
            _send(producer, good, targets, (offsets, consumer.consumer_group_metadata()))
            sent += len(good)

        def letters() -> Generator[Letter]:
            total = sum(ends[number] - start for number, start in progress.starts.items())
            starts = {(TOPIC, number): start for number, start in progress.starts.items()}
            looked_at = 0
            with closing(read_range(broker, starts, {(TOPIC, number): end for number, end in ends.items()})) as found:
                for count, letter in enumerate(map(letter_of, found), 1):
                    looked_at += letter.offset + 1 - positions[letter.partition]
                    # Before the letter joins its part, which is sent before another one is looked at.
                    positions[letter.partition] = letter.offset + 1
                    if progress.wants(letter):
                        yield letter
                    if on_progress is not None and count % _LETTERS_AT_ONCE == 0:
                        on_progress(looked_at, total)

        with closing(letters()) as found:
            for part in _in_parts(found):
                send(part)
        # What stands behind the last letters is looked at too: those of other reasons, and transaction markers.
        positions = dict(ends)
        send([])
    return sent


class _Replayed:
    """How far earlier replays came."""

    def __init__(self, broker: Broker, reason: str | None, ends: Mapping[int, int]) -> None:
        def replayed(of: str | None) -> dict[int, int]:
            offsets = committed_offsets(broker, _group(of), {TOPIC: len(ends)})
            return {number: offset for (_, number), offset in offsets.items()}

        self.group = _group(reason)
        self._reason = reason
        self._replayed = lru_cache(_REASONS_KEPT)(replayed)
        everything, mine = replayed(None), replayed(reason)
        self.starts = {number: min(max(everything[number], mine[number]), end) for number, end in ends.items()}
        """By partition, the first offset that may have to be sent."""

    def wants(self, letter: Letter) -> bool:
        if self._reason is not None:
            return letter.reason == self._reason
        # What is longer was made up by somebody, and Kafka would take it for no group.
        return len(letter.reason) > _LONGEST_REASON or self._replayed(letter.reason)[letter.partition] <= letter.offset


class _Targets:
    """Where dead letters go. Asks for the partitions of a topic once."""

    def __init__(self, broker: Broker, order: Order) -> None:
        self._order = order
        self._partitions = lru_cache(None)(lambda topic: len(broker.end_offsets(topic)))

    def of(self, letter: Letter) -> Target:
        """Raises InterlockError if it goes nowhere."""
        return target_of(letter, self._order, self._partitions)


def _group(reason: str | None) -> str:
    """The group whose offsets tell how far a replay came, of all dead letters or of those with one reason."""
    return DEAD_LETTER_REPLAY_GROUP if reason is None else f"{DEAD_LETTER_REPLAY_GROUP}.{reason}"


def _producer(broker: Broker) -> Producer:
    """First of all, because it ends the transaction that a killed replay has left open and fences one that still runs:
    only then is it final what has been sent already."""
    producer = broker.producer(DEAD_LETTER_REPLAY_GROUP)
    producer.init_transactions(TIMEOUT_SECONDS)
    return producer


def _in_parts(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    part: list[Letter] = []
    size = 0
    for letter in letters:
        part.append(letter)
        size += len(letter.value or b"")
        if len(part) >= _LETTERS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _send(
    producer: Producer,
    letters: Sequence[Letter],
    targets: _Targets,
    progress: tuple[list[TopicPartition], object] | None = None,
) -> None:
    producer.begin_transaction()
    for letter in letters:
        _produce(producer, letter, targets.of(letter))
    if progress is not None:
        producer.send_offsets_to_transaction(*progress, TIMEOUT_SECONDS)
    try:
        producer.commit_transaction(TIMEOUT_SECONDS)
    except KafkaException as error:
        written = {targets.of(letter).topic for letter in letters}
        raise KafkaException(producer.explained(error.args[0], written)) from error


def _produce(producer: Producer, letter: Letter, target: Target) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            producer.produce(target.topic, letter.value, letter.key, target.partition, headers=target.headers)
        except BufferError:
            if time.monotonic() > deadline:
                raise InterlockError(
                    f"Kafka has taken nothing for {TIMEOUT_SECONDS:g} s: run the command again when it does"
                ) from None
            producer.poll(_FULL_QUEUE_SECONDS)
        else:
            return
