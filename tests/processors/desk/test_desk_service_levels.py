"""Deadlines, warnings, breaches, escalation, assignment."""

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", manager="max")
    return world


@pytest.mark.parametrize(
    ("priority", "level"), [("critical", HOUR), ("high", 4 * HOUR), ("medium", DAY), ("low", 3 * DAY)]
)
def test_a_task_breaches_after_exactly_its_service_level_and_is_told_once(
    world: DeskWorld, priority: str, level: int
) -> None:
    world.arrive("d1", priority=priority)
    world.wait(level - 1)
    assert "breached" not in world.events("d1")
    world.wait(1)
    assert world.events("d1").count("breached") == 1
    world.wait(10 * DAY)
    assert world.events("d1").count("breached") == 1
    assert [alert["kind"] for alert in world.said["alerts"]].count("sla_breach") == 1


@pytest.mark.parametrize(("moment", "late"), [(HOUR - 1, False), (HOUR, True), (HOUR + 1, True)])
def test_a_verdict_is_in_time_where_the_task_has_not_breached(world: DeskWorld, moment: int, late: bool) -> None:
    world.hire("lee", role="lead")
    world.arrive("d1", priority="critical")
    world.wait(moment)
    world.decide("lee")
    assert (world.task("d1").breached, world.last("reviews.outcomes")["within_sla"]) == (late, not late)


def test_three_quarters_of_the_way_there_is_a_warning_to_whoever_has_it(world: DeskWorld) -> None:
    world.arrive("d1", priority="critical")
    world.wait(44 * MINUTE)
    world.claim("ann")
    world.wait(MINUTE)
    warning = next(alert for alert in world.said["alerts"] if alert["kind"] == "sla_warning")
    assert warning["to"] == ["ann"]
    assert warning["at"] == world.now


def test_a_breach_is_told_to_the_assignee_and_the_manager(world: DeskWorld) -> None:
    world.arrive("d1", priority="critical")
    world.wait(50 * MINUTE)
    world.claim("ann")
    world.wait(10 * MINUTE)
    assert next(alert for alert in world.said["alerts"] if alert["kind"] == "sla_breach")["to"] == ["ann", "max"]


def test_a_breached_task_is_out_of_the_way_of_its_team_and_comes_to_the_leads(world: DeskWorld) -> None:
    world.hire("lee", role="lead")
    world.arrive("late", priority="critical")
    world.wait(HOUR)
    world.arrive("fresh", priority="low")
    assert world.claim("ann")["task_id"] == "fresh"
    assert world.claim("lee")["task_id"] == "late"


def test_without_leads_a_breached_task_stays_with_everybody_after_what_can_still_be_in_time(world: DeskWorld) -> None:
    world.arrive("late", priority="critical")
    world.wait(HOUR)
    world.arrive("fresh", priority="low")
    assert [world.claim("ann")["task_id"], world.claim("ann")["task_id"]] == ["fresh", "late"]


def test_whoever_has_begun_a_task_when_it_breaches_may_finish_it(world: DeskWorld) -> None:
    world.hire("lee", role="lead", on_duty=False)
    world.arrive("d1", priority="critical")
    world.wait(55 * MINUTE)
    lease = world.claim("ann")
    world.wait(5 * MINUTE)
    assert world.task("d1").breached
    assert world.decide("ann", claimed=lease)["accepted"]


def test_a_policy_may_raise_the_priority_instead(world: DeskWorld) -> None:
    world.arrive("m1", domain="post", queue="moderation", prediction="publish", workflow="escalation", priority="low")
    world.wait(3 * DAY)
    assert (world.task("m1").priority, world.task("m1").escalation) == ("medium", 0)


def test_or_let_a_safe_outcome_hold(world: DeskWorld) -> None:
    world.set_policy(POLICY.replace("underwriting: {}", "underwriting: {on_breach: reject}"))
    world.arrive("d1", priority="critical")
    world.wait(HOUR)
    word = world.last("resolutions")
    assert (word["outcome"], word["source"], word["decided_by"]) == ("reject", "timeout", [])
    assert world.last("actions")["kind"] == "notify"


def test_deadlines_are_computed_anew_when_the_policy_changes(world: DeskWorld) -> None:
    world.arrive("d1", priority="critical")
    world.wait(50 * MINUTE)
    world.set_policy(POLICY + "service_levels: {critical: 2h}\n")
    world.wait(0)
    assert world.task("d1").deadline == world.now + 70 * MINUTE
    assert "rescheduled" in world.events("d1")
    world.wait(15 * MINUTE)
    assert "breached" not in world.events("d1")
    world.set_policy(POLICY)
    world.wait(0)
    assert "breached" in world.events("d1")


