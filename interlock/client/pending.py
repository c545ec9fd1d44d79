"""Waiting for the resolution of a decision: which callers wait, until when, what is looked up because it may have come
before, and what the desk is asked at a time-out.

Nothing is decided here: resolutions come from the router (what takes effect by itself) and from the desk (all others).
Time is an argument, in seconds of any monotonic clock.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from interlock.client.result import DecisionResult, NotDecidedError
from interlock.schemas.dead_letters import CONTRADICTION

if TYPE_CHECKING:
    from interlock.client.found import FoundResolution


# How long the desk may take to reply: a standby that takes over from a dead desk needs some 15 s.
GRACE_SECONDS = 20.0

# A decision may reach the desk later than the question about it does, when the router is behind.
ASK_AGAIN_SECONDS = 1.0

# A decision that was submitted before has its resolution already and gets no other. One that is new has it within a
# tenth of a second, or waits for a person: to look up every decision before it is submitted would cost more than this.
LOOK_UP_AFTER_SECONDS = 1.0

# Resolutions of decisions whose caller stopped waiting are kept for a later `wait`, at most this many.
MAX_LEFT_OPEN = 10_000


_IN_ITS_TURN = (
    "It is decided in its turn: `wait` for it, or read `resolutions`. If it should have taken effect by itself, "
    "`interlock halt --list` says whether its model or domain is halted"
)


@dataclass(frozen=True, slots=True)
class Ask:
    """The desk must be asked to apply the policy's on_timeout."""

    command_id: str
    decision_id: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """The decision may have been decided before anybody listened. `deep`: however long ago."""

    decision_id: str
    deep: bool


@dataclass(eq=False, slots=True)
class _Waiter:
    decision_id: str
    future: Future[DecisionResult]
    deadline: float
    expires: bool  # at the deadline the desk is asked; otherwise waiting just ends
    patient: bool = True  # also waits for people whom the policy gives time
    submitted: "Submitted | None" = None
    after_version: int = 0  # of the resolution; later ones are waited for
    final: bool = False  # only one that nobody can override any more
    look_at: float | None = None  # when the next lookup is due
    deep: bool = False  # whether it reaches back all the way, as the latest one did
    looking: bool = False  # a lookup is under way
    problem: str = ""  # why the latest one failed
    asked: list[bytes] = field(default_factory=list)  # the ids of its questions, the latest one last
    ask_at: float | None = None
    ends: float = 0.0  # when the desk's grace period is over
    answer: tuple[str, str] = ("no-answer", "")  # the desk's latest reply


