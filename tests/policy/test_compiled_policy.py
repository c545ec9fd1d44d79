"""What a compiled policy decides, held against an obviously correct reference that looks at one row at a time."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.compiled import CompiledPolicy, ForcedRoute, Treatment, compile_policy
from interlock.policy.conditions.ast import Condition
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.conditions.python import evaluate as holds
from interlock.policy.duties import Duties, calendar_text
from interlock.policy.load import load, parse
from interlock.policy.model import Lane, Policy, Queue
from interlock.policy.vocabulary import ROUTING_COLUMNS, Priority, Route, Workflow

LENDING = load(Path(__file__).with_name("lending.yaml"))
FOUR = parse(
    """
name: four
audit: {rate: 0.1, active: {budget_per_day: 5, pool: 0.25}}
domains:
  e: {workflow: escalation, models: ['*'], shadow: ['m@2'], outcomes: [yes, no], lanes: {yes: {}}}
  pre: {workflow: pre_approval, models: [m], outcomes: [yes, no], lanes: {yes: {}}}
  post:
    {workflow: post_approval, models: [m], shadow: ['m@2', 'other@1'], outcomes: [yes, no], lanes: {yes: {}},
     override_window: 2h}
  h: {workflow: hybrid, models: [m], outcomes: [yes, no], lanes: {yes: {}}}
rules:
  - {id: novel, when: novel, route: sync}
priority:
  - {when: amount > 100, set: critical}
  - {when: confidence > 0.5 AND novel, set: low}
