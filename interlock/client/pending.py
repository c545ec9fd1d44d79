"""Waiting for the resolution of a decision: which callers wait, until when, and what the desk is asked at a time-out.

Nothing is decided here: resolutions come from the router (what takes effect by itself) and from the desk (all others).
Time is an argument, in seconds of any monotonic clock.
"""

import json
import threading
from collections import OrderedDict
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from interlock.errors import InterlockError

# How long the desk may take to reply: a standby that takes over from a dead desk needs some 15 s.
GRACE_SECONDS = 20.0

# A decision may reach the desk later than the question about it does, when the router is behind.
ASK_AGAIN_SECONDS = 1.0

# Resolutions of decisions whose caller stopped waiting are kept for a later `wait`, at most this many.
MAX_LEFT_OPEN = 10_000


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What is known about a decision. Act on `outcome` only where `status` is decided."""

    decision_id: str
    status: Literal["decided", "escalated", "waiting"]
    """decided: `outcome` holds. escalated: a lead was asked. waiting: it waits in a queue, not as a sync review."""
    outcome: str = ""
    source: str = ""
    """auto (took effect by itself), or as in Resolution: review, policy, window, override, appeal, timeout."""
    version: int = 0
    """Of the resolution; 0 if there is none yet."""
    final: bool = False
    """False while there is no resolution, or while an override can roll it back (until `override_until`)."""
    override_until: datetime | None = None
    decided_by: tuple[str, ...] = ()
    decided_at: datetime | None = None
    verdict: str = ""
    reason_code: str = ""
    reason_text: str = ""
    modifications: dict[str, Any] = field(default_factory=dict)
    """Fields that the reviewer changed."""
    notices: tuple[str, ...] = ()
    """What the subject must be told."""
    message: str = ""
    """If there is no resolution yet: what happened and what to do."""

    @classmethod
    def from_routed(cls, record: dict[str, Any]) -> Self:
        """The resolution in a record of `decisions.auto-approved`."""
        return cls(
            decision_id=record["decision"]["decision_id"],
            status="decided",
            outcome=record["decision"]["prediction"],
            source="auto",
            version=1,
            final=record["override_until"] is None,
            override_until=record["override_until"],
            decided_at=record["routed_at"],
            reason_text=", ".join(record["reasons"]),
            notices=tuple(record["notices"]),
        )

    @classmethod
    def from_resolution(cls, record: dict[str, Any]) -> Self:
        """The resolution in a record of `resolutions`."""
        copied = ("decision_id", "outcome", "source", "version", "final", "override_until", "decided_at", "verdict")
        return cls(
            status="decided",
            **{name: record[name] for name in (*copied, "reason_code", "reason_text")},
            decided_by=tuple(record["decided_by"]),
            modifications=json.loads(record["modifications"] or "{}"),
            notices=tuple(record["notices"]),
        )


class NotDecidedError(InterlockError):
    """There is no resolution of the decision `decision_id`: as far as is known, nothing has taken effect.

    `code`: no-answer, unknown-task or already-decided (of the desk), still-open, closed, or not-listening.
    """

    def __init__(self, decision_id: str, code: str, message: str) -> None:
        super().__init__(f"decision {decision_id}: {message}")
        self.decision_id = decision_id
        self.code = code


@dataclass(frozen=True, slots=True)
class Ask:
    """The desk must be asked to apply the policy's on_timeout."""

    command_id: str
    decision_id: str


@dataclass(eq=False, slots=True)
class _Waiter:
    decision_id: str
    future: Future[DecisionResult]
    deadline: float
    expires: bool  # at the deadline the desk is asked; otherwise waiting just ends
    asked: str = ""  # the id of the latest question
    ask_at: float | None = None
    ends: float = 0.0  # when the desk's grace period is over
    answer: tuple[str, str] = ("no-answer", "")  # the desk's latest reply


