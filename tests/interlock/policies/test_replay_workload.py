"""How much of what a policy lets pass becomes work that people must do."""

from dataclasses import replace

import polars as pl
import pytest

from interlock.policies.replay.replaying import expected_review
from interlock.policy.compiled import Treatment, compile_policy
from interlock.policy.load import parse
from interlock.policy.vocabulary import Route

POLICY = parse(
    """
name: lending
audit: {rate: 0.25, active: {budget_per_day: 10}}
domains:
  loans: {models: [m], outcomes: [approve, reject], lanes: {approve: {auto: 0.9}}}
  later: {workflow: post_approval, models: [m], outcomes: [approve, reject], lanes: {approve: {auto: 0.9, async: 0.5}}}
  first: {workflow: pre_approval, models: [m], outcomes: [approve, reject], lanes: {approve: {auto: 0.9}}}
""",
    "test",
)


def _treatment(domain: str, confidence: float) -> Treatment:
    row = {
        "decision_id": "d",
        "domain": domain,
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": confidence,
        "raw_confidence": confidence,
        "impact": "",
        "amount": None,
        "novel": False,
        "compliance_review": False,
        "jurisdiction": "",
        "subject_id": "",
    }
    frame = pl.DataFrame([row], schema_overrides={"amount": pl.Float64})
    evaluation = compile_policy(POLICY).evaluate(frame, ())
    return evaluation.treatments[int(evaluation.index[0])]


@pytest.mark.parametrize(
    ("domain", "confidence", "work"),
    [("loans", 0.95, 0.25), ("loans", 0.5, 1.0), ("later", 0.95, 0.25), ("later", 0.6, 0.25), ("first", 0.95, 1.0)],
)
def test_in_post_approval_people_must_judge_the_audits_and_may_look_at_the_rest(
    domain: str, confidence: float, work: float
) -> None:
    treatment = _treatment(domain, confidence)
    assert expected_review(treatment) == work
    assert expected_review(replace(treatment, shadow=True)) == 0


def test_what_anybody_may_object_to_at_once_is_not_left_to_the_sampler() -> None:
    assert (_treatment("loans", 0.95).route, _treatment("loans", 0.95).pool) == (Route.AUTO, 0.5)
    assert (_treatment("later", 0.95).route, _treatment("later", 0.95).pool) == (Route.AUTO, 0.0)
