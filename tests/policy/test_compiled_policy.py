"""What a compiled policy decides, held against an obviously correct reference that looks at one row at a time."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.compiled import CompiledPolicy, Forced, Group, compile_policy
from policy.explain import evaluate as holds
from policy.expression import parse_condition
from policy.load import filled, load, parse
from policy.model import Lane, Policy
from policy.words import ROUTING_COLUMNS, Route

LENDING = load(Path(__file__).with_name("lending.yaml"))
FOUR = parse(
    """
name: four
audit: {rate: 0.1}
domains:
  e: {workflow: escalation, models: ['*'], outcomes: [yes, no], lanes: {yes: {}}}
  pre: {workflow: pre_approval, models: [m], outcomes: [yes], lanes: {yes: {}}}
  post: {workflow: post_approval, models: [m], outcomes: [yes, no], lanes: {yes: {}}, override_window: 2h}
  h: {workflow: hybrid, models: [m], outcomes: [yes], lanes: {yes: {}}}
rules:
  - {id: novel, when: novel, route: sync}
priority:
  - {when: amount > 100, set: critical}
""",
    "four",
)

COLUMNS = {
    "decision_id": pl.String,
    "domain": pl.String,
    "model_id": pl.String,
    "model_version": pl.String,
    "prediction": pl.String,
    "confidence": pl.Float64,
    "raw_confidence": pl.Float64,
    "impact": pl.String,
    "amount": pl.Float64,
    "novel": pl.Boolean,
    "compliance_review": pl.Boolean,
    "jurisdiction": pl.String,
    "subject_id": pl.String,
    "applicant_age": pl.Int64,
    "country": pl.String,
}

ROW: dict[str, Any] = {
    "decision_id": "1",
    "domain": "e",
    "model_id": "m",
    "model_version": "1",
    "prediction": "yes",
    "confidence": 0.99,
    "raw_confidence": 0.99,
    "impact": "",
    "amount": 5.0,
    "novel": False,
    "compliance_review": False,
    "jurisdiction": "DE",
    "subject_id": "",
    "applicant_age": 40,
    "country": "DE",
}


def _judge(policy: CompiledPolicy, rows: list[dict[str, Any]], forced: list[Forced] | None = None) -> list[Group]:
    verdicts = policy.evaluate(pl.DataFrame(rows, schema=COLUMNS), forced or ())
    return [verdicts.groups[index] for index in verdicts.group]


def _one(policy: Policy, **fields: Any) -> Group:
    return _judge(compile_policy(policy), [{**ROW, **fields}])[0]


def _reference(policy: Policy, row: dict[str, Any]) -> tuple[Route, tuple[str, ...]]:
    """Route and reasons of one row, written for clarity."""
    domain = policy.domains.get(row["domain"])
    reasons = []
    demands = []
    lane = None
    if domain is None:
        reasons.append("unknown-domain")
        demands.append(Route.MANUAL)
    elif row["prediction"] not in domain.outcomes:
        reasons.append("unknown-prediction")
        demands.append(Route.MANUAL)
    elif row["confidence"] is None or row["confidence"] != row["confidence"]:
        reasons.append("implausible-confidence")
        demands.append(Route.MANUAL)
    else:
        lane = domain.lanes.get(row["prediction"])
        auto, later, sync = filled(policy, lane or Lane.model_validate({}))
        confidence = row["confidence"]
        level = Route.MANUAL
        for route, threshold in ((Route.SYNC, sync), (Route.ASYNC, later), (Route.AUTO, auto)):
            if confidence >= threshold:
                level = route
        if lane is None:
            level = max(level, Route.ASYNC)
        reasons.append(f"lane:{row['domain']}/{row['prediction']}:{level.label}")
        demands.append(level)
    if domain is not None and "*" not in domain.models and row["model_id"] not in domain.models:
        reasons.append("unknown-model")
        demands.append(Route.MANUAL)
    columns = {**ROUTING_COLUMNS, **policy.attribute_types()}
    clean = {k: None if isinstance(v, float) and not abs(v) < float("inf") else v for k, v in row.items()}
    met = [r for r in policy.every_rule() if holds(parse_condition(r.when, columns), clean) is not False]
    before_rules = max(demands)
    demands += [Route[rule.route.upper()] for rule in met]
    workflow = domain.workflow if domain is not None else "escalation"
    if workflow == "post_approval" and lane is not None and not met and before_rules <= Route.ASYNC:
        return Route.AUTO, tuple(reasons)
    if workflow in ("pre_approval", "hybrid") and max(demands) is Route.AUTO:
        reasons.append(f"workflow:{workflow}")
        demands.append(Route.ASYNC)
    return max(demands), tuple(reasons + [rule.id for rule in met])


def _rows() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            **{name: st.just(value) for name, value in ROW.items()},
            "domain": st.sampled_from(["loan_approval", "financial", "nowhere", "e", "pre", "post", "h", "legal"]),
            "model_id": st.sampled_from(["credit-scorer", "m", "other"]),
            "prediction": st.sampled_from(["approve", "reject", "yes", "no", "maybe"]),
            "confidence": st.none() | st.floats(0, 1) | st.sampled_from([0.5, 0.6, 0.8, 0.95, float("nan"), 1.0]),
            "amount": st.none() | st.floats() | st.sampled_from([10_000.0, 10_000.01, 50_000.01]),
            "novel": st.booleans(),
            "applicant_age": st.none() | st.integers(17, 25),
            "country": st.none() | st.sampled_from(["DE", "US"]),
        }
    )


@given(st.lists(_rows(), min_size=1, max_size=40), st.sampled_from([LENDING, FOUR]))
@settings(deadline=None, max_examples=150)
def test_a_batch_is_judged_as_its_rows_one_by_one(rows: list[dict[str, Any]], policy: Policy) -> None:
    groups = _judge(compile_policy(policy), rows)
    assert [(group.route, group.reasons) for group in groups] == [_reference(policy, row) for row in rows]


@given(st.lists(_rows(), min_size=2, max_size=30), st.integers(1, 29))
@settings(deadline=None, max_examples=50)
def test_a_verdict_does_not_depend_on_the_batch_a_row_is_in(rows: list[dict[str, Any]], cut: int) -> None:
    policy = compile_policy(FOUR)
    whole = _judge(policy, rows)
    cut = min(cut, len(rows) - 1)
    assert _judge(policy, rows[:cut]) + _judge(policy, rows[cut:]) == whole
    assert _judge(policy, rows[::-1])[::-1] == whole


@pytest.mark.parametrize(
    ("confidence", "route"),
    [(1.0, "auto"), (0.95, "auto"), (0.949, "async"), (0.80, "async"), (0.79, "sync"), (0.6, "sync"), (0.59, "manual")],
)
def test_a_lane_routes_by_its_thresholds_each_inclusive(confidence: float, route: str) -> None:
    assert _one(FOUR, confidence=confidence).route.label == route


def test_an_outcome_without_a_lane_of_its_own_never_takes_effect_by_itself() -> None:
    assert _one(FOUR, prediction="no", confidence=1.0).route is Route.ASYNC


@pytest.mark.parametrize("confidence", [None, float("nan")])
def test_a_missing_confidence_goes_to_a_person(confidence: float | None) -> None:
    group = _one(FOUR, confidence=confidence)
    assert (group.route, group.reasons) == (Route.MANUAL, ("implausible-confidence",))


@pytest.mark.parametrize(
    ("field", "reason"),
    [("domain", "unknown-domain"), ("prediction", "unknown-prediction"), ("model_id", "unknown-model")],
)
def test_what_the_policy_does_not_know_goes_to_a_person(field: str, reason: str) -> None:
    group = _one(FOUR, **{"domain": "pre", field: "never-heard-of"})
    assert group.route is Route.MANUAL
    assert reason in group.reasons


def test_a_rule_that_cannot_be_evaluated_counts_as_met() -> None:
    row = {"domain": "loan_approval", "model_id": "credit-scorer", "prediction": "approve"}
    assert _one(LENDING, **row).route is Route.AUTO
    group = _one(LENDING, **row, applicant_age=None)
    assert group.route is Route.ASYNC
    assert "young-applicant" in group.reasons


def test_all_reasons_are_kept_lane_first_then_rules_in_order() -> None:
    group = _one(FOUR, novel=True, confidence=0.7)
    assert group.reasons == ("lane:e/yes:sync", "novel")


def test_pre_approval_and_hybrid_wait_for_a_person_whatever_the_confidence() -> None:
    for domain, workflow in (("pre", "pre_approval"), ("h", "hybrid")):
        group = _one(FOUR, domain=domain, confidence=1.0)
        assert group.route is Route.ASYNC
        assert f"workflow:{workflow}" in group.reasons


def test_post_approval_takes_effect_with_a_window_unless_a_rule_demands_a_person_first() -> None:
    group = _one(FOUR, domain="post", confidence=0.85)
    assert (group.route, group.override_seconds, group.audit_rate) == (Route.AUTO, 7200, 0.0)
    held = _one(FOUR, domain="post", confidence=0.99, novel=True)
    assert (held.route, held.override_seconds) == (Route.SYNC, None)
    unsure = _one(FOUR, domain="post", confidence=0.7)
    assert (unsure.route, unsure.override_seconds) == (Route.SYNC, None)
    assert _one(FOUR, domain="post", prediction="no", confidence=1.0).route is Route.ASYNC


def test_a_control_demands_a_person_and_is_named() -> None:
    forced = [Forced("halted:all", Route.ASYNC, pl.Series([False, True]))]
    free, halted = _judge(compile_policy(FOUR), [ROW, ROW], forced)
    assert free.route is Route.AUTO
    assert (halted.route, halted.reasons[-1]) == (Route.ASYNC, "halted:all")


def test_only_what_takes_effect_unseen_is_audited() -> None:
    assert _one(FOUR).audit_rate == 0.1
    assert _one(FOUR, confidence=0.85).audit_rate == 0.0


def test_the_priority_comes_from_the_first_rule_that_holds_and_else_from_the_route() -> None:
    assert _one(FOUR, amount=101.0).priority == "critical"
    assert [str(_one(FOUR, confidence=c).priority) for c in (1.0, 0.85, 0.7, 0.1)] == [
        "low",
        "medium",
        "critical",
        "high",
    ]


def test_the_notice_of_an_adverse_lane_travels_with_the_decision() -> None:
    row = {"domain": "loan_approval", "model_id": "credit-scorer", "prediction": "reject"}
    assert _one(LENDING, **row).notices == ("adverse_action",)


def test_more_rules_than_bits_in_a_word_are_judged_alike() -> None:
    rules = "\n".join(f"  - {{id: r{i}, when: applicant_age = {i}, route: async}}" for i in range(200))
    attributes = "domains: {e: {models: ['*'], outcomes: [yes], lanes: {yes: {}}, attributes: {applicant_age: int}}}"
    policy = compile_policy(parse(f"name: many\n{attributes}\nrules:\n{rules}\n", "many"))
    groups = _judge(policy, [{**ROW, "applicant_age": age} for age in (0, 61, 62, 63, 199, 200)])
    matched = [group.reasons[1:] for group in groups]
    assert matched == [("r0",), ("r61",), ("r62",), ("r63",), ("r199",), ()]
