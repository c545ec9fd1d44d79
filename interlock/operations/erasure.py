"""Erasing a subject, legal holds, and the record of both: who, when and why, by key and never by the subject's id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import HeldError, Hold, KeyStore, Owner, UnknownOwnerError
from interlock.errors import InterlockError, UsageError
from interlock.policies.publishing import send
from interlock.schemas import catalogue, wire
from interlock.schemas.sealed_text import PREFIX
from interlock.streams.ports import Broker

# All tables with decisions of a subject; what else is stored of one is sealed under the key of its decision.
_DECISIONS = " UNION DISTINCT ".join(
    f"SELECT decision_id FROM {table} "
    f"WHERE subject_key = {{key:String}} OR startsWith(subject_id, concat('{PREFIX}', {{key:String}}, ':'))"
    for table in ("decisions", "routed_decisions", "shadow_decisions")
)

# Rows of before anything was sealed name their subject.
_PLAIN = " UNION ALL ".join(
    f"SELECT count() AS rows FROM {table} WHERE subject_id = {{id:String}}"
    for table in ("decisions", "routed_decisions", "shadow_decisions")
)

_KEY_OF_DECISION = """
SELECT anyIf(subject_key, subject_key NOT IN ('', 'erased')) FROM routed_decisions WHERE decision_id = {id:String}
"""


class SubjectOfDecisionError(InterlockError):
    """A decision about a subject is erased with its subject, who may be under a hold."""

    code = "has-subject"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erase did. `plain_rows`: rows of before anything was sealed that still name the subject."""

    key_ids: tuple[str, ...]
    decisions: int
    plain_rows: int


def erase(
    broker: Broker, client: Client, keys: KeyStore, owner: Owner, *, by: str, reason: str, now: datetime
) -> Erasure:
    """Destroys the key of `owner` and those of its decisions. It is recorded before it happens, and afterwards.

    Raises UsageError without a reason, UnknownOwnerError, HeldError, SubjectOfDecisionError, UnavailableError and
    ClickHouseError; then nothing was erased, unless the message says so.
    """
    _check_said(by, reason)
    hold = keys.hold_of(owner)
    if hold is not None:
        raise HeldError(owner, hold)
    key_id = keys.key_id_of(owner)
    if owner.kind == "decision":
        ((sealed_under,),) = client.query(_KEY_OF_DECISION, parameters={"id": owner.id}).result_rows
        if sealed_under and sealed_under != key_id:
            raise SubjectOfDecisionError(
                f"{owner} is about a subject, whose key {sealed_under} seals it: erase the subject"
            )
    plain_rows = sum(rows for (rows,) in client.query(_PLAIN, parameters={"id": owner.id}).result_rows)
    if key_id is None:
        before = f"; {plain_rows:,} rows of before anything was sealed name it in plain" if plain_rows else ""
        raise UnknownOwnerError(f"nothing is stored under a key of {owner}: there is nothing to erase{before}")
    decisions = [name for (name,) in client.query(_DECISIONS, parameters={"key": key_id}).result_rows]
    _record(broker, "erasing", [key_id], len(decisions), by, reason, now)
    erased = keys.erase(owner, decisions)
    _record(broker, "erased", erased.key_ids, erased.decisions, by, reason, now)
    return Erasure(erased.key_ids, erased.decisions, plain_rows)


def hold(broker: Broker, keys: KeyStore, owner: Owner, *, by: str, reason: str, now: datetime) -> Hold:
    """Forbids erasure of `owner` until it is lifted. Raises UsageError and UnavailableError."""
    _check_said(by, reason)
    held = keys.hold(owner, by=by, at=now, reason=reason)
    _record(broker, "held", [held.key_id] if held.key_id else [], 0, by, reason, now)
    return held


def lift(broker: Broker, keys: KeyStore, owner: Owner, *, by: str, reason: str, now: datetime) -> Hold:
    """Ends a hold, and returns what it was. Raises UsageError, NoHoldError and UnavailableError."""
    _check_said(by, reason)
    lifted = keys.lift(owner)
    _record(broker, "lifted", [lifted.key_id] if lifted.key_id else [], 0, by, reason, now)
    return lifted


def record_rotation(broker: Broker, *, by: str, reason: str, now: datetime) -> None:
    """Says that the master key is another one. Raises UnavailableError."""
    _record(broker, "rotated", [], 0, by, reason, now)


def _check_said(by: str, reason: str) -> None:
    if not reason.strip() or not by.strip():
        raise UsageError("say why (--reason) and who is responsible (--by): both are kept")


def _record(
    broker: Broker, kind: str, key_ids: Sequence[str], decisions: int, by: str, reason: str, now: datetime
) -> None:
    record: dict[str, Any] = {
        "event_id": uuid4().hex,
        "kind": kind,
        "key_ids": list(key_ids),
        "decisions": decisions,
        "by": by,
        "at": now.astimezone(UTC),
        "reason": reason,
    }
    send(broker, catalogue.KEY_EVENTS, record["event_id"], wire.encode("KeyEvent", record))
