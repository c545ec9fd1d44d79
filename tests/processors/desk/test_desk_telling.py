"""Who is told what, when and how often."""

from collections import Counter
from typing import Any

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, SECOND, DeskWorld

PUSHED = POLICY.replace("underwriting: {}", "underwriting: {assign: push, start_within: 10m}")
NIGHT_OFF = [{"day": day, "start": 9 * 60, "end": 17 * 60} for day in range(7)]


@pytest.fixture
def world() -> DeskWorld:
    return DeskWorld()


def told(world: DeskWorld, kind: str) -> list[dict[str, Any]]:
    return [alert for alert in world.said["alerts"] if alert["kind"] == kind]


# Pushed tasks


def test_who_is_pushed_a_task_whose_caller_waits_is_told_until_when_to_begin(world: DeskWorld) -> None:
    world.hire("ann")
    world.arrive("s1", route="sync", priority="critical")
    [alert] = told(world, "assigned_sync")
    assert (alert["to"], alert["task_id"], alert["severity"]) == (["ann"], "s1", "info")
    assert alert["message"] == "s1 waits for you with its caller: claim it by 2026-01-01T00:01:00Z"


def test_every_other_task_that_is_given_to_a_person_is_told_too(world: DeskWorld) -> None:
    world.set_policy(PUSHED)
    world.hire("ann")
    world.arrive("d1")
    world.hire("lee", role="lead")
    world.arrive("p1", domain="post", queue="moderation", prediction="publish")
    world.command("reassign", "lee", task_id="p1", to_reviewer="ann")
    assert [(alert["to"], alert["task_id"]) for alert in told(world, "assigned")] == [(["ann"], "d1"), (["ann"], "p1")]
    world.arrive("p2", domain="post", queue="moderation", prediction="publish")
    world.command("escalate", "lee", task_id="p2", to_reviewer="ann", reason_text="you know the author")
    assert told(world, "assigned")[-1]["task_id"] == "p2"


def test_every_push_is_an_alert_of_its_own(world: DeskWorld) -> None:
    world.hire("ann")
    world.arrive("s1", route="sync")
    world.wait(MINUTE)
    world.command("on_duty", "ann")
    assert len({alert["alert_id"] for alert in told(world, "assigned_sync")}) == 2


def test_who_misses_a_pushed_task_stays_on_duty_and_may_claim_and_nothing_more_is_pushed(world: DeskWorld) -> None:
    world.hire("zoe")
    world.arrive("s1", route="sync", priority="critical")
    world.wait(66 * SECOND)
    assert world.events("s1") == ["arrived", "assigned", "unassigned"]
    assert "zoe" in world.desk.state.on_duty
    reply = world.claim("zoe")
    assert reply["task_id"] == "s1"
    assert reply["message"].endswith(
        "Nothing is pushed to you since 2026-01-01T00:01:06Z because s1 was to be started by 2026-01-01T00:01:00Z and "
        "nothing was; from now on it is again"
    )
    world.arrive("s2", route="sync", priority="critical")
    assert world.task("s2").assigned_to == "zoe"


def test_who_missed_a_pushed_task_is_told_with_the_manager_or_else_the_leads(world: DeskWorld) -> None:
    world.hire("lee", role="lead", on_duty=False)
    world.hire("ann", manager="max")
    world.arrive("s1", route="sync", priority="critical")
    world.wait(MINUTE)
    [alert] = told(world, "pushes_paused")
    assert (alert["to"], alert["task_id"], alert["severity"]) == (["ann", "max"], "s1", "warning")
    assert alert["message"] == (
        "Nothing more is pushed to ann because s1 was to be started by 2026-01-01T00:01:00Z and nothing was. ann stays "
        "on duty and may claim; tasks are pushed again once that person claims one or goes on duty again"
    )
    world.hire("bob")
    world.wait(MINUTE)
    assert told(world, "pushes_paused")[-1]["to"] == ["bob", "lee"]


def test_who_finds_nothing_to_do_is_told_that_nothing_is_pushed_and_what_to_do(world: DeskWorld) -> None:
    world.hire("ann", "bob")
    world.arrive("s1", route="sync")
    world.wait(MINUTE)
    world.claim("bob", "s1")
    refusal = world.command("claim", "ann")
    assert refusal["code"] == "nothing-to-do"
    assert refusal["message"] == (
        "nothing waits for you in your queues now. Nothing is pushed to you since 2026-01-01T00:01:00Z because s1 was "
        "to be started by 2026-01-01T00:01:00Z and nothing was: go on duty again, `interlock reviewers on-duty ann`"
    )
    assert world.command("on_duty", "ann")["message"].startswith("ann is on duty already and gets pushed tasks again.")
    world.arrive("s2", route="sync")
    assert world.task("s2").assigned_to == "ann"


