"""Who gets a task that went up or was late, and in which order."""

from itertools import count
from typing import Any

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld

RAISING = POLICY.replace("  underwriting: {}", "  underwriting: {on_breach: raise_priority}").replace(
    "{order: score}", "{order: score, on_breach: raise_priority}"
)


def an_audit(world: DeskWorld, name: str, **fields: Any) -> None:
    world.arrive(name, route="auto", audit=True, workflow="escalation", priority="low", propensity=0.05, **fields)


def alerts(world: DeskWorld, kind: str) -> list[tuple[str, list[str]]]:
    return [(alert["task_id"], alert["to"]) for alert in world.said["alerts"] if alert["kind"] == kind]


def test_what_breached_overnight_is_for_the_team_and_the_leads_in_the_morning() -> None:
    world = DeskWorld()
    world.hire("ann", "bob", "cid", on_duty=False)
    world.hire("lee", role="lead", on_duty=False)
    for number in range(50):
        world.arrive(f"n{number}", priority="high")
    world.wait(12 * HOUR)
    for name in ("ann", "bob", "cid", "lee"):
        world.command("on_duty", name)
    taken = {world.claim(name)["task_id"] for name in ("ann", "bob", "cid", "lee")}
    assert len(taken) == 4
    assert {world.task(name).breached for name in taken} == {True}
    assert world.command("reassign", "lee", task_id="n40", to_reviewer="ann")["accepted"]


def test_a_breach_is_one_alert_that_names_who_may_decide_it() -> None:
    world = DeskWorld()
    world.hire("ann", manager="max")
    world.hire("lee", role="lead")
    world.arrive("d1", priority="critical")
    world.claim("ann")
    world.wait(14 * MINUTE)
    world.command("extend", "ann", task_id="d1", epoch=1)
    for _ in range(4):
        world.wait(12 * MINUTE)
        world.command("extend", "ann", task_id="d1", epoch=1)
    assert alerts(world, "sla_breach") == [("d1", ["ann", "max", "lee"])]
    assert alerts(world, "escalated") == []
    assert world.events("d1")[-3:] == ["breached", "escalated", "extended"]


def test_a_breach_leaves_a_task_with_the_only_person_who_is_qualified() -> None:
    world = DeskWorld(POLICY.replace("  underwriting: {}", "  underwriting: {qualifications: [clinician]}"))
    world.hire("ann", qualifications=[{"name": "clinician", "expires_at": None}])
    world.hire("lee", role="lead")
    world.arrive("d1", priority="critical")
    world.wait(2 * HOUR)
    assert world.task("d1").escalation == 0
    assert world.command("claim", "lee", task_id="d1")["code"] == "not-qualified"
    assert world.decide("ann")["accepted"]


def test_after_a_breach_one_lead_and_the_team_give_the_two_opinions() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.hire("lee", role="lead")
    world.arrive("d1", amount=2e6, reasons=("big",), priority="critical")
    world.wait(2 * HOUR)
    world.decide("lee", task_id="d1")
    assert world.decide("ann", task_id="d1")["message"] == "decided: approve"


def test_where_the_only_lead_gave_one_of_two_opinions_somebody_else_decides_between_them() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1", amount=2e6, reasons=("big",))
    world.decide("lee", "approve", task_id="d1")
    world.decide("ann", "reject", task_id="d1")
    assert alerts(world, "quorum_disagrees") == [("d1", ["lee"])]
    assert "no lead may decide it" in world.said["alerts"][-1]["message"]
    assert world.decide("bob", "approve", task_id="d1")["message"] == "decided: approve"


def test_an_escalation_to_another_queue_is_for_the_team_of_that_queue() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1")
    lease = world.claim("ann", "d1")
    assert world.command("escalate", "ann", task_id="d1", epoch=lease["epoch"], reason_text="odd")["accepted"]
    assert world.command("claim", "bob", task_id="d1")["code"] == "not-lead"
    assert world.command("escalate", "lee", task_id="d1", queue="underwriting", reason_text="back")["accepted"]
    assert world.task("d1").escalation == 0
    assert world.command("claim", "bob", task_id="d1")["accepted"]


