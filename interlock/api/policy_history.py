"""Every version of a policy that was ever in force: ClickHouse keeps them all, Kafka the last ones."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.api.backend import Backend
from interlock.api.pages import newest_first
from interlock.api.problems import Problem, not_found
from interlock.errors import InterlockError
from interlock.processors.review.times import micros
from interlock.schemas import catalogue, wire
from interlock.streams.ranges import read_topic

Record = dict[str, Any]

_LISTED = ("name", "version", "published_at", "published_by", "note")

_HISTORY = """
SELECT DISTINCT name, version, published_at, published_by, note
FROM policies
WHERE key = {name:String} AND NOT tombstone AND error = ''
"""

_VERSION = """
SELECT name, version, published_at, published_by, note, source, resolved
FROM policies
WHERE key = {name:String} AND version = {version:String} AND NOT tombstone AND error = ''
ORDER BY published_at DESC
LIMIT 1
"""


def policy_versions(backend: Backend, name: str, cursor: str, limit: int) -> dict[str, Any]:
    """Newest first; `unavailable` says why older ones are missing. Raises Problem and KafkaException."""
    rows = {_identity(record): _listed(record) for record in _from_kafka(backend, name)}
    unavailable = ""
    try:
        stored = _ask(backend, _HISTORY, name=name)
    except (ClickHouseError, InterlockError, OSError) as error:
        unavailable = f"only what Kafka still has: {str(error).strip().splitlines()[0]}"
    else:
        rows |= {_identity(record): _listed(record) for record in stored}
    if not rows and not unavailable:
        raise not_found("policy", name)
    page, following = newest_first([*rows.values()], _key, cursor, limit)
    return {"versions": page, "next": following, "unavailable": unavailable}


def find_version(backend: Backend, name: str, version: str) -> Record:
    """The latest record of a version. Raises Problem and KafkaException."""
    found = [record for record in _from_kafka(backend, name) if record["version"] == version]
    if found:
        return found[-1]
    try:
        stored = _ask(backend, _VERSION, name=name, version=version)
    except (ClickHouseError, InterlockError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        detail = f"Kafka no longer has version {version} of policy {name}, and ClickHouse does not answer: {reason}"
        raise Problem(503, "clickhouse-unavailable", detail, headers={"Retry-After": "5"}) from error
    for record in stored:
        return record
    raise not_found("policy-version", f"{name}@{version}")


def _from_kafka(backend: Backend, name: str) -> list[Record]:
    """What compaction has left, oldest first."""
    records = []
    for messages in read_topic(backend.broker, catalogue.POLICIES.name):
        for message in messages:
            if message.key() == name.encode() and message.value() is not None:
                try:
                    record = wire.decode("PolicyVersion", message.value())
                except ValueError:  # no router has used it
                    continue
                if record["name"] == name:
                    records.append(record)
    return records


def _ask(backend: Backend, query: str, **parameters: str) -> Iterable[Record]:
    with backend.clickhouse() as client:
        rows = [dict(row) for row in client.query(query, parameters=parameters).named_results()]
    # ClickHouse's client leaves out the zone of UTC.
    return [{**row, "published_at": row["published_at"].replace(tzinfo=UTC)} for row in rows]


def _listed(record: Record) -> Record:
    return {name: record[name] for name in _LISTED}


def _identity(record: Record) -> tuple[str, int]:
    return record["version"], micros(record["published_at"])


def _key(record: Record) -> tuple[int, str]:
    published_at: datetime = record["published_at"]
    return micros(published_at), record["version"]