def test_who_works_on_another_task_misses_a_push_without_consequences(world: DeskWorld) -> None:
    world.hire("ann")
    world.arrive("d1")
    world.claim("ann")
    world.arrive("s1", route="sync", priority="critical")
    world.wait(MINUTE)
    assert world.events("s1")[1:] == ["assigned", "unassigned", "assigned"]
    assert told(world, "pushes_paused") == []


# Callers whom nobody serves


def test_a_caller_whom_nobody_on_duty_may_serve_is_told_at_once_and_once_for_each_queue(world: DeskWorld) -> None:
    world.hire("lee", role="lead", on_duty=False)
    for number in range(3):
        world.arrive(f"s{number}", route="sync", priority="critical")
    world.arrive("p1", route="sync", domain="post", queue="moderation", prediction="publish")
    world.wait(30 * MINUTE)
    alerts = told(world, "nobody_on_duty")
    assert [(alert["queue"], alert["task_id"], alert["severity"]) for alert in alerts] == [
        ("underwriting", "s0", "critical"),
        ("moderation", "p1", "critical"),
    ]
    assert [alert["to"] for alert in alerts] == [["lee"], ["lee"]]
    assert alerts[0]["at"] == world.now - 30 * MINUTE


def test_the_first_who_comes_on_duty_ends_it_and_the_next_time_is_told_again(world: DeskWorld) -> None:
    world.arrive("s1", route="sync")
    world.hire("ann")
    world.decide("ann")
    world.command("off_duty", "ann")
    assert len(told(world, "nobody_on_duty")) == 1
    world.arrive("s2", route="sync")
    assert [alert["task_id"] for alert in told(world, "nobody_on_duty")] == ["s1", "s2"]


def test_a_caller_who_is_left_alone_a_second_time_is_told_of_as_something_new(world: DeskWorld) -> None:
    world.arrive("s1", route="sync")
    world.hire("ann")
    world.wait(MINUTE)
    alerts = told(world, "nobody_on_duty")
    assert [alert["task_id"] for alert in alerts] == ["s1", "s1"]
    assert len({alert["alert_id"] for alert in alerts}) == 2


def test_who_is_not_qualified_is_nobody_and_who_has_no_room_is_somebody(world: DeskWorld) -> None:
    world.hire("gus", queues=["other"])
    world.arrive("s1", route="sync")
    assert len(told(world, "nobody_on_duty")) == 1
    world.hire("ann", capacity=0)
    world.arrive("s2", route="sync")
    assert len(told(world, "nobody_on_duty")) == 1


def test_who_answers_no_push_is_nobody_to_a_caller(world: DeskWorld) -> None:
    world.hire("ann")
    world.arrive("s1", route="sync")
    world.wait(MINUTE)
    assert [alert["task_id"] for alert in told(world, "nobody_on_duty")] == ["s1"]


def test_a_caller_at_night_is_told_of_when_the_last_shift_has_ended(world: DeskWorld) -> None:
    world.hire("ann", hours=NIGHT_OFF)
    world.arrive("s1", route="sync")
    assert len(told(world, "nobody_on_duty")) == 1
    world.wait(9 * HOUR)
    world.decide("ann", task_id="s1")
    world.wait(8 * HOUR)
    world.arrive("s2", route="sync")
    assert [alert["task_id"] for alert in told(world, "nobody_on_duty")] == ["s1", "s2"]


# What was put aside


def aside(world: DeskWorld, until: int, task_id: str = "d1") -> None:
    lease = world.claim("ann", task_id)
    until += world.now
    assert world.command("snooze", "ann", task_id=task_id, epoch=lease["epoch"], until=until)["accepted"]


def test_a_snoozed_task_stays_with_who_goes_home_and_comes_back_to_the_same_person(world: DeskWorld) -> None:
    world.hire("ann", "bob")
    world.arrive("d1", priority="low")
    aside(world, 2 * DAY)
    reply = world.command("off_duty", "ann")
    assert reply["message"] == "ann is off duty; what you put aside stays yours until its deadline (1)"
    assert (world.task("d1").state, world.task("d1").holder) == ("snoozed", "ann")
    assert world.command("claim", "bob", task_id="d1")["code"] == "held-by-another"
    world.wait(2 * DAY)
    assert (world.task("d1").state, world.task("d1").holder) == ("assigned", "ann")
    [alert] = told(world, "woken")
    assert (alert["to"], alert["severity"]) == (["ann"], "info")
    assert alert["message"] == ("d1, which you put aside, is back: it is kept for you until 2026-01-04T00:00:00Z")
    world.wait(20 * HOUR)
    world.command("on_duty", "ann")
    assert world.claim("ann")["task_id"] == "d1"


