"""An action that executors carry out on a decision."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from interlock.schemas import catalogue, damaged, json_text, wire
from interlock.schemas.sealed_text import key_ids
from interlock.streams.ports import Message

if TYPE_CHECKING:
    from interlock.encryption.keys import KeyStore

# 64 bits: chance makes no two effects of one action equal.
_EFFECT_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Execution:
    """`execute`, `roll_back`, `notify` or `notice`. Carry an `action_id` out once, however often it is handed over."""

    action_id: str
    """decision_id/version/kind, and for a notice /name."""
    kind: str
    decision_id: str
    version: int
    """Version of the resolution that is executed, notified or rolled back."""
    outcome: str
    """Of that version."""
    domain: str
    at: datetime
    modifications: dict[str, Any] = field(default_factory=dict)
    """Fields that the reviewer changed."""
    notices: tuple[str, ...] = ()
    """Notices due to the subject; for decisions of people the desk writes a `notify` action of its own."""
    text: str = ""
    """`notice`: what to send to the subject, as it is."""
    language: str = ""
    """`notice`: of the text, such as en."""
    corrects: int = 0
    """`notify` and `notice`: the version whose notices it replaces or takes back, with all later ones; 0: none."""
    reason_code: str = ""
    reason_text: str = ""
    decision: dict[str, Any] | None = None
    """The Decision record, for decisions that took effect by themselves."""

    @property
    def effect(self) -> str:
        """A digest of outcome and changed fields: tells apart two actions with one id, which come of two decisions that
        were sent under one decision_id."""
        content = json.dumps([self.outcome, self.modifications], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:_EFFECT_DIGITS]

    @classmethod
    def from_message(cls, message: Message, keys: "KeyStore | None" = None) -> Self:
        """What a record of `decisions.auto-approved` or `actions` demands; raises WireError, and nothing else.

        `keys`: open what was encrypted before it entered Kafka. Without them it stays as it is, but for what nobody
        could carry out so: the text of a notice, and changed fields.
        """
        try:
            if message.topic() == catalogue.ACTIONS.name:
                return cls._from_action(_readable(wire.decode("Action", message.value()), keys))
            routed = damaged.read("RoutedDecision", message.value())
            if routed.damage:
                raise wire.WireError("malformed-avro", f"the record is damaged: {'; '.join(routed.damage)}")
            return cls._from_routed({**routed.record, "decision": _opened(routed.record["decision"], keys)})
        except wire.WireError:
            raise
        except Exception as error:  # whatever the bytes make a decoder do, they must not end the process
            raise wire.WireError("malformed-record", f"the record cannot be read: {error!r}") from error

    @classmethod
    def _from_action(cls, record: dict[str, Any]) -> Self:
        same = (
            *("action_id", "kind", "decision_id", "version", "outcome", "domain", "at", "reason_code", "reason_text"),
            *("text", "language", "corrects"),
        )
        try:
            modifications = json_text.parse(record["modifications"] or "{}")
        except json_text.JsonError as error:
            raise wire.WireError("malformed-json", f"modifications cannot be read: {error}") from error
        if not isinstance(modifications, dict):
            raise wire.WireError("malformed-json", "modifications are not a JSON object")
        return cls(
            **{name: record[name] for name in same},
            modifications=modifications,
            notices=tuple(record["notices"]),
        )

    @classmethod
    def _from_routed(cls, record: dict[str, Any]) -> Self:
        decision = record["decision"]
        return cls(
            action_id=action_id(decision["decision_id"], 1, "execute"),
            kind="execute",
            decision_id=decision["decision_id"],
            version=1,
            outcome=decision["prediction"],
            domain=decision["domain"],
            at=record["routed_at"],
            notices=tuple(record["notices"]),
            reason_text=", ".join(record["reasons"]),
            decision=decision,
        )


def _opened(record: dict[str, Any], keys: "KeyStore | None") -> dict[str, Any]:
    if keys is None or not any(key_ids(record)):
        return record
    from interlock.encryption.fields import open_record

    return open_record(record, record["decision_id"], keys).record


def _readable(action: dict[str, Any], keys: "KeyStore | None") -> dict[str, Any]:
    """An `Action` record; raises WireError where the text to send, or the changed fields, cannot be read."""
    needed = {name: action[name] for name in ("text", "modifications")}
    if not any(key_ids(needed)):
        return _opened(action, keys)
    from interlock.encryption.fields import open_record, why_lost

    read = open_record({**needed, "decision_id": action["decision_id"]}, action["decision_id"], keys)
    if read.lost:
        raise wire.WireError("encrypted", why_lost(read.lost))
    return _opened({**action, **read.record}, keys)


def action_id(decision_id: str, version: int, kind: str) -> str:
    """The same in every replay; as the desk writes it."""
    return f"{decision_id}/{version}/{kind}"
