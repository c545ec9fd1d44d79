"""The audit trail of the platform that this process is told to use: verified, and how fresh its anchors are."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from interlock.errors import InterlockError, UnavailableError, UsageError
from interlock.operations.retention import kept_days
from interlock.platform.connection import Platform
from interlock.platform.trail_keys import trail_signer, trusted_key
from interlock.schemas import catalogue, json_text, wire
from interlock.sinks.rows import TARGETS
from interlock.sinks.stream_ids import stream_ids
from interlock.sinks.trail.anchors import Proved, key_id, proved, signed_anchor
from interlock.sinks.trail.verification import Verification
from interlock.sinks.trail.verification import verify as verify_chains
from interlock.streams.ports import Broker
from interlock.streams.ranges import read_range, read_topic
from interlock.streams.sending import Outgoing, send_and_wait

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_STORED = """
SELECT anchor_id, previous, toUnixTimestamp64Micro(signed_at) AS signed_at, signer, public_key, next_key,
    arrayMap(h -> (h.stream, h.topic, h.partition, h.offset, h.link), heads) AS heads, signature
FROM audit_anchors WHERE error = '' ORDER BY kafka_offset
"""

_HEAD = ("stream", "topic", "partition", "offset", "link")

# Rows may wait for some anchors in a row, while Kafka or a key management system does not answer; and clocks differ.
_PATIENCE_ANCHORS = 5
_PATIENCE_SECONDS = 300.0

# The sink must poll within five minutes; a broker that does not answer is asked again at the next anchor.
SEND_SECONDS = 10.0

Anchor = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What to verify. `topics`: empty for all. `public_key`: a file; None: as the settings say. `anchors`: a directory
    of anchors besides those of Kafka and ClickHouse."""

    since: datetime | None = None
    topics: Sequence[str] = ()
    public_key: Path | None = None
    anchors: Path | None = None


