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
from interlock.processors.explanation.words import ERASED
from interlock.schemas import avro_schemas, damaged, wire
from interlock.schemas.times import in_micros
from interlock.sinks.opening import opened
from interlock.sinks.sealed_columns import COLUMNS, OPENING, OPENING_FACTS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

# One log after the other, should a topic have been created anew; within a log by offset, because a clock may have been
# set back.
_QUERY = """
SELECT {columns}, kafka_topic, kafka_partition, kafka_offset{error},
    toUnixTimestamp64Milli(kafka_timestamp) * 1000 AS logged_at
FROM {table}
WHERE {where}
ORDER BY min(kafka_timestamp) OVER (PARTITION BY kafka_stream), kafka_topic, kafka_partition, kafka_offset
"""

# What people wrote: a sentence says that it is gone. Of other fields that are gone nothing is told.
_WRITTEN = frozenset({"reason_text", "escalation_note", "statement", "message"})

_KEPT = "error = '' AND NOT tombstone"
_OWN = "decision_id = {id:String} AND error = ''"

# Its bytes as hexadecimal digits, which the client would take for text; and a place for sealed ones.
_RAW = ", hex(raw) AS digits, '' AS raw"

_OF_DECISION = "decision_id = {id:String}"

# A gold item is a copy of the decision under another id: what people said of it there is a test of theirs, and none of
# the decision's history.
_NO_GOLD = f"{_OWN} AND kind != 'gold'"


_NO_KEYS = "What can identify a person is stored under keys, and this process has none: it is not told here."
_NO_KEY = "What could identify the person was erased: the key under which it was stored has been destroyed."


def stored_records(client: "Client", decision_id: str, keys: "KeyStore | None" = None) -> Records:
    """Everything about the decision, without what it names elsewhere if ClickHouse does not know it.

    `keys`: open what is sealed under the key of a subject; what they do not open is named in `missing`. Raises
    ClickHouse's errors.
    """
    store = _Store(client, decision_id, keys)
    found = Records(
        decision_id,
        received=store.rows("decisions", RECEIVED, "decision_id = {id:String}"),
        routed=(*store.routed("routed_decisions"), *store.routed("shadow_decisions")),
        dead_letters=store.rows("dead_letters", ("reason", "message"), "original_key = {id:String}"),
        tasks=store.rows("tasks", _fields("Task"), f"{_NO_GOLD} AND NOT tombstone"),
        outcomes=store.rows("outcomes", _fields("Outcome"), _NO_GOLD),
        resolutions=store.rows("resolutions", _fields("Resolution"), f"{_OWN} AND NOT tombstone"),
        actions=store.rows("actions", _fields("Action"), _OWN),
        replies=store.rows("command_replies", _fields("CommandReply"), "task_id = {id:String} AND error = ''"),
    )
    found = replace(found, missing=store.missing)
    return _with_related(store, found) if found.known else found


def _with_related(store: "_Store", found: Records) -> Records:
    """With the policies, calibrations, controls and people that the records name."""
    versions = f"{_KEPT} AND version IN {{names:Array(String)}}"
    keys = f"{_KEPT} AND key IN {{names:Array(String)}}"
    found = replace(
        found,
        policies=(
            *store.rows("policy_candidates", _fields("PolicyCandidate"), versions, policies_of(found)),
            *store.rows("policies", _fields("PolicyVersion"), versions, policies_of(found)),
        ),
        calibrations=store.rows("calibration_models", _fields("CalibrationModel"), versions, calibrations_of(found)),
        controls=store.rows("controls", _fields("Control"), keys, scopes_of(found)),
    )
    return replace(found, reviewers=store.rows("reviewers", PEOPLE, keys, people_of(found)))


class _Store:
    """Questions to ClickHouse about one decision."""

    def __init__(self, client: "Client", decision_id: str, keys: "KeyStore | None") -> None:
        self._client = client
        self._id = decision_id
        self._keys = keys
        self._missing: dict[str, None] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """What could not be read so far, in sentences."""
        return tuple(self._missing)

    def rows(self, table: str, columns: Iterable[str], where: str, names: Iterable[str] = ()) -> Entries:
        """The rows of a table as records of these columns; `names`: what `where` compares besides the decision."""
        wanted = tuple(columns)
        found = []
        for row, lost in self._ask(table, wanted, where, names):
            record = {name: ERASED if name in lost & _WRITTEN else row[name] for name in wanted}
            found.append(_entry({} if row["error"] else record, row, lost=lost))
        return tuple(found)

    def routed(self, table: str) -> Entries:
        """The router's records with the decisions in them."""
        inner = _fields("Decision")
        outer = tuple(name for name in _fields("RoutedDecision") if name != "decision")
        is_shadow = table == "shadow_decisions"
        columns = (*outer, *inner, *(() if is_shadow else ("review_copy",)))
        found = []
        for row, lost in self._ask(table, columns, _OF_DECISION, extra=_RAW):
            decision = {name: row[name] for name in (*inner, "sealed_attributes", "sealed_subject") if name in row}
            record = {**{name: row[name] for name in outer}, "decision": decision}
            raw = bytes(row["raw"]) if row["raw"] else bytes.fromhex(row["digits"])
            entry = _entry(record, row, review_copy=bool(row.get("review_copy")), shadow=is_shadow, lost=lost)
            if raw:
                self._missing[f"The record of the router at {entry.place} is damaged."] = None
            readable = _damaged(entry, raw) if raw else entry
            if readable is not None:
                found.append(readable)
        return tuple(found)

    def _ask(
        self, table: str, columns: tuple[str, ...], where: str, names: Iterable[str] = (), *, extra: str = ""
    ) -> Iterable[tuple[Mapping[str, Any], frozenset[str]]]:
        """Rows, and the columns of each that cannot be read."""
        rule = COLUMNS[table]
        sealed = frozenset(columns) & set(rule.sealed)
        asked = [f"`{name}`" for name in columns]
        if sealed:
            asked += [OPENING] if rule.content else []
            asked += [OPENING_FACTS] if rule.facts else []
            asked += [] if rule.decision in columns else [rule.decision]
        # Dead letters have no error of their own: they are one.
        error = "" if table == "dead_letters" else ", error"
        query = _QUERY.format(columns=", ".join(asked) + extra, table=table, where=where, error=error)
        for row in self._client.query(query, parameters={"id": self._id, "names": sorted(names)}).named_results():
            if not sealed:
                yield {"error": "", **in_micros(row)}, frozenset()
                continue
            read = opened(self._keys, table, [row])
            if read.unreadable:
                self._missing[_NO_KEYS if self._keys is None else _NO_KEY] = None
            lost = frozenset(rule.sealed) if read.unreadable else frozenset()
            yield {"error": "", **in_micros(read.rows[0])}, lost


def _damaged(entry: Entry, raw: bytes) -> Entry | None:
    """What can be read of a record that is damaged; None for nothing."""
    try:
        readable = damaged.read("RoutedDecision", raw)
    except wire.WireError:
        return None
    return replace(entry, record=in_micros(readable.record), lost=entry.lost | BEHIND)


def _entry(record: Mapping[str, Any], row: Mapping[str, Any], **marks: Any) -> Entry:
    return Entry(record, row["kafka_topic"], row["kafka_partition"], row["kafka_offset"], row["logged_at"], **marks)


def _fields(schema: str) -> tuple[str, ...]:
    return tuple(field["name"] for field in avro_schemas.parsed(schema)["fields"])
