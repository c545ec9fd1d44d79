"""For every open task somebody may decide it, or an alert says why nobody may."""

import pytest

from interlock.processors.desk import deciders
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.task import Task
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld

QUALIFIED = POLICY.replace("  underwriting: {}", "  underwriting: {qualifications: [clinician]}")


def told(world: DeskWorld, kind: str = "nobody_can_decide") -> list[tuple[str, list[str], str]]:
    return [
        (alert["task_id"], alert["to"], alert["message"]) for alert in world.said["alerts"] if alert["kind"] == kind
    ]


def skip(world: DeskWorld, name: str, task_id: str = "d1") -> str:
    lease = world.claim(name, task_id)
    reply = world.command(
        "release", name, task_id=task_id, epoch=lease["epoch"], reason_code="other", reason_text="I know them"
    )
    return str(reply["message"])


def clinician(expires_at: int | None = None) -> list[dict[str, object]]:
    return [{"name": "clinician", "expires_at": expires_at}]


def test_without_reviewers_nobody_can_decide() -> None:
    world = DeskWorld()
    world.arrive("d1")
    message = "nobody can decide d1: there are no reviewers. What helps: `interlock reviewers add NAME`"
    assert told(world) == [("d1", [], message)]
    assert world.task("d1").stuck
    world.hire("ann")
    world.wait(0)
    assert not world.task("d1").stuck
    assert world.events("d1") == ["arrived", "nobody_can_decide", "somebody_can_decide"]


def test_an_alert_says_which_rule_keeps_whom_from_a_task_and_what_helps() -> None:
    world = DeskWorld(QUALIFIED)
    world.hire("ann", "bob", "cid", "dan", "eve", "fay", "gus", queues=["underwriting"])
    world.hire("zoe", queues=["moderation"], qualifications=clinician())
    world.hire("lee", role="lead", qualifications=clinician(world.now), queues=["underwriting"])
    world.arrive("d1")
    assert told(world) == [
        (
            "d1",
            ["lee"],
            "nobody on the roster can decide d1: lack clinician: ann, bob, cid, dan, eve and 3 more; do not work queue "
            "underwriting: zoe. What helps: give ann the qualification clinician, or give bob the qualification "
            "clinician, or give cid the qualification clinician, or give dan the qualification clinician, or give eve "
            "the qualification clinician, or enter somebody else who may work queue underwriting",
        )
    ]


def test_it_is_told_once_and_again_when_it_happens_again() -> None:
    world = DeskWorld(QUALIFIED)
    world.hire("ann", qualifications=clinician())
    world.arrive("d1")
    for _ in range(2):
        world.hire("ann", on_duty=False)
        world.wait(DAY)
        world.wait(DAY)
        world.hire("ann", qualifications=clinician(), on_duty=False)
        world.wait(0)
    assert len(told(world)) == 2
    assert len({alert["alert_id"] for alert in world.said["alerts"]}) == len(world.said["alerts"])


def test_a_qualification_that_expires_takes_the_last_person_away_at_that_moment() -> None:
    world = DeskWorld(QUALIFIED)
    world.hire("ann", qualifications=clinician(world.now + HOUR))
    world.arrive("d1")
    world.wait(HOUR - 1)
    assert told(world) == []
    world.wait(1)
    assert [task_id for task_id, _, _ in told(world)] == ["d1"]


def test_a_policy_that_demands_what_nobody_has_is_told_for_each_open_task() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1")
    world.arrive("d2")
    world.set_policy(QUALIFIED)
    world.wait(0)
    assert [task_id for task_id, _, _ in told(world)] == ["d1", "d2"]


def test_people_who_are_off_duty_or_asleep_count() -> None:
    world = DeskWorld()
    world.hire("ann", on_duty=False, time_off=[{"start": world.now, "end": world.now + 9 * DAY}])
    world.arrive("d1")
    world.wait(3 * DAY)
    assert told(world) == []


