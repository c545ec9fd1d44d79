"""Trying a change of a policy: begun, given a share, promoted, withdrawn, and refused with what is missing."""

import json

import pytest

from interlock.errors import UsageError
from interlock.policies import publishing, requests, signing, trials
from interlock.policies.forecasts import compared
from interlock.policies.observed import Observed
from interlock.policies.publishing import SamePersonError, StalePolicyError, TrialDemandedError
from interlock.policies.trials import CandidateStandsError, NoCandidateError, TrialTooShortError
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.schemas import catalogue
from tests.interlock.policies.trial_world import HOUR, NOW, Owner, seen, text

FOUR_EYES = "publishing: {four_eyes: true}"
STAGED = "publishing: {shadow_for: 24h, shadow_decisions: 1000}"


def _forecast(source: str) -> str:
    """As `interlock policy replay --json` writes it."""
    reviews = [{"queue": "underwriting", "hour": "2026-01-01T00:00:00Z", "old": 10, "new": 6}] * 3
    counts = {"decisions": 100, "rerouted": 12, "matrix": [], "reviews": reviews, "examples": [{"decision_id": "d"}]}
    return json.dumps({"version": version(parse(source, "")), **counts})


def test_a_change_that_is_tried_leaves_the_policy_in_force_alone() -> None:
    owner = Owner(text())
    before = owner.policy
    record = owner.begin(text(0.8), forecast=_forecast(text(0.8)))
    assert owner.policy == before
    assert trials.candidate(owner.broker, "lending") == record
    assert (record["stage"], record["share"], record["base_version"]) == ("shadow", 0.0, before["version"])
    told = trials.facts(record)["forecast"]
    assert (told["rerouted"], told["reviews"]) == (12, {"old": 30, "new": 18})
    assert "examples" not in told
    assert "source" not in trials.facts(record)


def test_a_promotion_puts_the_change_in_force_with_who_why_and_what_was_forecast_and_seen() -> None:
    owner = Owner(text())
    first = owner.version
    owner.begin(text(0.8), forecast=_forecast(text(0.8)))
    owner.promote(seen(120))
    policy = owner.policy
    assert policy["source"] == text(0.8)
    assert (policy["base_version"], policy["stage"], policy["signed_by"]) == (first, "shadow", ["ann", "ben"])
    assert policy["note"] == "fewer reviews. as forecast"
    observed = json.loads(policy["observed"])
    assert compared(json.loads(policy["forecast"]), observed) == {"forecast": 0.12, "observed": 0.1}
    assert (observed["decisions"], observed["changed"], observed["by_candidate"]) == (120, 12, 0)
    assert observed["matrix"][1] == {"live": "async", "candidate": "auto", "decisions": 12, "by_candidate": 0}
    assert trials.candidates(owner.broker) == {}


def test_a_trial_that_is_too_short_is_refused_with_all_that_is_missing() -> None:
    owner = Owner(text(more=STAGED))
    owner.begin(text(0.8))
    with pytest.raises(TrialTooShortError) as refused:
        owner.promote(seen(120), now=NOW + 3 * HOUR)
    assert refused.value.missing == ["it ran 3.0 h of 24 h", "it saw 120 of 1,000 decisions"]
    with pytest.raises(TrialTooShortError, match=r"it ran 23\.0 h of 24 h;"):
        owner.promote(seen(1000), now=NOW + 23 * HOUR)
    owner.promote(seen(1000), now=NOW + 24 * HOUR)
    assert owner.policy["source"] == text(0.8)


def test_a_trial_without_a_single_decision_shows_nothing() -> None:
    owner = Owner(text())
    owner.begin(text(0.8))
    with pytest.raises(TrialTooShortError, match="it saw 0 of 1 decisions"):
        owner.promote(Observed(NOW))


