"""Sends what a model has done by itself to people: every decision of a scope that can still be rolled back."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from interlock.policies.publishing import read_scope
from interlock.processors.review.times import micros
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError

# Reviews that nobody has to do: without a recall what took effect becomes final when the window ends.
_OPTIONAL = ("audit", "post_approval")


@dataclass(frozen=True, slots=True)
class Recallable:
    """A decision that took effect by itself and that no person has judged. Instants are microseconds since the epoch;
    `until`: until when it can be rolled back."""

    task_id: str
    domain: str
    model_id: str
    model_version: str
    routed_at: int
    until: int

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> Self | None:
        """Of a `Task` record; None if it is none."""
        until = task["override_until"]
        if task["state"] == "done" or task["kind"] not in _OPTIONAL or task["verdicts"] or until is None:
            return None
        return cls(
            task_id=task["task_id"],
            domain=task["domain"],
            model_id=task["model_id"],
            model_version=task["model_version"],
            routed_at=micros(task["routed_at"]),
            until=micros(until),
        )


def recallable(decisions: Iterable[Recallable], scope: str, now: int) -> list[Recallable]:
    """Those of `decisions` in `scope`, as for a halt, that can be rolled back at `now` (microseconds since the epoch)
    and would become final if nobody looked; first the one whose window ends first. Raises UnknownScopeError."""
    kind, name = read_scope(scope)

    def is_meant(decision: Recallable) -> bool:
        model = decision.model_id, f"{decision.model_id}@{decision.model_version}"
        return kind == "all" or (name == decision.domain if kind == "domain" else name in model)

    found = [decision for decision in decisions if decision.until > now and is_meant(decision)]
    return sorted(found, key=lambda decision: (decision.until, decision.task_id))


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
