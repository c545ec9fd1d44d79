"""Separation of duties: who judged a case, or is a party to it, does not decide it again."""

from typing import Any

import pytest

from interlock.processors.desk.push_assignment import push
from tests.processors.desk.desk_world import DAY, POLICY, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", "cid")
    world.hire("lee", "lou", role="lead")
    return world


def words(world: DeskWorld) -> list[tuple[int, str, str, list[str]]]:
    """Every resolution: version, outcome, source, and who decided."""
    return [
        (record["version"], record["outcome"], record["source"], record["decided_by"])
        for record in world.said["resolutions"]
    ]


def override(world: DeskWorld, actor: str, task_id: str = "d1", **fields: Any) -> dict[str, Any]:
    given = {
        "verdict": "approve",
        "payload_hash": f"hash of {task_id}",
        "reason_code": "other",
        "reason_text": "forged",
    }
    return world.command("override", actor, task_id=task_id, **given | fields)


def appeal(world: DeskWorld, actor: str, task_id: str = "d1", **fields: Any) -> dict[str, Any]:
    return world.command("appeal", actor, task_id=task_id, **{"reason_text": "not me"} | fields)


# Overriding what two people decided


def signed_by_two(world: DeskWorld, first: str = "ann", second: str = "lee") -> None:
    world.arrive("d1", reasons=("big",))
    world.decide(first, "reject", task_id="d1")
    world.decide(second, "reject", task_id="d1")
    assert words(world) == [(1, "reject", "review", [first, second])]


def test_one_of_two_judges_cannot_override_alone_what_both_decided(world: DeskWorld) -> None:
    signed_by_two(world)
    reply = override(world, "lee")
    assert (reply["accepted"], world.events("d1")[-1]) == (True, "override_proposed")
    assert "reject holds until another lead decides for approve too, by 2026-01-02T00:00:00Z" in reply["message"]
    assert words(world) == [(1, "reject", "review", ["ann", "lee"])]
    assert [action["action_id"] for action in world.said["actions"]] == ["d1/1/execute", "d1/1/notify"]
    alert = world.last("alerts")
    assert (alert["kind"], alert["to"]) == ("override_proposed", ["lou"])
    assert "lee wants approve instead of reject for d1" in alert["message"]


def test_a_second_lead_who_has_not_judged_puts_the_override_in_force(world: DeskWorld) -> None:
    signed_by_two(world)
    override(world, "lee")
    for name, code in (("lee", "same-person"), ("ann", "same-person"), ("bob", "not-lead")):
        assert world.command("claim", name, task_id="d1")["code"] == code
    world.decide("lou", "approve", task_id="d1")
    assert words(world)[-1] == (2, "approve", "override", ["lee", "lou"])
    changed = [action["action_id"] for action in world.said["actions"]][2:]
    assert changed == ["d1/1/roll_back", "d1/2/execute", "d1/2/notify"]
    assert world.events("d1")[-1] == "overridden"
    outcomes = world.said["reviews.outcomes"]
    assert [(record["kind"], record["resolves"]) for record in outcomes] == [
        ("review", False),
        ("review", True),
        ("override", False),
        ("override", True),
    ]


def test_a_second_lead_who_decides_otherwise_refuses_the_override_and_the_first_is_told(world: DeskWorld) -> None:
    signed_by_two(world)
    override(world, "lee")
    reply = world.decide("lou", "reject", task_id="d1")
    assert "reject stands" in reply["message"]
    assert (world.events("d1")[-1], world.task("d1").state) == ("override_refused", "done")
    assert len(words(world)) == 1
    assert (world.last("alerts")["kind"], world.last("alerts")["to"]) == ("override_refused", ["lee"])


def test_a_proposed_override_lapses_when_the_window_closes(world: DeskWorld) -> None:
    signed_by_two(world)
    world.wait(DAY - 1)
    override(world, "lee")
    assert world.task("d1").deadline == world.now + 1
    world.wait(1)
    assert (world.events("d1")[-2:], world.task("d1").state) == (["override_lapsed", "final"], "done")
    assert len(words(world)) == 2
    assert world.last("resolutions")["final"]
    alert = world.last("alerts")
    assert (alert["kind"], alert["to"]) == ("override_lapsed", ["lee"])
    assert "reject stands, and only an appeal changes it" in alert["message"]
    assert override(world, "lou")["code"] == "window-closed"


