"""A task on the terminal: when it was made, and what was decided about its subject before, and when."""

import io
from datetime import UTC, datetime
from typing import Any

from interlock.cli.common import VisibleConsole
from interlock.cli.review_screen import screen
from interlock.policy.load import parse
from interlock.processors.review.payload import Payload
from interlock.processors.review.times import micros
from interlock.processors.review.view import build_view
from interlock.review.local_time import local_time
from tests.interlock.review.review_world import POLICY, decision, routed, task_record

LENDING = parse(POLICY, "lending")
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EARLIER = datetime(2025, 7, 8, 9, 10, 11, tzinfo=UTC)


def printed(**changes: Any) -> str:
    envelope = routed(decision("d-1", created_at=CREATED, **changes))
    view = build_view(
        task_record(envelope), Payload(envelope, verified=True), micros(CREATED), routed_by=LENDING, in_force=LENDING
    )
    assert view.created_at == micros(CREATED)
    shown = io.StringIO()
    VisibleConsole(file=shown, width=200, color_system=None).print(screen(view))
    return shown.getvalue()


def test_it_says_when_the_decision_was_made() -> None:
    (line,) = [line for line in printed().splitlines() if "created" in line]
    assert local_time(CREATED) in line


def test_it_says_what_was_decided_before_and_when() -> None:
    before = [{"decision_id": "d-0", "outcome": "approve", "decided_at": EARLIER}]
    shown = printed(history={"previous_decisions": before, "model_accuracy_on_similar": None})
    assert f"Earlier decisions: approve (d-0, {local_time(EARLIER)})" in shown
