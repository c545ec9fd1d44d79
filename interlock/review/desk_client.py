"""The commands of a reviewer, a lead or a waiting caller: one method for each.

    with DeskClient(broker, "ann") as desk:
        desk.on_duty()
        lease = desk.claim()
        desk.submit(lease.task_id, lease.epoch, lease.payload_hash, "approve", reason_code="agree", reason_text="…")

Every method returns the desk's Reply, or raises CommandRefusedError with its code and message.
"""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from interlock.errors import UsageError
from interlock.review.desk_connection import DeskConnection, Reply
from interlock.schemas import json_text
from interlock.schemas.signed_commands import Signer
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.ports import Broker, Headers


class DeskClient:
    """Commands of one person. Safe to share between threads; many clients may share one connection."""

    def __init__(
        self,
        broker: Broker,
        reviewer: str,
        *,
        connection: DeskConnection | None = None,
        signer: Signer | None = None,
        new_id: Callable[[], str] = lambda: uuid4().hex,
        clock: Clock | None = None,
    ) -> None:
        """`connection`: an open one, which `close` leaves open; without it the client opens one to `broker`, with
        `signer`.

        `new_id` names commands that are not given a `command_id`. Raises what DeskConnection raises.
        """
        self.reviewer = reviewer
        self._own = connection is None
        self._connection = connection or DeskConnection(broker, signer=signer)
        self._new_id = new_id
        self._clock = clock or SystemClock()

    def signature(self, value: bytes) -> Headers:
        """The headers of something else than a command that the person gives the desk; none without a key."""
        return self._connection.signature(self.reviewer, value)

    def on_duty(self, command_id: str | None = None) -> Reply:
        """From now on tasks may be pushed and claimed."""
        return self.ask("on_duty", command_id)

    def off_duty(self, command_id: str | None = None) -> Reply:
        """No more tasks; those held return."""
        return self.ask("off_duty", command_id)

    def claim(self, task_id: str = "", queue: str = "", command_id: str | None = None) -> Reply:
        """Takes a task, or the next best (of a queue). The reply has the epoch and hash that a verdict needs."""
        return self.ask("claim", command_id, task_id=task_id, queue=queue)

    def extend(self, task_id: str, epoch: int, command_id: str | None = None) -> Reply:
        """Holds the task for another lease."""
        return self.ask("extend", command_id, task_id=task_id, epoch=epoch)

    def release(
        self, task_id: str, epoch: int, reason_code: str = "", reason_text: str = "", command_id: str | None = None
    ) -> Reply:
        """Gives the task back; with a reason it does not come to this person again."""
        return self.ask(
            "release", command_id, task_id=task_id, epoch=epoch, reason_code=reason_code, reason_text=reason_text
        )

    def submit(
        self,
        task_id: str,
        epoch: int,
        payload_hash: str,
        verdict: str,
        *,
        outcome: str = "",
        modifications: Mapping[str, Any] | None = None,
        reason_code: str,
        reason_text: str,
        attestations: Sequence[str] = (),
        command_id: str | None = None,
    ) -> Reply:
        """A verdict on what was shown: approve, reject, modify or choose. `modifications`: fields that changed.
        `attestations`: what the person declares with it."""
        return self.ask(
            "submit",
            command_id,
            task_id=task_id,
            epoch=epoch,
            payload_hash=payload_hash,
            verdict=verdict,
            outcome=outcome,
            modifications=_json(modifications),
            reason_code=reason_code,
            reason_text=reason_text,
            attestations=list(attestations),
        )

    def open_evidence(self, task_id: str, epoch: int, payload_hash: str, command_id: str | None = None) -> Reply:
        """Tells that the person unfolds the evidence of the task; `epoch`: 0 for one that is not held."""
        return self.ask("open_evidence", command_id, task_id=task_id, epoch=epoch, payload_hash=payload_hash)

    def first_opinion(
        self, task_id: str, epoch: int, payload_hash: str, outcome: str, command_id: str | None = None
    ) -> Reply:
        """What the person thinks before the AI's answer is shown, where the view says that an opinion is due."""
        return self.ask(
            "first_opinion", command_id, task_id=task_id, epoch=epoch, payload_hash=payload_hash, outcome=outcome
        )

    def override(
        self,
        task_id: str,
        payload_hash: str,
        verdict: str,
        *,
        outcome: str,
        modifications: Mapping[str, Any] | None = None,
        reason_code: str,
        reason_text: str,
        attestations: Sequence[str] = (),
        command_id: str | None = None,
    ) -> Reply:
        """Replaces the resolution of a decided task; what took effect is rolled back."""
        return self.ask(
            "override",
            command_id,
            task_id=task_id,
            payload_hash=payload_hash,
            verdict=verdict,
            outcome=outcome,
            modifications=_json(modifications),
            reason_code=reason_code,
            reason_text=reason_text,
            attestations=list(attestations),
        )

    def escalate(
        self,
        task_id: str,
        *,
        queue: str = "",
        to_reviewer: str = "",
        reason_code: str = "",
        reason_text: str,
        command_id: str | None = None,
    ) -> Reply:
        """Passes the task to the leads, or to a named queue or person; `reason_text` is the note they read."""
        return self.ask(
            "escalate",
            command_id,
            task_id=task_id,
            queue=queue,
            to_reviewer=to_reviewer,
            reason_code=reason_code,
            reason_text=reason_text,
        )

    def de_escalate(
        self, task_id: str, *, to_reviewer: str = "", reason_text: str, command_id: str | None = None
    ) -> Reply:
        """Gives an escalated task back to its team, or to a named person; `reason_text` is the note they read."""
        return self.ask("de_escalate", command_id, task_id=task_id, to_reviewer=to_reviewer, reason_text=reason_text)

    def reassign(self, task_id: str, to_reviewer: str, command_id: str | None = None) -> Reply:
        """A lead gives the task to a person."""
        return self.ask("reassign", command_id, task_id=task_id, to_reviewer=to_reviewer)

    def snooze(
        self,
        task_id: str,
        epoch: int,
        until: int,
        *,
        reason_code: str,
        reason_text: str,
        command_id: str | None = None,
    ) -> Reply:
        """Puts the task aside until a moment in microseconds since the epoch."""
        return self.ask(
            "snooze",
            command_id,
            task_id=task_id,
            epoch=epoch,
            until=until,
            reason_code=reason_code,
            reason_text=reason_text,
        )

    def appeal(self, task_id: str, statement: str, command_id: str | None = None, *, on_behalf_of: str = "") -> Reply:
        """Opens a decision again; `statement` is what the person concerned says, `on_behalf_of` who that is."""
        return self.ask("appeal", command_id, task_id=task_id, reason_text=statement, on_behalf_of=on_behalf_of)

    def recall(self, task_id: str, reason: str, command_id: str | None = None) -> Reply:
        """As a lead: what took effect without a person is judged by one after all."""
        return self.ask("recall", command_id, task_id=task_id, reason_text=reason)

    def gold(self, task_id: str, outcome: str, command_id: str | None = None) -> Reply:
        """A lead plants a copy of a decision whose right outcome is known."""
        return self.ask("gold", command_id, task_id=task_id, outcome=outcome)

    def expire(self, task_id: str, command_id: str | None = None) -> Reply:
        """A waiting caller gave up: the policy's on_timeout applies."""
        return self.ask("expire", command_id, task_id=task_id)

    def ask(self, kind: str, command_id: str | None = None, **fields: Any) -> Reply:
        """Any command, with the fields of `Command.avsc`; those not given keep their defaults."""
        return self._connection.ask(
            {
                "command_id": command_id or self._new_id(),
                "kind": kind,
                "actor": self.reviewer,
                "issued_at": self._clock.now(),
                **fields,
            }
        )

    def close(self) -> None:
        """Closes the connection, unless it is shared."""
        if self._own:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _json(fields: Mapping[str, Any] | None) -> str:
    """Raises UsageError for fields that JSON cannot say, NaN among them: nobody corrects a field to "unknown" so."""
    if not fields:
        return ""
    try:
        json_text.check(dict(fields))
        return json_text.as_json(fields)
    except json_text.JsonError as error:
        raise UsageError(f"the changed fields cannot be sent: {error}") from error
