"""The risk of false certificates adds up to no more than a policy allows a year."""

import json

import pytest

from bench.gates import risk as gate
from interlock.policy.load import parse
from interlock.processors.events import Event
from interlock.processors.proposals.fold import ProposalFold
from interlock.processors.proposals.risk import KINDS, Starts, delta_of, lanes_of, used
from interlock.schemas import catalogue, wire
from tests.processors.calibration.reviewed_world import START, World
from tests.processors.proposals.proposal_world import SOURCE, new_fold, of, policy_version, proposals, taken

BUDGET = SOURCE + "risk: {per_year: 0.08}\n"
YEAR = 365 * 86_400_000_000


def test_however_often_evidence_starts_the_shares_of_all_lanes_and_kinds_add_up_to_the_budget() -> None:
    policy = gate.policy()
    shares = [delta_of(policy, start, otherwise=1) for start in range(1, 1_000)]
    assert KINDS * lanes_of(policy) * sum(shares) == pytest.approx(0.1, rel=0.002)
    assert used(policy, [3] * lanes_of(policy)) == pytest.approx(KINDS * lanes_of(policy) * sum(shares[:3]))


def test_without_a_budget_each_claim_has_the_risk_that_the_settings_give() -> None:
    policy = parse(SOURCE, "p")
    assert delta_of(policy, 7, otherwise=0.1) == delta_of(None, 7, otherwise=0.1) == 0.1
    assert used(policy, [1]) is None
    # A large budget does not give a claim more than that either.
    assert delta_of(parse(SOURCE + "risk: {per_year: 0.9}\n", "p"), 1, otherwise=0.1) == 0.1


def test_starts_are_numbered_by_lane_whatever_the_model_version_and_anew_each_year() -> None:
    starts = Starts()
    assert [starts.next("loan", "approve", START) for _ in range(3)] == [1, 2, 3]
    assert starts.next("loan", "reject", START) == 1
    assert starts.next("loan", "approve", START + YEAR) == 1


def test_a_proposal_and_the_progress_of_its_lane_tell_which_part_of_the_budget_they_take() -> None:
    events = taken(new_fold(BUDGET), World(intercept=1.0).examples(6_000))
    (proposal,) = [p for p in proposals(events) if p["state"] == "open"]
    evidence = json.loads(proposal["evidence"])
    # One lane, two kinds, first start: a quarter.
    assert evidence["delta"] == pytest.approx(0.02)
    assert evidence["e_value"] >= 50
    assert "each such claim is false with probability 2% at most, its part of the 8% a year" in proposal["claim"]
    assert of(events, catalogue.LANE_PROGRESS)[-1]["delta"] == pytest.approx(0.02)


def _published(fold: ProposalFold, source: str) -> None:
    fold.apply(catalogue.POLICIES.name, b"lending", wire.encode("PolicyVersion", policy_version(source)))


def _states(events: list[Event]) -> list[tuple[str, str]]:
    """Of thresholds, in the order in which they were written."""
    written = of(events, catalogue.PROPOSALS)
    return [(one["state"], one["reason"]) for one in written if one["kind"] == "threshold"]


def test_a_budget_that_is_lowered_takes_an_open_claim_back_says_why_and_makes_it_again_when_it_suffices() -> None:
    world, fold = World(intercept=1.6, seed=3), new_fold()
    examples = list(world.examples(6_000))
    before = _states(taken(fold, examples[:2_400]))
    assert [state for state, _ in before] == ["open"]
    _published(fold, SOURCE + "risk: {per_year: 0.004}\n")
    (state, reason), *later = _states(taken(fold, examples[2_400:]))
    assert state == "revoked"
    assert reason == "no longer certified: the policy now allows it a risk of 0.1% instead of 10%"
    assert [state for state, _ in later][:1] == ["open"]


def test_a_budget_that_is_raised_or_lowered_less_than_the_evidence_reaches_changes_nothing_that_is_open() -> None:
    world, fold = World(intercept=1.6, seed=3), new_fold(SOURCE + "risk: {per_year: 0.1}\n")
    taken(fold, world.examples(4_000))
    for budget in (0.3, 0.09):
        _published(fold, SOURCE + f"risk: {{per_year: {budget}}}\n")
        assert _states(taken(fold, world.examples(400))) == []


def test_a_new_version_of_the_model_takes_a_smaller_part() -> None:
    fold = new_fold(BUDGET)
    first, second = (World(intercept=1.0, version=version) for version in ("7", "8"))
    second.decided = 10_000
    taken(fold, first.examples(2_000))
    records = of(taken(fold, second.examples(2_000)), catalogue.LANE_PROGRESS)
    assert {(record["model_version"], record["start"]) for record in records} == {("8", 2)}
    assert records[-1]["delta"] == pytest.approx(0.08 / (2 * 2 * 3))


def test_ten_lanes_that_start_every_month_give_no_more_false_certificates_a_year_than_allowed() -> None:
    measured = gate.years(200)
    assert measured["false within the budget"] <= gate.PER_YEAR
    # Each on its own they would: that is what the budget is for.
    assert measured["false each on its own"] > 0.5
