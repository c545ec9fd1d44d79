"""Proposals over HTTP: look at the evidence and the effect, sign or refuse."""

from typing import Any

import pytest

from interlock.policies.publishing import published_policies
from interlock.policy.load import parse
from interlock.processors.proposals.record import opened
from interlock.schemas import catalogue
from tests.interlock.api.api_world import World, refusal
from tests.processors.proposals.proposal_world import SOURCE, policy_version

LOWER = {"domain": "loan", "prediction": "approve", "auto": 0.72}
PATH = "/v1/proposals/threshold-1"


@pytest.fixture
def proposed(api: World) -> World:
    """A policy in force, an open threshold, and coaching."""
    api.put(catalogue.POLICIES, "lending", policy_version())
    propose(api, "threshold-1", "threshold", LOWER, 1)
    propose(api, "coaching-1", "coaching", None, 2)
    return api


def propose(api: World, name: str, kind: str, change: dict[str, Any] | None, at: int) -> None:
    record = opened(kind, name, title=name, claim="at most 5 %", at=at, evidence={"labels": 9}, change=change)
    policy = {"policy": "lending", "policy_version": policy_version()["version"]} if change else {}
    api.put(catalogue.PROPOSALS, name, record | policy)


def test_proposals_come_newest_first_in_pages_and_by_state_and_kind(proposed: World) -> None:
    first = proposed.get("/v1/proposals", limit=1).json()
    assert [row["proposal_id"] for row in first["proposals"]] == ["coaching-1"]
    rest = proposed.get("/v1/proposals", limit=1, cursor=first["next"]).json()
    assert ([row["proposal_id"] for row in rest["proposals"]], rest["next"]) == (["threshold-1"], None)
    by_kind = proposed.get("/v1/proposals", kind="threshold", state="open").json()["proposals"]
    assert [row["evidence"] for row in by_kind] == [{"labels": 9}]
    assert proposed.get("/v1/proposals", state="refused").json()["proposals"] == []
    assert refusal(proposed.get("/v1/proposals", state="closed")) == (422, "invalid")
    assert refusal(proposed.get("/v1/proposals", cursor="WyJ4Il0=")) == (422, "invalid")


def test_one_proposal_shows_the_policy_it_would_lead_to(proposed: World) -> None:
    effect = proposed.get(PATH).json()["effect"]
    assert effect["problem"] == ""
    assert parse(effect["source"], "x").domains["loan"].lanes["approve"].auto == 0.72
    assert "~ domains.loan.lanes.approve.auto: 0.9 → 0.72" in [change["text"] for change in effect["changes"]]
    assert proposed.get("/v1/proposals/coaching-1").json()["effect"] is None
    assert refusal(proposed.get("/v1/proposals/nope")) == (404, "unknown-proposal")


def test_an_accepted_threshold_is_in_force_and_names_who_signed(proposed: World) -> None:
    tag = proposed.get(PATH).headers["etag"]
    decided = proposed.post(f"{PATH}/accept", {"note": "agreed"}, "ana", tag).json()
    policy = published_policies(proposed.broker)["lending"]
    assert (decided["state"], decided["decided_by"], decided["policy_version"]) == (
        "accepted",
        "ana",
        policy["version"],
    )
    assert parse(policy["source"], "x").domains["loan"].lanes["approve"].auto == 0.72
    assert refusal(proposed.post(f"{PATH}/accept", {}, "ben", tag)) == (409, "already-decided")
    assert len(proposed.records(catalogue.POLICIES)) == 2


def test_a_signature_under_what_has_changed_since_is_refused(proposed: World) -> None:
    tag = proposed.get(PATH).headers["etag"]
    proposed.put(catalogue.POLICIES, "lending", policy_version(SOURCE.replace("rate: 0.1", "rate: 0.2")))
    assert refusal(proposed.post(f"{PATH}/accept", {}, if_match=tag)) == (412, "stale")
    assert refusal(proposed.post(f"{PATH}/refuse", {"reason": "x"}, if_match=tag)) == (412, "stale")
    assert proposed.get(PATH).json()["state"] == "open"
    assert len(proposed.records(catalogue.POLICIES)) == 2


def test_a_refusal_needs_a_reason_and_changes_no_policy(proposed: World) -> None:
    assert refusal(proposed.post(f"{PATH}/refuse", {"reason": " "})) == (422, "invalid")
    assert refusal(proposed.post(f"{PATH}/refuse", {})) == (422, "invalid")
    decided = proposed.post(f"{PATH}/refuse", {"reason": "too early"}, "ben").json()
    assert (decided["state"], decided["decided_by"], decided["reason"]) == ("refused", "ben", "too early")
    assert len(proposed.records(catalogue.POLICIES)) == 1


def test_a_change_that_no_longer_fits_says_so_and_cannot_be_accepted(proposed: World) -> None:
    proposed.put(catalogue.POLICIES, "lending", policy_version(SOURCE.replace("  loan:", "  other:")))
    assert "no longer knows the domain" in proposed.get(PATH).json()["effect"]["problem"]
    assert refusal(proposed.post(f"{PATH}/accept", {})) == (409, "refused")
    assert proposed.get(PATH).json()["state"] == "open"


def test_who_may_only_read_signs_nothing(proposed: World) -> None:
    proposed.scopes["eve"] = frozenset({"proposals:read"})
    assert refusal(proposed.post(f"{PATH}/accept", {}, "eve")) == (403, "missing-scope")
    assert proposed.get(PATH, "eve").json()["state"] == "open"
