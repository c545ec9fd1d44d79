"""What only rare orders of events, or unusual records, bring about: each of these once went wrong."""

from typing import Any

import pytest

from interlock.processors.desk import waiting
from interlock.processors.desk.checks import MAX_TASK_BYTES
from interlock.processors.desk.command import MAX_NAME_LENGTH, Command
from interlock.processors.desk.desk import MAX_COMMAND_BYTES
from interlock.processors.desk.reading import MAX_TEXT_BYTES
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import MAX_MESSAGE_LENGTH
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.task import Task
from interlock.schemas import wire
from tests.processors.desk.desk_records import START, Record, command, policy_record, records, reviewer_record, routed
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld
from tests.processors.desk.test_desk_processor import processor


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", "cid")
    world.hire("lee", "lou", role="lead")
    return world


def actions(world: DeskWorld) -> list[str]:
    return [action["action_id"] for action in world.said["actions"]]


def override(world: DeskWorld, actor: str, task_id: str, **fields: Any) -> dict[str, Any]:
    given = {"verdict": "reject", "payload_hash": f"hash of {task_id}", "reason_code": "other", "reason_text": "forged"}
    return world.command("override", actor, task_id=task_id, **given | fields)


def post(world: DeskWorld, age: int = 0) -> None:
    fields = {"route": "auto", "workflow": "post_approval", "domain": "post", "prediction": "publish"}
    routed_at = world.now - age
    world.arrive("p1", queue="moderation", routed_at=routed_at, override_until=routed_at + DAY, **fields)


# What comes late


def test_a_decision_that_comes_after_its_deadline_breaches_as_it_comes(world: DeskWorld) -> None:
    world.arrive("d1", priority="critical", routed_at=world.now - 2 * HOUR)
    assert world.events("d1") == ["arrived", "breached", "escalated"]


def test_a_window_that_was_over_before_the_desk_heard_of_it_closes_before_anybody_can_object(world: DeskWorld) -> None:
    post(world, age=2 * DAY)
    assert world.events("p1") == ["arrived", "window_closed"]
    assert [record["final"] for record in world.said["resolutions"]] == [False, True]
    assert world.command("claim", "ann", task_id="p1")["code"] == "already-decided"


def test_a_task_that_goes_to_another_queue_breaches_its_deadline_there(world: DeskWorld) -> None:
    hours = "{calendar: {time_zone: UTC, hours: {fri: ['00:00-24:00']}}}"
    world.set_policy(POLICY.replace("advisers: {order: score}", f"advisers: {hours}"))
    world.arrive("d1", priority="critical")
    world.wait(HOUR)
    world.command("escalate", "lee", task_id="d1", queue="advisers", reason_text="theirs")
    assert not world.task("d1").breached
    world.wait(DAY)
    assert world.events("d1").count("breached") == 2


# Second words


def test_the_judge_of_a_decision_overrides_no_appeal_against_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("lee")
    world.command("appeal", "bob", task_id="d1", reason_text="unfair")
    assert override(world, "lee", "d1")["code"] == "appeal-open"
    world.decide("ann", "reject")
    assert override(world, "lee", "d1", verdict="approve")["code"] == "same-person"
    assert override(world, "lou", "d1", verdict="approve")["accepted"]


def test_what_a_person_decided_about_a_post_approval_only_a_lead_overrides(world: DeskWorld) -> None:
    post(world)
    world.decide("ann")
    assert override(world, "bob", "p1")["code"] == "not-lead"
    assert override(world, "lee", "p1")["accepted"]


