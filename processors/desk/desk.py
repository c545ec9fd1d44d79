"""The desk: a state machine without clock and without Kafka. What happens goes in, records come out."""

from collections.abc import Callable, Mapping

from processors.desk import claiming, duty, judging, moving
from processors.desk.answer import Answer, accepted, refused
from processors.desk.arrivals import Arrival, arrive
from processors.desk.command import Command
from processors.desk.events import Event
from processors.desk.pushing import push
from processors.desk.refusal import Refused
from processors.desk.state import DeskState
from processors.desk.timers import fire, look_again

Handler = Callable[[DeskState, Command, int], Answer]

HANDLERS: Mapping[str, Handler] = {
    "claim": claiming.claim,
    "extend": claiming.extend,
    "release": claiming.release,
    "snooze": claiming.snooze,
    "submit": judging.submit,
    "override": judging.override,
    "expire": judging.expire,
    "escalate": moving.escalate,
    "reassign": moving.reassign,
    "appeal": moving.appeal,
    "gold": moving.gold,
    "on_duty": duty.on_duty,
    "off_duty": duty.off_duty,
}


class Desk:
    """Every method returns what it made, in order. `now`: microseconds since the epoch, never going back."""

    def __init__(self, state: DeskState) -> None:
        self.state = state

    def arrive(self, arrival: Arrival, now: int) -> list[Event]:
        """Takes over a routed decision."""
        return arrive(self.state, arrival, now)

    def apply(self, command: Command, now: int) -> list[Event]:
        """Carries out a command or refuses it; the last event is the reply. A refused command changes nothing."""
        handler = HANDLERS.get(command.kind)
        try:
            if handler is None:
                raise Refused("unknown-kind", f"there is no command {command.kind!r}: {', '.join(HANDLERS)}")
            answer = handler(self.state, command, now)
        except Refused as refusal:
            return [refused(command, refusal, self.state.tasks.get(command.task_id), now)]
        return [*answer.events, accepted(command, answer, now)]

    def advance(self, now: int) -> list[Event]:
        """Does what is due: call before anything else happens at `now`."""
        made = look_again(self.state, now) if self.state.replaced else []
        for task in self.state.due(now):
            made += fire(self.state, task, now)
        return made

    def push(self, now: int) -> list[Event]:
        """Gives waiting tasks to free people: call after everything else has happened at `now`."""
        return push(self.state, now)
