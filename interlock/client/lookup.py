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

from interlock.client.found import AUTO, Found, FoundResolution, found_resolution, found_routed, replaces
from interlock.schemas import catalogue, damaged, wire
from interlock.streams.memory.partitioner import murmur2
from interlock.streams.ports import Broker, Message, Partition
from interlock.streams.ranges import read_range

if TYPE_CHECKING:
    from interlock.client.stored import StoredResolutions

log = logging.getLogger(__name__)

# Offsets of a partition that are read first, and for a caller who waits for a decision: some tenths of a second.
RECENT = 20_000

# How far the clocks of router and desk may be apart.
_CLOCK_DIFFERENCE_MS = 600_000

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

        `deep`: as far back as Kafka reaches; otherwise, without ClickHouse, only in the recent offsets. Raises
        KafkaException.
        """
        with self._lock:
            places = self._places(decision_ids)
            ends = self._ends(places)
            stored = self._ask_clickhouse(decision_ids, ends)
            if stored is not None:
                found, starts = stored
                reading = _Reading(self._broker, decision_ids, found)
                reading.read(starts, ends)
                return found
            reading = _Reading(self._broker, decision_ids, {})
            width = self._recent
            while ends:
                starts = {partition: max(0, end - width) for partition, end in ends.items()}
                reading.read(starts, ends)
                if not deep:
                    break
                missing = {place for name in decision_ids for place in places[name] if not reading.settled(name, place)}
                ends = {partition: start for partition, start in starts.items() if partition in missing and start > 0}
                width *= 2
            if deep:
                return reading.found
            return {
                name: word
                for name, word in reading.found.items()
                if all(reading.settled(name, place) for place in places[name])
            }

    def _ask_clickhouse(
        self, decision_ids: Collection[str], ends: Mapping[Partition, int]
    ) -> tuple[Found, dict[Partition, int]] | None:
        """What ClickHouse knows, and from where on Kafka knows more; None where it cannot be asked."""
        stored = self._stored_resolutions()
        if stored is None:
            return None
        try:
            known = stored.ends(ends)  # first: what is stored meanwhile is then read twice, and not missed
            found = stored.find(decision_ids)
        except Exception as error:
            log.warning("ClickHouse cannot be asked for resolutions: %s. Kafka is read instead", error)
            return None
        # An end beyond Kafka's own belongs to a topic that was deleted and created again.
        return found, {place: known.get(place, 0) if known.get(place, 0) <= end else 0 for place, end in ends.items()}

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

    def _stored_resolutions(self) -> "StoredResolutions | None":
        if not self._connected:
            try:
                self._stored = self._connect()
            except Exception as error:  # no ClickHouse at this address, or not at present
                log.warning("ClickHouse cannot be asked for resolutions: %s. Kafka is read instead", error)
                return None
            self._connected = True
        return self._stored


class _Reading:
    """One lookup in the topics, part by part, the latest part first."""

    def __init__(self, broker: Broker, decision_ids: Collection[str], found: Found) -> None:
        self.found = found
        self._broker = broker
        self._keys = {name.encode() for name in decision_ids}
        self._starts: dict[Partition, int] = {}
        self._oldest: dict[Partition, int] = {}  # when the oldest record was written that was read, milliseconds
        self._auto_at: dict[str, int] = {}  # the same of what took effect by itself

    def read(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        """Adds to `found` what stands between `starts` and `ends`, unless a later version is known."""
        self._starts |= starts
        first: dict[Partition, int] = {}
        for message in read_range(self._broker, starts, ends):
            first.setdefault((message.topic(), message.partition()), message.timestamp()[1])
            if message.key() in self._keys and message.value() is not None:
                self._take(message)
        self._oldest |= first

    def settled(self, name: str, place: Partition) -> bool:
        """Whether nothing that counts can stand further back in a partition.

        What the desk decided last stands last in `resolutions`. What took effect by itself may have been overridden
        since, so that `resolutions` must be read back to its time.
        """
        if self._starts.get(place) == 0:
            return True
        word = self.found.get(name)
        if word is None:
            return False
        if word.result.source != AUTO or place[0] == catalogue.AUTO_APPROVED.name:
            return True
        return place in self._oldest and self._oldest[place] < self._auto_at[name] - _CLOCK_DIFFERENCE_MS

    def _take(self, message: Message) -> None:
        new = _read_message(message)
        if new is None:
            return
        name = new.result.decision_id
        if new.result.source == AUTO:
            self._auto_at[name] = message.timestamp()[1]
        if replaces(new, self.found.get(name)):
            self.found[name] = new


def _read_message(message: Message) -> FoundResolution | None:
    try:
        if message.topic() == catalogue.RESOLUTIONS.name:
            return found_resolution(wire.decode("Resolution", message.value()))
        return found_routed(damaged.read("RoutedDecision", message.value()).record)
    except ValueError as error:
        place = f"{message.topic()}[{message.partition()}] offset {message.offset()}"
        log.warning("%s cannot be read: %s", place, error)
        return None
