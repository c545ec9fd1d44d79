"""Requests for retraining as proposals, which wait in one list with the others."""

import json
from typing import Any

from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened
from interlock.processors.proposals.retraining import propose_from_request
from interlock.schemas import wire
from tests.sinks.learning_records import request

CHANGED: dict[str, Any] = {
    "kind": "change",
    "changed_at": 500,
    "rate_since_change": 0.3,
    "rate_since_change_lower": 0.2,
    "rate_since_change_upper": 0.4,
    "reviewed_since_change": 220,
}


def proposed(record: dict[str, Any], table: ProposalTable) -> list[dict[str, Any]]:
    made = [event.record for event in propose_from_request(record, table) if event.record is not None]
    for proposal in made:
        wire.encode("Proposal", proposal)
    return made


def test_a_request_stands_in_the_list_once_with_what_to_do() -> None:
    table = ProposalTable()
    (proposal,) = proposed(request(override_rate_upper=0.3), table)
    assert (proposal["kind"], proposal["state"], proposal["change"]) == ("retraining", "open", "")
    assert (proposal["error_estimate"], proposal["error_lower"], proposal["error_upper"]) == (0.25, 0.17, 0.3)
    evidence = json.loads(proposal["evidence"])
    assert evidence["export"] == "interlock export training-examples --model scorer@7 --out examples.parquet"
    assert evidence["slices"][0]["pattern"] == "purpose = car"
    assert evidence["answered"] == [{"way": "audit", "settled": 100, "judged": 92}]
    assert proposed(request(override_rate_upper=0.3), table) == []


def test_of_a_change_it_shows_the_rate_and_the_slices_since_then() -> None:
    slices = request()["slices"][1:]
    (proposal,) = proposed(request(slices_since_change=slices, **CHANGED), ProposalTable())
    assert (proposal["error_estimate"], proposal["error_lower"], proposal["error_upper"]) == (0.3, 0.2, 0.4)
    evidence = json.loads(proposal["evidence"])
    assert (evidence["kind"], evidence["slices_since_change"]) == ("change", slices)
    assert evidence["changed_at"] == "1970-01-01T00:00:00.000500+00:00"


def test_a_request_without_an_interval_shows_none() -> None:
    (proposal,) = proposed(request(override_rate_upper=None), ProposalTable())
    assert proposal["error_estimate"] is None


def test_a_newer_request_replaces_what_is_open_about_the_same_version_and_nothing_else() -> None:
    table = ProposalTable()
    of_a_signal = opened(
        "retraining",
        "old",
        title="t",
        claim="c",
        at=1,
        evidence={"signal_id": "s"},
        model_id="scorer",
        model_version="7",
    )
    table.put(of_a_signal)
    table.put(of_a_signal | {"proposal_id": "other", "model_version": "8"})
    table.put(of_a_signal | {"proposal_id": "signed", "state": "accepted"})
    replaced, new = proposed(request(), table)
    assert (replaced["proposal_id"], replaced["state"], replaced["reason"]) == (
        "old",
        "revoked",
        "replaced by a newer request",
    )
    assert new["state"] == "open"
    assert {known["proposal_id"] for known in table if known["state"] == "open"} == {"other", new["proposal_id"]}
