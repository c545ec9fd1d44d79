"""Appeals: against what, by whom, how often, for how long, and what becomes of a review that was open."""

from typing import Any

import pytest

from interlock.processors.desk.task import from_record, to_record
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", "cid")
    world.hire("lee", "lou", role="lead")
    return world


def under(world: DeskWorld, appeals: str) -> None:
    """Puts the policy in force whose loans have these rules for appeals."""
    world.set_policy(POLICY.replace("on_timeout: reject", f"on_timeout: reject\n    appeals: {{{appeals}}}"))


def appeal(world: DeskWorld, actor: str, task_id: str = "d1", **fields: Any) -> dict[str, Any]:
    return world.command("appeal", actor, task_id=task_id, **{"reason_text": "not me"} | fields)


def decided(world: DeskWorld, **fields: Any) -> None:
    world.arrive("d1", **fields)
    world.decide("ann", "reject", task_id="d1")


# By whom


def test_who_is_off_duty_or_works_other_queues_files_no_appeal(world: DeskWorld) -> None:
    decided(world)
    world.command("off_duty", "cid")
    world.hire("dan", queues=["moderation"])
    assert appeal(world, "cid")["code"] == "off-duty"
    refused = appeal(world, "dan")
    assert refused["code"] == "may-not-appeal"
    assert "dan does not work queue underwriting" in refused["message"]
    assert appeal(world, "zoe")["code"] == "unknown-reviewer"


def test_a_policy_may_leave_appeals_to_leads(world: DeskWorld) -> None:
    decided(world)
    under(world, "filed_by: [lead]")
    refused = appeal(world, "bob")
    assert refused["code"] == "may-not-appeal"
    assert "bob is a reviewer; the policy lets file appeals here: lead" in refused["message"]
    assert appeal(world, "lee")["accepted"]


def test_a_policy_may_want_to_know_in_whose_name_an_appeal_is_filed(world: DeskWorld) -> None:
    decided(world)
    under(world, "on_behalf_of: subject")
    assert appeal(world, "lee", on_behalf_of=" ")["code"] == "missing-name"
    assert appeal(world, "lee", on_behalf_of="Max Miller")["accepted"]
    assert world.task("d1").on_behalf_of == "Max Miller"


# How often, and for how long


def test_one_appeal_is_possible_on_each_case_unless_the_policy_allows_more(world: DeskWorld) -> None:
    decided(world)
    assert appeal(world, "lee")["accepted"]
    assert appeal(world, "lou")["code"] == "appeal-open"
    world.decide("bob", "reject", task_id="d1")
    refused = appeal(world, "lee")
    assert refused["code"] == "appeals-exhausted"
    assert "so far: 1, and 1 are possible" in refused["message"]
    under(world, "limit: 2")
    assert appeal(world, "lee")["accepted"]


def test_appeals_before_they_were_counted_count_by_their_rounds(world: DeskWorld) -> None:
    decided(world)
    record = to_record(world.task("d1")) | {"round": 2, "appeals": 0}
    assert from_record(record).appeals == 2


def test_an_outcome_can_be_appealed_for_six_months_or_as_long_as_the_policy_says(world: DeskWorld) -> None:
    decided(world)
    under(world, "within: 10d")
    world.wait(10 * DAY - 1)
    world.desk.state.keep(world.task("d1"))
    world.wait(1)
    refused = appeal(world, "lee")
    assert refused["code"] == "appeal-late"
    assert "could be appealed until 2026-01-11T00:00:00Z" in refused["message"]
    world.set_policy(POLICY)
    assert world.desk.state.terms(world.task("d1")).appeals.within == 183 * 86_400
    assert appeal(world, "lee")["accepted"]


# Against what


def test_what_took_effect_can_be_appealed_while_its_audit_is_open_and_the_verdict_measures_the_model(
    world: DeskWorld,
) -> None:
    world.arrive("a1", route="auto", audit=True, propensity=0.05, priority="low")
    lease = world.claim("ann", "a1")
    world.wait(HOUR)
    came_at = world.task("a1").arrived_at
    assert appeal(world, "bob", "a1")["accepted"]
    task = world.task("a1")
    assert (task.kind, task.state, task.round, task.appeals, task.measures) == ("appeal", "waiting", 0, 1, "audit")
    assert not task.blind
    assert world.decide("ann", "approve", claimed=lease)["code"] == "lease-expired"
    world.decide("cid", "reject", task_id="a1")
    assert (world.last("resolutions")["source"], world.last("resolutions")["decided_by"]) == ("appeal", ["cid"])
    outcome = world.last("reviews.outcomes")
    assert (outcome["kind"], outcome["audit"], outcome["round"], outcome["blind"]) == ("audit", True, 0, False)
    assert (outcome["propensity"], outcome["arrived_at"]) == (0.05, came_at)