def verify(
    platform: Platform,
    asked: Asked,
    *,
    begin: Callable[[int], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Verifies what ClickHouse holds. `begin`, `progress`: as for `trail.verification.verify`. `say`: told what could
    not be looked at.

    Raises InterlockError and ClickHouseError."""
    unknown = [topic for topic in asked.topics if topic not in {each.name for each in catalogue.STORED_TOPICS}]
    if unknown:
        names = ", ".join(topic.name for topic in catalogue.STORED_TOPICS)
        raise UsageError(f"topic {unknown[0]} is not copied to ClickHouse; those that are: {names}")
    now = datetime.now(UTC)
    if asked.since is not None and asked.since > now:
        raise UsageError(f"nothing can be stored since {asked.since:%Y-%m-%d %H:%M} UTC: that is still to come")
    with closing(platform.clickhouse()) as client:
        found = anchors_of(platform, client, asked, say)
        try:
            in_kafka = _logs(platform)
        except (UnavailableError, KafkaException) as error:
            in_kafka = {}
            say(f"Kafka was not asked which logs it has: {error}")
        return verify_chains(
            client,
            found,
            now=now,
            kept_days=kept_days(client),
            in_kafka=in_kafka,
            topics=asked.topics,
            since=asked.since,
            begin=begin,
            progress=progress,
        )


def anchors_of(platform: Platform, client: "Client", asked: Asked, say: Callable[[str], None]) -> Proved:
    """What the anchors of Kafka, ClickHouse and the directory prove. `say`: as for `verify`.

    Raises InterlockError and ClickHouseError."""
    trusted = trusted_key(platform, asked.public_key)
    anchors: list[Anchor] = list(_stored(client))
    try:
        anchors += kafka_anchors(platform)
    except (UnavailableError, KafkaException) as error:
        say(f"Kafka was not asked for its anchors: {error}")
    directory = asked.anchors or platform.settings.trail.anchor_directory
    if directory is not None:
        anchors += directory_anchors(directory)
    return proved(anchors, [trusted])


@dataclass(frozen=True)
class Freshness:
    """`latest`: when the newest anchor in Kafka was signed; None: never. `key`: short name of its key. `waiting`: rows
    stand behind it for much longer than an anchor takes."""

    latest: datetime | None
    key: str
    waiting: bool


def freshness(platform: Platform, now: datetime) -> Freshness:
    """How fresh the newest anchor is. It is not verified.

    Raises UnavailableError, KafkaException and ClickHouseError."""
    newest = newest_anchor(platform.serving_kafka())
    patience = timedelta(seconds=max(_PATIENCE_SECONDS, _PATIENCE_ANCHORS * platform.settings.trail.anchor_seconds))
    signed = newest["signed_at"] if newest else datetime(1970, 1, 1, tzinfo=UTC)
    asked = [
        f"(SELECT 1 FROM {table} WHERE link != unhex(repeat('00', 32)) AND kafka_timestamp > "
        "fromUnixTimestamp64Milli({since:Int64}) AND kafka_timestamp < fromUnixTimestamp64Milli({until:Int64}) LIMIT 1)"
        for table in sorted({target.table for target in TARGETS.values()} - {"audit_anchors"})
    ]
    bounds = {
        "since": int((signed + patience).timestamp() * 1000),
        "until": int((now - patience).timestamp() * 1000),
    }
    waiting = bool(platform.clickhouse().query(" UNION ALL ".join(asked), parameters=bounds).result_rows)
    key = key_id(bytes.fromhex(newest["public_key"])) if newest else ""
    return Freshness(newest["signed_at"] if newest else None, key, waiting)


def name_key(platform: Platform, next_key: bytes, *, by: str, now: int) -> Anchor:
    """Signs with the present key that `next_key` signs as well from now on, and returns the anchor that says so.

    `by`: who does it. `now`: microseconds since the epoch.

    Raises InterlockError, UnavailableError and KafkaException."""
    signer = trail_signer(platform)
    if signer is None:
        raise InterlockError(
            "there is no key here that could name the next one: run this with the settings of the sink "
            "(INTERLOCK_TRAIL__SIGNING_KEY_FILE)"
        )
    if signer.public_key == next_key:
        raise InterlockError(f"key {key_id(next_key)} signs already: name the public half of the new one")
    broker = platform.serving_kafka()
    newest = newest_anchor(broker)
    record = signed_anchor(
        signer, {}, name=by, previous=newest["anchor_id"] if newest else "", now=now, next_key=next_key
    )
    publisher(broker, platform.settings.trail.anchor_directory)(record)
    return record


def publisher(broker: Broker, directory: Path | None) -> Callable[[Anchor], None]:
    """Writes an anchor to its topic, and to a file of its day in `directory`. Raises KafkaException and OSError."""

    def publish(record: Anchor) -> None:
        producer = broker.producer(None, {"message.timeout.ms": int(SEND_SECONDS * 1000)})
        outgoing = Outgoing(
            catalogue.AUDIT_ANCHORS.name, record["anchor_id"].encode(), wire.encode("AuditAnchor", dict(record))
        )
        send_and_wait(producer, [outgoing], SEND_SECONDS)
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            day = time.strftime("%Y-%m-%d", time.gmtime(record["signed_at"] / 1e6))
            with (directory / f"anchors-{day}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, sort_keys=True) + "\n")

    return publish


def newest_anchor(broker: Broker) -> Anchor | None:
    """The newest anchor in Kafka. Raises KafkaException."""
    topic = catalogue.AUDIT_ANCHORS.name
    ends = {(topic, number): end for number, end in broker.end_offsets(topic).items()}
    newest: Anchor | None = None
    for message in read_range(broker, {place: max(0, end - 1) for place, end in ends.items()}, ends):
        newest = wire.decode("AuditAnchor", message.value() or b"")
    return newest


def kafka_anchors(platform: Platform) -> Iterator[Anchor]:
    """The anchors that Kafka holds. Raises UnavailableError and KafkaException."""
    for messages in read_topic(platform.serving_kafka(), catalogue.AUDIT_ANCHORS.name):
        for message in messages:
            yield wire.decode("AuditAnchor", message.value() or b"")


def directory_anchors(directory: Path) -> Iterator[Anchor]:
    """The anchors in the files of a directory. Raises InterlockError."""
    files = sorted(directory.glob("*.jsonl"))
    if not files:
        raise UsageError(f"there is no file of anchors (*.jsonl) in {directory}")
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            try:
                record = json_text.parse(line)
                record["anchor_id"], record["signature"]
            except (ValueError, KeyError, TypeError) as error:
                raise InterlockError(f"{file}, line {number} is no anchor: {error}") from error
            yield record


def _stored(client: "Client") -> Iterator[Anchor]:
    for row in client.query(_STORED).named_results():
        yield {**row, "heads": [dict(zip(_HEAD, head, strict=True)) for head in row["heads"]]}


def _logs(platform: Platform) -> dict[str, tuple[str, int]]:
    states = platform.serving_kafka().topic_states([topic.name for topic in catalogue.STORED_TOPICS])
    ids = stream_ids(platform.admin(), states)
    return {name: (ids[name], state.partitions) for name, state in states.items()}
