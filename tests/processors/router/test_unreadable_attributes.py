"""A value that is there but cannot be read: rules that look at it count as met, and safe rules do not hold."""

from typing import Any

import pytest

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
    attributes: {{defaults: int, dti: float, pep: bool}}
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