@pytest.mark.parametrize("leads", [("lee",), ()])
def test_an_escalation_says_who_got_the_task(leads: tuple[str, ...]) -> None:
    world = DeskWorld(POLICY.replace("    on_timeout: reject\n", ""))
    world.hire("ann")
    world.hire(*leads, role="lead")
    for name in ("d1", "s1"):
        world.arrive(name, route="sync" if name == "s1" else "async")
    world.claim("ann", "d1")
    went = "went to lee" if leads else "no lead may decide d1: it waits for everybody else who may"
    assert went in world.command("escalate", "ann", task_id="d1", reason_text="odd")["message"]
    expired = world.command("expire", "the client", task_id="s1")
    assert went.replace("d1", "s1") in expired["message"]
    assert expired["code"] == "escalated"


def test_a_lead_gets_what_is_critical_before_five_audits_that_are_four_days_old() -> None:
    world = DeskWorld()
    world.hire("lee", role="lead", capacity=9)
    for number in range(5):
        an_audit(world, f"a{number}")
    world.wait(4 * DAY)
    world.arrive("urgent", route="manual", priority="high")
    world.arrive("crit", priority="critical")
    got = [world.claim("lee")["task_id"] for _ in range(7)]
    assert got == ["crit", "urgent", "a0", "a1", "a2", "a3", "a4"]


def test_a_lead_gets_what_went_up_by_priority_among_the_rest() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.hire("lee", role="lead", capacity=9)
    for name, priority in (("late-high", "high"), ("up-low", "low"), ("up-critical", "critical"), ("up-high", "high")):
        world.arrive(name, priority=priority)
        if name.startswith("up"):
            world.command("escalate", "lee", task_id=name, reason_text="look")
    world.wait(5 * HOUR)
    world.arrive("critical", priority="critical")
    world.arrive("medium", priority="medium")
    got = [world.claim("lee")["task_id"] for _ in range(6)]
    assert got == ["up-critical", "critical", "late-high", "up-high", "medium", "up-low"]


def test_audits_do_not_go_up() -> None:
    world = DeskWorld()
    world.hire("lee", role="lead")
    an_audit(world, "a1")
    world.wait(4 * DAY)
    assert world.task("a1").breached
    assert world.task("a1").escalation == 0


def test_a_colleague_who_is_named_must_have_room() -> None:
    world = DeskWorld()
    world.hire("lee", role="lead")
    world.hire("bob", capacity=2)
    replies = []
    for number in range(20):
        world.arrive(f"d{number}")
        replies.append(
            world.command("escalate", "lee", task_id=f"d{number}", to_reviewer="bob", reason_text="for you")["code"]
        )
    assert replies == ["ok"] * 2 + ["at-capacity"] * 18
    assert world.command("reassign", "lee", task_id="d0", to_reviewer="bob")["accepted"], "it is bob's already"


def overloaded(world: DeskWorld, hours: int, **fields: Any) -> list[str]:
    """Two tasks come and one is handed out in every hour; which ones were."""
    handed_out = []
    names = (f"new{number}" for number in count())
    for _ in range(hours):
        for _ in range(2):
            world.arrive(next(names), **fields)
        lease = world.claim("ann")
        handed_out.append(lease["task_id"])
        world.decide("ann", claimed=lease)
        world.wait(HOUR)
    return handed_out


@pytest.mark.parametrize(("priority", "within"), [("low", 1), ("medium", 1), ("high", 20), ("critical", 1)])
@pytest.mark.parametrize("queue", ["underwriting", "advisers"])
def test_a_raised_priority_brings_a_late_task_forward_under_overload(queue: str, priority: str, within: int) -> None:
    world = DeskWorld(RAISING)
    world.hire("ann")
    world.arrive("late", priority=priority, queue=queue, amount=1.0)
    world.wait(3 * DAY + HOUR)
    handed_out = overloaded(world, 20, priority=priority, queue=queue, amount=1e9)
    assert "late" in handed_out[:within]
    outcome = next(record for record in world.said["reviews.outcomes"] if record["task_id"] == "late")
    assert not outcome["within_sla"]