def test_a_person_corrects_a_slip_within_a_minute_and_the_effect_is_rolled_back(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    world.wait(59_999_999)
    assert override(world, "bob", "d1")["code"] == "not-lead"
    assert override(world, "ann", "d1")["accepted"]
    assert [record["action_id"] for record in world.said["actions"]][:3] == [
        "d1/1/execute",
        "d1/1/roll_back",
        "d1/2/execute",
    ]


def test_after_a_minute_only_a_lead_corrects_a_slip(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    world.wait(60_000_000)
    assert override(world, "ann", "d1")["code"] == "not-lead"


def test_nobody_corrects_alone_what_two_people_signed(world: DeskWorld) -> None:
    world.arrive("d1", reasons=("big",))
    world.decide("ann")
    world.decide("bob")
    assert override(world, "bob", "d1")["code"] == "not-lead"


def test_what_took_effect_by_itself_anybody_who_may_judge_it_overrides(world: DeskWorld) -> None:
    post(world)
    assert override(world, "bob", "p1")["accepted"]


def test_taking_back_only_the_changed_fields_is_an_override(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "modify", modifications='{"amount": 80}')
    same = {"verdict": "modify", "modifications": '{"amount": 80}'}
    assert override(world, "lee", "d1", **same)["code"] == "invalid"
    assert override(world, "lee", "d1", verdict="approve")["accepted"]
    assert actions(world) == ["d1/1/execute", "d1/1/roll_back", "d1/2/execute"]
    assert [record["modifications"] for record in world.said["actions"]] == ['{"amount": 80}', '{"amount": 80}', ""]


def test_a_first_of_two_verdicts_in_the_same_instant_is_not_taken_for_what_holds(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical", reasons=("big",))
    world.decide("ann", "modify", task_id="s1", claimed=_claimed(world, "s1"), modifications='{"amount": 80}')
    world.command("expire", "the client", task_id="s1")
    change: dict[str, Any] = {"verdict": "modify", "outcome": "reject", "modifications": '{"amount": 80}'}
    assert override(world, "lee", "s1", **change)["accepted"]
    assert world.decide("lou", task_id="s1", **change)["accepted"]
    assert actions(world)[2:4] == ["s1/1/roll_back", "s1/2/execute"]


def _claimed(world: DeskWorld, task_id: str) -> dict[str, Any]:
    """The lease of ann, whoever was given the task."""
    if world.task(task_id).assigned_to != "ann":
        world.command("reassign", "lee", task_id=task_id, to_reviewer="ann")
    return world.claim("ann", task_id)


@pytest.mark.parametrize("verdict", ["approve", "reject", "choose"])
def test_only_modify_changes_fields(world: DeskWorld, verdict: str) -> None:
    world.arrive("d1")
    outcome = {"choose": "approve"}.get(verdict, "")
    assert world.decide("ann", verdict, outcome=outcome, modifications='{"amount": 80}')["code"] == "invalid"


def test_nobody_changes_a_mind_without_end(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    replies = [override(world, "lee", "d1", verdict=("reject", "approve")[number % 2]) for number in range(60)]
    assert [reply["code"] for reply in replies] == ["ok"] * 49 + ["invalid"] * 11


# Gold, audits, callers


def test_nobody_waits_for_a_gold_item_or_an_appeal(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical")
    world.decide("ann", claimed=_claimed(world, "s1"))
    planted = world.command("gold", "lee", task_id="s1", outcome="approve")["task_id"]
    world.command("appeal", "bob", task_id="s1", reason_text="unfair")
    for task_id in (planted, "s1"):
        assert world.task(task_id).state == "waiting"
        assert world.command("expire", "the client", task_id=task_id)["code"] == "not-sync"
    assert len(world.said["resolutions"]) == 1


def test_a_second_gold_item_of_one_case_does_not_replace_the_first(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    command = Command("same", "gold", "lee", task_id="d1", outcome="approve")
    first, second = world.send(command)["task_id"], world.send(command)["task_id"]
    assert len({"d1", first, second}) == len(world.desk.state.tasks) == 3


def test_what_is_called_an_audit_but_did_not_take_effect_is_decided_like_any_other(world: DeskWorld) -> None:
    world.arrive("d1", audit=True, override_until=world.now + DAY)
    world.decide("ann")
    assert actions(world) == ["d1/1/execute"]


# Holding


def test_a_task_put_aside_by_somebody_is_for_whoever_comes_first_when_it_breaches(world: DeskWorld) -> None:
    world.arrive("d1", priority="critical")
    lease = world.claim("ann")
    world.command("snooze", "ann", task_id="d1", epoch=lease["epoch"], until=world.now + 2 * HOUR)
    world.wait(HOUR)
    assert world.claim("lee")["task_id"] == "d1"


def test_whoever_lost_the_qualification_does_not_get_an_assigned_task_as_the_next(world: DeskWorld) -> None:
    world.arrive("d1")
    world.command("reassign", "lee", task_id="d1", to_reviewer="ann")
    world.hire("ann", queues=["moderation"])
    assert world.command("claim", "ann")["code"] == "nothing-to-do"


def test_a_task_put_aside_can_be_given_back(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    world.command("snooze", "ann", task_id="d1", epoch=lease["epoch"], until=world.now + HOUR)
    assert world.command("extend", "ann", task_id="d1")["code"] == "not-held"
    assert world.command("release", "ann", task_id="d1")["accepted"]
    assert world.task("d1").state == "waiting"


def test_nothing_is_given_by_name_to_whoever_is_off_duty(world: DeskWorld) -> None:
    world.arrive("d1")
    world.command("off_duty", "bob")
    assert world.command("reassign", "lee", task_id="d1", to_reviewer="bob")["code"] == "off-duty"
    note = {"to_reviewer": "bob", "reason_text": "yours"}
    assert world.command("escalate", "lee", task_id="d1", **note)["code"] == "off-duty"


def test_one_task_of_nobodys_policy_does_not_keep_a_pushed_queue_from_being_pushed(world: DeskWorld) -> None:
    world.set_policy(POLICY.replace("underwriting: {}", "underwriting: {assign: push}"))
    world.arrive("m1", domain="mystery", priority="critical")
    world.arrive("d1")
    assert (world.task("m1").state, world.task("d1").state) == ("waiting", "assigned")


def test_many_tasks_that_nobody_free_may_judge_cost_one_look_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at every pair took a quarter of a second in every step: 4,000 tasks in twenty queues, 60 people."""
    looks = []

    def counted(task: Task, person: Reviewer, now: int) -> CommandRefused | None:
        looks.append((task.queue, person.id))
        return unfit(task, person, now)

    monkeypatch.setattr(waiting, "unfit", counted)
    world = DeskWorld(POLICY.replace("underwriting: {}", "underwriting: {assign: push, qualifications: [clinician]}"))
    for number in range(50):
        world.arrive(f"d{number}")
    world.hire("ann", "bob")
    looks.clear()
    world.wait(0)
    assert sorted(looks) == [("underwriting", "ann"), ("underwriting", "bob")]


def test_callers_are_served_in_the_order_in_which_they_came_also_after_a_warning() -> None:
    world = DeskWorld()
    world.arrive("s1", route="sync", priority="critical")
    world.arrive("s2", route="sync", priority="high")
    world.wait(50 * MINUTE)
    assert world.task("s1").warned
    world.hire("ann", capacity=1)
    assert (world.task("s1").state, world.task("s2").state) == ("assigned", "waiting")


# Memory


def test_a_raised_priority_is_remembered() -> None:
    desk = processor()
    moderation: dict[str, Any] = {
        "decision": {"domain": "post", "prediction": "publish"},
        "queue": "moderation",
        "priority": "low",
    }
    outputs = [desk.process([routed("m1", **moderation)], START), desk.process([], START + 3 * DAY)]
    written = records(outputs[0], "reviews.tasks") + records(outputs[1], "reviews.tasks")
    assert [(record["event"], record["priority"]) for record in written][-1] == ("raised", "medium")


def test_what_is_taken_over_long_after_it_was_routed_is_known_for_a_month(world: DeskWorld) -> None:
    world.arrive("u1", route="auto", routed_at=world.now - 40 * DAY)
    world.wait(DAY)
    assert world.command("appeal", "bob", task_id="u1", reason_text="nobody looked")["accepted"]


def test_a_decided_task_is_known_for_a_month_after_its_last_word(world: DeskWorld) -> None:
    world.arrive("q1", reasons=("big",), route="sync", priority="critical")
    world.decide("ann", claimed=_claimed(world, "q1"))
    world.wait(29 * DAY)
    world.command("expire", "the client", task_id="q1")
    world.wait(29 * DAY)
    assert world.task("q1").state == "done"


# What would have stopped the desk for all


def test_modifications_nested_without_end_are_refused(world: DeskWorld) -> None:
    world.arrive("d1")
    assert world.decide("ann", "modify", modifications="[" * 10_000)["code"] == "invalid"


def test_more_text_than_a_task_can_carry_is_refused(world: DeskWorld) -> None:
    world.arrive("d1")
    assert world.decide("ann", reason_text="x" * MAX_COMMAND_BYTES)["code"] == "invalid"
    assert world.task("d1").state == "leased"


def test_a_task_about_which_the_clock_can_change_nothing_does_not_hang_the_desk(world: DeskWorld) -> None:
    task = world.arrive("d1")
    task.state, task.lease_until, task.lease_warn_at = "leased", None, 0
    world.desk.state.keep(task)
    world.wait(5 * DAY)
    assert world.task("d1") is task


def test_texts_are_limited_in_bytes_because_kafka_counts_them(world: DeskWorld) -> None:
    world.arrive("d1")
    reply = world.decide("ann", reason_text="\U0001f600" * (MAX_COMMAND_BYTES // 4))
    assert reply["code"] == "invalid"
    assert "bytes" in reply["message"]


def test_a_case_that_people_open_again_and_again_is_full_one_day_and_stays_far_below_what_its_topic_takes(
    world: DeskWorld,
) -> None:
    text = "\U0001f600" * (MAX_COMMAND_BYTES // 4 - 100)
    world.arrive("d1")
    refused = None
    for number in range(200):
        judge = f"judge-{number}"
        world.hire(judge)
        assert world.decide(judge, task_id="d1", reason_text=text)["accepted"]
        # As if its appeals had not been counted, as in records of old.
        task = world.task("d1")
        task.appeals = task.round = 0
        world.desk.state.keep(task)
        reply = world.command("appeal", "ann", task_id="d1", reason_text=text)
        if not reply["accepted"]:
            refused = reply
            break
        world.command("off_duty", judge)
    assert refused is not None
    assert refused["code"] == "case-full"
    assert "send the case as a new decision" in refused["message"]
    assert world.task("d1").state == "done"
    largest = max(len(wire.encode("Task", record)) for record in world.said["reviews.tasks"][-3:])
    assert MAX_TASK_BYTES - 2 * MAX_COMMAND_BYTES < largest < MAX_TASK_BYTES


def test_a_refusal_that_would_name_thousands_of_codes_is_cut(world: DeskWorld) -> None:
    codes = ", ".join(f"code_{number}" for number in range(10_000))
    world.set_policy(POLICY.replace("[income, history]", f"[{codes}]"))
    world.arrive("d1")
    reply = world.decide("ann", reason_code="none")
    assert reply["code"] == "unknown-reason"
    assert len(reply["message"]) == MAX_MESSAGE_LENGTH


def test_an_instant_that_no_calendar_has_can_be_told(world: DeskWorld) -> None:
    world.set_policy(POLICY.replace("underwriting: {}", "underwriting: {qualifications: [judge]}"))
    world.hire("dan", qualifications=[{"name": "judge", "expires_at": -(2**62)}])
    world.arrive("d1")
    reply = world.command("claim", "dan", task_id="d1")
    assert reply["code"] == "not-qualified"
    assert "-4611686018428 s after 1970" in reply["message"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (routed("d1", routed_at=2**62), "implausible-timestamp"),
        (routed("d1", routed_at=-1), "implausible-timestamp"),
        (routed("d1", route="auto", override_until=-(2**62)), "implausible-timestamp"),
        (routed(""), "empty-id"),
        (routed("d" * 1_001), "oversized"),
        (routed("d1", decision={"prediction": "x" * MAX_TEXT_BYTES}), "oversized"),
        (command(1, "x" * (MAX_NAME_LENGTH + 1), "ann"), "oversized"),
    ],
)
def test_a_record_that_no_task_or_reply_can_be_made_of_is_a_dead_letter(record: Record, reason: str) -> None:
    outputs = processor().process([record, routed("d2")], START)
    assert outputs.topics == ["dead-letter", "reviews.tasks"]
    assert outputs.bad == {reason: 1}


def test_a_policy_or_reviewer_under_a_name_that_is_not_its_own_is_ignored() -> None:
    desk = processor()
    value = policy_record().value_bytes
    assert value is not None
    misnamed = wire.encode("PolicyVersion", wire.decode_plain("PolicyVersion", value) | {"name": "other"})
    desk.follow(Record("policies", b"other", value))
    desk.follow(Record("policies", b"other", misnamed))
    desk.follow(Record("reviewers", b"max", reviewer_record("moe").value_bytes))
    assert desk.desk.state.policies.keys() == {"bank"}
    assert not desk.desk.state.reviewers.keys() & {"max", "moe"}
    outputs = desk.process([routed("d1")], START)
    assert outputs.topics == ["alerts", "alerts", "reviews.tasks"]
    assert [alert["kind"] for alert in records(outputs, "alerts")] == ["unreadable", "unreadable"]
