"""Which decisions are recalled, and what becomes of each."""

from typing import Any

import pytest

from interlock.policies.publishing import UnknownScopeError
from interlock.review.recalling import Recallable, recallable
from interlock.schemas.times import moment

NOW = 1_000


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "domain": "post",
        "model_id": "filter",
        "model_version": "7",
        "kind": "post_approval",
        "state": "waiting",
        "routed_at": moment(NOW - 10),
        "override_until": moment(NOW + 2),
        "verdicts": [],
        **fields,
    }


TASKS = [
    task("a"),
    task("audit", kind="audit", domain="loan", model_id="scorer"),
    task("b", model_version="8", state="leased", override_until=moment(NOW + 1)),
    task("closed", override_until=moment(NOW)),
    task("done", state="done"),
    task("judged", verdicts=[{"reviewer": "ann"}]),
    task("review", kind="review", override_until=None),
]


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("all", ["b", "a", "audit"]),
        ("domain:post", ["b", "a"]),
        ("model:filter", ["b", "a"]),
        ("model:filter@7", ["a"]),
        ("model:scorer", ["audit"]),
        ("model:other", []),
    ],
)
def test_what_can_be_rolled_back_is_found_by_scope_the_shortest_time_first(scope: str, found: list[str]) -> None:
    candidates = filter(None, map(Recallable.of, TASKS))
    assert [decision.task_id for decision in recallable(candidates, scope, NOW)] == found


@pytest.mark.parametrize("scope", ["", "filter", "model:", "queue:claims", "domain"])
def test_another_scope_is_refused(scope: str) -> None:
    with pytest.raises(UnknownScopeError, match="unknown scope"):
        recallable([], scope, NOW)