def test_a_missed_deadline_raises_the_priority_step_by_step_until_the_task_goes_first() -> None:
    world = DeskWorld(RAISING)
    world.hire("ann")
    world.arrive("d1", priority="low")
    start = world.now
    for wait, priority, due in ((3 * DAY, "medium", DAY), (DAY, "high", 4 * HOUR), (4 * HOUR, "critical", HOUR)):
        world.wait(wait)
        task = world.task("d1")
        assert (task.priority, task.deadline - world.now, task.breached) == (priority, due, False)
    world.wait(HOUR)
    assert world.task("d1").goes_first
    assert world.task("d1").due_from == start
    assert [event for event in world.events("d1") if event in ("breached", "raised")] == ["breached", "raised"] * 4
    assert len(alerts(world, "sla_breach")) == 4
    world.arrive("d2", priority="critical")
    claimed = world.claim("ann")
    assert claimed["task_id"] == "d1"
    assert "late by 0 min, and raised before all that was not: first of 2" in claimed["message"]


def test_audits_are_not_raised() -> None:
    world = DeskWorld(RAISING)
    an_audit(world, "a1")
    world.wait(5 * DAY)
    assert (world.task("a1").priority, world.task("a1").breached) == ("low", True)


@pytest.mark.parametrize(("policy", "days"), [(POLICY, 14), (POLICY + "audit: {expires: 3d}\n", 3)])
def test_an_audit_that_nobody_does_ends_without_a_verdict(policy: str, days: int) -> None:
    world = DeskWorld(policy)
    world.hire("ann")
    an_audit(world, "a1")
    world.wait(days * DAY - 1)
    assert world.task("a1").state == "waiting"
    world.wait(1)
    assert (world.task("a1").state, world.task("a1").outcome) == ("done", "approve")
    assert world.events("a1")[-1] == "not_judged"
    assert world.said["reviews.outcomes"] == []
    assert {record["outcome"] for record in world.said["resolutions"]} == {"approve"}
    assert world.said["actions"] == []
    assert world.desk.state.open == 0


def test_an_audit_that_somebody_has_begun_is_not_taken_away() -> None:
    world = DeskWorld()
    world.hire("ann")
    an_audit(world, "a1")
    world.wait(14 * DAY - MINUTE)
    lease = world.claim("ann", "a1")
    world.wait(2 * MINUTE)
    assert world.decide("ann", "choose", outcome="approve", claimed=lease)["accepted"]


def test_an_audit_that_somebody_has_begun_and_left_ends_with_the_lease() -> None:
    world = DeskWorld()
    world.hire("ann")
    an_audit(world, "a1")
    world.wait(14 * DAY - MINUTE)
    world.claim("ann", "a1")
    world.wait(15 * MINUTE)
    assert world.events("a1")[-2:] == ["expired", "not_judged"]


def test_an_audit_that_has_ended_can_still_be_appealed() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    an_audit(world, "a1")
    world.wait(15 * DAY)
    assert world.command("appeal", "ann", task_id="a1", reason_text="not so")["accepted"]
    world.wait(20 * DAY)
    assert world.task("a1").state == "waiting"
    assert world.decide("bob", "reject", task_id="a1")["accepted"]


def test_open_work_is_bounded_where_there_are_more_audits_than_people_can_do() -> None:
    world = DeskWorld()
    world.hire("ann")
    for day in range(400):
        an_audit(world, f"a{day}")
        world.wait(DAY)
    assert world.desk.state.open == 13


SHIFT = [{"day": day, "start": 9 * 60, "end": 17 * 60} for day in range(5)]


