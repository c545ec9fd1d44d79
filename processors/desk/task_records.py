"""What the desk writes about a task: its changes, alerts, outcomes, resolutions and actions."""

from typing import Any

from interlock.processors.desk.refusal import clock
from interlock.processors.desk.task import Task, to_record
from interlock.processors.events import Event, alert
from interlock.schemas import catalogue


def task_changed(task: Task, event: str, actor: str, now: int, command_id: str = "") -> Event:
    """`task` as it stands after `event`."""
    cause = {"event": event, "actor": actor, "at": now, "command_id": command_id}
    return Event(catalogue.TASKS, task.task_id, to_record(task) | cause)


def task_alert(task: Task, kind: str, cause: str, severity: str, to: tuple[str, ...], message: str, now: int) -> Event:
    """An alert about `task`."""
    return alert(kind, cause, severity, to, message, now, task_id=task.task_id, queue=task.queue)


def assignment_alert(task: Task, now: int) -> Event:
    """Tells the person to whom `task` was given until when it must be begun."""
    kind, waits = ("assigned_sync", " with its caller") if task.is_urgent else ("assigned", "")
    cause = f"{task.task_id}/{task.assigned_to}/{task.assigned_until}"
    message = f"{task.task_id} waits for you{waits}: claim it by {clock(task.assigned_until or now)}"
    return task_alert(task, kind, cause, "info", (task.assigned_to,), message, now)


def outcome(
    task: Task,
    verdict: dict[str, Any],
    *,
    kind: str,
    resolves: bool,
    claimed_at: int | None,
    settled_before: int,
    attestations: tuple[str, ...],
) -> dict[str, Any]:
    """The latest verdict of the task, which a person gave with these `attestations`, without the counts of its way."""
    number = len(task.verdicts)
    opinion = task.first_opinion_of(verdict["reviewer"])
    record = {
        # The decision whose id a gold item has borrowed may come later, and have outcomes of its own.
        "outcome_id": f"{'gold/' if task.kind == 'gold' else ''}{task.task_id}#{number}",
        "kind": kind,
        "reviewer": verdict["reviewer"],
        "verdict": verdict["verdict"],
        "outcome": verdict["outcome"],
        "overridden": verdict["outcome"] != task.prediction,
        "resolves": resolves,
        "reason_code": verdict["reason_code"],
        "reason_text": verdict["reason_text"],
        "modifications": verdict["modifications"],
        "at": verdict["at"],
        "arrived_at": task.due_from if task.counted_as == task.kind else task.came_at,
        "claimed_at": claimed_at,
        # A deadline that was moved because it had been missed stays missed.
        "within_sla": verdict["at"] < task.deadline and task.raised_at is None,
        "audit": task.counted_as == "audit",
        "settled_before": settled_before,
        "attestations": list(attestations),
        "first_opinion": opinion["outcome"] if opinion else "",
        "first_opinion_at": opinion["at"] if opinion else None,
        "evidence_opened_at": task.evidence_opened_by(verdict["reviewer"]),
    }
    same = (
        "task_id",
        "decision_id",
        "prediction",
        "gold_outcome",
        "options",
        "deadline",
        "queue",
        "priority",
        "route",
        "workflow",
        "domain",
        "model_id",
        "model_version",
        "confidence",
        "raw_confidence",
        "propensity",
        "blind",
        "arm",
        "seeded",
        "round",
        "policy_version",
        "payload_hash",
        "topic",
        "partition",
        "offset",
    )
    record.update((name, getattr(task, name)) for name in same)
    return record


def action(
    task: Task, kind: str, verdict: dict[str, Any], now: int, notices: tuple[str, ...] = (), corrects: int = 0
) -> Event:
    """What executors have to do about the resolution in force, or about what was carried out before it.

    `corrects`: the version whose notices these replace or take back; 0: none.
    """
    version = task.effect if kind == "roll_back" else task.version
    record = {
        "action_id": f"{task.decision_id}/{version}/{kind}",
        "decision_id": task.decision_id,
        "kind": kind,
        "version": version,
        "outcome": task.outcome,
        "modifications": verdict["modifications"],
        "notices": list(notices),
        "reason_code": verdict["reason_code"],
        "reason_text": verdict["reason_text"],
        "domain": task.domain,
        "at": now,
        "topic": task.topic,
        "partition": task.partition,
        "offset": task.offset,
        "corrects": corrects,
        "language": "",
        "text": "",
        "written_under": "",
    }
    return Event(catalogue.ACTIONS, task.decision_id, record)


def resolution(
    task: Task,
    verdict: dict[str, Any],
    *,
    source: str,
    decided_by: tuple[str, ...],
    notices: tuple[str, ...] = (),
) -> Event:
    """The task's present version, outcome and time as the resolution in force."""
    record = {
        "decision_id": task.decision_id,
        "version": task.version,
        "outcome": task.outcome,
        "prediction": task.prediction,
        "verdict": verdict["verdict"],
        "source": source,
        "decided_by": list(decided_by),
        "decided_at": task.decided_at,
        "final": task.final_at is None,
        "override_until": task.override_until,
        "reason_code": verdict["reason_code"],
        "reason_text": verdict["reason_text"],
        "modifications": verdict["modifications"],
        "notices": list(notices),
        "domain": task.domain,
        "model_id": task.model_id,
        "model_version": task.model_version,
        "policy_version": task.policy_version,
    }
    return Event(catalogue.RESOLUTIONS, task.decision_id, record)
