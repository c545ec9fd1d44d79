"""The terms on which people review what a policy sent to them."""

from pathlib import Path

import pytest

from interlock.policy.load import load, parse
from interlock.policy.model import Policy
from interlock.policy.regulation import pack, pack_names
from interlock.policy.review import DEFAULT_REASON_CODES, Terms, deadline, owner, quorum, terms, warning
from interlock.policy.version import version
from interlock.policy.vocabulary import Priority

LENDING = Path(__file__).with_name("lending.yaml")
MINIMAL = """name: small
domains:
  loans: {models: [m], outcomes: [approve, reject], lanes: {reject: {notice: adverse_action}}}
"""
HOUR = 3600
SECOND = 1_000_000
# Friday 25 September 2026, 16:00 in Berlin; hours of the lending policy are over at 15:00 on Fridays.
FRIDAY = 1_790_344_800 * SECOND


def _terms(extra: str = "", domain: str = "loans", queue: str = "general") -> Terms:
    policy = parse(MINIMAL + extra, "p.yaml")
    return terms(policy, version(policy), domain, queue)


def test_terms_carry_what_the_policy_says_about_domain_and_queue() -> None:
    policy = load(LENDING)
    agreed = terms(policy, "v1", "loan_approval", "underwriting")
    assert (agreed.policy_version, agreed.known) == ("v1", True)
    assert agreed.outcomes == ("approve", "reject")
    assert agreed.reason_codes == ("agree", "compensating-factors", "wrong-prediction", "other")
    assert agreed.qualifications == ("underwriter",)
    assert agreed.service_seconds == {"critical": HOUR, "high": 4 * HOUR, "medium": 24 * HOUR, "low": 72 * HOUR}
    assert agreed.calendar is policy.queues["underwriting"].calendar
    assert (agreed.push, agreed.order, agreed.on_breach, agreed.on_timeout) == (
        True,
        "deadline",
        "raise_priority",
        "escalate",
    )
    assert agreed.floors == {"low": 0.1, "medium": 0.2}
    assert agreed.notices == {"reject": ("adverse_action",)}
    assert (agreed.lease_seconds, agreed.start_within_seconds, agreed.override_seconds, agreed.options) == (
        900,
        900,
        86_400,
        3,
    )
    large = terms(policy, "v1", "financial", "finance")
    assert (large.push, large.order, large.lease_seconds, large.calendar) == (False, "score", 1800, None)


@pytest.mark.parametrize("domain", ["loans", "mortgages"])
def test_where_no_policy_owns_the_domain_anything_may_be_decided_on_default_terms(domain: str) -> None:
    packed = parse(MINIMAL + "packs: [eu-ai-act]\nservice_levels: {high: 1h}\nqueues: {general: {lease: 1h}}\n", "p")
    policy = None if domain == "loans" else packed
    agreed = terms(policy, "v1", domain, "general")
    assert (agreed.known, agreed.outcomes, agreed.reason_codes) == (False, (), DEFAULT_REASON_CODES)
    assert (agreed.qualifications, agreed.lease_seconds, agreed.service_seconds["high"]) == ((), 900, 4 * HOUR)
    assert (agreed.notices, agreed.on_breach, agreed.on_timeout) == ({}, "escalate", "escalate")


def test_a_queue_that_the_policy_does_not_describe_has_the_defaults_and_the_qualifications_of_the_packs() -> None:
    agreed = _terms("packs: [medical-device, eu-ai-act]\n", queue="wherever")
    assert (agreed.push, agreed.order, agreed.lease_seconds, agreed.calendar) == (False, "deadline", 900, None)
    assert agreed.qualifications == ("ai-oversight", "physician")


def test_qualifications_of_queue_and_packs_are_all_needed() -> None:
    agreed = _terms("packs: [eu-ai-act]\nqueues: {general: {qualifications: [underwriter, ai-oversight]}}\n")
    assert agreed.qualifications == ("ai-oversight", "underwriter")


def _with_pack(name: str) -> str:
    """A policy with the pack and the notice that it demands."""
    return MINIMAL.replace("adverse_action", *pack(name).notices or ["adverse_action"]) + f"packs: [{name}]\n"


