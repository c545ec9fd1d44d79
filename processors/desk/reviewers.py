"""Reviewers as the desk knows them, and who may judge what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.processors.desk.hours import is_working
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.task import DESK, POLICY, Task


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A record of topic `reviewers`. `qualifications`: until when each counts, None: for ever. `record`: all of it."""

    id: str
    role: str
    manager: str
    queues: frozenset[str]
    qualifications: Mapping[str, int | None]
    capacity: int
    record: Mapping[str, Any]

    @property
    def is_lead(self) -> bool:
        return self.role == "lead"

    def works(self, queue: str) -> bool:
        """Leads see every queue."""
        return self.is_lead or not self.queues or queue in self.queues


# The largest record of a person costs the desk 0.1 s, most of it to find the end of a shift or an absence, while all
# others wait. Six shifts on each day of the week; a year's single days off.
LIMITS: Mapping[str, int] = {"hours": 42, "time_off": 50, "queues": 500, "qualifications": 200}


# What the desk writes as `decided_by` and `actor` where no person decides or acts. A person of that name would be taken
# for nobody, and what the person decided would count as undecided.
RESERVED_IDS = frozenset({"", DESK, POLICY, "timeout", "window"})

# Between the names in `decided_by`.
_SEPARATOR = ", "


def check_id(name: str) -> str:
    """The id of a reviewer; raises ValueError for one that would be taken for somebody else."""
    if name in RESERVED_IDS:
        taken = ", ".join(sorted(RESERVED_IDS - {""}))
        raise ValueError(f"no reviewer can be called {name!r}: {taken} are what acts where no person does")
    if _SEPARATOR in name:
        raise ValueError(f"no reviewer can be called {name!r}: two people would be read in it")
    return name


def from_record(record: Mapping[str, Any]) -> Reviewer:
    """The reviewer in a decoded record whose times are integers. Raises ValueError for more than the desk can take, and
    for an id that would be taken for somebody else."""
    check_id(record["id"])
    for name, limit in LIMITS.items():
        if len(record[name]) > limit:
            raise ValueError(f"{record['id']} has {len(record[name]):,} {name}; {limit} are possible")
    return Reviewer(
        id=record["id"],
        role=record["role"],
        manager=record["manager"],
        queues=frozenset(record["queues"]),
        qualifications={held["name"]: held["expires_at"] for held in record["qualifications"]},
        capacity=record["capacity"],
        record=record,
    )


@dataclass(frozen=True, slots=True)
class PushPause:
    """Since when nothing is pushed to a person on duty, and why: which pushed task the person did not begin."""

    since: int
    reason: str

    def words(self) -> str:
        """For the person, whom it concerns."""
        return f"nothing is pushed to you since {clock(self.since)} because {self.reason}"


def holds(held: Mapping[str, int | None], needed: Iterable[str], now: int) -> bool:
    """Whether all that is needed is held at `now`. `held`: until when each qualification counts, None: for ever."""
    return all(name in held and ((until := held[name]) is None or until > now) for name in needed)


def unfit(task: Task, reviewer: Reviewer, now: int) -> CommandRefused | None:
    """Why `reviewer` must not judge `task`; None if the person may.

    Tasks of a queue that share their `order.Demands` have the same answer for everybody, as far as all of them are
    `leads_only` or none is: what is asked of a task here must be in them, or claims pass over what people may do.
    """
    me = reviewer.id
    if me in task.involved:
        return same_person(task, me)
    if me in task.excluded:
        return CommandRefused("excluded", f"{me} passed {task.task_id} on before; it goes to somebody else")
    if task.kind == "override" and not reviewer.is_lead:
        return CommandRefused("not-lead", f"an override of {task.task_id} was proposed: another lead decides about it")
    if task.leads_only and not reviewer.is_lead:
        return CommandRefused("not-lead", f"{task.task_id} was escalated: a lead decides it")
    return unqualified(task, reviewer, now)


def same_person(task: Task, name: str) -> CommandRefused:
    """Why somebody involved in `task` must not judge it."""
    if name in task.parties:
        did = f"{name} filed the appeal on {task.task_id}, or it was filed in that name"
    else:
        did = f"{name} has judged {task.task_id} before"
    return CommandRefused("same-person", f"{did}; somebody else must do it now")


def unqualified(task: Task, reviewer: Reviewer, now: int) -> CommandRefused | None:
    """Whether `reviewer` lacks the queue or a qualification that `task` needs; None if not."""
    if not reviewer.works(task.queue):
        return CommandRefused(
            "wrong-queue", f"queue {task.queue} is not among yours: {', '.join(sorted(reviewer.queues))}"
        )
    for name in task.qualifications:
        if name not in reviewer.qualifications:
            return CommandRefused(
                "not-qualified", f"{task.task_id} needs the qualification {name}, which {reviewer.id} does not have"
            )
        expires = reviewer.qualifications[name]
        if expires is not None and expires <= now:
            return CommandRefused(
                "not-qualified", f"the qualification {name} of {reviewer.id} expired at {clock(expires)}"
            )
    return None


def off_duty(reviewer: str, since: int | None) -> CommandRefused:
    """Tells that a reviewer is off duty and, of one who was on duty once, since when."""
    state = f"{reviewer} is off duty" + (f" since {clock(since)}" if since is not None else "")
    return CommandRefused("off-duty", f"{state}: go on duty first, `interlock reviewers on-duty {reviewer}`")


def outside_working_hours(reviewer: Reviewer, now: int) -> CommandRefused | None:
    """Whether `reviewer` does not work now; None if at work."""
    if not is_working(reviewer.record, now):
        return CommandRefused(
            "not-working-hours", f"it is outside the working hours of {reviewer.id} ({reviewer.record['time_zone']})"
        )
    return None
