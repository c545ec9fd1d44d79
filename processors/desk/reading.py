"""Routed decisions, a batch at once, as the desk reads them."""

import json
import re
from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import pyarrow as pa

from interlock.processors.desk.arrivals import Arrival
from interlock.processors.desk.command import MAX_NAME_LENGTH
from interlock.processors.desk.task import END_OF_TIME, one_for_all
from interlock.processors.records import Message
from interlock.schemas import avro_schemas
from interlock.schemas.columns import Bad, Decoder, values
from interlock.schemas.headers import CALLER_HEADER, CALLER_SECONDS_HEADER, headers_of
from interlock.schemas.payload import payload_hash

# The desk does not read what a routed decision says after its alternatives.
_LAST_FIELD = "alternatives"

# A task repeats these texts of its decision in every record; the router lets 8 KiB pass for each name.
MAX_TEXT_BYTES = 128 * 1024

# A command names its task in at most 1,024 characters, and gold items have some more than their decision. The router
# lets 200 bytes pass.
MAX_ID_LENGTH = 1_000

# Policies ask for two. More than a handful is a damaged number, and nobody could ever decide such a task.
MAX_QUORUM = 5

# As `caller_headers` writes them.
_SECONDS = re.compile(rb"[0-9]{1,8}(\.[0-9]{1,9})?")


def read(messages: Sequence[Message]) -> tuple[list[Arrival | None], list[Bad]]:
    """An arrival for every message, None for the bad ones."""
    decoded = _decoder().decode([message.value() for message in messages])
    kept = range(len(messages)) if decoded.index is None else decoded.index
    rows = list(zip(kept, _rows(decoded.rows, _DECISION), strict=True))
    bad = list(decoded.bad)
    if bad:
        rows, bad = _with_damaged(messages, rows, bad)
    arrivals: list[Arrival | None] = [None] * len(messages)
    for index, row in rows:
        unusable = _unusable(row)
        if unusable is None:
            arrivals[index] = _arrival(row, messages[index])
        else:
            bad.append(Bad(index, *unusable))
    return arrivals, bad


def _with_damaged(
    messages: Sequence[Message], rows: list[tuple[int, dict[str, Any]]], bad: list[Bad]
) -> tuple[list[tuple[int, dict[str, Any]]], list[Bad]]:
    """The same with the rows of records that are damaged behind their routing fields: without alternatives, since
    these stand there. What the router could route, a person can decide."""
    again = _routing_decoder().decode([messages[problem.index].value() for problem in bad])
    kept = range(len(bad)) if again.index is None else again.index
    damaged = [
        (bad[position].index, {**row, "alternatives": []})
        for position, row in zip(kept, _rows(again.rows, _ROUTING), strict=True)
    ]
    # In the order of the messages: the desk takes them as they came.
    return sorted([*rows, *damaged], key=itemgetter(0)), [bad[problem.index] for problem in again.bad]


def _unusable(row: dict[str, Any]) -> tuple[str, str] | None:
    """Why no task can be made of a row, as a reason and a sentence: such a task would stop the desk for everybody."""
    if not row["decision_id"]:
        return "empty-id", "decision_id is empty"
    if len(row["decision_id"]) > MAX_ID_LENGTH:
        return "oversized", f"decision_id is longer than {MAX_ID_LENGTH} characters: no command could name its task"
    texts = [value for value in row.values() if isinstance(value, str)]
    texts += [name for names in _LISTS for name in row[names]]
    texts += [alternative["option"] for alternative in row["alternatives"]]
    size = sum(len(text.encode()) for text in texts)
    if size > MAX_TEXT_BYTES:
        return "oversized", f"its names and options have {size} bytes; {MAX_TEXT_BYTES} are possible"
    if row["quorum"] > MAX_QUORUM:
        return "implausible-quorum", f"{row['quorum']} people must agree on it; {MAX_QUORUM} are possible"
    for name in ("routed_at", "override_until"):
        if row[name] is not None and not 0 <= row[name] < END_OF_TIME:
            return "implausible-timestamp", f"{name} is {row[name]} microseconds after 1970: mixed up units?"
    return None


def _arrival(row: dict[str, Any], message: Message) -> Arrival:
    return Arrival(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        payload_hash=payload_hash(message.value()),
        caller=_caller(message) if row["route"] == "sync" else "",
        caller_seconds=_caller_seconds(message) if row["route"] == "sync" else None,
        reasons=one_for_all(tuple(row.pop("reasons"))),
        qualifications=one_for_all(tuple(row.pop("qualifications"))),
        outcomes=one_for_all(tuple(row.pop("outcomes"))),
        notices=one_for_all(tuple(row.pop("notices"))),
        attestations=one_for_all(tuple(row.pop("attestations"))),
        alternatives=tuple(
            (alternative["option"], alternative["confidence"]) for alternative in row.pop("alternatives")
        ),
        **row,
    )


def _caller(message: Message) -> str:
    """Who waits for a decision, as its header says; empty for a name that no command could give."""
    caller = _header(message, CALLER_HEADER).decode(errors="replace")
    return caller if len(caller) <= MAX_NAME_LENGTH else ""


def _caller_seconds(message: Message) -> float | None:
    """For how long the caller waits, as its header says; None without one, or for a text that is no such time."""
    text = _header(message, CALLER_SECONDS_HEADER)
    return float(text) if _SECONDS.fullmatch(text) else None


def _header(message: Message, wanted: str) -> bytes:
    return next((value for name, value in headers_of(message) if name == wanted), None) or b""


_ENVELOPE = (
    "routed_at",
    "route",
    "reasons",
    "calibrated_confidence",
    "policy_version",
    "workflow",
    "priority",
    "queue",
    "audit",
    "propensity",
    "override_until",
    "notices",
    "quorum",
    "qualifications",
    "outcomes",
    "calendar",
    "service_levels",
    "outcome_notices",
    "attestations",
    "evidence_opened",
    "notify_within_days",
)
_LISTS = ("reasons", "qualifications", "outcomes", "notices", "attestations")
_DECISION = (
    "decision_id",
    "domain",
    "model_id",
    "model_version",
    "prediction",
    "confidence",
    "impact",
    "amount",
    "compliance_review",
    "created_at",
    "alternatives",
)
_ROUTING = _DECISION[:-1]


def _rows(batch: pa.RecordBatch, names: Sequence[str]) -> list[dict[str, Any]]:
    """One dictionary a row, with the envelope's fields and those of `names` that stand in the decision."""
    decision = batch.column(batch.schema.get_field_index("decision"))
    columns = {name: batch.column(batch.schema.get_field_index(name)) for name in _ENVELOPE}
    columns |= {name: decision.field(name) for name in names}
    lists = map(values, columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


@cache
def _decoder() -> Decoder:
    document = json.loads(avro_schemas.text("RoutedDecision"))
    fields = document["fields"][-1]["type"]["fields"]
    names = [field["name"] for field in fields]
    document["fields"][-1]["type"]["fields"] = fields[: names.index(_LAST_FIELD) + 1]
    return Decoder("RoutedDecision", json.dumps(document, separators=(",", ":")))


@cache
def _routing_decoder() -> Decoder:
    return Decoder("RoutedDecision", avro_schemas.routed_prefix_text())
