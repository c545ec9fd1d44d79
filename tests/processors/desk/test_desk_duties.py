"""What a task demands of people is what the policy that routed it demands: later ones add to it, and take nothing."""

import pytest

from interlock.policy.duties import Duties, calendar_of, calendar_text
from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.task import to_record
from interlock.schemas import wire
from tests.processors.desk.desk_records import START, Record, command, policy_record, records, reviewer_record, routed
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld
from tests.processors.desk.told_duties import (
    BIG,
    LESS,
    MONDAYS,
    PLAIN,
    RENAMED,
    SKILLED,
    kept_alerts,
    move_loans,
    told,
    withdraw,
)


def test_two_people_decide_what_was_routed_so_although_its_rule_has_another_name_when_the_desk_reads_it() -> None:
    world = DeskWorld(POLICY.replace("{id: big,", "{id: large,"))
    world.hire("ann", "bob")
    assert world.arrive("d1", amount=2e6, **told(POLICY, "big")).quorum == 2
    assert world.decide("ann", task_id="d1")["message"].startswith("noted: somebody else must agree")
    assert world.command("claim", "ann", task_id="d1")["code"] == "same-person"
    assert world.decide("bob", task_id="d1")["accepted"]
    assert world.last("resolutions")["decided_by"] == ["ann", "bob"]


def test_two_people_decide_what_a_policy_has_routed_that_the_desk_does_not_have_yet() -> None:
    newer = POLICY.replace("rules:\n", "rules:\n  - {id: new4, when: amount > 10, route: async, four_eyes: true}\n")
    world = DeskWorld()
    assert world.arrive("d1", **told(newer, "new4")).quorum == 2
    world.set_policy(newer)
    world.wait(0)
    assert world.task("d1").quorum == 2


def test_of_a_router_that_does_not_tell_the_desk_takes_the_policy_that_it_has_then_and_keeps_it() -> None:
    world = DeskWorld(SKILLED)
    task = world.arrive("d1", reasons=("big",))
    assert (task.quorum, task.qualifications, task.routed_outcomes) == (2, ("clinician",), ("approve", "reject"))
    world.set_policy(POLICY.replace(BIG, BIG.replace("true", "false")))
    world.wait(0)
    assert (world.task("d1").quorum, world.task("d1").qualifications) == (2, ("clinician",))


@pytest.mark.parametrize("change", [*LESS, "withdrawn"])
def test_a_qualification_that_was_demanded_stays_demanded_whatever_becomes_of_the_policy(change: str) -> None:
    world = DeskWorld(SKILLED)
    world.hire("zed")
    world.hire("may", qualifications=[{"name": "clinician", "expires_at": None}])
    world.hire("lee", role="lead")
    world.arrive("d1", **told(SKILLED))
    if change == "withdrawn":
        withdraw(world)
    else:
        world.set_policy(LESS[change])
        world.wait(0)
    if change == "domain moved":
        move_loans(world)
    assert world.task("d1").qualifications == ("clinician",)
    assert world.command("claim", "zed", task_id="d1")["code"] == "not-qualified"
    assert world.decide("may", task_id="d1")["accepted"]


def test_without_a_policy_only_the_outcomes_of_the_task_can_be_decided_for() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1", **told(POLICY))
    withdraw(world)
    claimed = world.claim("ann", "d1")
    refused = world.decide("ann", "reject", claimed=claimed, outcome="any nonsense")
    assert (refused["code"], refused["message"]) == (
        "unknown-outcome",
        "'any nonsense' is not possible here: approve, reject",
    )
    assert world.decide("ann", "reject", claimed=claimed)["accepted"]


def test_a_domain_that_two_policies_claim_demands_what_any_of_them_demands() -> None:
    world = DeskWorld(SKILLED)
    world.hire("zed")
    world.arrive("d1", **told(SKILLED))
    other = parse(
        POLICY.replace("name: bank", "name: other").replace("[approve, reject]", "[approve, refer, reject]"), "p"
    )
    world.desk.state.set_policy("other", other, version(other))
    world.wait(0)
    assert world.task("d1").qualifications == ("clinician",)
    assert world.command("claim", "zed", task_id="d1")["code"] == "not-qualified"
    for decision, reasons in (("d2", ("big",)), ("d3", ("ambiguous-domain",))):
        task = world.arrive(decision, amount=2e6, reasons=reasons)
        assert (task.quorum, task.qualifications, task.routed_outcomes) == (2, ("clinician",), ("approve", "reject"))