def test_what_the_version_in_force_demands_counts_and_not_what_the_change_says() -> None:
    owner = Owner(text(more=STAGED))
    with pytest.raises(TrialDemandedError, match="interlock policy try"):
        requests.publish_source(owner.broker, text(), owner.version, "ann", "no trials any more")
    owner.begin(text())
    with pytest.raises(TrialTooShortError):
        owner.promote(seen(10))


@pytest.mark.parametrize("how", [{}, {"four_eyes": True}], ids=["by the policy", "by the setting"])
def test_of_two_people_the_second_is_not_the_one_who_began_the_trial(how: dict[str, bool]) -> None:
    owner = Owner(text(more="" if how else FOUR_EYES))
    owner.begin(text(0.8), by="ann")
    with pytest.raises(SamePersonError, match="ann began the trial"):
        owner.promote(seen(100), by="ann", **how)
    owner.promote(seen(100), by="ben", **how)
    assert owner.policy["signed_by"] == ["ann", "ben"]


def test_a_share_takes_what_a_promotion_takes_because_it_decides_about_people() -> None:
    owner = Owner(text(more="publishing: {four_eyes: true, shadow_decisions: 1000}"))
    owner.begin(text(0.8), by="ann")
    with pytest.raises(SamePersonError):
        owner.share(0.1, seen(1000), by="ann")
    with pytest.raises(TrialTooShortError):
        owner.share(0.1, seen(999), by="ben")
    record = owner.share(0.1, seen(1000), by="ben")
    assert (record["stage"], record["share"], record["signed_by"]) == ("share", 0.1, ["ann", "ben"])
    assert record["started_at"] > record["published_at"]


def test_a_share_is_made_smaller_or_taken_back_by_anybody_at_once() -> None:
    owner = Owner(text(more=FOUR_EYES))
    owner.begin(text(0.8), by="ann")
    owner.share(0.4, seen(10), by="ben")
    assert owner.share(0.1, Observed(NOW), by="ann")["share"] == 0.1
    back = owner.share(0.0, Observed(NOW), by="ann")
    assert (back["stage"], back["share"]) == ("shadow", 0.0)


@pytest.mark.parametrize("share", [-0.1, 0.51, 1.0, float("nan")])
def test_a_share_of_more_than_half_is_no_trial(share: float) -> None:
    owner = Owner(text())
    owner.begin(text(0.8))
    with pytest.raises(UsageError, match="promote it instead"):
        owner.share(share, seen(10))


def test_a_change_against_another_version_than_the_one_in_force_is_not_promoted_and_may_be_tried_again() -> None:
    owner = Owner(text())
    owner.begin(text(0.8))
    stood = trials.candidate(owner.broker, "lending")
    requests.publish_source(owner.broker, text(0.99), owner.version, "cid", "an alarm")
    assert trials.stale(publishing.published_policies(owner.broker), stood)
    with pytest.raises(StalePolicyError):
        owner.promote(seen(100))
    with pytest.raises(StalePolicyError):
        owner.share(0.1, seen(100))
    assert owner.policy["source"] == text(0.99)
    again = owner.begin(text(0.8), now=NOW + HOUR)
    assert again["base_version"] == owner.version
    assert again["published_at"] == NOW + HOUR


def test_a_second_change_waits_until_the_first_is_promoted_or_withdrawn() -> None:
    owner = Owner(text())
    owner.begin(text(0.8))
    with pytest.raises(CandidateStandsError, match=r"by ann; .*withdraw it"):
        owner.begin(text(0.7), by="ben")
    named = trials.candidate(owner.broker, "lending")["version"]
    trials.withdraw(owner.broker, "lending", named, "ben", "twice the reviews", NOW)
    owner.begin(text(0.7), by="ben")