def test_what_took_effect_can_be_appealed_while_its_window_is_open_and_no_window_closes_over_the_appeal(
    world: DeskWorld,
) -> None:
    post: dict[str, Any] = {"domain": "post", "queue": "moderation", "prediction": "publish", "route": "auto"}
    world.arrive("p1", workflow="post_approval", override_until=world.now + DAY, **post)
    assert appeal(world, "bob", "p1")["accepted"]
    world.wait(3 * DAY)
    assert "window_closed" not in world.events("p1")
    world.decide("lee", "reject", task_id="p1")
    assert (world.last("resolutions")["version"], world.last("resolutions")["source"]) == (2, "appeal")
    assert (world.last("reviews.outcomes")["kind"], world.last("reviews.outcomes")["round"]) == ("post_approval", 0)


def test_an_appeal_against_what_somebody_judged_measures_nothing(world: DeskWorld) -> None:
    decided(world)
    appeal(world, "bob")
    world.decide("cid", "approve", task_id="d1")
    outcome = world.last("reviews.outcomes")
    assert (outcome["kind"], outcome["round"], outcome["arrived_at"]) == ("appeal", 1, world.task("d1").due_from)


def test_an_open_audit_that_is_appealed_holds_up_no_statistics(world: DeskWorld) -> None:
    world.arrive("a1", route="auto", audit=True)
    world.wait(HOUR)
    appeal(world, "bob", "a1")
    world.arrive("d1")
    world.decide("ann", task_id="d1")
    assert world.last("reviews.outcomes")["settled_before"] == world.now


def test_an_appeal_takes_the_place_of_a_proposed_override(world: DeskWorld) -> None:
    world.arrive("d1", reasons=("big",))
    world.decide("ann", "reject", task_id="d1")
    world.decide("bob", "reject", task_id="d1")
    given = {"verdict": "approve", "reason_code": "other", "reason_text": "forged", "payload_hash": "hash of d1"}
    assert world.command("override", "lee", task_id="d1", **given)["accepted"]
    assert appeal(world, "cid")["accepted"]
    assert world.command("claim", "lee", task_id="d1")["code"] == "same-person"
    world.wait(2 * DAY)
    assert "override_lapsed" not in world.events("d1")


def test_what_is_not_decided_or_planted_cannot_be_appealed(world: DeskWorld) -> None:
    world.arrive("d1")
    assert appeal(world, "bob")["code"] == "not-decided"
    world.decide("ann", "reject", task_id="d1")
    planted = world.command("gold", "lee", task_id="d1", outcome="reject")["task_id"]
    assert appeal(world, "bob", planted)["code"] == "not-decided"


# How soon


def test_an_appeal_has_priority_high_whatever_the_decision_had(world: DeskWorld) -> None:
    world.arrive("u1", route="auto", priority="low", workflow="escalation")
    appeal(world, "ann", "u1")
    assert (world.task("u1").priority, world.task("u1").deadline) == ("high", world.now + 4 * HOUR)


def test_a_policy_gives_appeals_a_priority_and_a_service_level_of_their_own(world: DeskWorld) -> None:
    under(world, "priority: critical, service_level: 90m")
    decided(world)
    world.wait(DAY)
    appeal(world, "lee")
    task = world.task("d1")
    assert (task.priority, task.deadline) == ("critical", world.now + 90 * MINUTE)
    assert task.warn_at == world.now + 90 * MINUTE * 3 // 4


# What the person concerned was told


def test_a_notice_is_withdrawn_when_what_it_told_of_is_rolled_back(world: DeskWorld) -> None:
    decided(world)
    assert world.last("actions")["notices"] == ["adverse_action"]
    given = {"verdict": "approve", "reason_code": "other", "reason_text": "forged", "payload_hash": "hash of d1"}
    assert world.command("override", "lee", task_id="d1", **given)["accepted"]
    notify = world.last("actions")
    assert (notify["action_id"], notify["notices"]) == ("d1/2/notify", ["adverse_action:withdrawn"])
    assert world.last("resolutions")["notices"] == ["adverse_action:withdrawn"]
    assert world.command("override", "lee", task_id="d1", **given | {"verdict": "reject"})["accepted"]
    assert world.last("actions")["notices"] == ["adverse_action"]


def test_a_notice_of_what_took_effect_by_itself_is_withdrawn_too(world: DeskWorld) -> None:
    world.arrive("a1", route="auto", audit=True, prediction="reject", notices=("adverse_action",))
    world.decide("ann", "choose", task_id="a1", outcome="approve")
    assert world.last("actions")["notices"] == ["adverse_action:withdrawn"]


def test_a_notice_that_is_due_again_with_other_fields_is_not_withdrawn(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "modify", outcome="reject", modifications='{"amount": 80}')
    given = {"verdict": "reject", "reason_code": "other", "reason_text": "forged", "payload_hash": "hash of d1"}
    assert world.command("override", "lee", task_id="d1", **given)["accepted"]
    assert world.last("actions")["notices"] == ["adverse_action"]