@pytest.mark.parametrize("change", ["queue renamed", "withdrawn"])
def test_a_deadline_in_working_time_stays_where_it_was_and_is_not_missed_at_once(change: str) -> None:
    world = DeskWorld(MONDAYS)
    world.hire("lee", role="lead")
    before = world.arrive("d1", priority="high", **told(MONDAYS)).deadline
    assert before - world.now > DAY
    if change == "withdrawn":
        withdraw(world)
    else:
        world.set_policy(MONDAYS.replace(*RENAMED))
        world.wait(0)
    assert world.task("d1").deadline == before
    world.wait(5 * HOUR)
    assert world.events("d1") == ["arrived", "duties_kept"]


def test_what_arrives_after_its_queue_was_renamed_has_the_working_time_it_was_routed_with() -> None:
    one, other = DeskWorld(MONDAYS), DeskWorld(MONDAYS.replace(*RENAMED))
    deadlines = [world.arrive("d1", priority="high", **told(MONDAYS)).deadline - world.now for world in (one, other)]
    assert deadlines[0] == deadlines[1]


def test_an_option_that_the_policy_has_removed_cannot_be_chosen_and_the_others_can() -> None:
    world = DeskWorld()
    world.hire("ann")
    ranked = (("sell", 0.3), ("hold", 0.1))
    advice = told(POLICY, domain="advice") | {"workflow": "hybrid", "prediction": "buy", "alternatives": ranked}
    assert world.arrive("h1", domain="advice", **advice).options == ("buy", "sell")
    world.set_policy(POLICY.replace("outcomes: [hold, buy, sell]", "outcomes: [hold, sell]"))
    world.wait(0)
    claimed = world.claim("ann", "h1")
    refused = world.decide("ann", "choose", claimed=claimed, outcome="buy")
    assert (refused["code"], refused["message"]) == ("unknown-outcome", "'buy' is not possible here: sell")
    assert world.decide("ann", "approve", claimed=claimed)["code"] == "unknown-outcome"
    assert world.decide("ann", "choose", claimed=claimed, outcome="sell")["accepted"]


def test_where_no_option_is_left_every_outcome_of_the_policy_in_force_can_be_chosen() -> None:
    world = DeskWorld()
    world.hire("ann")
    advice = told(POLICY, domain="advice") | {
        "workflow": "hybrid",
        "prediction": "buy",
        "alternatives": (("sell", 0.3),),
    }
    world.arrive("h1", domain="advice", **advice)
    world.set_policy(POLICY.replace("outcomes: [hold, buy, sell]", "outcomes: [hold, wait]"))
    world.wait(0)
    claimed = world.claim("ann", "h1")
    assert world.decide("ann", "choose", claimed=claimed, outcome="sell")["code"] == "unknown-outcome"
    assert world.decide("ann", "choose", claimed=claimed, outcome="hold")["accepted"]


def test_an_outcome_that_came_after_the_routing_is_not_possible_for_what_was_routed_before() -> None:
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1", **told(POLICY))
    wider = POLICY.replace("outcomes: [approve, reject]", "outcomes: [approve, refer, reject]")
    world.set_policy(wider.replace(PLAIN, "  underwriting: {on_breach: refer}"))
    world.wait(0)
    claimed = world.claim("ann", "d1")
    assert world.decide("ann", "reject", claimed=claimed, outcome="refer")["code"] == "unknown-outcome"
    world.wait(2 * DAY)
    assert "breached" in world.events("d1")
    assert not world.task("d1").took_effect, "no deadline decides for it either"


