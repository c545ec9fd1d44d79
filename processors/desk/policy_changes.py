"""What a changed policy does to open tasks: more may be demanded of them from now on, and never less than before."""

from collections import Counter

from interlock.policy import review
from interlock.policy.duties import calendar_text
from interlock.processors.desk.deadlines import counts_from, demand, reschedule, set_warning
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import DESK, Task, one_for_all
from interlock.processors.desk.task_records import task_changed
from interlock.processors.events import Event, alert


def apply_policies(state: DeskState, now: int) -> list[Event]:
    """Deadlines and demands of open tasks under the policies in force, and alerts where these demand less."""
    events: list[Event] = []
    keeping: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
    for task in state.open_tasks():
        terms = state.terms(task)
        changed = task.deadline_policy != terms.policy_version
        if not changed and not terms.elsewhere:
            continue
        before = task.deadline, task.qualifications, task.quorum
        if terms.known:
            reschedule(state, task, now)
        else:
            # Nobody says any more how long it may take: what people were told holds.
            demand(state, task)
            set_warning(state, task)
        if (task.deadline, task.qualifications, task.quorum) != before:
            events.append(task_changed(task, "rescheduled", DESK, now))
        if changed and (kept := _kept(state, task)):
            events.append(task_changed(task, "duties_kept", DESK, now))
            keeping[task.domain, task.routed_queue, kept] += 1
        state.keep(task)
    return events + _alerts(state, keeping, now)


def adopt_duties(state: DeskState, task: Task) -> None:
    """Gives a task of an earlier version of the desk, whose record does not tell them, the duties that it has today."""
    terms = state.terms_of(task.domain, task.queue)
    task.routed_queue = task.queue
    task.routed_qualifications = task.qualifications
    task.routed_outcomes = one_for_all(terms.outcomes)
    task.routed_calendar = calendar_text(terms.calendar)


def _kept(state: DeskState, task: Task) -> tuple[str, ...]:
    """What the task keeps although the policy in force would not demand it, in words."""
    in_force, duties = state.terms_of(task.domain, task.routed_queue), task.duties
    words = review.loosened(in_force, duties, task.reasons)
    start, appeal = counts_from(task), task.apparent_kind == "appeal"
    if review.gives_more_time(in_force, duties, task.priority, start, appeal=appeal):
        return (*words, f"the earlier deadline of priority {task.priority}")
    return words


def _alerts(state: DeskState, keeping: Counter[tuple[str, str, tuple[str, ...]]], now: int) -> list[Event]:
    """One alert for each domain and queue, whatever the number of tasks."""
    alerts = []
    for domain, queue in sorted({(domain, queue) for domain, queue, _ in keeping}):
        kept = {words: count for (*place, words), count in keeping.items() if place == [domain, queue]}
        tasks = "; ".join(f"{count} keep {', '.join(words)}" for words, count in sorted(kept.items()))
        version = state.terms_of(domain, queue).policy_version
        policy = f"Policy version {version}" if version else f"No policy has {domain} any more, which"
        message = (
            f"{policy} demands less of {domain} in queue {queue} than open tasks were routed with, and they keep it: "
            f"{tasks}. If a name was changed by mistake, publish the policy again with the name of before"
        )
        cause = f"{domain}/{queue}/{version}/{now}"
        alerts.append(alert("duties_kept", cause, "warning", state.leads(queue), message, now, queue=queue))
    return alerts
