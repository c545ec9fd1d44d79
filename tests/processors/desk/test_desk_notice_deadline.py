"""A pack says within how many days the subject must have been told: no deadline of the desk is behind that day."""

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, POLICY, DeskWorld
from tests.processors.desk.told_duties import kept_alerts, told, withdraw

PACK = "packs: [ecoa-fcra]\n"
# No clock may decline a loan under the pack, and the other domains say that nothing goes against anybody.
PLAIN = (
    POLICY.replace("    on_timeout: reject\n", "    adverse: [reject]\n")
    .replace("outcomes: [hold, buy, sell]", "outcomes: [hold, buy, sell]\n    adverse: []")
    .replace("outcomes: [publish, remove]", "outcomes: [publish, remove]\n    adverse: []")
)
SLOW = PLAIN.replace("name: bank\n", "name: bank\nservice_levels: {high: 40d, medium: 60d, low: 90d}\n")
CREDIT = SLOW + PACK


def crew(world: DeskWorld) -> DeskWorld:
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    return world


@pytest.fixture
def world() -> DeskWorld:
    return crew(DeskWorld(CREDIT))


MONDAYS = "underwriting: {calendar: {time_zone: UTC, hours: {mon: ['09:00-17:00']}}}"


@pytest.mark.parametrize(
    "queue",
    ["underwriting: {}", MONDAYS, "underwriting: {on_breach: raise_priority}"],
    ids=["always", "mondays", "raise"],
)
@pytest.mark.parametrize("priority", ["high", "medium", "low"])
def test_no_service_level_calendar_or_escalation_puts_a_deadline_behind_the_day_of_the_notice(
    queue: str, priority: str
) -> None:
    levels = "service_levels: {high: 200h, medium: 240h, low: 300h}" if queue == MONDAYS else ""
    text = (CREDIT.replace("service_levels: {high: 40d, medium: 60d, low: 90d}", levels) if levels else CREDIT).replace(
        "underwriting: {}", queue
    )
    world = crew(DeskWorld(text))
    created = world.now - 5 * DAY
    world.arrive("d1", priority=priority, created_at=created, **told(text))
    told_by = created + 30 * DAY
    assert world.task("d1").deadline == told_by
    lease = world.claim("ann")
    world.command("escalate", "ann", task_id="d1", epoch=lease["epoch"], reason_code="other", reason_text="hard")
    assert world.task("d1").deadline == told_by
    for _ in range(40):
        world.wait(DAY)
        assert world.task("d1").deadline <= told_by
    assert world.events("d1").count("breached") == 1


def test_a_day_of_notice_that_passes_is_a_critical_alert_that_says_whose_day_it_was(world: DeskWorld) -> None:
    world.arrive("d1", priority="low", created_at=world.now - 10 * DAY, **told(CREDIT))
    world.wait(12 * DAY)
    assert "warned" not in world.events("d1")
    world.wait(DAY)
    assert "warned" in world.events("d1"), "at three quarters of the thirty days, and not of the twenty that were left"
    world.wait(7 * DAY)
    (breach,) = [alert for alert in world.said["alerts"] if alert["kind"] == "sla_breach"]
    assert breach["severity"] == "critical"
    assert "by then its subject had to be told of the outcome" in breach["message"]


def test_a_shorter_service_level_stays_the_deadline(world: DeskWorld) -> None:
    world.set_policy(PLAIN + PACK)
    world.arrive("d1", priority="high", created_at=world.now - DAY, **told(PLAIN + PACK))
    assert world.task("d1").deadline == world.now + 4 * HOUR
    world.wait(4 * HOUR)
    (breach,) = [alert for alert in world.said["alerts"] if alert["kind"] == "sla_breach"]
    assert (breach["severity"], "its subject" in breach["message"]) == ("warning", False)


def test_a_case_that_comes_late_is_late_at_once(world: DeskWorld) -> None:
    world.arrive("d1", priority="low", created_at=world.now - 31 * DAY, **told(CREDIT))
    assert world.events("d1") == ["arrived", "breached", "escalated"]


def test_no_clock_of_a_producer_gives_more_time_than_the_router_s(world: DeskWorld) -> None:
    world.arrive("d1", priority="low", created_at=world.now + 300 * DAY, **told(CREDIT))
    assert world.task("d1").deadline == world.now + 30 * DAY


def test_the_day_stays_whatever_becomes_of_the_policy_and_a_later_pack_brings_it(world: DeskWorld) -> None:
    created = world.now - DAY
    world.arrive("d1", priority="low", created_at=created, **told(CREDIT))
    world.set_policy(SLOW)
    world.wait(0)
    assert world.task("d1").deadline == created + 30 * DAY
    assert "30 days from the decision until its subject is told" in str(kept_alerts(world)[-1]["message"])
    withdraw(world)
    assert world.task("d1").deadline == created + 30 * DAY
    later = crew(DeskWorld(SLOW))
    later.arrive("d1", priority="low", created_at=created, **told(SLOW))
    assert later.task("d1").deadline == later.now + 90 * DAY
    later.set_policy(CREDIT)
    later.wait(0)
    assert later.task("d1").deadline == created + 30 * DAY


def test_once_the_subject_was_told_the_day_bounds_no_appeal(world: DeskWorld) -> None:
    world.arrive("d1", created_at=world.now - 29 * DAY, **told(CREDIT))
    world.decide("ann", "reject", reason_code="delinquency", reason_text="late in May")
    assert world.command("appeal", "bob", task_id="d1", reason_text="I paid")["accepted"]
    assert world.task("d1").deadline == world.now + 40 * DAY


def test_what_took_effect_by_itself_was_told_at_once(world: DeskWorld) -> None:
    fields = told(CREDIT) | {"route": "auto", "topic": "decisions.auto-approved", "audit": True}
    world.arrive("d1", priority="low", created_at=world.now - 40 * DAY, **fields)
    assert world.task("d1").deadline == world.now + 90 * DAY
