"""Safe rules: where a decision may take effect without confidence, and everything that prevents it."""

import json
from typing import Any

import chdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.policy.compiled import ForcedRoute, Treatment, compile_policy
from interlock.policy.conditions.ast import unreadable_column
from interlock.policy.conditions.clickhouse import to_clickhouse
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.conditions.python import evaluate
from interlock.policy.diff import diff
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.vocabulary import Route
from tests.policy.strategies import COLUMNS, DOUBTFUL, conditions, in_columns, rows
from tests.policy.test_compiled_policy import COLUMNS as FRAME
from tests.policy.test_compiled_policy import ROW

SOURCE = """
name: safe
domains:
  e: {models: [m], outcomes: [yes, no], lanes: {yes: {}}, attributes: {applicant_age: int, country: string}}
  pre: {workflow: pre_approval, models: ['*'], outcomes: [yes, no], lanes: {yes: {}}}
  post: {workflow: post_approval, models: ['*'], outcomes: [yes, no], lanes: {yes: {}}, override_window: 2h}
rules:
  - {id: large, when: amount > 100, route: sync}
safe_rules:
  - {id: in-germany, domain: e, prediction: yes, when: country = 'DE', proposal: safe-rule-1}
  - {id: no-abroad, domain: e, prediction: no, when: country = 'FR'}
  - {id: pre, domain: pre, prediction: yes, when: country = 'DE'}
  - {id: post, domain: post, prediction: no, when: country = 'DE'}
priority:
  - {when: country = 'DE', set: critical}
audit: {rate: 0.1}
"""
SAFE = parse(SOURCE, "safe")


def _one(forced: tuple[str, Route] | None = None, **fields: Any) -> Treatment:
    frame = pl.DataFrame([{**ROW, "confidence": 0.1, **fields}], schema=FRAME)
    demands = [ForcedRoute(*forced, pl.Series([True]))] if forced else []
    evaluation = compile_policy(SAFE).evaluate(frame, demands)
    return evaluation.treatments[0]


def test_where_a_safe_rule_holds_confidence_does_not_matter_and_the_reasons_say_so() -> None:
    treatment = _one(country="DE")
    assert (treatment.route, treatment.reasons) == (Route.AUTO, ("lane:e/yes:manual", "safe:in-germany"))
    assert treatment.audit_rate == 0.1  # audits watch it as everything that takes effect by itself
    assert treatment.priority == "critical"
    assert _one(country="US").route is Route.MANUAL


def test_a_decision_that_is_sure_enough_anyway_names_its_lane_only() -> None:
    assert _one(country="DE", confidence=0.99).reasons == ("lane:e/yes:auto",)


@pytest.mark.parametrize(
    ("fields", "route"),
    [
        ({"country": None}, Route.MANUAL),
        ({"country": "FR"}, Route.MANUAL),
        ({"country": "DE", "prediction": "no"}, Route.MANUAL),
        ({"country": "DE", "prediction": "maybe"}, Route.MANUAL),
        ({"country": "DE", "domain": "nowhere"}, Route.MANUAL),
        ({"country": "DE", "model_id": "stranger"}, Route.MANUAL),
        ({"country": "DE", "confidence": float("nan")}, Route.MANUAL),
        ({"country": "DE", "amount": 101.0}, Route.SYNC),
        ({"country": "DE", "amount": None}, Route.SYNC),
        ({"country": "DE", "domain": "pre"}, Route.ASYNC),
    ],
    ids=["missing", "elsewhere", "other prediction", "unknown prediction", "unknown domain", "unknown model",
         "implausible", "a rule demands", "a rule in doubt", "pre-approval"],
)  # fmt: skip
def test_whatever_else_demands_a_person_still_does(fields: dict[str, Any], route: Route) -> None:
    assert _one(**fields).route is route


def test_a_control_demands_a_person_all_the_same() -> None:
    assert _one(("halted:all", Route.ASYNC), country="DE").route is Route.ASYNC