def test_a_later_policy_makes_two_people_decide_what_nobody_has_decided_yet() -> None:
    world = DeskWorld(POLICY.replace(BIG, BIG.replace("true", "false")))
    world.hire("ann", "bob")
    world.arrive("d1", **told(POLICY.replace(BIG, BIG.replace("true", "false")), "big"))
    world.arrive("d2", **told(POLICY))
    assert world.task("d1").quorum == 1
    world.set_policy(POLICY)
    world.wait(0)
    assert (world.task("d1").quorum, world.task("d2").quorum) == (2, 1)
    assert "rescheduled" in world.events("d1")
    assert world.decide("ann", task_id="d1")["message"].startswith("noted: somebody else must agree")


@pytest.mark.parametrize("again", ["override", "appeal"])
def test_what_was_decided_is_opened_again_with_all_that_is_demanded_by_now(again: str) -> None:
    world = DeskWorld(POLICY.replace(BIG, BIG.replace("true", "false")))
    clinician = [{"name": "clinician", "expires_at": None}]
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    world.hire("lou", "kim", role="lead", qualifications=clinician)
    world.arrive("d1", **told(POLICY.replace(BIG, BIG.replace("true", "false")), "big"))
    world.decide("ann")
    world.set_policy(SKILLED)
    world.wait(MINUTE)
    assert world.events("d1")[-1] == "resolved", "nobody looks at decided tasks when a policy changes"
    words = {"task_id": "d1", "verdict": "reject", "reason_code": "other", "reason_text": "it is wrong"}
    if again == "override":
        words["payload_hash"] = world.task("d1").payload_hash
        assert world.command("override", "lee", **words)["code"] == "not-qualified"
        assert (world.task("d1").quorum, world.task("d1").qualifications) == (1, ()), "a refusal changes nothing"
        assert world.command("override", "lou", **words)["message"].startswith("noted: approve holds until another")
    else:
        assert world.command("appeal", "bob", task_id="d1", reason_text="look again")["accepted"]
        assert world.command("claim", "lee", task_id="d1")["code"] == "not-qualified"
        assert world.decide("lou", "reject", task_id="d1")["message"].startswith("noted: somebody else must agree")
    assert len(world.said["resolutions"]) == 1
    assert world.decide("kim", "reject", task_id="d1")["accepted"]
    assert world.last("resolutions")["decided_by"] == ["lou", "kim"]
    assert (world.task("d1").quorum, world.task("d1").qualifications) == (2, ("clinician",))


def test_a_qualification_that_a_later_policy_demands_by_mistake_can_be_taken_back() -> None:
    world = DeskWorld()
    world.arrive("d1", **told(POLICY))
    for policy, demanded in ((SKILLED, ("clinician",)), (POLICY, ())):
        world.set_policy(policy)
        world.wait(0)
        assert world.task("d1").qualifications == demanded
    assert kept_alerts(world) == []


def test_no_later_policy_shows_the_answer_of_the_ai_in_a_blind_audit_or_ends_its_window_early() -> None:
    world = DeskWorld()
    world.hire("ann")
    audit = world.arrive("a1", route="auto", audit=True, **told(POLICY))
    post = {"domain": "post", "prediction": "publish", "route": "auto", "workflow": "post_approval"}
    world.arrive("p1", override_until=world.now + DAY, **post, **told(POLICY, domain="post"))
    world.set_policy(POLICY.replace("post_approval", "pre_approval").replace("{auto: 0.95}", "{auto: 0.1}"))
    world.wait(0)
    assert audit.blind
    claimed = world.claim("ann", "a1")
    assert world.decide("ann", "approve", claimed=claimed)["code"] == "unknown-verdict"
    assert world.decide("ann", "choose", outcome="approve", claimed=claimed)["accepted"]
    assert (world.task("p1").kind, world.task("p1").override_until) == ("post_approval", world.now + DAY)


