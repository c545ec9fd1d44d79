"""Every version of a policy that was ever in force, what was tried beside them, and what then happened.

ClickHouse keeps them all, Kafka the last ones.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.errors import InterlockError, UnavailableError
from interlock.processors.review.times import micros
from interlock.schemas import catalogue, wire
from interlock.streams.ranges import read_topic

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.streams.ports import Broker

Record = dict[str, Any]

# Opens ClickHouse; raises UnavailableError.
ClickHouse = Callable[[], AbstractContextManager["Client"]]

_WHO_AND_WHY = ("name", "version", "published_at", "published_by", "note")
_TOLD = ("base_version", "stage", "signed_by", "forecast", "observed", "roll_back_of")
LISTED = (*_WHO_AND_WHY, *_TOLD)

_VERSIONS = f"""
SELECT DISTINCT {", ".join(LISTED)}
FROM policies
WHERE key = {{name:String}} AND NOT tombstone AND error = ''
"""

_VERSION = f"""
SELECT {", ".join(LISTED)}, source, resolved
FROM policies
WHERE key = {{name:String}} AND version = {{version:String}} AND NOT tombstone AND error = ''
ORDER BY published_at DESC
LIMIT 1
"""

_TRIALS = """
SELECT DISTINCT name, version, base_version, stage, share, published_at, published_by, note, signed_by, started_at
FROM policy_candidates
WHERE key = {name:String} AND NOT tombstone AND error = ''
ORDER BY started_at
"""

# By route. A decision that was sent again, or has a copy for review, counts once.
_ROUTED = """
SELECT policy_version AS version, route, uniqExact(decision_id) AS decisions
FROM routed_decisions
WHERE policy_version IN {versions:Array(String)}
GROUP BY version, route
"""

# Of what people decided last about decisions of a version, how much differs from what the model had proposed.
_DECIDED = """
SELECT routed_under AS version, count() AS by_people, countIf(final_outcome != proposed) AS overridden
FROM
(
    SELECT argMax(policy_version, version) AS routed_under, argMax(outcome, version) AS final_outcome,
        argMax(prediction, version) AS proposed, argMax(decided_by, version) AS people
    FROM resolutions
    WHERE policy_version IN {versions:Array(String)} AND NOT tombstone AND error = ''
    GROUP BY decision_id
)
WHERE notEmpty(people)
GROUP BY version
"""


class UnknownVersionError(InterlockError):
    """No such version of the policy was ever in force."""


def versions(broker: "Broker", clickhouse: ClickHouse, name: str) -> tuple[list[Record], str]:
    """Who published what, why and how, in no order; and why older ones are missing. Raises KafkaException."""
    found = {_identity(record): _listed(record) for record in _from_kafka(broker, name)}
    try:
        stored = _ask(clickhouse, _VERSIONS, name=name)
    except (ClickHouseError, InterlockError, OSError) as error:
        return [*found.values()], f"only what Kafka still has: {str(error).strip().splitlines()[0]}"
    found |= {_identity(record): _listed(record) for record in stored}
    return [*found.values()], ""


def find(broker: "Broker", clickhouse: ClickHouse, name: str, version: str) -> Record:
    """The latest record of a version. Raises UnknownVersionError, UnavailableError and KafkaException."""
    found = [record for record in _from_kafka(broker, name) if record["version"] == version]
    if found:
        return found[-1]
    try:
        stored = _ask(clickhouse, _VERSION, name=name, version=version)
    except (ClickHouseError, InterlockError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnavailableError(
            f"Kafka no longer has version {version} of policy {name}, and ClickHouse does not answer: {reason}"
        ) from error
    for record in stored:
        return record
    raise UnknownVersionError(f"no version {version!r} of policy {name!r} was ever in force")


def trials(clickhouse: ClickHouse, name: str) -> list[Record]:
    """Every stage of every trial, in order of time. Raises ClickHouseError and UnavailableError."""
    return _ask(clickhouse, _TRIALS, name=name)


def happened(clickhouse: ClickHouse, named: Iterable[str]) -> dict[str, Record]:
    """By version: decisions by route, how many people decided in the end, and how many of these differ from the model.

    Raises ClickHouseError and UnavailableError.
    """
    wanted = sorted(set(named))
    found: dict[str, Record] = {version: {"routes": {}, "by_people": 0, "overridden": 0} for version in wanted}
    for row in _ask(clickhouse, _ROUTED, versions=wanted):
        found[row["version"]]["routes"][row["route"]] = row["decisions"]
    for row in _ask(clickhouse, _DECIDED, versions=wanted):
        found[row["version"]] |= {"by_people": row["by_people"], "overridden": row["overridden"]}
    return found


def unpacked(record: Record) -> Record:
    """A version with its JSON texts unpacked."""
    texts = {name: json.loads(record[name]) if record[name] else None for name in ("forecast", "observed")}
    return {**record, **texts}


def _from_kafka(broker: "Broker", name: str) -> list[Record]:
    """What compaction has left, oldest first."""
    records = []
    for messages in read_topic(broker, catalogue.POLICIES.name):
        for message in messages:
            if message.key() == name.encode() and message.value() is not None:
                try:
                    record = wire.decode("PolicyVersion", message.value())
                except ValueError:  # no router has used it
                    continue
                if record["name"] == name:
                    records.append(record)
    return records


def _ask(clickhouse: ClickHouse, query: str, **parameters: Any) -> list[Record]:
    with clickhouse() as client:
        rows = [dict(row) for row in client.query(query, parameters=parameters).named_results()]
    return [{name: _in_utc(value) for name, value in row.items()} for row in rows]


def _in_utc(value: Any) -> Any:
    # ClickHouse's client leaves out the zone of UTC.
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _listed(record: Record) -> Record:
    return {name: record[name] for name in LISTED}


def _identity(record: Record) -> tuple[str, int]:
    return record["version"], micros(record["published_at"])