def test_a_missed_push_at_lunch_loses_nothing_that_was_put_aside(world: DeskWorld) -> None:
    world.hire("ann", "bob")
    world.arrive("d1", priority="low")
    world.arrive("d2", priority="low")
    aside(world, 5 * HOUR, "d1")
    aside(world, 5 * HOUR, "d2")
    world.command("off_duty", "bob")
    world.arrive("s1", route="sync")
    world.wait(MINUTE)
    assert "ann" in world.desk.state.paused
    assert [world.task(name).state for name in ("d1", "d2")] == ["snoozed", "snoozed"]
    world.wait(5 * HOUR)
    assert {task.task_id for task in world.desk.state.held("ann")} == {"d1", "d2"}


@pytest.mark.parametrize("on_breach", ["raise_priority", "escalate"])
def test_at_its_deadline_what_was_put_aside_waits_for_everybody(world: DeskWorld, on_breach: str) -> None:
    world.set_policy(POLICY.replace("underwriting: {}", f"underwriting: {{on_breach: {on_breach}}}"))
    world.hire("ann", "bob")
    world.arrive("d1", priority="high")
    world.arrive("d2", priority="high")
    aside(world, HOUR, "d1")
    aside(world, DAY, "d2")
    world.command("off_duty", "ann")
    world.wait(4 * HOUR)
    assert {world.claim("bob")["task_id"], world.claim("bob")["task_id"]} == {"d1", "d2"}


def test_what_a_removed_person_put_aside_waits_for_others_at_once(world: DeskWorld) -> None:
    world.hire("ann", "bob")
    world.arrive("d1", priority="low")
    aside(world, DAY)
    world.command("off_duty", "ann")
    world.dismiss("ann")
    assert [alert["kind"] for alert in world.said["alerts"]] == ["reviewer_removed"]
    assert world.claim("bob")["task_id"] == "d1"


def test_leads_may_give_what_was_put_aside_to_somebody_else(world: DeskWorld) -> None:
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1", priority="low")
    aside(world, DAY)
    world.command("off_duty", "ann")
    assert world.command("reassign", "lee", task_id="d1", to_reviewer="bob")["accepted"]
    assert world.task("d1").assigned_to == "bob"


# Deadlines


@pytest.mark.parametrize("on_breach", ["raise_priority", "reject", "escalate"])
@pytest.mark.parametrize(("manager", "to"), [("", ["ann", "lee"]), ("max", ["ann", "max"])])
def test_a_breach_is_told_to_the_holder_and_the_manager_or_else_the_leads(
    world: DeskWorld, on_breach: str, manager: str, to: list[str]
) -> None:
    world.set_policy(POLICY.replace("underwriting: {}", f"underwriting: {{on_breach: {on_breach}, lease: 2h}}"))
    world.hire("ann", manager=manager)
    world.hire("lee", role="lead", on_duty=False)
    world.arrive("d1", priority="critical")
    world.claim("ann", "d1")
    world.wait(HOUR + MINUTE)
    # With `escalate` the leads hear of it in any case: they get the task too.
    expected = to if on_breach != "escalate" else list(dict.fromkeys([*to, "lee"]))
    assert [alert["to"] for alert in told(world, "sla_breach")] == [expected]


@pytest.mark.parametrize(("priority", "severity"), [("critical", "critical"), ("high", "warning"), ("low", "warning")])
def test_a_breach_is_as_severe_as_its_task(world: DeskWorld, priority: str, severity: str) -> None:
    world.arrive("d1", priority=priority)
    world.wait(3 * DAY)
    assert [alert["severity"] for alert in told(world, "sla_breach")] == [severity]


def test_nobody_is_warned_of_reviews_that_may_be_left_out(world: DeskWorld) -> None:
    world.hire("ann")
    world.hire("lee", role="lead", on_duty=False)
    for number in range(50):
        post = {"domain": "post", "queue": "moderation", "prediction": "publish", "workflow": "post_approval"}
        world.arrive(f"p{number}", route="auto", override_until=world.now + DAY, priority="low", **post)
    world.arrive("audited", route="auto", audit=True, priority="low")
    world.arrive("d1", priority="low")
    for _ in range(16):
        world.wait(6 * HOUR)
    kinds = Counter(alert["kind"] for alert in world.said["alerts"])
    assert kinds["sla_warning"] == 1
    assert told(world, "sla_warning")[0]["task_id"] == "d1"
    assert world.events("p7") == ["arrived", "window_closed"]
