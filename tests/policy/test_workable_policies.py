"""Policies that could never work are refused, with what would help."""

from pathlib import Path

import pytest

from interlock.errors import InterlockError
from interlock.policies.publishing import QueueTakenError, policy_record
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse

LENDING = Path(__file__).with_name("notices").joinpath("lending.yaml").read_text(encoding="utf-8")
WORKFLOWS = ("pre_approval", "post_approval", "hybrid", "escalation")

CREDIT = """
name: credit
domains:
  loan:
    models: [m]
    outcomes: [approve, reject]
    queue: desk
    lanes: {{approve: {{auto: 0.9}}, reject: {{auto: 0.9{notice}}}}}
packs: [high-stakes, ecoa-fcra]
"""

CALENDAR = """
name: slow
domains:
  loan: {{models: [m], outcomes: [approve, reject], queue: desk}}
queues:
  desk: {{calendar: {{time_zone: UTC, hours: {{{hours}}}}}}}
{levels}
"""


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize("outcomes", ["[send]", "[send, send]"])
def test_what_a_person_could_never_reject_is_refused(workflow: str, outcomes: str) -> None:
    text = f"name: mail\ndomains:\n  mail:\n    workflow: {workflow}\n    models: [m]\n    outcomes: {outcomes}\n"
    with pytest.raises(PolicyError, match=r"domains\.mail\.outcomes: 'send' is the only outcome.*do-not-send"):
        parse(text, "policy.yaml")
    parse(text.replace(outcomes, "[send, do-not-send]"), "policy.yaml")


def test_a_notice_that_a_pack_demands_and_no_lane_gives_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"packs\.1: ecoa-fcra demands the notice adverse_action, which no"):
        parse(CREDIT.format(notice=""), "policy.yaml")
    with pytest.raises(PolicyError, match="adverse_action"):
        parse(CREDIT.format(notice=", notice: something_else"), "policy.yaml")
    parse(CREDIT.format(notice=", notice: adverse_action"), "policy.yaml")


def test_an_adverse_outcome_without_the_notice_that_a_pack_owes_is_refused() -> None:
    told = CREDIT.format(notice=", notice: adverse_action")
    three = told.replace(
        "outcomes: [approve, reject]", "outcomes: [approve, reject, cancel]\n    adverse: [reject, cancel]"
    )
    with pytest.raises(
        PolicyError, match=r"domains\.loan\.lanes\.cancel: 'cancel' is adverse and gives no notice, which eco"
    ):
        parse(three, "policy.yaml")
    parse(
        three.replace("reject, cancel]\n    adverse: [reject, cancel]", "reject, cancel]\n    adverse: [reject]"), "p"
    )
    parse(three.replace("notice: adverse_action}", "notice: adverse_action}, cancel: {notice: adverse_action}"), "p")


def test_an_adverse_outcome_with_another_notice_than_the_pack_owes_is_refused() -> None:
    told = CREDIT.format(notice=", notice: adverse_action")
    two = told.replace("[approve, reject]", "[approve, reject, cancel]\n    adverse: [reject, cancel]")
    other = two.replace("notice: adverse_action}", "notice: adverse_action}, cancel: {notice: goodbye}")
    with pytest.raises(
        PolicyError,
        match=r"cancel\.notice: 'cancel' is adverse and gives goodbye, not the notice that ecoa-fcra demands",
    ):
        parse(other, "policy.yaml")


def test_a_notice_of_another_name_with_the_template_of_the_owed_one_is_the_owed_one() -> None:
    under_another_name = LENDING.replace("adverse_action}", "declined}").replace(
        "  adverse_action:\n", "  declined:\n    template: adverse_action\n"
    )
    assert "template: adverse_action" in under_another_name
    assert "packs: [ecoa-fcra]" in under_another_name
    parse(under_another_name, "policy.yaml")


def test_a_domain_that_does_not_say_which_outcomes_are_adverse_is_refused_under_a_pack_that_owes_notices() -> None:
    second = "  card: {models: [m], outcomes: [grant, refuse]%s, queue: desk}\npacks:"
    text = CREDIT.format(notice=", notice: adverse_action").replace("packs:", second)
    with pytest.raises(PolicyError, match=r"domains\.card: ecoa-fcra owes a notice .* \(write adverse: \[refuse\]"):
        parse(text % "", "policy.yaml")
    parse(text % ", adverse: []", "policy.yaml")
    with pytest.raises(PolicyError, match=r"domains\.card\.adverse: 'refused' is not among.*did you mean refuse"):
        parse(text % ", adverse: [refused]", "policy.yaml")