def test_a_withdrawal_says_who_and_why_and_leaves_nothing_to_be_promoted() -> None:
    owner = Owner(text())
    named = owner.begin(text(0.8))["version"]
    with pytest.raises(UsageError, match="say why"):
        trials.withdraw(owner.broker, "lending", named, "ben", " ", NOW)
    record = trials.withdraw(owner.broker, "lending", named, "ben", "twice the reviews", NOW + HOUR)
    assert (record["stage"], record["signed_by"], record["note"]) == ("withdrawn", ["ben"], "twice the reviews")
    assert trials.candidates(owner.broker) == {}
    with pytest.raises(NoCandidateError, match="interlock policy try"):
        owner.promote(seen(10))


def test_who_looked_at_another_candidate_signs_nothing() -> None:
    owner = Owner(text())
    looked_at = owner.begin(text(0.8))["version"]
    trials.withdraw(owner.broker, "lending", looked_at, "ben", "wrong file", NOW)
    owner.begin(text(0.5))
    with pytest.raises(NoCandidateError, match="look at it first"):
        trials.promote(owner.broker, "lending", looked_at, "ben", "", NOW, seen(10))


def test_a_wrong_text_or_forecast_is_not_tried() -> None:
    owner = Owner(text())
    with pytest.raises(PolicyError, match="did you mean outcomes"):
        owner.begin(text().replace("outcomes", "outcoms"))
    with pytest.raises(UsageError, match="the forecast is no JSON"):
        owner.begin(text(0.8), forecast="{")
    with pytest.raises(UsageError, match="the forecast is no JSON: not JSON: NaN at character 12"):
        owner.begin(text(0.8), forecast='{"version":NaN}')
    with pytest.raises(UsageError, match="the forecast is no JSON: nested deeper than 64 levels"):
        owner.begin(text(0.8), forecast='{"version":' + "[" * 3_000 + "]" * 3_000 + "}")
    with pytest.raises(UsageError, match="no report of a replay"):
        owner.begin(text(0.8), forecast="[1]")
    with pytest.raises(UsageError, match="replay this one"):
        owner.begin(text(0.8), forecast=_forecast(text(0.7)))
    with pytest.raises(requests.UnchangedPolicyError):
        owner.begin(text())
    assert trials.candidates(owner.broker) == {}


def test_going_back_to_an_earlier_version_needs_no_trial_and_the_people_who_are_demanded() -> None:
    owner = Owner(text(0.99))
    first = owner.version
    staged = text(0.5, more="publishing: {shadow_for: 24h, four_eyes: true}")
    requests.publish_source(owner.broker, staged, first, "ann", "staged from now on")
    asked = requests.request_policy(
        owner.broker, text(0.99), owner.version, "ann", "too many overrides", NOW, roll_back_of=first
    )
    with pytest.raises(SamePersonError):
        signing.accept(owner.broker, asked, "ann", "", NOW, four_eyes=False)
    signing.accept(owner.broker, asked, "ben", "agreed", NOW)
    policy = owner.policy
    assert (policy["version"], policy["roll_back_of"], policy["signed_by"]) == (first, first, ["ann", "ben"])


def test_a_proposal_of_the_learning_side_is_tried_where_the_policy_demands_a_trial() -> None:
    from interlock.processors.proposals.record import opened
    from interlock.schemas import wire

    owner = Owner(text(more=STAGED))
    proposal = opened(
        "threshold",
        "threshold-1",
        title="a threshold",
        claim="at most 5 % is wrong",
        at=NOW,
        evidence={},
        change={"domain": "loan", "prediction": "approve", "auto": 0.8},
        domain="loan",
        policy="lending",
        policy_version=owner.version,
    )
    publishing.send(owner.broker, catalogue.PROPOSALS, "threshold-1", wire.encode("Proposal", proposal))
    with pytest.raises(TrialDemandedError):
        signing.accept(owner.broker, proposal, "ben", "", NOW)
    owner.begin(signing.changed_source(owner.policy["source"], proposal))
    owner.promote(seen(1000), now=NOW + 24 * HOUR)
    decided = signing.accept(owner.broker, proposal, "ben", "tried for a day", NOW)
    assert (decided["state"], decided["policy_version"]) == ("accepted", owner.version)
