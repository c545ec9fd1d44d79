"""Conditions that no decision can meet are refused, because a rule that never fires protects from nothing."""

import pytest

from interlock.policy.errors import PolicyError
from interlock.policy.load import parse

POLICY = """
name: lending
domains:
  loans:
    models: [m]
    outcomes: [approve, reject]
    attributes: {{age: int, country: string, member: bool}}
rules:
  - {{id: odd, when: "{when}", route: sync}}
"""


@pytest.mark.parametrize(
    "when",
    [
        "amount BETWEEN 5 AND 1",
        "age > 20 AND amount > 3 AND age < 18",
        "20 < age AND 18 > age",
        "age >= 18 AND (amount > 3 AND age < 18)",
        "age > 18 AND age <= 18",
        "age = 18 AND age = 19",
        "country = 'DE' AND country = 'FR'",
        "amount > 3 OR age BETWEEN 60 AND 18",
        "NOT (amount BETWEEN 5 AND 1)",
        "length(country) > 3 AND length(country) < 2",
        "coalesce(age, 0) BETWEEN 9 AND 3",
    ],
)
def test_bounds_that_no_value_keeps_are_refused_and_named(when: str) -> None:
    with pytest.raises(PolicyError, match=r"policy:9: .*when.*is never true: no value is") as raised:
        parse(POLICY.format(when=when), "policy")
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    "when",
    [
        "amount BETWEEN 1 AND 5",
        "amount BETWEEN 5 AND 5",
        "age >= 18 AND age <= 18",
        "age > 18 AND amount < 18",
        "age < 18 OR age > 65",
        "age = 18 AND age = 18 AND age < 19",
        "age <> 18 AND age > 18",
        "member = true AND age > 3 AND country IN ('DE', 'FR')",
        "country > 'DE' AND country < 'FR'",
    ],
)
def test_bounds_that_some_value_keeps_are_taken(when: str) -> None:
    parse(POLICY.format(when=when), "policy")
