"""Tasks whose callers wait when nobody is there to whom they could be pushed: told at once, and once for each queue."""

from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_alert
from interlock.processors.events import Event


def present(state: DeskState, now: int) -> list[Reviewer]:
    """Everybody to whom tasks are pushed now: on duty, at work and not paused, in alphabetical order."""
    return [
        reviewer
        for name in sorted(state.on_duty.keys() - state.paused.keys())
        if (reviewer := state.reviewers.get(name)) is not None and state.unavailable(reviewer, now) is None
    ]


def tell_unattended(state: DeskState, now: int) -> list[Event]:
    """Alerts of queues where a caller waits and nobody present may judge the task, however busy.

    A queue is told of again when somebody who may judge has been there in between.
    """
    waiting = state.waiting.callers()
    if not waiting and not state.unattended:
        return []
    people = present(state, now)
    attended, unattended = _by_attendance(waiting, people, now)
    for queue, task in list(state.unattended.items()):
        if queue not in unattended and (queue in attended or _is_attended(task, people, now)):
            del state.unattended[queue]
    untold = [task for queue, task in unattended.items() if queue not in state.unattended]
    state.unattended.update((task.queue, task) for task in untold)
    return [_nobody_on_duty(state, task, now) for task in untold]


def has_untold(state: DeskState, now: int) -> bool:
    """Whether `tell_unattended` would tell of a queue."""
    waiting = [task for task in state.waiting.callers() if task.queue not in state.unattended]
    return bool(waiting) and bool(_by_attendance(waiting, present(state, now), now)[1])


def _by_attendance(waiting: list[Task], people: list[Reviewer], now: int) -> tuple[set[str], dict[str, Task]]:
    """The queues of tasks that one of `people` may judge, and the first task of each queue that none of them may."""
    attended: set[str] = set()
    unattended: dict[str, Task] = {}
    for task in waiting:
        if _is_attended(task, people, now):
            attended.add(task.queue)
        else:
            unattended.setdefault(task.queue, task)
    return attended, unattended


def _is_attended(task: Task, people: list[Reviewer], now: int) -> bool:
    return any(unfit(task, reviewer, now) is None for reviewer in people)


def _nobody_on_duty(state: DeskState, task: Task, now: int) -> Event:
    message = (
        f"The caller of {task.task_id} waits, and of those who may judge it nobody is on duty, at work and answering. "
        f"Go on duty or call somebody who may; further callers in queue {task.queue} wait without another alert until "
        "somebody is there"
    )
    left = {**state.off_duty, **{name: pause.since for name, pause in state.paused.items()}}
    last = max(
        (
            since
            for name, since in left.items()
            if (person := state.reviewers.get(name)) and not unfit(task, person, now)
        ),
        default=0,
    )
    # The first task that waits, and when the last one left: a desk that takes over tells the same alert.
    cause = f"{task.task_id}/{last}"
    return task_alert(task, "nobody_on_duty", cause, "critical", state.leads(task.queue), message, now)