@pytest.mark.parametrize("name", pack_names())
def test_every_pack_s_duties_of_review_are_in_the_terms(name: str) -> None:
    agreed = terms(parse(_with_pack(name), "p"), "v", "loans", "general")
    assert agreed.qualifications == tuple(sorted(pack(name).qualifications))
    assert set(pack(name).reason_codes) <= set(agreed.reason_codes)
    assert agreed.four_eyes == {rule.id for rule in pack(name).rules if rule.four_eyes}


@pytest.mark.parametrize("name", pack_names())
def test_no_policy_with_a_pack_closes_appeals_earlier_than_the_pack_says(name: str) -> None:
    short = _with_pack(name).replace("reject],", "reject], appeals: {within: 1d},")
    agreed = terms(parse(short, "p"), "v", "loans", "general")
    assert agreed.appeals.within == max(1, pack(name).appeal_days) * 86_400


def test_agree_and_other_are_always_reasons_and_the_defaults_only_where_nobody_names_any() -> None:
    assert _terms().reason_codes == DEFAULT_REASON_CODES
    assert {"agree", "other"} <= set(DEFAULT_REASON_CODES)
    own = MINIMAL.replace("reject],", "reject], reason_codes: [fraud, other],")
    policy = parse(own + "packs: [ecoa-fcra]\n", "p")
    codes = terms(policy, "v", "loans", "general").reason_codes
    assert codes == ("agree", "fraud", "other", *pack("ecoa-fcra").reason_codes)
    # Where the law asks for specific reasons, "internal policy" is none.
    assert "outside-policy" not in codes


def test_a_queue_s_safe_outcome_is_not_forced_on_a_task_whose_domain_does_not_know_it() -> None:
    text = (
        "name: x\ndomains:\n"
        "  loans: {models: [m], outcomes: [approve, reject], queue: credit}\n"
        "  claims: {models: [m], outcomes: [pay, refuse], queue: claims}\n"
        "queues: {credit: {on_breach: reject}, claims: {}}\n"
    )
    policy = parse(text, "p")
    assert terms(policy, "v", "loans", "credit").on_breach == "reject"
    assert terms(policy, "v", "claims", "credit").on_breach == "escalate"


def test_deadline_and_warning_count_working_time() -> None:
    agreed = terms(load(LENDING), "v", "loan_approval", "underwriting")
    # From Monday 9:00: 4 hours are up at 14:00, three quarters of them at noon, as lunch is from 12:00 to 13:00.
    monday = FRIDAY + (2 * 24 + 17) * HOUR * SECOND
    assert deadline(agreed, "high", FRIDAY) == monday + 5 * HOUR * SECOND
    assert warning(agreed, "high", FRIDAY) == monday + 3 * HOUR * SECOND


@pytest.mark.parametrize("priority", list(Priority))
def test_without_a_calendar_the_warning_comes_at_three_quarters_of_the_wall_clock(priority: Priority) -> None:
    agreed = _terms()
    level = agreed.service_seconds[priority]
    assert deadline(agreed, priority, FRIDAY) == FRIDAY + level * SECOND
    assert warning(agreed, priority, FRIDAY) == FRIDAY + level * 750_000


def test_two_people_are_needed_where_a_reason_is_a_rule_of_four_eyes() -> None:
    rules = (
        "rules: [{id: both, when: novel, route: async, four_eyes: true}, {id: one, when: novel, route: async}]\n"
        "packs: [eu-ai-act]\n"
    )
    agreed = _terms(rules)
    assert quorum(agreed, ["lane:approve:async", "one"]) == 1
    assert quorum(agreed, []) == 1
    assert quorum(agreed, ["one", "both"]) == 2
    assert quorum(agreed, iter(["eu-ai-act-biometric-identification"])) == 2
    assert quorum(terms(None, "", "loans", "general"), ["both"]) == 1


def test_a_domain_has_an_owner_only_if_exactly_one_policy_has_it() -> None:
    small, large = parse(MINIMAL, "a"), parse(MINIMAL.replace("small", "large"), "b")
    cards = parse(MINIMAL.replace("loans", "cards").replace("small", "cards"), "c")
    policies: dict[str, Policy] = {"small": small, "cards": cards}
    assert owner(policies, "loans") is small
    assert owner(policies, "mortgages") is None
    assert owner({**policies, "large": large}, "loans") is None
