"""What a command did, and the reply to it."""

from dataclasses import dataclass, field

from interlock.processors.desk.command import Command
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.task import Task
from interlock.processors.events import Event
from interlock.schemas import catalogue

# A sentence for a person. Some name what the policy allows, which may be any number of codes.
MAX_MESSAGE_LENGTH = 4_096


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that was carried out: `message` for the person, the `events` to write, the `task` it was about.

    `code`: ok, or escalated where a caller asked for a decision and a lead was asked instead.
    """

    message: str
    task: Task | None = None
    events: list[Event] = field(default_factory=list)
    code: str = "ok"


def accepted(command: Command, result: CommandResult, now: int) -> Event:
    """The reply to a command that was carried out."""
    return _reply(command, result.task, True, result.code, result.message, now)


def refused(command: Command, refusal: CommandRefused, task: Task | None, now: int) -> Event:
    """The reply to a command that has changed nothing."""
    return _reply(command, task, False, refusal.code, refusal.message, now)


def _reply(command: Command, task: Task | None, is_accepted: bool, code: str, message: str, now: int) -> Event:
    mine = task is not None and task.lease_holder == command.actor
    record = {
        "command_id": command.command_id,
        "kind": command.kind,
        "actor": command.actor,
        "task_id": task.task_id if task else command.task_id,
        "accepted": is_accepted,
        "code": code,
        "message": message[:MAX_MESSAGE_LENGTH],
        "at": now,
        "epoch": task.lease_epoch if task and mine else 0,
        "lease_until": task.lease_until if task and mine else None,
        "payload_hash": task.payload_hash if task else "",
        "topic": task.topic if task else "",
        "partition": task.partition if task else -1,
        "offset": task.offset if task else -1,
    }
    return Event(catalogue.REPLIES, command.command_id, record)
