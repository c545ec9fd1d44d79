"""Waiting for the final word on a decision: who waits, until when, and what the desk is asked when time is up.

Nothing is decided here: words come from the router (what takes effect by itself) and from the desk (all others).
Time is an argument, in seconds of any clock that never goes back.
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

# How long the desk may take to answer: a standby that takes over from a dead desk needs some 15 s.
GRACE_SECONDS = 20.0

# A decision may reach the desk later than the question about it does, when the router is behind.
ASK_AGAIN_SECONDS = 1.0

# Words on decisions whose caller was told "not yet": kept until somebody waits for them, and this many at most.
LEFT_OPEN = 10_000


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What is known about a decision. Act on `outcome` only where `status` is decided."""

    decision_id: str
    status: Literal["decided", "escalated", "waiting"]
    """decided: `outcome` holds. escalated: a lead was asked. waiting: it waits in a queue, as no sync review."""
    outcome: str = ""
    source: str = ""
    """auto (took effect by itself), or as in Resolution: review, policy, window, override, appeal, timeout."""
    version: int = 0
    """Of the word; 0 where there is none yet."""
    final: bool = False
    """False as long as there is no word, or an override can roll it back until `override_until`."""
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
    """Where there is no word yet: what happened and what to do."""

    @classmethod
    def from_routed(cls, record: dict[str, Any]) -> Self:
        """The word in a record of `decisions.auto-approved`."""
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
        """The word in a record of `resolutions`."""
        same = ("decision_id", "outcome", "source", "version", "final", "override_until", "decided_at", "verdict")
        return cls(
            status="decided",
            **{name: record[name] for name in (*same, "reason_code", "reason_text")},
            decided_by=tuple(record["decided_by"]),
            modifications=json.loads(record["modifications"] or "{}"),
            notices=tuple(record["notices"]),
        )


class NotDecidedError(InterlockError):
    """There is no word on the decision `decision_id`, so that nothing has taken effect as far as is known.

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
    ends: float = 0.0  # of the desk's grace
    answer: tuple[str, str] = ("no-answer", "")  # what the desk has said so far


class PendingDecisions:
    """Everybody who waits in one process. Safe to share between threads; keeps nothing for others' decisions."""

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
        """The future word; it raises Undecided if none comes. Cancel it to wait no longer.

        It is there at once where the decision was left open before and its word has come meanwhile.
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

    def word(self, decided: DecisionResult) -> None:
        """A word has come."""
        key = decided.decision_id.encode()
        with self._lock:
            if key in self._left_open:
                self._left_open[key] = decided
            for waiter in list(self._waiters.get(key, ())):
                _settle(waiter, decided)

    def reply(self, record: dict[str, Any]) -> None:
        """The desk has answered a question: a CommandReply."""
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
                advice = f"{message}. It is decided in its turn: `wait` for it, or read `resolutions`."
                _settle(waiter, DecisionResult(waiter.decision_id, "waiting", message=advice))
            elif record["accepted"] or code in ("unknown-task", "already-decided"):
                # The word is on its way, on another partition than the reply; or the task is.
                waiter.answer = (code, message)
            else:
                self._give_up(waiter, code, f"the desk refused to end the waiting: {message}")

    def advance(self, now: float) -> list[Ask]:
        """What the desk must be asked by now; whoever has waited long enough is told so."""
        asks = []
        with self._lock:
            for waiter in [one for waiters in self._waiters.values() for one in waiters if now >= one.deadline]:
                if not waiter.expires:
                    self._give_up(waiter, "still-open", "there is no word yet; wait again, or read `resolutions`.")
                elif waiter.ends and now >= waiter.ends:
                    self._give_up(waiter, waiter.answer[0], self._why(waiter))
                elif self._ask_due(waiter, now):
                    asks.append(self._ask(waiter, now))
        return asks

    def fail(self, code: str, message: str) -> None:
        """Nothing will be heard any more: everybody is told, and whoever comes later."""
        with self._lock:
            self._failed = (code, message)
            for waiter in [one for waiters in self._waiters.values() for one in waiters]:
                self._give_up(waiter, code, message)

    def _ask_due(self, waiter: _Waiter, now: float) -> bool:
        if waiter.ask_at is None:
            return True
        return waiter.answer[0] == "unknown-task" and now >= waiter.ask_at

    def _ask(self, waiter: _Waiter, now: float) -> Ask:
        """A new id every time: a repeated one would be answered as the first time."""
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
            return f"the desk has answered ({message}), but its word cannot be read yet. {open_still}"
        return (
            f"nothing has taken effect as far as is known: neither a word in time nor an answer of the desk within "
            f"{self._grace:g} s more. {open_still} Does the desk run?"
        )

    def _give_up(self, waiter: _Waiter, code: str, message: str) -> None:
        self._leave_open(waiter)
        with suppress(InvalidStateError):
            waiter.future.set_exception(NotDecidedError(waiter.decision_id, code, message))

    def _leave_open(self, waiter: _Waiter) -> None:
        """Without this, a word that comes between `decide` and `wait` would be missed."""
        self._left_open.setdefault(waiter.decision_id.encode(), None)
        if len(self._left_open) > LEFT_OPEN:
            self._left_open.popitem(last=False)

    def _forget(self, waiter: _Waiter) -> None:
        key = waiter.decision_id.encode()
        with self._lock:
            left = [one for one in self._waiters.get(key, ()) if one is not waiter]
            if left:
                self._waiters[key] = left
            else:
                self._waiters.pop(key, None)
            for command_id in [known for known, one in self._asked.items() if one is waiter]:
                del self._asked[command_id]


def _settle(waiter: _Waiter, decided: DecisionResult) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile
        waiter.future.set_result(decided)
