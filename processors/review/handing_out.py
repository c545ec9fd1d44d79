"""Why a task was handed out before the others of its queue."""

from collections.abc import Mapping
from typing import Any

from interlock.policy.model import Policy
from interlock.policy.review import terms
from interlock.processors.review.times import SECOND, due, micros


def why_handed_out(task: Mapping[str, Any], in_force: Policy | None, now: int) -> str:
    """In words, for a `Task` record at `now` (microseconds since the epoch). `in_force`: the policy of its domain."""
    agreed = terms(in_force, task["policy_version"], task["domain"], task["queue"])
    order = f"score {task['score']:.2f} and waiting time" if agreed.order == "score" else "deadline"
    return f"due {due((micros(task['deadline']) - now) / SECOND)}; handed out by {order}"
