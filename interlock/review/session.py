"""A reviewer's work from looking at a task to deciding it, as the command line needs it."""

from contextlib import closing
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from interlock.errors import InterlockError, UsageError
from interlock.platform.connection import Platform, database_errors
from interlock.policies.published import Policies
from interlock.processors.review.due import due_at
from interlock.processors.review.handing_out import why_given, why_handed_out
from interlock.processors.review.times import SECOND, due, micros
from interlock.processors.review.view import TaskView, build_view
from interlock.review.board import Board, Record
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import Reply
from interlock.review.local_time import local_time
from interlock.review.payload import PayloadReader
from interlock.review.reopening import appeal
from interlock.review.view_receipts import ViewReceipt, ViewReceipts
from interlock.streams.clock import SystemClock


class Session:
    """One person's work with the desk. Opens what is asked for, and closes it at the end."""

    def __init__(self, platform: Platform, reviewer: str) -> None:
        """Raises UsageError without a reviewer, InterlockError if Kafka does not answer."""
        if not reviewer:
            raise UsageError("say who you are: --as ID, or set INTERLOCK_REVIEWER")
        self.reviewer = reviewer
        self.broker = platform.serving_kafka()
        self._platform = platform
        self._clock = SystemClock()
        self._receipts = ViewReceipts(platform.settings.data_dir, reviewer)

    @cached_property
    def desk(self) -> DeskClient:
        """The connection to the desk."""
        return DeskClient(self.broker, self.reviewer, signer=self._platform.signer, clock=self._clock)

    @cached_property
    def board(self) -> Board:
        """Every task, as of the first call."""
        return Board(self.broker)

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self._clock.now()

    def task(self, task_id: str) -> Record:
        """Raises InterlockError if the board does not have it."""
        task = self.board.task(task_id)
        if task is None:
            raise InterlockError(f"there is no task {task_id!r}; `interlock review list` lists the open ones")
        return task

    def appeal(self, task_id: str, statement: str, on_behalf_of: str = "") -> Reply:
        """Opens a decision again; one that the desk does not have is put on file first. Raises CommandRefusedError."""
        with database_errors():
            return appeal(
                self.desk,
                self.broker,
                lambda: closing(self._platform.clickhouse()),
                task_id,
                statement,
                on_behalf_of=on_behalf_of,
                keys=self._platform.keys_to_read,
            )

    def claim(self, task_id: str, queue: str, reveal: bool) -> TaskView:
        """Claims a task, the next best one if none is named, and looks at it. Raises CommandRefusedError."""
        self.board.refresh()
        assigned = {task["task_id"]: task for task in self.board.mine(self.reviewer) if task["assigned_to"]}
        reply = self.desk.claim(task_id, queue)
        task = self.board.leased(reply.task_id, reply.epoch)
        why_first = "" if task_id else self._why_first(task, assigned.get(reply.task_id))
        return self.look(task, why_first, reveal)

    def look(self, task: Record, why_first: str = "", reveal: bool = False) -> TaskView:
        """What this person may see of a task; from now on a verdict of theirs is about this."""
        reader = PayloadReader(self.broker, self._platform.clickhouse, lambda: self._platform.keys_to_read)
        try:
            payload = reader.read(task)
        finally:
            reader.close()
        view = build_view(
            task,
            payload,
            self.now(),
            routed_by=self._policies.routed_by(task["policy_version"]),
            in_force=self._policies.owner(task["domain"]),
            why_first=why_first,
            reveal=reveal,
            reader=self.reviewer,
        )
        epoch = task["lease_epoch"] if task["lease_holder"] == self.reviewer else 0
        self._receipts.remember(ViewReceipt(task["task_id"], epoch, task["payload_hash"], view.attestations))
        return view

    def open_evidence(self, task_id: str, *, reveal: bool) -> TaskView:
        """Tells the desk that this person opens the evidence of a task, and looks at all of it. Raises
        CommandRefusedError, and UsageError if the person has not looked at the task."""
        receipt = self.recall(task_id, held=False)
        self.desk.open_evidence(task_id, receipt.epoch, receipt.payload_hash)
        self.board.refresh()
        return self.look(self.task(task_id), reveal=reveal)

    def first_opinion(self, task_id: str, outcome: str) -> TaskView:
        """Tells the desk what this person thinks of a task, and looks at it with the AI's answer. Raises
        CommandRefusedError, and UsageError if the person does not hold the task, or has not looked at it."""
        receipt = self.recall(task_id)
        self.desk.first_opinion(task_id, receipt.epoch, receipt.payload_hash, outcome)
        self.board.refresh()
        return self.look(self.task(task_id))

    def recall(self, task_id: str, *, held: bool = True) -> ViewReceipt:
        """What this person was shown of a task. UsageError if nothing was, or (`held`) if it was not held."""
        receipt = self._receipts.recall(task_id)
        if receipt is None:
            raise UsageError(self._why_no_receipt(task_id))
        if held and not receipt.epoch:
            raise UsageError(
                f"{self.reviewer} did not hold {task_id} when looking at it: claim it, `interlock review next --task "
                f"{task_id}`",
            )
        return receipt

    def done_with(self, reply: Reply) -> Reply:
        """Forgets what was shown of a task that is no longer in this person's hands."""
        self._receipts.forget(reply.task_id)
        return reply

    def close(self) -> None:
        for name in ("desk", "board"):
            if name in self.__dict__:
                getattr(self, name).close()

    @cached_property
    def _policies(self) -> Policies:
        return Policies(self.broker)

    def _why_no_receipt(self, task_id: str) -> str:
        """Tells a reviewer who never looked at a task from one whose receipt was dropped with the verdict."""
        task = self.board.task(task_id)
        look = f"look at it first, `interlock review show {task_id}`"
        verdicts = task["verdicts"] if task is not None else []
        mine = [verdict for verdict in verdicts if verdict["reviewer"] == self.reviewer]
        if task is None or not mine:
            return f"{self.reviewer} has not looked at {task_id}: {look}"
        last = mine[-1]
        judged = f"{self.reviewer} has judged {task_id} already: {last['outcome']} at {local_time(last['at'])}"
        if task["state"] != "done":
            return f"{judged}; somebody else must judge it too before it is decided"
        return f"{judged}. To change that as a lead, {look}, then `interlock review override`"

    def _why_first(self, task: Record, assigned: Record | None) -> str:
        """`assigned`: the task as it was before the claim if it was meant for this person already."""
        if assigned is not None:
            return f"{why_given(assigned)}; due {due((due_at(task, self.now()) - self.now()) / SECOND)}"
        waiting = [other for other in self.board.in_queue(task["queue"]) if other["state"] == "waiting"]
        why = why_handed_out(task, self._policies.owner(task["domain"]), self.now())
        return f"{why}, {len(waiting):,} more wait in {task['queue']}"

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
        "due_seconds": (due_at(task, now) - now) // SECOND,
        "holder": task["lease_holder"] or task["assigned_to"],
        "start_by": task["assigned_until"] and task["assigned_until"].isoformat(),
        "start_seconds": task["assigned_until"] and max(0, micros(task["assigned_until"]) - now) // SECOND,
        "escalation": task["escalation"],
        "with_team": task["with_team"],
        "stuck": task["stuck"],
    }
