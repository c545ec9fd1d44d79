"""Which decisions are recalled, and what becomes of each."""

from typing import Any

import pytest

from interlock.policies.publishing import UnknownScopeError
from interlock.review.recalling import recallable

NOW = 1_000


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "domain": "post",
        "model_id": "filter",
        "model_version": "7",
        "kind": "post_approval",
        "state": "waiting",
        "override_until": NOW + 1,
        "verdicts": [],
        **fields,
    }


TASKS = [
    task("a"),
    task("audit", kind="audit", domain="loan", model_id="scorer"),
    task("b", model_version="8", state="leased"),
    task("closed", override_until=NOW),
    task("done", state="done"),
    task("judged", verdicts=[{"reviewer": "ann"}]),
    task("review", kind="review", override_until=None),
]


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("all", ["a", "audit", "b"]),
        ("domain:post", ["a", "b"]),
        ("model:filter", ["a", "b"]),
        ("model:filter@7", ["a"]),
        ("model:scorer", ["audit"]),
        ("model:other", []),
    ],
)
def test_what_took_effect_and_can_be_rolled_back_is_found_by_the_scope_of_a_halt(scope: str, found: list[str]) -> None:
    assert recallable(TASKS, scope, NOW) == found


@pytest.mark.parametrize("scope", ["", "filter", "model:", "queue:claims", "domain"])
def test_another_scope_is_refused(scope: str) -> None:
    with pytest.raises(UnknownScopeError, match="unknown scope"):
        recallable(TASKS, scope, NOW)