""",
    "four",
)
# More of everything: domains, outcomes and models than are told apart by comparing, rules than bits in a byte and
# in a word, a rule that always holds in one domain and one that names no column.
_OUTCOMES = "[yes, no, maybe, approve, reject, other]"
MANY = parse(
    "name: many\ndomains:\n"
    + "".join(
        f"  {name}: {{workflow: {workflow}, models: [m, {name}-1], outcomes: {_OUTCOMES}, queue: {name},"
        f" lanes: {{yes: {{auto: 0.9, auto_raw: {{m@1: 0.7, m@2: 0.95}}, notice: told}},"
        f" approve: {{sync: 0.85, audit_rate: 0.2}}}}}}\n"
        for name, workflow in [
            ("e", "escalation"),
            ("pre", "pre_approval"),
            ("post", "post_approval"),
            ("h", "hybrid"),
            ("legal", "escalation"),
            ("financial", "post_approval"),
        ]
    )
    + "rules:\n"
    + "".join(f"  - {{id: r{i}, when: amount < {1000 - 15 * i}, route: async}}\n" for i in range(70))
    + "  - {id: pre, when: domain = 'pre', route: async}\n"
    + "  - {id: seldom, when: 2 > 1 AND decision_id = 'none', route: manual}\n"
    + "packs: [high-stakes, gdpr-22]\n",
    "many",
)

COMPILED = {policy.name: compile_policy(policy) for policy in (LENDING, FOUR, MANY)}

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


def _judge(
    policy: CompiledPolicy, rows: list[dict[str, Any]], forced: list[ForcedRoute] | None = None
) -> list[Treatment]:
    evaluation = policy.evaluate(pl.DataFrame(rows, schema=COLUMNS), forced or ())
    return [evaluation.treatments[index] for index in evaluation.index]


def _one(policy: Policy, **fields: Any) -> Treatment:
    return _judge(compile_policy(policy), [{**ROW, **fields}])[0]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@cache
def _condition(policy: str, when: str) -> Condition:
    return parse_condition(when, {**ROUTING_COLUMNS, **COMPILED[policy].attributes})


def _by_confidence(policy: Policy, lane: Lane | None, row: dict[str, Any]) -> Route:
    auto, *others = (row["confidence"] >= threshold for threshold in policy.thresholds(lane))
    own = lane.auto_raw.get(f"{row['model_id']}@{row['model_version']}") if lane else None
    if own is not None:
        auto = row["raw_confidence"] is not None and row["raw_confidence"] >= own
    if lane is not None and auto:
        return Route.AUTO
    return next((route for route, met in zip((Route.ASYNC, Route.SYNC), others, strict=True) if met), Route.MANUAL)


def _reference(policy: Policy, row: dict[str, Any], demands: list[tuple[str, Route]]) -> Treatment:
    """The treatment of one row, written for clarity."""
    row = {name: _finite(value) for name, value in row.items()}

    def met(when: str) -> bool:
        return holds(_condition(policy.name, when), row) is not False

    domain = policy.domains.get(row["domain"])
    lane = None
    by_lane = Route.MANUAL
    if domain is None:
        reasons = ["unknown-domain"]
    elif row["prediction"] not in domain.outcomes:
        reasons = ["unknown-prediction"]
    elif row["confidence"] is None or not 0 <= row["confidence"] <= 1:
        lane = domain.lanes.get(row["prediction"])
        reasons = ["implausible-confidence"]
    else:
        lane = domain.lanes.get(row["prediction"])
        by_lane = _by_confidence(policy, lane, row)
        reasons = [f"lane:{row['domain']}/{row['prediction']}:{by_lane.label}"]
    shadow = domain is not None and f"{row['model_id']}@{row['model_version']}" in domain.shadow
    if domain is not None and not shadow and "*" not in domain.models and row["model_id"] not in domain.models:
        reasons.append("unknown-model")
        by_lane = Route.MANUAL
    rules = [rule for rule in policy.every_rule() if met(rule.when)]
    demanded = max([Route.AUTO, *(Route[rule.route.upper()] for rule in rules), *(route for _, route in demands)])
    workflow = domain.workflow if domain else Workflow.ESCALATION
    route = max(by_lane, demanded)
    window = None
    if workflow is Workflow.POST_APPROVAL and lane and by_lane <= Route.ASYNC and demanded is Route.AUTO:
        assert domain is not None
        route, window = Route.AUTO, domain.override_window
    elif workflow in (Workflow.PRE_APPROVAL, Workflow.HYBRID) and route is Route.AUTO:
        reasons.append(f"workflow:{workflow}")
        route = Route.ASYNC
    reasons += [rule.id for rule in rules]
    for reason, _ in demands:
        if reason not in reasons:
            reasons.append(reason)
    if shadow:
        reasons.append("shadow")
    audited = route is Route.AUTO and not shadow
    queue = domain.queue if domain else "unassigned"
    described = policy.queues.get(queue, Queue())
    needed = {*described.qualifications, *(name for pack in policy.packs for name in pack.qualifications)}
    levels = policy.service_levels.model_dump()
    notices = {name: [lane.notice] for name, lane in (domain.lanes if domain else {}).items() if lane.notice}
    by_route = {Route.SYNC: "critical", Route.MANUAL: "high", Route.ASYNC: "medium", Route.AUTO: "low"}
    return Treatment(
        route=route,
        reasons=tuple(reasons),
        workflow=workflow,
        priority=next((rule.set for rule in policy.priority if met(rule.when)), Priority(by_route[route])),
        queue=queue,
        notices=(lane.notice,) if lane and lane.notice else (),
        audit_rate=(lane.audit_rate if lane and lane.audit_rate else policy.audit.rate) if audited else 0.0,
        override_seconds=None if shadow else window,
        pool=policy.audit.active.pool if audited and window is None and policy.audit.active else 0.0,
        shadow=shadow,
        duties=Duties(
            quorum=2 if any(rule.four_eyes for rule in rules) else 1,
            qualifications=tuple(sorted(needed)),
            outcomes=domain.outcomes if domain else (),
            calendar=calendar_text(described.calendar),
            service_levels=json.dumps(levels, sort_keys=True, separators=(",", ":")) if domain else "",
            notices=json.dumps(notices, sort_keys=True, separators=(",", ":")) if notices else "",
        ),
    )


def _rows() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            **{name: st.just(value) for name, value in ROW.items()},
            "domain": st.sampled_from(["loan_approval", "financial", "nowhere", "e", "pre", "post", "h", "legal"]),
            "model_id": st.sampled_from(["credit-scorer", "m", "other"]),
            "model_version": st.sampled_from(["1", "2"]),
            "prediction": st.sampled_from(["approve", "reject", "yes", "no", "maybe"]),
            "confidence": st.none() | st.floats(0, 1) | st.sampled_from([0.5, 0.6, 0.8, 0.9, 0.95, 1.0]) | st.floats(),
            "raw_confidence": st.floats() | st.sampled_from([0.6, 0.7, 0.8, 0.9, 0.95]),
            "amount": st.none() | st.floats() | st.sampled_from([10_000.0, 10_000.01, 50_000.01]),
            "novel": st.booleans(),
            "applicant_age": st.none() | st.integers(17, 25),
            "country": st.none() | st.sampled_from(["DE", "US"]),
        }
    )


def _forced(draw: list[tuple[str, Route, list[bool | None]]], count: int) -> list[ForcedRoute]:
    return [
        ForcedRoute(reason, route, pl.Series((mask * count)[:count], dtype=pl.Boolean)) for reason, route, mask in draw
    ]


_demands = st.lists(
    st.tuples(
        st.sampled_from(["halted:all", "halted:model:m", "implausible-confidence", "implausible-timestamp"]),
        st.sampled_from([Route.ASYNC, Route.MANUAL]),
        st.lists(st.booleans() | st.none(), min_size=1, max_size=4),
    ),
    max_size=3,
)


@given(st.lists(_rows(), min_size=1, max_size=40), st.sampled_from([LENDING, FOUR, MANY]), _demands)
@settings(deadline=None, max_examples=150)
def test_a_batch_is_judged_as_its_rows_one_by_one(
    rows: list[dict[str, Any]], policy: Policy, demands: list[tuple[str, Route, list[bool | None]]]
) -> None:
    forced = _forced(demands, len(rows))
    treatments = _judge(COMPILED[policy.name], rows, forced)
    for index, (treatment, row) in enumerate(zip(treatments, rows, strict=True)):
        mine = [(route.reason, route.route) for route in forced if route.mask[index] is not False]
        assert treatment == _reference(policy, row, mine)


def test_a_threshold_in_raw_confidence_holds_for_its_model_version_alone() -> None:
    def route(raw: float, version: str, confidence: float = 0.9) -> str:
        row = {"model_version": version, "raw_confidence": raw, "confidence": confidence}
        return _one(MANY, amount=5000.0, **row).route.label

    assert [route(0.69, "1"), route(0.7, "1"), route(0.94, "2"), route(0.95, "2")] == ["async", "auto"] * 2
    assert [route(0.69, "3"), route(0.7, "3", confidence=0.89)] == ["auto", "async"]  # no threshold of its own
    assert route(0.3, "1", confidence=0.7) == "sync"  # what is not automatic waits as its calibrated confidence says


@given(st.lists(_rows(), min_size=2, max_size=30), st.integers(1, 29), st.sampled_from([LENDING, FOUR, MANY]))
@settings(deadline=None, max_examples=50)
def test_a_verdict_does_not_depend_on_the_batch_a_row_is_in(
    rows: list[dict[str, Any]], cut: int, policy: Policy
) -> None:
    compiled = compile_policy(policy)
    whole = _judge(compiled, rows)
    cut = min(cut, len(rows) - 1)
    assert _judge(compiled, rows[:cut]) + _judge(compiled, rows[cut:]) == whole
    assert _judge(compile_policy(policy), rows[::-1])[::-1] == whole


@given(st.lists(_rows(), min_size=1, max_size=30), st.sampled_from([LENDING, FOUR, MANY]))
@settings(deadline=None, max_examples=50)
def test_the_same_batch_gets_the_same_verdicts_with_every_group_once_in_order(
    rows: list[dict[str, Any]], policy: Policy
) -> None:
    frame = pl.DataFrame(rows, schema=COLUMNS)
    # One has judged many batches before, the other none.
    first, second = COMPILED[policy.name].evaluate(frame), compile_policy(policy).evaluate(frame)
    assert first.treatments == second.treatments == list(dict.fromkeys(first.treatments))
    assert first.index.tolist() == second.index.tolist()
    assert list(dict.fromkeys(first.index.tolist())) == list(range(len(first.treatments)))


@given(_rows(), st.sampled_from([LENDING, FOUR, MANY]), st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_less_confidence_or_one_more_demand_never_makes_a_route_less_human(
    row: dict[str, Any], policy: Policy, lower: float
) -> None:
    row["confidence"] = max(lower, 0.97)
    sure, unsure = _judge(COMPILED[policy.name], [row, {**row, "confidence": lower}])
    assert unsure.route >= sure.route
    (halted,) = _judge(COMPILED[policy.name], [row], [ForcedRoute("halted:all", Route.ASYNC, pl.Series([True]))])
    assert halted.route >= max(sure.route, Route.ASYNC)


def test_an_empty_batch_has_no_verdicts() -> None:
    evaluation = COMPILED["four"].evaluate(pl.DataFrame(schema=COLUMNS))
    assert (len(evaluation.index), evaluation.treatments) == (0, [])


@pytest.mark.parametrize("count", [9, 63, 64, 65, 130])
def test_however_many_controls_there_are_every_one_counts(count: int) -> None:
    forced = [ForcedRoute(f"halted:{i}", Route.ASYNC, pl.Series([i == count - 1, i == 0])) for i in range(count)]
    last, first = _judge(COMPILED["four"], [ROW, ROW], forced)
    assert (last.route, last.reasons[-1]) == (Route.ASYNC, f"halted:{count - 1}")
    assert (first.route, first.reasons[-1]) == (Route.ASYNC, "halted:0")


@pytest.mark.parametrize(
    ("confidence", "route"),
    [(1.0, "auto"), (0.95, "auto"), (0.949, "async"), (0.80, "async"), (0.79, "sync"), (0.6, "sync"), (0.59, "manual")],
)
def test_a_lane_routes_by_its_thresholds_each_inclusive(confidence: float, route: str) -> None:
    assert _one(FOUR, confidence=confidence).route.label == route


def test_an_outcome_without_a_lane_of_its_own_never_takes_effect_by_itself() -> None:
    assert _one(FOUR, prediction="no", confidence=1.0).route is Route.ASYNC


@pytest.mark.parametrize("confidence", [None, float("nan"), float("inf"), -0.01, 1.01])
def test_a_confidence_that_is_no_probability_goes_to_a_person(confidence: float | None) -> None:
    treatment = _one(FOUR, confidence=confidence)
    assert (treatment.route, treatment.reasons) == (Route.MANUAL, ("implausible-confidence",))


@pytest.mark.parametrize(
    ("field", "reason"),
    [("domain", "unknown-domain"), ("prediction", "unknown-prediction"), ("model_id", "unknown-model")],
)
def test_what_the_policy_does_not_know_goes_to_a_person(field: str, reason: str) -> None:
    treatment = _one(FOUR, **{"domain": "pre", field: "never-heard-of"})
    assert treatment.route is Route.MANUAL
    assert reason in treatment.reasons


def test_a_rule_that_cannot_be_evaluated_counts_as_met() -> None:
    row = {"domain": "loan_approval", "model_id": "credit-scorer", "prediction": "approve"}
    assert _one(LENDING, **row).route is Route.AUTO
    treatment = _one(LENDING, **row, applicant_age=None)
    assert treatment.route is Route.ASYNC
    assert "young-applicant" in treatment.reasons


def test_all_reasons_are_kept_lane_first_then_rules_in_order() -> None:
    treatment = _one(FOUR, novel=True, confidence=0.7)
    assert treatment.reasons == ("lane:e/yes:sync", "novel")


def test_pre_approval_and_hybrid_wait_for_a_person_whatever_the_confidence() -> None:
    for domain, workflow in (("pre", "pre_approval"), ("h", "hybrid")):
        treatment = _one(FOUR, domain=domain, confidence=1.0)
        assert treatment.route is Route.ASYNC
        assert f"workflow:{workflow}" in treatment.reasons


def test_post_approval_takes_effect_with_a_window_unless_a_rule_demands_a_person_first() -> None:
    treatment = _one(FOUR, domain="post", confidence=0.85)
    assert (treatment.route, treatment.override_seconds, treatment.audit_rate) == (Route.AUTO, 7200, 0.1)
    held = _one(FOUR, domain="post", confidence=0.99, novel=True)
    assert (held.route, held.override_seconds) == (Route.SYNC, None)
    unsure = _one(FOUR, domain="post", confidence=0.7)
    assert (unsure.route, unsure.override_seconds) == (Route.SYNC, None)
    assert _one(FOUR, domain="post", prediction="no", confidence=1.0).route is Route.ASYNC


def test_a_control_demands_a_person_and_is_named() -> None:
    forced = [ForcedRoute("halted:all", Route.ASYNC, pl.Series([False, True]))]
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
    attributes = (
        "domains: {e: {models: ['*'], outcomes: [yes, no], lanes: {yes: {}}, attributes: {applicant_age: int}}}"
    )
    policy = compile_policy(parse(f"name: many\n{attributes}\nrules:\n{rules}\n", "many"))
    treatments = _judge(policy, [{**ROW, "applicant_age": age} for age in (0, 61, 62, 63, 199, 200)])
    matched = [treatment.reasons[1:] for treatment in treatments]
    assert matched == [("r0",), ("r61",), ("r62",), ("r63",), ("r199",), ()]


def test_the_policy_of_the_design_lets_nothing_take_effect_before_a_person_agrees() -> None:
    policy = load(Path(__file__).with_name("sketch.yaml"))
    row = {"domain": "loan_approval", "model_id": "credit-scorer"}
    approve = _one(policy, **row, prediction="approve", confidence=0.99)
    assert (approve.route, approve.queue) == (Route.ASYNC, "underwriting")
    assert approve.reasons == ("lane:loan_approval/approve:auto", "workflow:pre_approval")
    reject = _one(policy, **row, prediction="reject", confidence=0.60, amount=60_000.0)
    assert (reject.reasons[0], reject.notices) == ("lane:loan_approval/reject:auto", ("adverse_action",))
    assert reject.priority == "critical"
    assert _one(policy, **row, prediction="reject", confidence=0.59).route is Route.MANUAL


def test_what_a_policy_remembers_has_a_bound_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {**ROW, "amount": float(amount), "domain": domain} for amount in range(0, 1100, 10) for domain in ("e", "h")
    ]
    expected = _judge(compile_policy(MANY), rows)
    monkeypatch.setattr("interlock.policy.compiled._CACHE_SIZE", 5)
    policy = compile_policy(MANY)
    assert _judge(policy, rows) == expected
    assert _judge(policy, rows) == expected
