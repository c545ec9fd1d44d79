"""The resolution that holds now for decisions of any age, read back from ClickHouse and Kafka.

ClickHouse answers about what the sink has stored, and Kafka about what came since. Without ClickHouse, Kafka answers
alone: `resolutions` is compacted and keeps the newest one of every decision, `decisions.auto-approved` keeps what took
effect by itself for its retention time. Only the partitions of the decisions asked for are read, from their ends
backwards.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from interlock.client.found import Found, FoundResolution, found_resolution, found_routed, replaces
from interlock.schemas import catalogue, damaged, wire
from interlock.streams.memory.partitioner import murmur2
from interlock.streams.ports import Broker, Message, Partition
from interlock.streams.ranges import read_range

if TYPE_CHECKING:
    from interlock.client.stored import StoredResolutions

log = logging.getLogger(__name__)

# Offsets of a partition that are read first, and for a caller who waits for a decision: some tenths of a second.
RECENT = 20_000

_TOPICS = (catalogue.RESOLUTIONS.name, catalogue.AUTO_APPROVED.name)


class ResolutionLookup:
    """Safe to share between threads: one reads, the others wait."""

    def __init__(self, broker: Broker, stored: "Callable[[], StoredResolutions | None]", recent: int = RECENT) -> None:
        """`stored`: connects to ClickHouse, or returns None where there is none; called once, when first needed.
        `recent`: offsets of each partition that a lookup reads which is not deep."""
        self._broker = broker
        self._connect = stored
        self._recent = recent
        self._stored: StoredResolutions | None = None
        self._connected = False
        self._lock = threading.Lock()

    def find(self, decision_ids: Collection[str], *, deep: bool) -> Found:
        """What holds for those of the decisions that have a resolution.

        `deep`: as far back as Kafka reaches; otherwise only recent offsets are read. Raises KafkaException.
        """
        with self._lock:
            places = self._places(decision_ids)
            ends = self._ends(places)
            found: Found = {}
            starts = {partition: max(0, end - self._recent) for partition, end in ends.items()}
            complete = False  # whether something else answers for what stands before `starts`
            stored = self._stored_resolutions()
            if stored is not None:
                try:
                    known = stored.ends(ends)  # first: what is stored meanwhile is then read twice, and not missed
                    found = stored.find(decision_ids)
                    complete = True
                except Exception as error:
                    log.warning("ClickHouse cannot be asked for resolutions: %s. Kafka is read instead", error)
                else:
                    # An end beyond Kafka's own belongs to a topic that was deleted and created again.
                    begin = {p: known.get(p, 0) if known.get(p, 0) <= end else starts[p] for p, end in ends.items()}
                    starts = begin if deep else {p: max(begin[p], starts[p]) for p in ends}
            self._read(decision_ids, starts, ends, found)
            width = self._recent
            while deep and not complete:
                missing = {place for name in decision_ids if name not in found for place in places[name]}
                ends = {partition: starts[partition] for partition in missing if starts[partition] > 0}
                if not ends:
                    break
                width *= 2
                starts = starts | {partition: max(0, end - width) for partition, end in ends.items()}
                self._read(decision_ids, {partition: starts[partition] for partition in ends}, ends, found)
            return found

    def _places(self, decision_ids: Iterable[str]) -> dict[str, list[Partition]]:
        """The partitions in which a resolution of each decision can stand."""
        states = self._broker.topic_states(_TOPICS)
        return {
            name: [
                (topic, (murmur2(name.encode()) & 0x7FFFFFFF) % states[topic].partitions)
                for topic in _TOPICS
                if topic in states
            ]
            for name in decision_ids
        }

    def _ends(self, places: Mapping[str, list[Partition]]) -> dict[Partition, int]:
        wanted = {place for its in places.values() for place in its}
        topics = sorted({topic for topic, _ in wanted})
        ends = {(topic, number): end for topic in topics for number, end in self._broker.end_offsets(topic).items()}
        return {place: ends[place] for place in wanted}

    def _read(
        self,
        decision_ids: Collection[str],
        starts: Mapping[Partition, int],
        ends: Mapping[Partition, int],
        found: Found,
    ) -> None:
        """Adds to `found` what stands between `starts` and `ends`, unless a later version is known."""
        keys = {name.encode() for name in decision_ids}
        for message in read_range(self._broker, starts, ends):
            if message.key() in keys and message.value() is not None:
                new = _read_message(message)
                if new is not None and replaces(new, found.get(new.result.decision_id)):
                    found[new.result.decision_id] = new

    def _stored_resolutions(self) -> "StoredResolutions | None":
        if not self._connected:
            try:
                self._stored = self._connect()
            except Exception as error:  # no ClickHouse at this address, or not at present
                log.warning("ClickHouse cannot be asked for resolutions: %s. Kafka is read instead", error)
                return None
            self._connected = True
        return self._stored


def _read_message(message: Message) -> FoundResolution | None:
    try:
        if message.topic() == catalogue.RESOLUTIONS.name:
            return found_resolution(wire.decode("Resolution", message.value()))
        return found_routed(damaged.read("RoutedDecision", message.value()).record)
    except ValueError as error:
        place = f"{message.topic()}[{message.partition()}] offset {message.offset()}"
        log.warning("%s cannot be read: %s", place, error)
        return None