def test_one_alert_for_each_queue_tells_how_many_tasks_keep_what_they_had() -> None:
    world = DeskWorld(SKILLED)
    world.hire("lee", role="lead")
    for number in range(3):
        world.arrive(f"d{number}", **told(SKILLED, *(["big"] if number == 0 else [])))
    world.arrive("p1", domain="post", prediction="publish", **told(SKILLED, domain="post"))
    world.set_policy(SKILLED.replace(*RENAMED).replace("id: big", "id: large"))
    world.wait(0)
    (alert,) = kept_alerts(world)
    assert (alert["to"], alert["queue"], alert["severity"]) == (["lee"], "underwriting", "warning")
    assert "2 keep the qualification clinician" in str(alert["message"])
    assert "1 keep two people who agree, the qualification clinician" in str(alert["message"])
    assert [name for name in ("d0", "d1", "d2", "p1") if "duties_kept" in world.events(name)] == ["d0", "d1", "d2"]
    world.wait(MINUTE)
    world.set_policy(SKILLED)
    world.wait(0)
    assert len(kept_alerts(world)) == 1, "it demands as much again"


def test_the_next_change_that_demands_less_has_an_alert_of_its_own() -> None:
    world = DeskWorld(SKILLED)
    world.arrive("d1", **told(SKILLED))
    for policy in (POLICY, SKILLED, POLICY):
        world.set_policy(policy)
        world.wait(MINUTE)
    assert len({alert["alert_id"] for alert in kept_alerts(world)}) == len(kept_alerts(world)) == 2


def test_a_desk_that_takes_over_gives_no_alert_again() -> None:
    desk = DeskProcessor()
    first, second = policy_record(SKILLED), policy_record(POLICY)
    desk.follow(first)
    desk.follow(reviewer_record("lee", role="lead"))
    desk.process([routed("d1", **told(SKILLED))], START)
    desk.follow(second)
    written = [
        Record(topic, key, value)
        for outputs in (desk.process([], START + MINUTE),)
        for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True)
    ]
    assert [record.name for record in written] == ["reviews.tasks", "alerts"]
    other = DeskProcessor()
    other.follow(second)
    other.restore([record for record in written if record.name == "reviews.tasks"], [])
    assert records(other.process([], START + HOUR), "alerts") == []
    assert other.desk.state.tasks["d1"].qualifications == ("clinician",)


def test_a_task_that_goes_to_another_queue_needs_what_that_queue_demands_besides_what_it_had() -> None:
    policy = SKILLED.replace("  advisers: {order: score}", "  advisers: {order: score, qualifications: [adviser]}")
    world = DeskWorld(policy)
    world.hire("may", qualifications=[{"name": "clinician", "expires_at": None}])
    world.arrive("d1", **told(policy))
    world.claim("may", "d1")
    world.command("escalate", "may", task_id="d1", queue="advisers", reason_text="an adviser must see it")
    assert world.task("d1").qualifications == ("adviser", "clinician")


def test_a_queue_that_only_another_policy_describes_is_worked_as_that_one_says() -> None:
    law = parse("name: law\nqueues: {counsel: {qualifications: [lawyer], lease: 2h, escalations: true}}", "law.yaml")
    world = DeskWorld()
    world.hire("ann")
    world.desk.state.set_policy("law", law, version(law))
    world.arrive("d1", **told(POLICY))
    world.claim("ann", "d1")
    assert world.command("escalate", "ann", task_id="d1", queue="counsel", reason_text="ask a lawyer")["accepted"]
    assert world.task("d1").qualifications == ("lawyer",)
    assert world.command("claim", "ann", task_id="d1")["code"] == "not-qualified"
    stricter = parse("name: law\nqueues: {counsel: {qualifications: [lawyer, notary], escalations: true}}", "law.yaml")
    world.desk.state.set_policy("law", stricter, version(stricter))
    world.wait(0)
    assert world.task("d1").qualifications == ("lawyer", "notary")