def test_an_override_that_a_single_lead_proposes_waits_for_nobody_which_is_told_and_lapses() -> None:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    signed_by_two(world, "ann", "bob")
    reply = override(world, "lee")
    assert (reply["accepted"], world.events("d1")[-1]) == (True, "nobody_can_decide")
    (told,) = [alert for alert in world.said["alerts"] if alert["kind"] == "nobody_can_decide"]
    assert (told["severity"], told["to"]) == ("critical", ["lee"])
    assert "d1" in told["message"]
    assert world.task("d1").stuck
    world.wait(DAY)
    assert world.events("d1")[-2:] == ["override_lapsed", "final"]
    assert (world.last("alerts")["kind"], world.last("alerts")["to"]) == ("override_lapsed", ["lee"])
    assert not world.task("d1").stuck
    assert words(world)[-1] == (2, "reject", "review", ["ann", "bob"])
    assert world.last("resolutions")["final"]


def test_nobody_overrides_past_an_override_that_waits_for_its_answer(world: DeskWorld) -> None:
    signed_by_two(world, "ann", "bob")
    override(world, "lee")
    refused = override(world, "lou")
    assert refused["code"] == "override-open"
    assert "lee has proposed approve for d1" in refused["message"]


def test_after_a_refusal_another_override_can_be_proposed_but_not_answered_by_whoever_judged(world: DeskWorld) -> None:
    world.hire("max", role="lead")
    signed_by_two(world, "ann", "bob")
    override(world, "lee")
    world.decide("lou", "reject", task_id="d1")
    assert override(world, "lou")["accepted"]
    assert world.command("claim", "lee", task_id="d1")["code"] == "same-person"
    world.decide("max", "approve", task_id="d1")
    assert words(world)[-1] == (2, "approve", "override", ["lou", "max"])


def test_what_two_must_decide_and_a_third_decided_needs_two_to_be_overridden(world: DeskWorld) -> None:
    world.arrive("d1", reasons=("big",))
    world.decide("ann", "reject", task_id="d1")
    world.decide("bob", "approve", task_id="d1")
    world.decide("lee", "reject", task_id="d1")
    override(world, "lee")
    assert len(words(world)) == 1
    world.decide("lou", "approve", task_id="d1")
    assert words(world)[-1] == (2, "approve", "override", ["lee", "lou"])


def test_an_audit_that_two_must_decide_rolls_nothing_back_before_a_lead_agrees(world: DeskWorld) -> None:
    world.arrive("d1", route="auto", audit=True, reasons=("big",))
    assert override(world, "ann", verdict="reject")["code"] == "two-needed"
    world.decide("ann", "choose", task_id="d1", outcome="reject")
    assert world.events("d1")[-1] == "override_proposed"
    assert (world.last("reviews.outcomes")["kind"], world.last("reviews.outcomes")["resolves"]) == ("audit", False)
    assert len(words(world)) == 1
    world.decide("lee", "reject", task_id="d1")
    assert words(world)[-1] == (2, "reject", "override", ["ann", "lee"])


def test_what_two_must_decide_after_it_took_effect_nobody_overrides_alone(world: DeskWorld) -> None:
    post = {"route": "auto", "domain": "post", "queue": "moderation", "prediction": "publish"}
    world.arrive("d1", override_until=world.now + DAY, reasons=("big",), **post)
    assert override(world, "ann", verdict="reject")["code"] == "two-needed"
    world.decide("ann", "reject", task_id="d1")
    world.decide("bob", "reject", task_id="d1")
    assert words(world)[-1] == (2, "remove", "override", ["ann", "bob"])


def test_an_audit_that_somebody_confirmed_only_a_lead_overrides(world: DeskWorld) -> None:
    world.arrive("d1", route="auto", audit=True)
    world.decide("ann", "choose", task_id="d1", outcome="approve")
    other = {"verdict": "choose", "outcome": "reject"}
    assert override(world, "bob", **other)["code"] == "not-lead"
    assert override(world, "lee", **other)["accepted"]


@pytest.mark.parametrize("on_breach", ["reject", "raise_priority"])
def test_a_contested_decision_that_is_late_goes_to_the_leads_whatever_the_queue_says(on_breach: str) -> None:
    world = DeskWorld(POLICY.replace("underwriting: {}", f"underwriting: {{on_breach: {on_breach}}}"))
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.arrive("d1")
    world.decide("ann")
    appeal(world, "bob")
    world.wait(2 * DAY)
    assert world.events("d1")[-2:] == ["breached", "escalated"]
    assert world.task("d1").escalation == 1
    assert (world.last("alerts")["kind"], world.last("alerts")["to"]) == ("sla_breach", ["lee"])
    assert len(words(world)) == 1


