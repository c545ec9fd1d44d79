"""What a reviewer does between looking at a task and deciding it, as the command line needs it."""

import threading
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from interlock.errors import InterlockError, UnavailableError, UsageError
from interlock.platform.connection import Platform, database_errors
from interlock.policies.published import Policies
from interlock.policy.review import terms
from interlock.processors.review.times import SECOND, due, micros
from interlock.processors.review.view import View, build_view
from interlock.review.board import Board, Record
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, Reply
from interlock.review.payload import PayloadReader
from interlock.review.reopening import take_over
from interlock.review.view_receipts import Shown, ViewReceipts
from interlock.streams.clock import SystemClock

# The desk takes over what it is given within tenths of a second.
_LOOK_SECONDS = 0.2
_LOOKS = 50


class Session:
    """One person's dealings with the desk. Opens what is asked for, and closes it at the end."""

    def __init__(self, platform: Platform, reviewer: str) -> None:
        """Raises InterlockError if nobody says who the reviewer is, or if Kafka does not answer."""
        if not reviewer:
            raise UsageError("say who you are: --as ID, or set INTERLOCK_REVIEWER")
        self.reviewer = reviewer
        self.broker = platform.serving_kafka()
        self._platform = platform
        self._clock = SystemClock()
        self._shown = ViewReceipts(platform.settings.data_dir, reviewer)
        self._pause = threading.Event()

    @cached_property
    def desk(self) -> DeskClient:
        """The line to the desk."""
        return DeskClient(self.broker, self.reviewer, clock=self._clock)

    @cached_property
    def board(self) -> Board:
        """Every task, as of the first time this is asked for."""
        return Board(self.broker)

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self._clock.now()

    def task(self, task_id: str) -> Record:
        """Raises InterlockError if the board does not have it."""
        found = self.board.task(task_id)
        if found is None:
            raise InterlockError(f"there is no task {task_id!r}; `interlock review list` lists the open ones")
        return found

    def appeal(self, task_id: str, statement: str) -> Reply:
        """Opens a decision again; one that took effect unseen is put on the desk's file first. Raises Refused."""
        try:
            return self.desk.appeal(task_id, statement)
        except CommandRefusedError as refused:
            if refused.code != "unknown-task":
                raise
        with database_errors():
            take_over(self.broker, self._platform.clickhouse(), task_id)
        for _ in range(_LOOKS):
            try:
                return self.desk.appeal(task_id, statement)
            except CommandRefusedError as refused:
                if refused.code != "unknown-task":
                    raise
            self._pause.wait(_LOOK_SECONDS)
        raise UnavailableError(f"the desk has not taken over {task_id} yet: appeal again in a moment")

    def claim(self, task_id: str, queue: str, unfold: bool) -> View:
        """Claims a task, the next best one if none is named, and looks at it. Raises Refused."""
        reply = self.desk.claim(task_id, queue)
        task = self.board.leased(reply.task_id, reply.epoch)
        return self.look(task, "" if task_id else self._why_first(task), unfold)

    def look(self, task: Record, why_first: str = "", unfold: bool = False) -> View:
        """What this person may see of a task; from now on a verdict of theirs is about this."""
        reader = PayloadReader(self.broker, self._platform.clickhouse)
        try:
            payload = reader.read(task)
        finally:
            reader.close()
        seen = build_view(
            task,
            payload,
            self.now(),
            routed_by=self._policies.routed_by(task["policy_version"]),
            in_force=self._policies.owner(task["domain"]),
            why_first=why_first,
            unfold=unfold,
        )
        epoch = task["lease_epoch"] if task["lease_holder"] == self.reviewer else 0
        self._shown.remember(Shown(task["task_id"], epoch, task["payload_hash"]))
        return seen

    def recall(self, task_id: str, *, held: bool = True) -> Shown:
        """What this person was shown of a task. InterlockError if nothing was, or (`held`) if it was not held."""
        shown = self._shown.recall(task_id)
        if held and not shown.epoch:
            raise UsageError(
                f"{self.reviewer} did not hold {task_id} when looking at it: claim it, `interlock review next --task "
                f"{task_id}`",
            )
        return shown

    def done_with(self, reply: Reply) -> Reply:
        """Forgets what was shown of a task that is no longer in this person's hands."""
        self._shown.forget(reply.task_id)
        return reply

    def close(self) -> None:
        for name in ("desk", "board"):
            if name in self.__dict__:
                getattr(self, name).close()

    @cached_property
    def _policies(self) -> Policies:
        return Policies(self.broker)

    def _why_first(self, task: Record) -> str:
        waiting = [one for one in self.board.in_queue(task["queue"]) if one["state"] == "waiting"]
        left = due((micros(task["deadline"]) - self.now()) / SECOND)
        agreed = terms(self._policies.owner(task["domain"]), task["policy_version"], task["domain"], task["queue"])
        order = f"score {task['score']:.2f} and waiting time" if agreed.order == "score" else "deadline"
        return f"due {left}; handed out by {order}, {len(waiting):,} more wait in {task['queue']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def listed(task: Record, now: int) -> dict[str, Any]:
    """What a list may say of a task: nothing of the AI's answer, and not which items are gold or audits."""
    return {
        "task_id": task["task_id"],
        "state": task["state"],
        "queue": task["queue"],
        "priority": task["priority"],
        "domain": task["domain"],
        "deadline": task["deadline"].isoformat(),
        "due_seconds": (micros(task["deadline"]) - now) // SECOND,
        "holder": task["lease_holder"] or task["assigned_to"],
        "escalation": task["escalation"],
    }
