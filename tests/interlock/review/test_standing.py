"""What a reviewer is told of a case that is no plain first review."""

from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.processors.review.payload import Payload
from interlock.processors.review.times import micros
from interlock.processors.review.view import build_view
from interlock.schemas.times import moment
from tests.interlock.review.review_world import POLICY, decision, routed, task_record

LENDING = parse(POLICY, "lending")
PLAIN = parse(POLICY.replace("four_eyes: true, ", ""), "lending")

VERDICT = {
    "reviewer": "mia",
    "verdict": "reject",
    "outcome": "approve",
    "modifications": "",
    "reason_code": "income",
    "reason_text": "the pay slip came",
    "round": 0,
    "at": moment(1_780_000_000_000_000),
}
DONE: dict[str, Any] = {"state": "done", "version": 1, "outcome": "reject"}


def said(task: dict[str, Any], *, route: str = "async", policy: Policy = LENDING, audit: bool = False) -> str:
    """Every sentence; `task`: fields of its record."""
    envelope = routed(decision("d-1"), route, audit=audit)
    record = task_record(envelope, **task)
    view = build_view(record, Payload(envelope, verified=True), micros(record["arrived_at"]), in_force=policy)
    return ". ".join(view.standing)


def test_a_plain_review_says_nothing() -> None:
    assert said({}) == ""
    assert said({**DONE, "verdicts": [VERDICT]}) == ""


def test_a_proposed_override_says_who_wants_what_and_what_an_answer_does() -> None:
    text = said({"kind": "override", "verdicts": [VERDICT], "outcome": "reject", "version": 1})
    assert text.startswith("mia proposes approve instead of reject, which two people must decide.")
    assert "Another lead who decides for approve puts it in force, one who decides otherwise refuses it" in text
    assert "At the deadline it lapses, and reject stands" in text


@pytest.mark.parametrize(("event", "text"), [("override_refused", "was refused"), ("override_lapsed", "lapsed")])
def test_a_proposal_that_came_to_nothing_is_told(event: str, text: str) -> None:
    told = said({**DONE, "kind": "override", "verdicts": [VERDICT], "event": event})
    assert text in told
    assert "what was in force stands" in told


def test_an_appeal_says_in_whose_name_how_many_are_possible_and_who_does_not_decide_it() -> None:
    appeal = {"kind": "appeal", "appeals": 1, "on_behalf_of": "Erika Muster", "parties": ["ann", "Erika Muster"]}
    text = said(appeal)
    assert "This is appeal 1 of 1 that are possible, filed in the name of Erika Muster" in text
    assert "not deciding it: ann, Erika Muster" in text
    assert "Appeals filed: 1 of 1 that are possible" in said({**DONE, **appeal, "state": "done"})


def test_a_recall_says_what_a_verdict_does() -> None:
    text = said({"kind": "recall", "outcome": "reject", "version": 1})
    assert text == "It took effect without a person and was recalled: a verdict for anything but reject rolls it back"


@pytest.mark.parametrize("kind", ["recall", "override", "appeal"])
def test_while_the_answer_is_hidden_nothing_says_what_holds(kind: str) -> None:
    record = {"kind": kind, "outcome": "reject", "version": 1, "verdicts": [VERDICT]}
    assert "reject" in said(record) or kind == "appeal"
    assert "reject" not in said(record, route="manual")


def test_duties_of_an_earlier_policy_are_named_with_its_version() -> None:
    record = {"quorum": 2, "routed_qualifications": ["senior"], "policy_version": "v3", "reasons": ["very-large"]}
    assert said(record, policy=PLAIN) == (
        "It was routed under policy version v3 and keeps what that demanded although the policy in force does not: "
        "two people who agree, the qualification senior"
    )
    assert said({**record, "routed_qualifications": []}) == ""


def test_an_answer_to_a_proposed_override_keeps_the_duty_and_needs_no_further_signature() -> None:
    envelope = routed(decision("d-1"))
    record = task_record(envelope, kind="override", quorum=2, reasons=["very-large"], verdicts=[VERDICT, VERDICT])
    view = build_view(record, Payload(envelope, verified=True), micros(record["arrived_at"]), in_force=PLAIN)
    assert (view.signatures_needed, view.signatures_given) == (1, 0)
    assert "keeps what that demanded although the policy in force does not: two people" in view.standing[1]


def test_a_hidden_case_does_not_tell_of_two_people_whom_a_rule_about_the_answer_asked_for() -> None:
    record = {"quorum": 2, "policy_version": "v3", "reasons": ["very-large"]}
    assert "two people" in said(record, policy=PLAIN)
    assert said(record, policy=PLAIN, route="manual") == ""


@pytest.mark.parametrize("kind", ["audit", "gold"])
def test_what_nobody_judged_says_so_and_does_not_tell_gold_from_audits(kind: str) -> None:
    record = {**DONE, "kind": kind, "event": "not_judged", "verdicts": []}
    text = said(record, route="auto", audit=True)
    assert text == "Nobody judged it before it expired: it ended without a verdict"