def test_a_policy_that_changes_nothing_about_a_task_says_nothing(world: DeskWorld) -> None:
    world.arrive("d1")
    world.set_policy(POLICY + "audit: {rate: 0.5}\n")
    world.wait(0)
    assert world.events("d1") == ["arrived"]


def test_only_working_hours_count_where_a_queue_has_a_calendar(world: DeskWorld) -> None:
    # 2026-01-01 is a Thursday; the clock starts at midnight.
    hours = "{calendar: {time_zone: UTC, hours: {mon: ['09:00-17:00'], thu: ['09:00-12:00']}}}"
    world.set_policy(POLICY.replace("underwriting: {}", f"underwriting: {hours}"))
    task = world.arrive("d1", priority="high")
    assert task.deadline == world.now + 4 * DAY + 10 * HOUR


def test_a_sync_task_is_given_to_the_least_loaded_person_at_once_and_to_another_if_not_begun(world: DeskWorld) -> None:
    world.arrive("d1")
    world.claim("ann")
    world.arrive("s1", route="sync", priority="critical")
    assert (world.task("s1").state, world.task("s1").assigned_to) == ("assigned", "bob")
    world.wait(MINUTE)
    assert world.task("s1").assigned_to == "ann"
    # bob had begun nothing and is taken to be away.
    assert "bob" in world.desk.state.paused


def test_who_goes_on_duty_is_told_how_long_a_pushed_task_may_wait(world: DeskWorld) -> None:
    message = "60 s to start a task pushed to you whose caller waits; if you start none in time, nothing more is pushed"
    assert message in world.command("on_duty", "ann")["message"]
    world.set_policy(POLICY.replace("underwriting: {}", "underwriting: {assign: push, start_within: 10m}"))
    world.hire("cid", on_duty=False)
    assert "whose caller waits, 600 s in queue underwriting; if you" in world.command("on_duty", "cid")["message"]


def test_pushed_queues_fill_people_up_to_their_capacity(world: DeskWorld) -> None:
    world.set_policy(POLICY.replace("underwriting: {}", "underwriting: {assign: push}"))
    for number in range(12):
        world.arrive(f"d{number}")
    assert (world.desk.state.load("ann"), world.desk.state.load("bob")) == (5, 5)
    world.hire("cid")
    assert world.desk.state.load("cid") == 2


def test_a_lead_gives_a_task_that_nobody_has_begun_to_a_named_person(world: DeskWorld) -> None:
    world.hire("lee", role="lead")
    world.arrive("d1")
    assert world.command("reassign", "ann", task_id="d1", to_reviewer="bob")["code"] == "not-lead"
    assert world.command("reassign", "lee", task_id="d1", to_reviewer="bob")["accepted"]
    assert world.command("claim", "ann", task_id="d1")["code"] == "held-by-another"
    world.claim("bob", "d1")
    assert world.command("reassign", "lee", task_id="d1", to_reviewer="ann")["code"] == "held-by-another"


def test_escalation_carries_a_note_to_a_lead_a_queue_or_a_person(world: DeskWorld) -> None:
    world.hire("lee", role="lead")
    for number in range(3):
        world.arrive(f"d{number}")
        world.claim("ann")
    note = {"reason_text": "I know the applicant"}
    assert world.command("escalate", "ann", task_id="d0")["code"] == "missing-reason"
    assert world.command("escalate", "bob", task_id="d0", **note)["code"] == "not-lead"
    world.command("escalate", "ann", task_id="d0", **note)
    assert world.claim("lee")["task_id"] == "d0"
    assert world.task("d0").escalation_note == "I know the applicant"
    assert world.command("escalate", "ann", task_id="d1", queue="nowhere", **note)["code"] == "wrong-queue"
    world.command("escalate", "ann", task_id="d1", queue="advisers", **note)
    assert world.task("d1").queue == "advisers"
    world.command("escalate", "ann", task_id="d2", to_reviewer="bob", **note)
    assert world.task("d2").assigned_to == "bob"


def test_a_decided_task_is_forgotten_after_a_month(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    world.wait(30 * DAY)
    assert "d1" not in world.desk.state.tasks
    assert world.command("claim", "ann", task_id="d1")["code"] == "unknown-task"
