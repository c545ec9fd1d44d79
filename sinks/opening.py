"""Sealed rows opened again, for readers with keys; `sealing` seals them.

A query asks for OPENING (and OPENING_FACTS where facts are wanted), for the column with the decision's id,
and for the columns it wants, which are empty in the answer; `opened` fills them in. Rows from before anything was
sealed stay as they are. What a producer had encrypted already (`interlock.encryption.fields`) is opened too.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from interlock.encryption.fields import open_records
from interlock.encryption.keys import KeyStore
from interlock.encryption.sealing import Cipher, DamagedError
from interlock.errors import InterlockError
from interlock.schemas import avro_schemas
from interlock.sinks.sealed_columns import (
    COLUMNS,
    ERASED,
    KEY_COLUMN,
    as_id,
    facts_place,
    place,
)

_SCHEMAS = {
    "decisions": ("Decision",),
    "routed_decisions": ("RoutedDecision", "Decision"),
    "shadow_decisions": ("RoutedDecision", "Decision"),
    "training_examples": ("TrainingExample",),
    "commands": ("Command",),
    "command_replies": ("CommandReply",),
    "tasks": ("Task",),
    "outcomes": ("Outcome",),
    "resolutions": ("Resolution",),
    "actions": ("Action",),
    "alerts": ("Alert",),
}


class SealedContentError(InterlockError):
    """What is stored under the key of a subject, and this process does not have that key."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`rows` as they were before they were sealed. `unreadable`: the decisions of those that are not, because their
    key is missing, erased, or not the one of the ciphertext; their sealed columns are empty."""

    rows: list[dict[str, Any]]
    unreadable: tuple[str, ...]


def opened(store: KeyStore | None, table: str, rows: Iterable[Mapping[str, Any]], *, as_sent: bool = False) -> Opened:
    """The rows of a query on `table`, which see above. `store`: None where this process has no keys.

    `as_sent`: what a producer encrypted before it sent it stays so, as it stands in Kafka. Otherwise it is opened as
    well; of `explanation`, `history` and `vector` only where the query asks for `input`, in which they are sealed.
    """
    rule = COLUMNS[table]
    found = [dict(row) for row in rows]
    wanted = {row[KEY_COLUMN] for row in found} - {"", ERASED}
    keys = {} if store is None or not wanted else store.open_keys(wanted)
    ciphers = {name: Cipher(key) for name, key in keys.items()}
    kinds = _kinds(table)
    unreadable: dict[str, None] = {}
    for row in found:
        key_id = row.pop(KEY_COLUMN)
        digits, facts_digits = row.pop("sealed_digits", ""), row.pop("facts_digits", "")
        if not key_id:
            continue
        name = as_id(row[rule.decision])
        cipher = ciphers.get(key_id)
        if cipher is None:
            unreadable[name] = None
            continue
        try:
            texts = []
            if digits:
                texts.append(cipher.open(bytes.fromhex(digits), place(table, name)))
            if facts_digits:
                texts.append(cipher.open(bytes.fromhex(facts_digits), facts_place(table, name)))
            for text in texts:
                values = json.loads(text)
                row.update({key: _typed(value, kinds.get(key)) for key, value in values.items() if key in row})
        except DamagedError:
            unreadable[name] = None
    if not as_sent and rule.decision:
        of_decisions = [(row, as_id(row.get(rule.decision))) for row in found]
        read = open_records(of_decisions, store)
        unreadable |= {name: None for (_, name), one in zip(of_decisions, read, strict=True) if one.lost}
        found = [one.record for one in read]
    return Opened(found, tuple(unreadable))


def unreadable(decision_id: str, keys: KeyStore | None) -> SealedContentError:
    """Why what ClickHouse has of a decision cannot be read. `keys`: None where this process has none."""
    if keys is None:
        return SealedContentError(
            f"what ClickHouse has of {decision_id} is sealed under a key of its subject, and this process has no keys: "
            "set INTERLOCK_ENCRYPTION__MASTER_KEY or INTERLOCK_ENCRYPTION__MASTER_KEY_FILE"
        )
    return SealedContentError(
        f"what ClickHouse has of {decision_id} is sealed under a key that is no more: it was erased"
    )


@cache
def _kinds(table: str) -> dict[str, Any]:
    """The Avro types of the sealed columns that are fields of a record."""
    schemas = [avro_schemas.parsed(name) for name in _SCHEMAS.get(table, ())]
    kinds = {field["name"]: field["type"] for schema in schemas for field in schema["fields"]}
    return {**kinds, "raw": "bytes", "original_value": "bytes"}


def _typed(value: Any, kind: Any) -> Any:
    """A value of JSON as the client of ClickHouse would have given it."""
    match kind:
        case {"logicalType": "timestamp-micros"}:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        case {"type": "array", "items": items}:
            return [_typed(item, items) for item in value]
        case {"type": "record", "fields": fields}:
            return {field["name"]: _typed(value[field["name"]], field["type"]) for field in fields}
        case ["null", some]:
            return None if value is None else _typed(value, some)
        case "double" | "float":
            # JSON has no such number.
            return math.nan if value is None else float(value)
        case "bytes":
            return None if value is None else bytes.fromhex(value)
    return value