def test_no_clock_brings_about_an_adverse_outcome_where_a_pack_wants_reasons() -> None:
    told = CREDIT.format(notice=", notice: adverse_action")
    late = told.replace("queue: desk", "queue: desk\n    on_timeout: reject")
    with pytest.raises(PolicyError, match=r"loan\.on_timeout: 'reject' is adverse, and ecoa-fcra wants specific"):
        parse(late, "policy.yaml")
    parse(late.replace("on_timeout: reject", "on_timeout: approve"), "policy.yaml")
    parse(late.replace("high-stakes, ecoa-fcra", "high-stakes"), "policy.yaml")
    breached = told + "queues: {desk: {on_breach: reject}}\n"
    with pytest.raises(PolicyError, match=r"desk\.on_breach: 'reject' is adverse, and ecoa-fcra wants specific"):
        parse(breached, "policy.yaml")
    parse(breached.replace("reject}}", "approve}}"), "policy.yaml")


def test_a_pack_alone_demands_no_notice() -> None:
    parse("name: empty\npacks: [ecoa-fcra]\n", "policy.yaml")


@pytest.mark.parametrize(
    ("hours", "levels", "refused"),
    [
        ('mon: ["09:00-10:00"]', "", ["low"]),
        ('mon: ["09:00-10:00"]', "service_levels: {low: 52h}", []),
        ('mon: ["09:00-10:00"]', "service_levels: {low: 53h, medium: 90d}", ["medium", "low"]),
        ('mon: ["09:00-10:00"], tue: ["09:00-10:00"]', "", []),
        ('mon: &day ["09:00-17:00"], tue: *day', "service_levels: {low: 3d}", []),
    ],
)
def test_a_service_level_that_the_calendar_stretches_beyond_a_year_is_refused(
    hours: str, levels: str, refused: list[str]
) -> None:
    text = CALENDAR.format(hours=hours, levels=levels)
    if not refused:
        parse(text, "policy.yaml")
        return
    with pytest.raises(PolicyError) as error:
        parse(text, "policy.yaml")
    assert [problem.field for problem in error.value.problems] == ["queues.desk.calendar"] * len(refused)
    assert all(f"service level {name} " in str(error.value) for name in refused)


def _published(text: str) -> dict[str, dict[str, object]]:
    policy = parse(text, "policy.yaml")
    return {policy.name: policy_record(policy, text, "policy.yaml", {}, "me", "")}


def test_a_queue_that_another_policy_describes_in_another_way_is_refused() -> None:
    loans = "name: loans\ndomains:\n  loan: {models: [m], outcomes: [yes, no], queue: desk}\n"
    cards = "name: cards\ndomains:\n  card: {models: [m], outcomes: [yes, no], queue: desk}\n"
    published = _published(loans + "queues: {desk: {order: score, floors: {low: 0.1}}}\n")
    other = cards + "queues: {desk: {order: deadline}}\n"
    with pytest.raises(QueueTakenError, match=r"'loans' describes queue 'desk' in another way \(order, floors\)"):
        policy_record(parse(other, "p"), other, "p", published, "me", "")
    for alike in (cards, cards + "queues: {desk: {floors: {low: 0.1}, order: score}}\n"):
        policy_record(parse(alike, "p"), alike, "p", published, "me", "")


def test_what_was_published_before_it_was_refused_keeps_nobody_from_publishing() -> None:
    text = "name: loans\ndomains:\n  loan: {models: [m], outcomes: [yes, no]}\n"
    published = _published(text.replace("loan", "card"))
    published["cards"]["source"] = "name: cards\ndomains:\n  card: {models: [m], outcomes: [yes]}\n"
    assert policy_record(parse(text, "p"), text, "p", published, "me", "")["name"] == "loans"


def test_refusals_are_errors_that_users_see() -> None:
    assert issubclass(QueueTakenError, InterlockError)
