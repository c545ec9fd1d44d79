"""Outcomes that go against a person: where a pack wants specific reasons, agreeing with the AI is none."""

from typing import Any

import pytest

from interlock.policy.regulation import pack
from tests.processors.desk.desk_world import DAY, POLICY, DeskWorld

# The bank of the other tests; no clock may decline a loan under the pack.
CREDIT = (
    POLICY.replace("    on_timeout: reject\n", "    adverse: [reject]\n")
    .replace("outcomes: [hold, buy, sell]", "outcomes: [hold, buy, sell]\n    adverse: []")
    .replace("outcomes: [publish, remove]", "outcomes: [publish, remove]\n    adverse: []")
    + "packs: [ecoa-fcra]\n"
)

AGREE: dict[str, Any] = {"reason_code": "agree", "reason_text": "as the model says"}
REASON: dict[str, Any] = {"reason_code": "delinquency", "reason_text": "three payments were late in 2025"}


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld(CREDIT)
    world.hire("ann", "bob")
    world.hire("lee", role="lead")
    return world


def test_who_decides_for_an_adverse_outcome_gives_a_reason_for_it(world: DeskWorld) -> None:
    world.arrive("d1", prediction="reject")
    lease = world.claim("ann")
    refused = world.decide("ann", claimed=lease, **AGREE)
    assert refused["code"] == "missing-reason"
    assert (
        "'reject' is adverse: that you agree is no reason for it, so give one: income, history, income-ins"
        in (refused["message"])
    )
    assert world.decide("ann", claimed=lease, **REASON)["accepted"]
    assert world.last("actions")["reason_code"] == "delinquency"


def test_agreeing_is_a_reason_for_what_goes_against_nobody(world: DeskWorld) -> None:
    world.arrive("d1")
    assert world.decide("ann", **AGREE)["accepted"]


def test_who_overrides_or_judges_an_appeal_gives_a_reason_too(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", **AGREE)
    given = {"task_id": "d1", "payload_hash": "hash of d1", "verdict": "reject"}
    assert world.command("override", "lee", **given, **AGREE)["code"] == "missing-reason"
    assert world.command("override", "lee", **given, **REASON)["accepted"]
    world.wait(2 * DAY)
    assert world.command("appeal", "bob", task_id="d1", reason_text="I paid")["accepted"]
    world.hire("cid")
    lease = world.claim("cid", "d1")
    assert world.decide("cid", "reject", claimed=lease, **AGREE)["code"] == "missing-reason"


def test_without_a_pack_that_wants_reasons_agreeing_is_one(world: DeskWorld) -> None:
    world.set_policy(CREDIT.replace("packs: [ecoa-fcra]\n", ""))
    world.arrive("d1", prediction="reject")
    assert world.decide("ann", **AGREE)["accepted"]


@pytest.mark.parametrize(
    "text", ["Against internal policy", "Did not reach the qualifying  score", "Interne Richtlinie", "–"]
)
@pytest.mark.parametrize("code", ["delinquency", "other"])
def test_internal_policy_is_no_reason_to_decline_whatever_the_code(world: DeskWorld, code: str, text: str) -> None:
    world.arrive("d1", prediction="reject")
    lease = world.claim("ann")
    refused = world.decide("ann", claimed=lease, reason_code=code, reason_text=text)
    assert refused["code"] == "insufficient-reason"
    assert (
        "is no specific reason for 'reject': write which facts about the person or the case counted"
        in (refused["message"])
    )
    assert world.decide("ann", claimed=lease, **REASON)["accepted"]


def test_for_an_outcome_against_nobody_any_words_will_do(world: DeskWorld) -> None:
    world.arrive("d1", prediction="approve")
    assert world.decide("ann", reason_code="other", reason_text="within our internal policy")["accepted"]


def test_who_overrides_gives_a_specific_reason_too(world: DeskWorld) -> None:
    world.arrive("d1", prediction="approve")
    world.decide("ann")
    given = {"task_id": "d1", "payload_hash": "hash of d1", "verdict": "reject", "reason_code": "delinquency"}
    assert world.command("override", "lee", **given, reason_text="credit policy")["code"] == "insufficient-reason"


@pytest.mark.parametrize("name", ["ecoa-fcra", "erisa-claims", "dsa"])
def test_internal_policy_is_no_reason_under_any_pack_that_owes_a_notice(world: DeskWorld, name: str) -> None:
    """Where the text goes into the notice; without codes of the pack, those of the policy have sentences."""
    (notice,) = pack(name).notices
    world.set_policy(CREDIT.replace("ecoa-fcra", name).replace("adverse_action", notice))
    world.arrive("d1", prediction="reject")
    lease = world.claim("ann")
    vague = {"reason_text": "our internal policy forbids it"}
    assert world.decide("ann", claimed=lease, reason_code="other", **vague)["code"] == "insufficient-reason"
    elsewhere = world.decide("ann", claimed=lease, reason_code="income", **vague)
    assert elsewhere["accepted"] is not bool(pack(name).reason_codes)


def test_without_pack_and_notice_the_words_of_a_reason_are_free(world: DeskWorld) -> None:
    world.set_policy(CREDIT.replace("packs: [ecoa-fcra]\n", ""))
    world.arrive("d1", prediction="reject")
    assert world.decide("ann", reason_code="other", reason_text="our internal policy forbids it")["accepted"]