def escalated(world: DeskWorld) -> None:
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1")
    lease = world.claim("ann", "d1")
    assert world.command("escalate", "ann", task_id="d1", epoch=lease["epoch"], reason_text="odd")["accepted"]


def test_a_lead_gives_what_was_escalated_back_to_the_team() -> None:
    world = DeskWorld()
    escalated(world)
    assert world.command("de_escalate", "bob", task_id="d1", reason_text="mine")["code"] == "not-lead"
    assert world.command("de_escalate", "lee", task_id="d1")["code"] == "missing-reason"
    reply = world.command("de_escalate", "lee", task_id="d1", reason_text="it is genuine")
    assert reply["message"] == "d1 is back with its team"
    assert (world.task("d1").escalation, world.task("d1").escalation_note) == (0, "it is genuine")
    assert world.command("de_escalate", "lee", task_id="d1", reason_text="again")["code"] == "not-escalated"
    assert world.decide("bob", task_id="d1")["accepted"]


def test_a_lead_who_holds_it_gives_it_to_a_person_of_the_team() -> None:
    world = DeskWorld()
    escalated(world)
    world.claim("lee", "d1")
    reply = world.command("de_escalate", "lee", task_id="d1", to_reviewer="bob", reason_text="please")
    assert reply["message"] == "d1 is back with its team, for bob"
    assert world.task("d1").assigned_to == "bob"


def test_a_refused_hand_back_leaves_the_task_with_the_leads() -> None:
    world = DeskWorld()
    escalated(world)
    world.hire("cid", on_duty=False)
    reply = world.command("de_escalate", "lee", task_id="d1", to_reviewer="cid", reason_text="please")
    assert reply["code"] == "off-duty"
    assert world.task("d1").leads_only


@pytest.mark.parametrize("kind", ["de_escalate", "reassign", "escalate"])
def test_a_task_for_somebody_of_the_next_shift_waits_until_it_begins(kind: str) -> None:
    world = DeskWorld()
    escalated(world)
    if kind != "de_escalate":
        world.command("de_escalate", "lee", task_id="d1", reason_text="back")
    world.hire("cid", on_duty=False, hours=SHIFT)
    world.wait((17 * HOUR - world.now) % DAY)
    reply = world.command(kind, "lee", task_id="d1", to_reviewer="cid", reason_text="tomorrow")
    assert "from the next shift on, at " in reply["message"]
    begins = world.task("d1").snoozed_until
    assert begins is not None
    assert begins % DAY == 9 * HOUR
    assert world.command("claim", "bob", task_id="d1")["code"] == "held-by-another"
    assert alerts(world, "assigned")[-1:] != [("d1", ["cid"])]
    world.command("on_duty", "cid")
    world.wait(begins - world.now)
    assert world.task("d1").state in ("assigned", "waiting")
    assert world.claim("cid", "d1")["accepted"]


def test_every_escalation_is_an_alert_of_its_own() -> None:
    """The notifier leaves out an alert whose id it knows."""
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1")
    for _ in range(3):
        world.command("claim", "ann", task_id="d1")
        assert world.command("escalate", "ann", task_id="d1", reason_text="odd")["accepted"]
        world.wait(MINUTE)
    told = [alert["alert_id"] for alert in world.said["alerts"] if alert["kind"] == "escalated"]
    assert len(told) == len(set(told)) == 3


def test_what_goes_up_again_after_it_was_given_back_is_told_again() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.hire("lee", role="lead")
    world.arrive("d1")
    for _ in range(2):
        world.command("claim", "ann", task_id="d1")
        assert world.command("escalate", "ann", task_id="d1", reason_text="odd")["accepted"]
        assert world.command("de_escalate", "lee", task_id="d1", reason_text="not so odd")["accepted"]
        world.wait(MINUTE)
    told = [alert["alert_id"] for alert in world.said["alerts"] if alert["kind"] == "escalated"]
    assert len(told) == len(set(told)) == 2