class PendingDecisions:
    """All decisions that one process waits for. Safe to share between threads; keeps nothing of other decisions."""

    def __init__(self, client_id: str, grace_seconds: float = GRACE_SECONDS) -> None:
        self._client_id = client_id
        self._grace = grace_seconds
        self._lock = threading.RLock()  # settling a future calls `_forget` in the same thread
        self._waiters: dict[bytes, list[_Waiter]] = {}
        self._asked: dict[bytes, _Waiter] = {}
        self._left_open: OrderedDict[bytes, DecisionResult | None] = OrderedDict()
        self._questions = 0
        self._failed: tuple[str, str] | None = None

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._waiters.values()))

    def add(self, decision_id: str, deadline: float, *, expires: bool) -> Future[DecisionResult]:
        """A future of the resolution; it raises NotDecidedError if none comes. Cancel it to stop waiting.

        It is done at once if an earlier call left the decision open and the resolution has come since.
        """
        waiter = _Waiter(decision_id, Future(), deadline, expires)
        key = decision_id.encode()
        with self._lock:
            if self._failed is not None:
                waiter.future.set_exception(NotDecidedError(decision_id, *self._failed))
                return waiter.future
            kept = self._left_open.pop(key, None)
            if kept is not None:
                waiter.future.set_result(kept)
                return waiter.future
            self._waiters.setdefault(key, []).append(waiter)
        waiter.future.add_done_callback(lambda _: self._forget(waiter))
        return waiter.future

    def awaits(self, key: bytes | None) -> bool:
        """Whether a record with this key (a decision's id, or a question's) is of interest."""
        return key in self._waiters or key in self._asked or key in self._left_open

    def resolve(self, result: DecisionResult) -> None:
        """A resolution has come: the callers that wait for it get it."""
        key = result.decision_id.encode()
        with self._lock:
            if key in self._left_open:
                self._left_open[key] = result
            for waiter in list(self._waiters.get(key, ())):
                _settle(waiter, result)

    def reply(self, record: dict[str, Any]) -> None:
        """The desk has replied to a question: a CommandReply."""
        with self._lock:
            waiter = self._asked.pop(record["command_id"].encode(), None)
            if waiter is None:
                return
            code, message = record["code"], record["message"]
            if code == "escalated":
                self._leave_open(waiter)
                advice = f"{message}. `wait` for it, or read `resolutions`."
                _settle(waiter, DecisionResult(waiter.decision_id, "escalated", message=advice))
            elif code == "not-sync":
                self._leave_open(waiter)
                advice = (
                    f"{message}. It is decided in its turn: `wait` for it, or read `resolutions`. If it should have "
                    "taken effect by itself, `interlock halt --list` says whether its model or domain is halted."
                )
                _settle(waiter, DecisionResult(waiter.decision_id, "waiting", message=advice))
            elif record["accepted"] or code in ("unknown-task", "already-decided"):
                # The resolution, or the task, is still on its way, on another partition than the reply.
                waiter.answer = (code, message)
            else:
                self._give_up(waiter, code, f"the desk refused to end the waiting: {message}")

    def advance(self, now: float) -> list[Ask]:
        """The questions that are due for the desk; callers whose time is over get NotDecidedError."""
        asks = []
        with self._lock:
            for waiter in [waiter for waiter in self._all() if now >= waiter.deadline]:
                if not waiter.expires:
                    self._give_up(
                        waiter, "still-open", "there is no resolution yet; wait again, or read `resolutions`."
                    )
                elif waiter.ends and now >= waiter.ends:
                    self._give_up(waiter, waiter.answer[0], self._why(waiter))
                elif self._ask_due(waiter, now):
                    asks.append(self._ask(waiter, now))
        return asks

    def fail(self, code: str, message: str) -> None:
        """No resolution can be read any more: all callers that wait get NotDecidedError, and all later ones."""
        with self._lock:
            self._failed = (code, message)
            for waiter in self._all():
                self._give_up(waiter, code, message)

    def _all(self) -> list[_Waiter]:
        return [waiter for waiters in self._waiters.values() for waiter in waiters]

    def _ask_due(self, waiter: _Waiter, now: float) -> bool:
        if waiter.ask_at is None:
            return True
        return waiter.answer[0] == "unknown-task" and now >= waiter.ask_at

    def _ask(self, waiter: _Waiter, now: float) -> Ask:
        """A new id every time: the desk would repeat its first reply to a known one."""
        self._questions += 1
        waiter.asked = f"{self._client_id}/{self._questions}"
        waiter.ask_at = now + ASK_AGAIN_SECONDS
        waiter.ends = waiter.ends or now + self._grace
        self._asked[waiter.asked.encode()] = waiter
        return Ask(waiter.asked, waiter.decision_id)

    def _why(self, waiter: _Waiter) -> str:
        code, message = waiter.answer
        open_still = "It is stored and may still be decided: `wait` for it, or read `resolutions`."
        if code == "already-decided":
            return f"{message}. That was before this client listened: look it up in `resolutions`."
        if code == "unknown-task":
            return (
                f"nothing has taken effect: the desk does not know the decision yet ({message}). {open_still} Does the "
                "router run?"
            )
        if code == "ok":
            return f"the desk has answered ({message}), but its resolution cannot be read yet. {open_still}"
        return (
            f"nothing has taken effect as far as is known: neither a resolution in time nor a reply of the desk within "
            f"{self._grace:g} s more. {open_still} Does the desk run?"
        )

    def _give_up(self, waiter: _Waiter, code: str, message: str) -> None:
        self._leave_open(waiter)
        with suppress(InvalidStateError):
            waiter.future.set_exception(NotDecidedError(waiter.decision_id, code, message))

    def _leave_open(self, waiter: _Waiter) -> None:
        """Without this, a resolution that comes between `decide` and `wait` would be missed."""
        self._left_open.setdefault(waiter.decision_id.encode(), None)
        if len(self._left_open) > MAX_LEFT_OPEN:
            self._left_open.popitem(last=False)

    def _forget(self, waiter: _Waiter) -> None:
        key = waiter.decision_id.encode()
        with self._lock:
            others = [other for other in self._waiters.get(key, ()) if other is not waiter]
            if others:
                self._waiters[key] = others
            else:
                self._waiters.pop(key, None)
            for command_id in [known for known, asking in self._asked.items() if asking is waiter]:
                del self._asked[command_id]


def _settle(waiter: _Waiter, result: DecisionResult) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile
        waiter.future.set_result(result)
