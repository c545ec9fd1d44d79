"""The desk: a state machine without a clock and without Kafka. What happens goes in, records come out."""

from collections.abc import Callable, Mapping

from interlock.processors.desk import (
    appeals,
    arms,
    claiming,
    evidence,
    handover,
    overriding,
    presence,
    verdict_commands,
)
from interlock.processors.desk.arrivals import Arrival, arrive
from interlock.processors.desk.attendance import has_untold, tell_unattended
from interlock.processors.desk.command import Command
from interlock.processors.desk.deciders import look_after
from interlock.processors.desk.filing import file_again
from interlock.processors.desk.gold import plant_gold
from interlock.processors.desk.push_assignment import can_push, push
from interlock.processors.desk.recall import recall
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import CommandResult, accepted, refused
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.timers import fire_timers, review_open_tasks
from interlock.processors.events import Event

# A task repeats what people write in each of its records: some pages, not a document.
MAX_COMMAND_BYTES = 16_384

Handler = Callable[[DeskState, Command, int], CommandResult]

HANDLERS: Mapping[str, Handler] = {
    "claim": claiming.claim,
    "extend": claiming.extend,
    "release": claiming.release,
    "snooze": claiming.snooze,
    "submit": verdict_commands.submit,
    "override": overriding.override,
    "expire": verdict_commands.expire,
    "escalate": handover.escalate,
    "de_escalate": handover.de_escalate,
    "reassign": handover.reassign,
    "appeal": appeals.appeal,
    "recall": recall,
    "gold": plant_gold,
    "open_evidence": evidence.open_evidence,
    "first_opinion": arms.first_opinion,
    "on_duty": presence.on_duty,
    "off_duty": presence.off_duty,
}


class Desk:
    """Every method returns the records to write, in order. `now`: microseconds since the epoch, never going back."""

    def __init__(self, state: DeskState) -> None:
        self.state = state

    def arrive(self, arrival: Arrival, now: int) -> list[Event]:
        """Makes a task of a routed decision. What is due about it fires with `advance`: earlier commands go first."""
        return [*arrive(self.state, arrival, now), *look_after(self.state, now)]

    def file_again(self, arrival: Arrival, task: Task, now: int) -> list[Event]:
        """Takes back a decided task that it has forgotten, with a copy of its routed decision."""
        return [*file_again(self.state, arrival, task, now), *look_after(self.state, now)]

    def apply(self, command: Command, now: int) -> list[Event]:
        """Carries out a command or refuses it; the last event is the reply. A refused command changes nothing."""
        handler = HANDLERS.get(command.kind)
        try:
            if handler is None:
                raise CommandRefused("unknown-kind", f"there is no command {command.kind!r}: {', '.join(HANDLERS)}")
            if command.is_larger(MAX_COMMAND_BYTES):
                raise CommandRefused(
                    "invalid", f"its texts have {command.size} bytes; {MAX_COMMAND_BYTES} are possible: shorten"
                )
            result = handler(self.state, command, now)
        except CommandRefused as refusal:
            return [refused(command, refusal, self.state.tasks.get(command.task_id), now)]
        events = [*result.events, *self._due(now), *look_after(self.state, now)]
        return [*events, accepted(command, result, now)]

    def advance(self, now: int) -> list[Event]:
        """Does what is due: call before anything else happens at `now`."""
        events = review_open_tasks(self.state, now) if self.state.replaced else []
        return [*events, *self._due(now), *look_after(self.state, now)]

    def is_waiting(self, now: int) -> bool:
        """Whether `advance` would do something at `now`."""
        due = self.state.first_due()
        ends = [instant for instant in (due, self.state.next_expiry) if instant is not None]
        return self.state.replaced or min(ends, default=now + 1) <= now

    def push(self, now: int) -> list[Event]:
        """Gives waiting tasks to free people: call after everything else has happened at `now`."""
        return tell_unattended(self.state, now) + push(self.state, now)

    def can_push(self, now: int) -> bool:
        """Whether `push` would give somebody something, or tell of a caller whom nobody serves."""
        return can_push(self.state, now) or has_untold(self.state, now)

    def _due(self, now: int) -> list[Event]:
        return [event for task in self.state.due(now) for event in fire_timers(self.state, task, now)]