# Appeals


def test_whoever_files_an_appeal_does_not_decide_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    assert appeal(world, "bob")["accepted"]
    refused = world.command("claim", "bob", task_id="d1")
    assert refused["code"] == "same-person"
    assert "bob filed the appeal on d1" in refused["message"]
    assert world.command("reassign", "lee", task_id="d1", to_reviewer="bob")["code"] == "same-person"
    assert world.decide("cid", "approve", task_id="d1")["accepted"]


def test_the_person_in_whose_name_an_appeal_is_filed_does_not_decide_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    assert appeal(world, "bob", on_behalf_of=" cid ")["accepted"]
    assert (world.task("d1").on_behalf_of, world.task("d1").parties) == ("cid", ("bob", "cid"))
    assert world.command("claim", "cid", task_id="d1")["code"] == "same-person"
    assert world.claim("lee", "d1")["accepted"]


def test_an_appeal_in_nobodys_name_keeps_nobody_away_whose_name_is_not_known(world: DeskWorld) -> None:
    world.hire("cid", name="")
    world.arrive("d1")
    world.decide("ann", "reject")
    assert appeal(world, "bob")["accepted"]
    assert world.claim("cid", "d1")["accepted"]


@pytest.mark.parametrize("named", ["Cid Miller", "cid miller", "CID"])
def test_a_person_on_the_roster_is_recognised_by_name(world: DeskWorld, named: str) -> None:
    world.hire("cid", name="Cid Miller")
    world.arrive("d1")
    world.decide("ann", "reject")
    assert appeal(world, "bob", on_behalf_of=named)["accepted"]
    assert world.task("d1").on_behalf_of == named
    assert world.command("claim", "cid", task_id="d1")["code"] == "same-person"
    assert world.claim("lee", "d1")["accepted"]


def test_nobody_who_filed_or_judged_is_pushed_the_appeal() -> None:
    world = DeskWorld(POLICY.replace("underwriting: {}", "underwriting: {assign: push}"))
    world.hire("ann", "bob", "cid")
    world.arrive("d1")
    judge = world.task("d1").assigned_to
    filer, other = sorted({"ann", "bob", "cid"} - {judge})
    assert world.decide(judge, "reject", claimed=world.claim(judge, "d1"))["accepted"]
    appeal(world, filer)
    assert push(world.desk.state, world.now) == []
    assert world.task("d1").assigned_to == other


def test_a_lead_who_files_an_appeal_cannot_end_it_by_an_override_nor_can_another(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    appeal(world, "lee")
    for lead in ("lee", "lou"):
        refused = override(world, lead)
        assert refused["code"] == "appeal-open"
        assert "whoever claims it decides it" in refused["message"]
    assert world.task("d1").state == "waiting"
    assert words(world) == [(1, "reject", "review", ["ann"])]


def test_the_lead_who_filed_an_appeal_does_not_override_what_came_of_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    appeal(world, "lee")
    world.decide("bob", "reject")
    assert override(world, "lee")["code"] == "same-person"
    assert override(world, "lou")["accepted"]


def test_an_appeal_against_what_two_people_decided_needs_two_others(world: DeskWorld) -> None:
    world.hire("dan", "eve")
    world.arrive("d1", reasons=("big",))
    world.decide("ann", "reject", task_id="d1")
    world.decide("bob", "reject", task_id="d1")
    appeal(world, "lee")
    for name in ("ann", "bob", "lee"):
        assert world.command("claim", name, task_id="d1")["code"] == "same-person"
    world.decide("cid", "approve", task_id="d1")
    assert len(world.said["resolutions"]) == 1
    world.decide("dan", "approve", task_id="d1")
    assert words(world)[-1] == (2, "approve", "appeal", ["cid", "dan"])


def test_parties_and_judges_stay_out_of_every_later_round(world: DeskWorld) -> None:
    world.set_policy(POLICY.replace("on_timeout: reject", "on_timeout: reject\n    appeals: {limit: 2}"))
    world.arrive("d1")
    world.decide("ann", "reject")
    appeal(world, "bob")
    world.decide("cid", "reject", task_id="d1")
    world.wait(DAY)
    assert appeal(world, "lee")["accepted"]
    for name in ("ann", "bob", "cid", "lee"):
        assert world.command("claim", name, task_id="d1")["code"] == "same-person"
    assert world.claim("lou", "d1")["accepted"]