def test_an_outcome_without_a_lane_takes_effect_only_where_a_safe_rule_is_written_for_it() -> None:
    assert _one(prediction="no", country="FR").route is Route.AUTO
    assert _one(prediction="no", country="US", confidence=1.0).route is Route.ASYNC


def test_what_takes_effect_after_post_approval_can_be_overridden_all_the_same() -> None:
    treatment = _one(domain="post", prediction="no", country="DE")
    assert (treatment.route, treatment.override_seconds) == (Route.AUTO, 7200)


@given(st.lists(conditions(), min_size=5, max_size=15), st.lists(rows(), min_size=1, max_size=15))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_three_engines_agree_on_where_a_safe_rule_holds_and_in_doubt_it_does_not(
    texts: list[str], data: list[dict[str, Any]]
) -> None:
    kinds = {"float": pa.float64(), "int": pa.int64(), "string": pa.string(), "bool": pa.bool_()}
    flags = [(unreadable_column(name), pa.bool_()) for name in DOUBTFUL]
    schema = pa.schema([*((name, kinds[kind]) for name, kind in COLUMNS.items()), *flags])
    table = pa.Table.from_pylist(in_columns(data), schema)
    trees = [parse_condition(text, COLUMNS) for text in texts]
    # As everything that knows one truth value of a condition must take it for a safe rule.
    columns = ", ".join(f"ifNull({to_clickhouse(tree)}, false) AS c{index}" for index, tree in enumerate(trees))
    query: Any = chdb.query
    in_clickhouse = json.loads(query(f"SELECT {columns} FROM Python(table)", "JSONCompactColumns").bytes())
    attributes = {"country": "string", "city": "string", "age": "int", "member": "bool"}
    domain = {"models": ["m"], "outcomes": ["yes"], "attributes": attributes}
    for text, tree, cells in zip(texts, trees, in_clickhouse, strict=True):
        rule = {"id": "s", "domain": "e", "prediction": "yes", "when": text}
        policy = Policy.model_validate({"name": "x", "domains": {"e": domain}, "safe_rules": [rule]})
        in_python = [evaluate(tree, row) is True for row in data]
        assert [bool(value) for value in cells] == in_python, text
        plain = [{**ROW, **row, "confidence": row["confidence"]} for row in in_columns(data)]
        types = {**FRAME, "age": pl.Int64, "city": pl.String, "member": pl.Boolean}
        types |= {unreadable_column(name): pl.Boolean for name in DOUBTFUL}
        frame = pl.DataFrame(plain, schema=types)
        evaluation = compile_policy(policy).evaluate(frame)
        for index, row in enumerate(data):
            treatment = evaluation.treatments[evaluation.index[index]]
            plausible = row["confidence"] is not None and 0 <= row["confidence"] <= 1
            assert (treatment.route is Route.AUTO) == (in_python[index] and plausible), text
    del table


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("domain: e, prediction: yes", "domain: f, prediction: yes", "'f' is not a domain of this policy"),
        ("domain: e, prediction: yes", "domain: e, prediction: y", "'y' is not an outcome of domain e"),
        ("id: no-abroad", "id: in-germany", "there is a safe rule 'in-germany' on line 10 already"),
        ("when: country = 'FR'", "when: contry = 'FR'", "did you mean country?"),
        ("id: large", "id: 'safe:large'", "a reason that the pipeline gives itself"),
    ],
)
def test_a_safe_rule_that_means_nothing_is_named_with_its_line(old: str, new: str, says: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse(SOURCE.replace(old, new), "policy.yaml")
    assert says in str(error.value)


def test_a_difference_names_the_safe_rule() -> None:
    changed = parse(SOURCE.replace("country = 'FR'", "country = 'AT'"), "x")
    (change,) = diff(SAFE, changed)
    assert str(change) == "~ safe_rules.no-abroad.when: country = 'FR' → country = 'AT'"
