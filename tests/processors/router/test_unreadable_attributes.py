"""A value that is there but cannot be read: rules that look at it count as met, and safe rules do not hold."""

from datetime import UTC, datetime
from typing import Any

import pytest

from interlock import Decision
from interlock.encryption.fields import seal_decision
from interlock.encryption.keys import SubjectKey
from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.processors.review.reasons import explain_reasons
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import wire
from tests.processors.router.messages import NOW, sent

_POLICY = """
name: lending
audit: {{rate: 0}}
domains:
  loans:
    models: ['*']
    outcomes: [approve, reject]
    lanes: {{approve: {{auto: 0.80}}}}
    attributes: {{defaults: int, dti: float, pep: bool, country: string}}
{rules}
"""


def route(rules: str, attributes: dict[str, str], **fields: Any) -> tuple[str, list[str]]:
    """The topic of a confident decision, and the sentences that the reviewer reads."""
    policy = parse(_POLICY.format(rules=rules), "x")
    router = Router(RouterState(policies={policy.name: compile_policy(policy)}), RouterSettings(audit_key=bytes(16)))
    outputs = router.process([sent(attributes=attributes, **fields)], NOW)
    (topic,), (value,) = outputs.topics, outputs.values
    return topic, [reason.text for reason in explain_reasons(wire.decode("RoutedDecision", value), policy)]


@pytest.mark.parametrize(
    ("when", "attributes", "sentence"),
    [
        ("defaults > 0", {"defaults": "2,0"}, "defaults is '2,0', not a whole number"),
        ("defaults IS NOT NULL AND defaults > 0", {"defaults": "2,0"}, "defaults is '2,0', not a whole number"),
        ("coalesce(defaults, 0) > 0", {"defaults": "9" * 30}, f"defaults is '{'9' * 30}', not a whole number"),
        ("dti IS NOT NULL AND dti > 43", {"dti": "60,5"}, "dti is '60,5', not a number"),
        ("coalesce(pep, false)", {"pep": "1"}, "pep is '1', not true or false"),
        ("coalesce(defaults, 0) > 1", {"defaults": "2.0"}, "defaults 2 > 1"),
        ("coalesce(pep, false)", {"pep": "True"}, "pep"),
        ("coalesce(pep, false)", {"pep": "TRUE"}, "pep"),
    ],
)
def test_a_rule_that_guards_against_a_missing_value_is_met_by_one_that_cannot_be_read(
    when: str, attributes: dict[str, str], sentence: str
) -> None:
    rules = f'rules:\n  - {{id: risky, when: "{when}", route: sync}}\n'
    topic, sentences = route(rules, attributes)
    assert topic == "reviews.sync"
    assert f"rule risky ({sentence})" in sentences
    if "IS NOT NULL" in when or "coalesce" in when:
        assert route(rules, {})[0] == "decisions.auto-approved"


def _encrypted(attributes: dict[str, str], names: list[str]) -> dict[str, str]:
    """Attributes as a producer sends them."""
    sealed = seal_decision(
        Decision(
            decision_id="d-1",
            domain="loans",
            model_id="m",
            model_version="1",
            prediction="approve",
            confidence=0.9,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            attributes=attributes,
        ).to_record(),
        SubjectKey("ab" * 16, bytes(32)),
        names,
    )
    found: dict[str, str] = sealed["attributes"]
    return found


@pytest.mark.parametrize(
    ("when", "name"),
    [
        ("defaults > 0", "defaults"),
        ("coalesce(defaults, 0) > 0", "defaults"),
        ("pep IS NOT NULL AND pep", "pep"),
        ("country = 'US'", "country"),
        ("country IS NOT NULL AND country <> 'DE'", "country"),
        ("country IN ('US', 'CA')", "country"),
        ("coalesce(country, 'DE') = 'US'", "country"),
    ],
)
def test_a_rule_that_asks_for_what_the_producer_encrypted_sends_the_decision_to_a_person(when: str, name: str) -> None:
    rules = f'rules:\n  - {{id: risky, when: "{when}", route: sync}}\n'
    encrypted = _encrypted({name: "0"}, [name])
    topic, sentences = route(rules, encrypted)
    assert topic == "reviews.sync"
    assert f"rule risky ({name} is encrypted)" in sentences
    # A rule that asks for nothing encrypted routes as ever.
    other = 'rules:\n  - {id: risky, when: "coalesce(dti, 0) > 43", route: sync}\n'
    assert route(other, encrypted)[0] == "decisions.auto-approved"


@pytest.mark.parametrize(
    "when", ["subject_id = 'ann'", "subject_id IN ('ann')", "subject_id IS NULL", "coalesce(subject_id, 'x') = 'ann'"]
)
def test_a_rule_on_an_encrypted_subject_sends_the_decision_to_a_person(when: str) -> None:
    rules = f'rules:\n  - {{id: risky, when: "{when}", route: sync}}\n'
    topic, sentences = route(rules, {}, subject_id=f"enc:v1:{'ab' * 16}:AAAA")
    assert topic == "reviews.sync"
    assert "rule risky (subject id is encrypted)" in sentences
    assert route(rules, {}, subject_id="bob")[0] == "decisions.auto-approved"


def test_a_safe_rule_does_not_hold_because_of_a_value_that_cannot_be_read() -> None:
    when = "pep IS NULL OR NOT pep"
    rules = f"safe_rules: [{{id: s, domain: loans, prediction: approve, when: {when}, because: x, proposal: ''}}]\n"
    assert route(rules, {"pep": "False"}, confidence=0.1)[0] == "decisions.auto-approved"
    assert route(rules, {}, confidence=0.1)[0] == "decisions.auto-approved"
    assert route(rules, {"pep": "0"}, confidence=0.1)[0] != "decisions.auto-approved"


def test_rows_beside_an_unreadable_one_are_routed_as_they_would_be_alone() -> None:
    policy = parse(_POLICY.format(rules='rules: [{id: r, when: "coalesce(defaults, 0) > 0", route: sync}]'), "x")
    router = Router(RouterState(policies={policy.name: compile_policy(policy)}), RouterSettings(audit_key=bytes(16)))
    texts = ["0", "0.0", "x", "1", "1.0", "-1", None]
    batch = [sent(f"d-{n}", attributes={} if text is None else {"defaults": text}) for n, text in enumerate(texts)]
    auto, sync = "decisions.auto-approved", "reviews.sync"
    assert list(router.process(batch, NOW).topics) == [auto, auto, sync, sync, sync, auto, auto]
