"""Why a task was handed out before the others of its queue."""

from collections.abc import Mapping
from typing import Any

from interlock.policy.model import Policy
from interlock.policy.review import terms
from interlock.processors.review.due import due_at
from interlock.processors.review.times import SECOND, due


def why_handed_out(task: Mapping[str, Any], in_force: Policy | None, now: int) -> str:
    """In words, for a `Task` record at `now` (microseconds since the epoch). `in_force`: the policy of its domain.

    A record of a task that somebody leases does not say how it came to that person, so neither do the words.
    """
    return f"{why_given(task) or _how_ordered(task, in_force)}; due {due((due_at(task, now) - now) / SECOND)}"


def why_given(task: Mapping[str, Any]) -> str:
    """Why a task that is assigned was not taken from a queue; empty if it is assigned to nobody.

    A later event may have hidden who assigned it.
    """
    if not task["assigned_to"]:
        return ""
    match task["event"]:
        case "reassigned" | "escalated":
            return f"{task['actor']} gave it to you"
        case "woken" | "snoozed":
            return "you had put it aside until now"
        case "assigned":
            waits = task["route"] == "sync" and not task["caller_left"]
            cause = "its caller waits" if waits else f"queue {task['queue']} assigns its tasks"
            return f"pushed to you because {cause} and you were the least loaded of those who may judge it"
        case _:
            return "it was assigned to you"


def _how_ordered(task: Mapping[str, Any], in_force: Policy | None) -> str:
    agreed = terms(in_force, task["policy_version"], task["domain"], task["queue"])
    order = f"score, {task['score']:.2f} for this one, and waiting time" if agreed.order == "score" else "deadline"
    return f"queue {task['queue']} goes by {order}"