@dataclass(frozen=True, slots=True)
class Submitted:
    """A decision as a caller submits it: the bytes in Kafka, and the fields of its record."""

    value: bytes
    record: Mapping[str, Any]

    def contradicts(self, content: Mapping[str, Any]) -> str | None:
        """The first field in which an earlier decision with the same id differs from this one, in words."""
        for name, earlier in content.items():
            if self.record[name] != earlier:
                return f"its {name} was {earlier!r} and is {self.record[name]!r} now"
        return None


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

    def add(
        self,
        decision_id: str,
        deadline: float,
        *,
        expires: bool,
        patient: bool = True,
        look_at: float | None = None,
        deep: bool = False,
        submitted: Submitted | None = None,
        after_version: int = 0,
        final: bool = False,
    ) -> Future[DecisionResult]:
        """A future of the resolution; it raises NotDecidedError if none comes. Cancel it to stop waiting. Unless it is
        `patient`, it has the status "waiting" as soon as the decision is routed to people who have time.

        It is done at once if an earlier call left the decision open and the resolution has come since. `look_at`: when
        a resolution is looked up that came before; a `deep` lookup ends before the waiting does. `final`: only a
        resolution counts that nobody can override any more.
        """
        waiter = _Waiter(
            decision_id, Future(), deadline, expires, patient, submitted, after_version, final, look_at, deep
        )
        key = decision_id.encode()
        with self._lock:
            if self._failed is not None:
                waiter.future.set_exception(NotDecidedError(decision_id, *self._failed))
                return waiter.future
            kept = self._left_open.pop(key, None)
            if kept is not None and submitted is None and _counts(waiter, kept):
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
                if _counts(waiter, result):
                    _settle(waiter, result)

    def sent_to_people(self, decision_id: str, queue: str) -> None:
        """The router has sent a decision to people who have time for it."""
        with self._lock:
            for waiter in list(self._waiters.get(decision_id.encode(), ())):
                if not waiter.patient:
                    self._leave_open(waiter)
                    message = (
                        f"it waits for people in queue {queue}, and nothing has taken effect. {_IN_ITS_TURN}. `decide` "
                        "with wait=True waits for them until the time-out"
                    )
                    _settle(waiter, DecisionResult(decision_id, "waiting", message=message))

    def reject(self, key: bytes, value: bytes | None, reason: str, message: str) -> None:
        """The router has made a dead letter of `value`: callers who submitted just that get NotDecidedError. A dead
        letter without its value, which was too large to be copied, can be told only where one caller waits."""
        with self._lock:
            submitted = [waiter for waiter in self._waiters.get(key, ()) if waiter.submitted is not None]
            for waiter in submitted:
                same = waiter.submitted is not None and waiter.submitted.value == value
                if same or (value is None and len(submitted) == 1):
                    self._reject(waiter, reason, message)

    def lookups(self, now: float) -> list[LookUp]:
        """The lookups that are due; each must be answered with `looked_up`."""
        due = []
        with self._lock:
            for waiter in self._all():
                if waiter.look_at is not None and now >= waiter.look_at and not waiter.looking:
                    waiter.look_at, waiter.looking = None, True
                    due.append(LookUp(waiter.decision_id, waiter.deep))
        return due

    def looked_up(self, lookups: Iterable[LookUp], found: "Mapping[str, FoundResolution]", problem: str = "") -> None:
        """The answer to `lookups`: what holds for those of the decisions that have a resolution. `problem`: why they
        could not be looked up."""
        with self._lock:
            for lookup in lookups:
                for waiter in list(self._waiters.get(lookup.decision_id.encode(), ())):
                    if waiter.looking and waiter.deep == lookup.deep:
                        waiter.looking, waiter.problem = False, problem
                        self._looked_up(waiter, found.get(lookup.decision_id))

    def _looked_up(self, waiter: _Waiter, found: "FoundResolution | None") -> None:
        if found is None:
            self._look_deeper(waiter)
            return
        difference = waiter.submitted.contradicts(found.content) if waiter.submitted is not None else None
        if difference is not None:
            word = f"{found.result.outcome!r} holds for the earlier one (source {found.result.source})"
            self._reject(waiter, CONTRADICTION, f"{difference}; {word}")
        elif _counts(waiter, found.result):
            _settle(waiter, found.result)

    def _look_deeper(self, waiter: _Waiter) -> None:
        """It was decided before this client listened, or the desk never saw it because it took effect at once."""
        if waiter.answer[0] in ("unknown-task", "already-decided") and not (waiter.deep or waiter.looking):
            waiter.look_at, waiter.deep = 0.0, True

    def _reject(self, waiter: _Waiter, reason: str, message: str) -> None:
        if reason == CONTRADICTION:
            text = (
                f"another decision was submitted under this id before, and it is not decided twice: {message}. "
                "`resolution` gives the word on the earlier one; submit a different decision under an id of its own"
            )
        else:
            text = f"it was refused and nothing has taken effect: {message} (`interlock dead-letters list`)"
        with suppress(InvalidStateError):
            waiter.future.set_exception(NotDecidedError(waiter.decision_id, reason, text))

    def reply(self, record: dict[str, Any]) -> None:
        """The desk has replied to a question: a CommandReply. One about another decision counts as none."""
        with self._lock:
            command_id = record["command_id"].encode()
            waiter = self._asked.get(command_id)
            if waiter is None or record["task_id"] != waiter.decision_id:
                return
            del self._asked[command_id]
            code, message = record["code"], record["message"]
            if code == "escalated":
                self._leave_open(waiter)
                advice = f"{message}. `wait` for it, or read `resolutions`."
                _settle(waiter, DecisionResult(waiter.decision_id, "escalated", message=advice))
            elif code == "not-your-call":
                self._leave_open(waiter)
                advice = (
                    f"{message}. Another caller submitted the decision first, and only that one ends the waiting: "
                    "`wait` for it, or read `resolutions`."
                )
                _settle(waiter, DecisionResult(waiter.decision_id, "waiting", message=advice))
            elif code == "not-sync":
                self._leave_open(waiter)
                _settle(waiter, DecisionResult(waiter.decision_id, "waiting", message=f"{message}. {_IN_ITS_TURN}."))
            elif record["accepted"] or code in ("unknown-task", "already-decided"):
                # The resolution, or the task, is still on its way, on another partition than the reply.
                waiter.answer = (code, message)
                self._look_deeper(waiter)
            else:
                self._give_up(waiter, code, f"the desk refused to end the waiting: {message}")

    def advance(self, now: float) -> list[Ask]:
        """The questions that are due for the desk; callers whose time is over get NotDecidedError."""
        asks = []
        with self._lock:
            for waiter in [waiter for waiter in self._all() if now >= waiter.deadline]:
                over = not waiter.expires or (waiter.ends and now >= waiter.ends)
                if over and self._soon_known(waiter, now):
                    continue
                if not waiter.expires:
                    failed = f" (earlier ones cannot be looked up: {waiter.problem})" if waiter.problem else ""
                    what = "final resolution" if waiter.final else "resolution"
                    self._give_up(waiter, "still-open", f"there is no {what} yet{failed}; wait again.")
                elif over:
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

    def _soon_known(self, waiter: _Waiter, now: float) -> bool:
        """Whether a lookup that reaches back all the way is still to end; it must not last for ever."""
        under_way = waiter.looking or waiter.look_at is not None
        return waiter.deep and under_way and now < max(waiter.deadline, waiter.ends) + self._grace

    def _ask_due(self, waiter: _Waiter, now: float) -> bool:
        if waiter.ask_at is None:
            return True
        return waiter.answer[0] == "unknown-task" and now >= waiter.ask_at

    def _ask(self, waiter: _Waiter, now: float) -> Ask:
        """A new id every time: the desk would repeat its first reply to a known one."""
        self._questions += 1
        command_id = f"{self._client_id}/{self._questions}"
        waiter.ask_at = now + ASK_AGAIN_SECONDS
        waiter.ends = waiter.ends or now + self._grace
        waiter.asked.append(command_id.encode())
        self._asked[waiter.asked[-1]] = waiter
        return Ask(command_id, waiter.decision_id)

    def _why(self, waiter: _Waiter) -> str:
        code, message = waiter.answer
        open_still = "It is stored and may still be decided: `wait` for it, or read `resolutions`."
        if code == "already-decided":
            return f"{message}. That was before this client listened, and its resolution cannot be found."
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
            for command_id in waiter.asked:
                self._asked.pop(command_id, None)


def _counts(waiter: _Waiter, result: DecisionResult) -> bool:
    """Whether a resolution is one that the caller waits for."""
    return result.version > waiter.after_version and (result.final or not waiter.final)


def _settle(waiter: _Waiter, result: DecisionResult) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile
        waiter.future.set_result(result)
