"""The records about one decision that ClickHouse keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from interlock.review.stored_payload import stored_payload
from interlock.schemas import avro_schemas, damaged, wire
from interlock.schemas.times import in_micros

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# One log after the other, should a topic have been created anew; within a log by offset, because a clock may have been
# set back.
_QUERY = """
SELECT {columns}, kafka_topic, kafka_partition, kafka_offset{error},
    toUnixTimestamp64Milli(kafka_timestamp) * 1000 AS logged_at
FROM {table}
WHERE {where}
ORDER BY min(kafka_timestamp) OVER (PARTITION BY kafka_stream), kafka_topic, kafka_partition, kafka_offset
"""

_KEPT = "error = '' AND NOT tombstone"
_OWN = "decision_id = {id:String} AND error = ''"

# A gold item is a copy of the decision under another id: what people said of it there is a test of theirs, and none of
# the decision's history.
_NO_GOLD = f"{_OWN} AND kind != 'gold'"


def stored_records(client: "Client", decision_id: str) -> Records:
    """Everything about the decision, without what it names elsewhere if ClickHouse does not know it.

    Raises ClickHouse's errors.
    """
    store = _Store(client, decision_id)
    unreadable: list[str] = []
    found = Records(
        decision_id,
        received=store.rows("decisions", RECEIVED, "decision_id = {id:String}"),
        routed=(*store.routed(unreadable), *store.shadow()),
        dead_letters=store.rows("dead_letters", ("reason", "message"), "original_key = {id:String}"),
        tasks=store.rows("tasks", _fields("Task"), f"{_NO_GOLD} AND NOT tombstone"),
        outcomes=store.rows("outcomes", _fields("Outcome"), _NO_GOLD),
        resolutions=store.rows("resolutions", _fields("Resolution"), f"{_OWN} AND NOT tombstone"),
        actions=store.rows("actions", _fields("Action"), _OWN),
        replies=store.rows("command_replies", _fields("CommandReply"), "task_id = {id:String} AND error = ''"),
        missing=tuple(unreadable),
    )
    return _with_related(store, found) if found.known else found


def _with_related(store: "_Store", found: Records) -> Records:
    """With the policies, calibrations, controls and people that the records name."""
    versions = f"{_KEPT} AND version IN {{names:Array(String)}}"
    keys = f"{_KEPT} AND key IN {{names:Array(String)}}"
    found = replace(
        found,
        policies=store.rows("policies", _fields("PolicyVersion"), versions, policies_of(found)),
        calibrations=store.rows("calibration_models", _fields("CalibrationModel"), versions, calibrations_of(found)),
        controls=store.rows("controls", _fields("Control"), keys, scopes_of(found)),
    )
    return replace(found, reviewers=store.rows("reviewers", PEOPLE, keys, people_of(found)))


class _Store:
    """Questions to ClickHouse about one decision."""

    def __init__(self, client: "Client", decision_id: str) -> None:
        self._client = client
        self._id = decision_id

    def rows(self, table: str, columns: Iterable[str], where: str, names: Iterable[str] = ()) -> Entries:
        """The rows of a table as records of these columns; `names`: what `where` compares besides the decision."""
        wanted = tuple(columns)
        return tuple(
            _entry({name: row[name] for name in wanted} if not row["error"] else {}, row)
            for row in self._ask(table, wanted, where, names)
        )

    def routed(self, unreadable: list[str]) -> Entries:
        """The router's records with the decisions in them; adds a sentence for each that cannot be read at all."""
        found = []
        for row in self._ask("routed_decisions", ("review_copy",), "decision_id = {id:String}"):
            place = {"topic": row["kafka_topic"], "partition": row["kafka_partition"], "offset": row["kafka_offset"]}
            try:
                value = stored_payload(self._client, {**place, "decision_id": self._id})
                readable = damaged.read("RoutedDecision", value)
            except wire.WireError as error:
                where = f"{place['topic']} {place['partition']}:{place['offset']}"
                unreadable.append(f"The record of the router at {where} cannot be read: {error}")
                continue
            lost = BEHIND if readable.damage else frozenset()
            found.append(_entry(in_micros(readable.record), row, review_copy=bool(row["review_copy"]), lost=lost))
        return tuple(found)

    def shadow(self) -> Entries:
        """Records about a challenger's decision."""
        inner = _fields("Decision")
        outer = tuple(name for name in _fields("RoutedDecision") if name != "decision")
        rows = self._ask("shadow_decisions", (*outer, *inner), _OWN)
        found = []
        for row in rows:
            decision = {name: row[name] for name in inner}
            found.append(_entry({**{name: row[name] for name in outer}, "decision": decision}, row, shadow=True))
        return tuple(found)

    def _ask(
        self, table: str, columns: tuple[str, ...], where: str, names: Iterable[str] = ()
    ) -> Iterable[Mapping[str, Any]]:
        # Dead letters have no error of their own: they are one.
        error = "" if table == "dead_letters" else ", error"
        query = _QUERY.format(columns=", ".join(f"`{name}`" for name in columns), table=table, where=where, error=error)
        found = self._client.query(query, parameters={"id": self._id, "names": sorted(names)})
        for row in found.named_results():
            yield {"error": "", **in_micros(row)}


def _entry(record: Mapping[str, Any], row: Mapping[str, Any], **marks: Any) -> Entry:
    return Entry(record, row["kafka_topic"], row["kafka_partition"], row["kafka_offset"], row["logged_at"], **marks)


def _fields(schema: str) -> tuple[str, ...]:
    return tuple(field["name"] for field in avro_schemas.parsed(schema)["fields"])