def test_whoever_has_no_capacity_does_not_count() -> None:
    world = DeskWorld()
    world.hire("ann", capacity=0)
    world.arrive("d1")
    assert "have no capacity: ann. What helps: give ann a capacity" in told(world)[0][2]


def test_the_second_appeal_with_two_reviewers_is_told() -> None:
    world = DeskWorld(POLICY.replace("    queue: underwriting\n", "    queue: underwriting\n    appeals: {limit: 2}\n"))
    world.hire("ann", "bob", "cid")
    world.arrive("d1")
    world.decide("ann")
    world.command("appeal", "cid", task_id="d1", reason_text="not so")
    world.decide("bob", task_id="d1")
    world.command("appeal", "cid", task_id="d1", reason_text="still not so")
    ((task_id, _, message),) = told(world)
    assert task_id == "d1"
    assert "have judged it or are party to it: ann, bob, cid" in message
    world.hire("dan")
    world.wait(0)
    assert world.decide("dan", task_id="d1")["accepted"]


def test_where_the_only_lead_passes_on_what_was_escalated_the_team_gets_it_again() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1")
    lease = world.claim("ann", "d1")
    world.command("escalate", "ann", task_id="d1", epoch=lease["epoch"], reason_text="odd")
    assert skip(world, "lee") == "d1 waits again, and not for you"
    assert world.events("d1")[-2:] == ["released", "opened_up"]
    assert told(world, "opened_up")[0][2] == "no lead may decide d1 any more: everybody else who may gets it"
    assert world.decide("bob", task_id="d1")["accepted"]


def test_where_everybody_has_passed_a_task_on_it_comes_back_to_the_first_of_them() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1")
    assert [skip(world, name) for name in ("ann", "bob")] == ["d1 waits again, and not for you"] * 2
    assert told(world, "opened_up") == []
    skip(world, "lee")
    message = "d1, which you passed on, may come to you again: nobody else may decide it"
    assert told(world, "opened_up") == [("d1", ["ann"], message)]
    assert world.command("claim", "bob", task_id="d1")["code"] == "excluded"
    assert world.decide("ann", task_id="d1")["accepted"]
    assert told(world) == []


def test_whoever_is_alone_is_told_that_what_was_passed_on_may_come_back() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1")
    assert skip(world, "ann") == "d1 waits again; nobody else may decide it, so it may come to you again"
    world.wait(MINUTE)
    assert world.claim("ann")["task_id"] == "d1"


def test_whoever_gave_an_opinion_gets_the_task_never_again() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1", amount=2e6, reasons=("big",))
    world.decide("ann")
    assert [task_id for task_id, _, _ in told(world)] == ["d1"]
    assert world.command("claim", "ann", task_id="d1")["code"] == "same-person"


def test_who_may_decide_is_asked_once_for_tasks_that_demand_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # A roster change cost people times tasks: with a hundred people and 20,000 tasks that nobody could decide
    # the desk stood still for seven seconds.
    asked: list[str] = []

    def counted(task: Task, person: Reviewer, now: int) -> CommandRefused | None:
        asked.append(person.id)
        return unfit(task, person, now)

    monkeypatch.setattr(deciders, "unfit", counted)
    world = DeskWorld(QUALIFIED)
    world.hire(*(f"r{number}" for number in range(20)))
    for number in range(50):
        world.arrive(f"d{number}")
    assert len(told(world)) == 50
    # Once whether they may, and once which rule keeps them away.
    assert len(asked) == 2 * 20
    world.hire("eve")
    world.wait(0)
    assert len(told(world)) == 50
    assert len(asked) == 2 * 20 + 2 * 21
    world.hire("fay", qualifications=clinician())
    world.wait(0)
    assert len(asked) == 2 * 20 + 2 * 21 + 22
    assert not any(world.task(f"d{number}").stuck for number in range(50))
