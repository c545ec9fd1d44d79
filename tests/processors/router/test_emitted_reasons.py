"""The router and the sampler give exactly the reasons of the table, besides the ids of rules."""

import math
from typing import Any

from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.processors.review.reasons import explain_reasons
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.processors.sampling.candidate import candidate
from interlock.processors.sampling.sampler import DAY, Sampler, records
from interlock.schemas import catalogue, reasons, wire
from interlock.schemas.reasons import PICKED, PIPELINE_REASONS
from tests.processors.router.messages import NOW, Sent, sent
from tests.processors.shadow.shadow_world import published

KEY = bytes(range(16))

LENDING = parse(
    """
name: lending
audit: {rate: 0.2, active: {budget_per_day: 100, pool: 0.5}}
domains:
  loans:
    models: [m]
    shadow: ['m@2']
    outcomes: [approve, reject]
    lanes: {approve: {}}
  advice: {workflow: hybrid, models: ['*'], outcomes: [approve, reject], lanes: {approve: {}}}
  shared: {models: ['*'], outcomes: [approve, reject]}
rules:
  - {id: large, when: amount > 1000, route: sync}
safe_rules:
  - {id: tiny, domain: loans, prediction: approve, when: amount < 1}
""",
    "lending",
)
RIVAL = parse("name: rival\ndomains: {shared: {models: ['*'], outcomes: [approve, reject]}}\n", "rival")

# One decision for every reason that depends on the decision.
UNUSUAL: list[dict[str, Any]] = [
    {"amount": 5000.0},
    {"amount": 0.5, "confidence": 0.7},
    {"domain": "advice"},
    {"domain": "shared"},
    {"domain": "elsewhere"},
    {"prediction": "postpone"},
    {"model_id": "another"},
    {"model_id": "halted"},
    {"model_version": "2"},
    {"confidence": math.nan},
    {"created_at": 0},
    {"amount": math.inf},
]


def _router() -> Router:
    state = RouterState(policies={policy.name: compile_policy(policy) for policy in (LENDING, RIVAL)})
    control = {"scope": "model:halted", "halted": True, "reason": "drift", "set_by": "me", "set_at": NOW}
    state.apply(catalogue.CONTROLS.name, b"model:halted", wire.encode("Control", control))
    return Router(state, RouterSettings(KEY))


def _routed() -> list[bytes]:
    """Values of the routed records of unusual decisions, and of many that take effect."""
    messages = [sent(f"u-{i}", **{"amount": 10.0, **fields}) for i, fields in enumerate(UNUSUAL)]
    messages += [sent(f"d-{i}", amount=10.0, vector=[i / 500, 0.0]) for i in range(500)]
    return [value for value in _router().process(messages, NOW).values if value is not None]


def _sampled(routed: list[bytes]) -> list[bytes]:
    """Values of the records that the sampler sends to people."""
    sampler = Sampler(KEY)
    sampler.apply(b"lending", published(LENDING))
    pool = [pooled for value in routed if (pooled := candidate(Sent(b"", value))) is not None]
    return [value for value in records(sampler.sample(pool, NOW, NOW + DAY)).values if value is not None]


def test_the_pipeline_gives_every_reason_of_the_table_and_no_other_and_each_has_its_own_sentence() -> None:
    routed = _routed()
    given = {}
    for value in [*routed, *_sampled(routed)]:
        record = wire.decode("RoutedDecision", value)
        for explained in explain_reasons(record, LENDING):
            given[explained.reason] = explained.text
    by_pipeline = {reason for reason in given if reason != "large"}
    assert {entry.code for reason in by_pipeline if (entry := reasons.find(reason)) is not None} == {
        # no way of picking is without a sentence of its own
        entry.code
        for entry in PIPELINE_REASONS
        if entry.code != PICKED
    }
    assert [reason for reason in by_pipeline if reasons.find(reason) is None] == []
    assert [text for text in given.values() if "no longer in force" in text] == []


def test_a_domain_that_two_policies_claim_is_explained_as_that() -> None:
    (value,) = _router().process([sent(domain="shared")], NOW).values
    explained = explain_reasons(wire.decode("RoutedDecision", value), None)
    assert [reason.text for reason in explained] == [
        "no policy is in force for this kind of decision",
        "more than one policy claims this kind of decision, so none of them decides it",
    ]
    assert not any(reason.reveals_prediction for reason in explained)
