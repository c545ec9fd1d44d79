"""Sends what a model has done by itself to people: every decision of a scope that can still be rolled back."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from interlock.policies.publishing import read_scope
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError

# Reviews that nobody has to do: without a recall what took effect becomes final when the window ends.
_OPTIONAL = ("audit", "post_approval")


def recallable(tasks: Iterable[dict[str, Any]], scope: str, now: int) -> list[str]:
    """The ids of those of `tasks` in `scope`, as for a halt, that took effect by themselves, can be rolled back at
    `now` (microseconds since 1970), and would become final if nobody looked. Raises UnknownScopeError."""
    kind, name = read_scope(scope)

    def is_meant(task: dict[str, Any]) -> bool:
        model = task["model_id"], f"{task['model_id']}@{task['model_version']}"
        return kind == "all" or (name == task["domain"] if kind == "domain" else name in model)

    def is_open(task: dict[str, Any]) -> bool:
        until = task["override_until"]
        return task["state"] != "done" and task["kind"] in _OPTIONAL and until is not None and until > now

    return sorted(task["task_id"] for task in tasks if is_meant(task) and is_open(task) and not task["verdicts"])


def recall(
    desk: DeskClient, task_ids: Sequence[str], reason: str, advance: Callable[[], object] = lambda: None
) -> Counter[str]:
    """Asks the desk to recall each task; how many by the code of its reply. May be repeated: what is with people stays
    there. `advance`: called after each. Raises what DeskClient raises but for refusals."""
    codes: Counter[str] = Counter()
    for task_id in task_ids:
        try:
            codes[desk.recall(task_id, reason).code] += 1
        except CommandRefusedError as refused:
            codes[refused.code] += 1
        advance()
    return codes
