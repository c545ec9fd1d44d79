"""The records about one decision that Kafka still has: all of a short log, the latest of a long one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from interlock.encryption.fields import FIELDS, open_record, why_lost
from interlock.explanations.related import (
    BEHIND,
    PEOPLE,
    RECEIVED,
    calibrations_of,
    people_of,
    policies_of,
    scopes_of,
)
from interlock.processors.explanation.records import Entries, Entry, Records
from interlock.schemas import catalogue, damaged, wire
from interlock.schemas.catalogue import Topic
from interlock.schemas.copy_headers import is_copy
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import headers_of
from interlock.schemas.sealed_text import key_ids
from interlock.schemas.times import in_micros
from interlock.streams.memory.partitioner import murmur2
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import read_range

if TYPE_CHECKING:
    from interlock.encryption.keys import KeyStore

# Of each partition, from its end backwards: some seconds of reading for a person who waits.
RECENT = 200_000

Wanted = Callable[[Mapping[str, Any]], bool]


def records_in_kafka(
    broker: Broker,
    decision_id: str,
    keys: "Callable[[], KeyStore | None]" = lambda: None,
    recent: int = RECENT,
) -> Records:
    """What the latest `recent` records of each partition say about the decision. `keys`: open what was encrypted
    before it entered Kafka. Raises KafkaException."""
    reader = _Reader(broker, decision_id, recent)
    routed = [entry for topic in (*catalogue.ROUTE_TOPICS, catalogue.SHADOW) for entry in reader.routed(topic)]
    found = Records(
        decision_id,
        received=reader.own(catalogue.DECISIONS, fields=RECEIVED),
        routed=tuple(routed),
        dead_letters=reader.dead_letters(),
        tasks=reader.own(catalogue.TASKS, _no_gold),
        outcomes=reader.own(catalogue.OUTCOMES, _no_gold),
        resolutions=reader.own(catalogue.RESOLUTIONS),
        actions=reader.own(catalogue.ACTIONS),
        replies=reader.all(catalogue.REPLIES, lambda record: record["task_id"] == decision_id),
    )
    found = _opened(found, keys)
    if not found.known:
        return found
    policies, calibrations, scopes = policies_of(found), calibrations_of(found), scopes_of(found)
    found = replace(
        found,
        policies=(
            *reader.all(catalogue.POLICY_CANDIDATES, lambda record: record["version"] in policies),
            *reader.all(catalogue.POLICIES, lambda record: record["version"] in policies),
        ),
        calibrations=reader.all(catalogue.CALIBRATION_MODELS, lambda record: record["version"] in calibrations),
        controls=reader.all(catalogue.CONTROLS, lambda record: record["scope"] in scopes),
    )
    people = people_of(found)
    return replace(found, reviewers=reader.all(catalogue.REVIEWERS, lambda record: record["id"] in people, PEOPLE))


def _opened(found: Records, keys: "Callable[[], KeyStore | None]") -> Records:
    """The same with what was encrypted in plain; `missing` says what could not be opened."""
    lost: dict[str, None] = {}

    def read(entries: Entries) -> Entries:
        result = []
        for entry in entries:
            # Of the router's record only the decision in it.
            inner = entry.record.get("decision")
            opened = open_record(entry.record if inner is None else inner, found.decision_id, store)
            record = opened.record if inner is None else {**entry.record, "decision": opened.record}
            gone = FIELDS if opened.lost else frozenset[str]()
            lost.update({opened.lost: None} if opened.lost else {})
            result.append(replace(entry, record=record, lost=entry.lost | gone))
        return tuple(result)

    entries = (*found.routed, *found.tasks, *found.outcomes, *found.resolutions, *found.actions, *found.replies)
    if not any(any(key_ids(entry.record)) for entry in entries):
        return found
    store = keys()
    found = replace(
        found,
        routed=read(found.routed),
        tasks=read(found.tasks),
        outcomes=read(found.outcomes),
        resolutions=read(found.resolutions),
        actions=read(found.actions),
        replies=read(found.replies),
    )
    told = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in map(why_lost, lost)]
    return replace(found, missing=(*found.missing, *told))


def _no_gold(record: Mapping[str, Any]) -> bool:
    return bool(record["kind"] != "gold")


def _any(_: Mapping[str, Any]) -> bool:
    return True


class _Reader:
    """Reads the ends of topics once."""

    def __init__(self, broker: Broker, decision_id: str, recent: int) -> None:
        self._broker = broker
        self._key = decision_id.encode()
        self._recent = recent

    def own(self, topic: Topic, wanted: Wanted = _any, fields: tuple[str, ...] = ()) -> Entries:
        """The records under the id of the decision; `fields`: only these of them."""
        return tuple(_decoded(topic, self._of_key(topic.name), wanted, fields))

    def all(self, topic: Topic, wanted: Wanted, fields: tuple[str, ...] = ()) -> Entries:
        """Records under any key."""
        return tuple(_decoded(topic, self._messages(topic.name), wanted, fields))

    def routed(self, topic: Topic) -> Iterator[Entry]:
        """Records of the router; of those that are damaged what can be read."""
        for message in self._of_key(topic.name):
            try:
                readable = damaged.read("RoutedDecision", message.value())
            except wire.WireError:
                continue
            record = in_micros(readable.record)
            reviewed = topic not in (catalogue.AUTO_APPROVED, catalogue.SHADOW)
            yield _entry(
                message,
                record,
                review_copy=reviewed and (record["route"] == "auto" or is_copy(headers_of(message))),
                shadow=topic is catalogue.SHADOW,
                lost=BEHIND if readable.damage else frozenset(),
            )

    def dead_letters(self) -> Entries:
        """What could not be read."""
        return tuple(
            _entry(message, {"reason": told.get("exception", ""), "message": told.get("message", "")})
            for message in self._of_key(catalogue.DEAD_LETTER.name)
            for told in [read_error_headers(headers_of(message))]
        )

    def _of_key(self, topic: str) -> Iterator[Message]:
        return (message for message in self._messages(topic, self._key) if message.key() == self._key)

    def _messages(self, topic: str, key: bytes | None = None) -> Iterator[Message]:
        """The end of every partition, or of that of a key. A topic that is not there has nothing."""
        state = self._broker.topic_states([topic]).get(topic)
        if state is None:
            return
        ends = {(topic, number): end for number, end in self._broker.end_offsets(topic).items()}
        if key is not None:
            mine = (topic, (murmur2(key) & 0x7FFFFFFF) % state.partitions)
            ends = {place: end for place, end in ends.items() if place == mine}
        starts = {place: max(0, end - self._recent) for place, end in ends.items()}
        yield from read_range(self._broker, starts, ends)


def _decoded(topic: Topic, messages: Iterator[Message], wanted: Wanted, fields: tuple[str, ...]) -> Iterator[Entry]:
    assert topic.schema is not None
    for message in messages:
        if message.value() is None:
            continue
        try:
            record = in_micros(wire.decode(topic.schema, message.value()))
        except ValueError:
            continue
        if wanted(record):
            yield _entry(message, {name: record[name] for name in fields or record})


def _entry(message: Message, record: Mapping[str, Any], **marks: Any) -> Entry:
    # Kafka counts milliseconds.
    at = message.timestamp()[1] * 1000
    return Entry(record, message.topic(), message.partition(), message.offset(), at, **marks)
