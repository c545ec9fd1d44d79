"""What a model has done by itself is sent to people after all."""

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, DeskWorld

WHY = {"reason_text": "halted: it drifts"}


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    return world


def posted(world: DeskWorld, name: str = "p1") -> None:
    post = {"domain": "post", "queue": "moderation", "prediction": "publish", "workflow": "post_approval"}
    world.arrive(name, route="auto", override_until=world.now + DAY, priority="low", **post)


def test_what_took_effect_is_judged_and_rolled_back_where_people_differ(world: DeskWorld) -> None:
    posted(world, "d1")
    assert world.command("recall", "lee", task_id="d1", **WHY)["accepted"]
    task = world.task("d1")
    assert (task.state, task.kind, task.priority, task.escalation_note) == (
        "waiting",
        "recall",
        "high",
        WHY["reason_text"],
    )
    assert task.deadline == world.now + 4 * HOUR
    world.decide("ann", "reject", task_id="d1")
    assert [(action["kind"], action["version"]) for action in world.said["actions"]][:2] == [
        ("roll_back", 1),
        ("execute", 2),
    ]
    assert (world.last("resolutions")["source"], world.last("resolutions")["outcome"]) == ("override", "remove")
    outcome = world.last("reviews.outcomes")
    assert (outcome["kind"], outcome["resolves"]) == ("recall", True)


def test_who_agrees_confirms_and_nothing_is_done_again(world: DeskWorld) -> None:
    posted(world, "d1")
    world.command("recall", "lee", task_id="d1", **WHY)
    world.decide("ann", task_id="d1")
    assert world.said["actions"] == []
    assert (world.last("resolutions")["source"], world.last("resolutions")["decided_by"]) == ("review", ["ann"])


def test_a_recalled_post_approval_review_does_not_become_final_by_silence(world: DeskWorld) -> None:
    posted(world, "recalled")
    posted(world, "left")
    world.command("recall", "lee", task_id="recalled", **WHY)
    world.wait(3 * DAY)
    assert "window_closed" in world.events("left")
    assert world.task("recalled").state == "waiting"
    assert "window_closed" not in world.events("recalled")
    assert [alert["task_id"] for alert in world.said["alerts"] if alert["kind"] == "sla_breach"] == ["recalled"]


def test_an_open_audit_is_looked_at_for_sure_and_openly(world: DeskWorld) -> None:
    world.arrive("d1", route="auto", audit=True, priority="low")
    world.command("recall", "lee", task_id="d1", **WHY)
    assert (world.task("d1").kind, world.task("d1").blind) == ("recall", False)
    assert not world.task("d1").is_sample


def test_it_may_be_repeated_and_changes_nothing_that_is_with_people(world: DeskWorld) -> None:
    posted(world, "d1")
    world.command("recall", "lee", task_id="d1", **WHY)
    world.claim("ann", "d1")
    again = world.command("recall", "lee", task_id="d1", **WHY)
    assert (again["accepted"], again["message"]) == (True, "d1 is with people already")
    assert world.events("d1").count("recalled") == 1
    assert world.task("d1").lease_holder == "ann"


def test_only_leads_recall_with_a_reason_what_took_effect_and_nobody_has_judged_in_time(world: DeskWorld) -> None:
    posted(world, "d1")
    world.arrive("open")
    world.arrive("final", route="auto")
    world.arrive("judged", route="auto", audit=True)
    world.decide("ann", "choose", task_id="judged", outcome="reject")
    assert world.command("recall", "ann", task_id="d1", **WHY)["code"] == "not-lead"
    assert world.command("recall", "lee", task_id="d1")["code"] == "missing-reason"
    assert world.command("recall", "lee", task_id="open", **WHY)["code"] == "not-decided"
    assert world.command("recall", "lee", task_id="judged", **WHY)["code"] == "judged-by-people"
    assert world.command("recall", "lee", task_id="final", **WHY)["code"] == "window-closed"
    assert world.command("recall", "lee", task_id="nothing", **WHY)["code"] == "unknown-task"


def test_after_its_window_only_an_appeal_changes_a_decision(world: DeskWorld) -> None:
    posted(world)
    world.wait(DAY - MINUTE)
    assert world.command("recall", "lee", task_id="p1", **WHY)["accepted"]
    posted(world, "late")
    world.wait(DAY)
    assert world.command("recall", "lee", task_id="late", **WHY)["code"] == "window-closed"