def test_a_gold_item_is_judged_by_as_many_people_as_its_case_and_each_of_them_is_measured() -> None:
    world = DeskWorld(SKILLED)
    world.hire("may", "kim", qualifications=[{"name": "clinician", "expires_at": None}])
    world.hire("zoe", "yan", qualifications=[{"name": "clinician", "expires_at": None}])
    world.hire("lee", role="lead")
    world.arrive("d1", **told(SKILLED, "big"))
    world.decide("may", task_id="d1")
    world.decide("kim", task_id="d1")
    gold = world.task(world.command("gold", "lee", task_id="d1", outcome="approve")["task_id"])
    world.set_policy(POLICY)
    world.wait(0)
    assert (gold.quorum, gold.qualifications) == (2, ("clinician",))
    reply = world.decide("zoe", task_id=gold.task_id)
    assert reply["message"] == "noted: somebody else must agree before it holds"
    assert world.task(gold.task_id).state == "waiting"
    resolved = len(world.said["resolutions"])
    assert world.decide("yan", task_id=gold.task_id)["message"] == "decided: approve"
    assert world.task(gold.task_id).state == "done"
    judged = [record for record in world.said["reviews.outcomes"] if record["kind"] == "gold"]
    assert [(record["reviewer"], record["gold_outcome"], record["resolves"]) for record in judged] == [
        ("zoe", "approve", False),
        ("yan", "approve", False),
    ]
    assert len(world.said["resolutions"]) == resolved


def test_a_task_of_an_earlier_desk_keeps_what_its_record_says_and_has_the_outcomes_of_the_policy_in_force() -> None:
    world = DeskWorld(MONDAYS)
    task = world.arrive("d1", priority="high", reasons=("big",))
    task.qualifications = ("clinician",)
    old = to_record(task) | {"event": "arrived", "actor": "desk", "at": START, "command_id": ""}
    told_since = [name for name in old if name.startswith("routed_") and name != "routed_at"]
    for name in ("reasons", *told_since):
        del old[name]
    desk = DeskProcessor()
    desk.follow(policy_record(MONDAYS))
    desk.restore([Record("reviews.tasks", b"d1", wire.encode("Task", old))], [])
    restored = desk.desk.state.tasks["d1"]
    assert restored.duties == Duties(2, ("clinician",), ("approve", "reject"), task.routed_calendar)
    assert restored.routed_queue == "underwriting"


def test_what_the_router_tells_reaches_the_task_and_an_impossible_quorum_is_a_dead_letter() -> None:
    desk = DeskProcessor()
    desk.follow(policy_record(POLICY))
    fields = told(MONDAYS, "big") | {"qualifications": ["clinician"]}
    outputs = desk.process([routed("d1", **fields), routed("d2", 1, quorum=2_000_000)], START)
    task, *_ = records(outputs, "reviews.tasks")
    assert (task["quorum"], task["qualifications"], task["reasons"]) == (2, ["clinician"], ["big"])
    assert calendar_of(task["routed_calendar"]) == parse(MONDAYS, "p").queues["underwriting"].calendar
    assert (task["routed_service_levels"], task["routed_notices"]) == (
        fields["service_levels"],
        '{"reject":["adverse_action"]}',
    )
    (letter,) = [value for topic, value in zip(outputs.topics, outputs.values, strict=True) if topic == "dead-letter"]
    assert letter is not None
    assert outputs.bad == {"implausible-quorum": 1}


def test_a_calendar_that_cannot_be_read_counts_as_working_time_always() -> None:
    assert calendar_of('{"time_zone":"Atlantis/Capital","hours":{"mon":["09:00-17:00"]}}') is None
    assert calendar_of("{") is None
    assert calendar_of(calendar_text(None)) is None


def test_a_decided_task_and_its_commands_are_not_touched_by_a_policy() -> None:
    desk = DeskProcessor()
    desk.follow(policy_record(SKILLED))
    desk.follow(reviewer_record("may", qualifications=[{"name": "clinician", "expires_at": None}]))
    desk.process([routed("d1", **told(SKILLED)), command(1, "on_duty", "may"), command(2, "claim", "may")], START)
    task = desk.desk.state.tasks["d1"]
    verdict = {"verdict": "approve", "reason_code": "other", "reason_text": "fine", "payload_hash": task.payload_hash}
    desk.process([command(3, "submit", "may", task_id="d1", epoch=1, **verdict)], START)
    desk.follow(policy_record(POLICY))
    assert task.state == "done"
    assert desk.process([], START + MINUTE).count == 0
