"""A gold item as the task that it looks like, for tools that show how a task stands."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

# What the desk writes as `decided_by` where something took effect without a person.
_POLICY = "policy"


def like_others(task: Mapping[str, Any], override_seconds: int) -> dict[str, Any]:
    """The `Task` record with the outcome that any other task would have; itself if it is no gold item.

    A blind one stands for an audit, whose prediction is in force until somebody overrides it: a verdict that agrees
    leaves what the policy decided. `override_seconds`: the override window of its policy.
    """
    if task["kind"] != "gold":
        return dict(task)
    last = task["verdicts"][-1] if task["state"] == "done" and task["verdicts"] else None
    window = timedelta(seconds=override_seconds)
    held = {
        "version": 1,
        "outcome": task["prediction"],
        "decided_by": _POLICY,
        "decided_at": task["routed_at"],
        "override_until": task["routed_at"] + window,
    }
    if last is None:
        return {**task, **held} if task["blind"] else dict(task)
    if task["blind"] and last["outcome"] == task["prediction"]:
        return {**task, **held}
    said = {"outcome": last["outcome"], "decided_by": last["reviewer"], "decided_at": last["at"]}
    if task["blind"]:
        return {**task, **held, **said, "version": 2}
    return {**task, **said, "version": 1, "override_until": last["at"] + window}
