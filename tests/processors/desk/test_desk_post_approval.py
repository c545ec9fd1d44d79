"""post_approval: everybody may object while the window is open, and what the audit coin picked must be judged."""

from typing import Any

import pytest

from interlock.processors.outcomes import is_sample, way
from tests.processors.desk.desk_world import DAY, HOUR, DeskWorld

POST: dict[str, Any] = {
    "route": "auto",
    "workflow": "post_approval",
    "domain": "post",
    "prediction": "publish",
    "queue": "moderation",
    "propensity": 0.05,
}


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob")
    return world


def _arrive(world: DeskWorld, name: str, *, audit: bool) -> None:
    world.arrive(name, **POST, audit=audit, override_until=world.now + DAY)


def _object(world: DeskWorld, name: str) -> dict[str, Any]:
    task = world.task(name)
    words = {"payload_hash": task.payload_hash, "reason_code": world.desk.state.terms(task).reason_codes[0]}
    return world.command("override", "bob", task_id=name, verdict="choose", outcome="remove", reason_text="no", **words)


def test_an_audit_is_blind_and_outlives_the_window_and_then_only_measures(world: DeskWorld) -> None:
    _arrive(world, "a1", audit=True)
    assert (world.task("a1").kind, world.task("a1").blind) == ("audit", True)
    world.wait(DAY + HOUR)
    assert "final" in world.events("a1")
    lease = world.claim("ann", "a1")
    assert world.decide("ann", "choose", outcome="remove", claimed=lease)["accepted"]
    judged = world.last("reviews.outcomes")
    assert (judged["kind"], judged["resolves"], judged["overridden"], judged["propensity"]) == (
        "audit",
        False,
        True,
        0.05,
    )
    assert is_sample(judged)
    assert way(judged) == "audit"
    assert world.task("a1").outcome == "publish"


def test_an_audit_that_nobody_did_ends_without_a_word_as_everywhere(world: DeskWorld) -> None:
    _arrive(world, "a1", audit=True)
    world.wait(15 * DAY)
    assert world.events("a1")[-1] == "not_judged"


def test_what_was_not_picked_closes_with_its_window_and_nothing_is_concluded(world: DeskWorld) -> None:
    _arrive(world, "p1", audit=False)
    assert (world.task("p1").kind, world.task("p1").blind) == ("post_approval", False)
    world.wait(DAY)
    assert world.events("p1")[-1] == "window_closed"
    assert world.said["reviews.outcomes"] == []


@pytest.mark.parametrize("audit", [True, False])
def test_an_objection_is_a_sample_where_chance_had_picked_the_decision(world: DeskWorld, audit: bool) -> None:
    _arrive(world, "p1", audit=audit)
    assert _object(world, "p1")["accepted"]
    judged = world.last("reviews.outcomes")
    assert (judged["kind"], judged["audit"]) == ("override", audit)
    assert is_sample(judged) is audit
