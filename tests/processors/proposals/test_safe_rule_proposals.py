"""Certified safe rules: found on earlier decisions, proved on later ones, and rare where there is nothing to find."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.learning.rule_evidence import MIN_SUPPORT
from interlock.policy.attributes import row_of
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.conditions.python import evaluate
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType
from interlock.processors.proposals.examples import example as as_example
from interlock.processors.proposals.patterns import Pattern, condition, literals, pattern
from tests.processors.calibration.reviewed_world import example
from tests.processors.proposals.proposal_world import new_fold, proposals, taken

TYPES = {"country": ColumnType.STRING, "age": ColumnType.INT, "member": ColumnType.BOOL}


def _examples(count: int, *, safe: bool, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Everything is reviewed; confidence says nothing. `safe`: people in DE are hardly ever judged wrongly."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        country = str(rng.choice(["DE", "FR", "US"]))
        wrong = rng.random() < (0.005 if safe and country == "DE" else 0.2)
        yield example(
            number,
            confidence=0.6,
            final="reject" if wrong else "approve",
            attributes={
                "country": country,
                "age": str(rng.integers(18, 80)),
                "member": str(rng.choice(["true", "false"])),
            },
        )


def test_a_group_in_which_the_model_is_right_is_found_and_proposed() -> None:
    events = taken(new_fold(alpha=0.05), _examples(4_000, safe=True))
    (proposal,) = [p for p in proposals(events) if p["state"] == "open"]
    rule = json.loads(proposal["change"])["safe_rule"]
    assert rule["when"] == "model_id = 'scorer' AND model_version = '7' AND country = 'DE'"
    assert (rule["proposal"], rule["prediction"]) == (proposal["proposal_id"], "approve")
    evidence = json.loads(proposal["evidence"])
    assert evidence["e_value"] >= 1 / evidence["level"] >= 20
    assert evidence["cases"] > 60
    assert proposal["workload_lower"] < 0.9 / 3 < proposal["workload_upper"]


def test_where_no_group_is_safe_none_is_proposed() -> None:
    for seed in range(5):
        assert not proposals(taken(new_fold(alpha=0.05), _examples(2_000, safe=False, seed=seed)))


def test_an_error_rate_that_rises_under_a_safe_rule_breaks_it() -> None:
    fold = new_fold(alpha=0.05)
    assert proposals(taken(fold, _examples(2_000, safe=True)))
    events = taken(fold, _examples(1_000, safe=False, seed=9))
    assert any(event.record and event.record.get("monitor") == "certificate" for event in events)


_attributes = st.dictionaries(
    st.sampled_from(sorted(TYPES)),
    st.sampled_from(
        ["DE", "true", "false", "30", "45", "nan", "", "1e5", "it's", "\0missing", "007", "30.0", "True", "FALSE"]
    ),
)


@given(st.lists(_attributes, min_size=8, max_size=40), st.data())
def test_a_pattern_holds_exactly_where_its_condition_does_in_the_policy(
    attributes: list[dict[str, str]], data: st.DataObject
) -> None:
    examples = [parsed for n, given in enumerate(attributes) if (parsed := as_example(example(n, attributes=given)))]
    several = literals(examples * MIN_SUPPORT, TYPES, np.ones(len(examples) * MIN_SUPPORT))
    table = {literal.condition: literal.rows[: len(examples)] for literal in several}
    if not table:
        return
    drawn = data.draw(st.lists(st.sampled_from(sorted(table)), min_size=1, max_size=2, unique_by=lambda part: part[0]))
    mined = pattern(drawn, TYPES)
    assert mined is not None
    text = condition(mined)
    tree = parse_condition(text, {**ROUTING_COLUMNS, **TYPES})
    for row, parsed in enumerate(examples):
        in_policy = evaluate(tree, _typed(parsed.attributes)) is True
        assert mined.holds(parsed) is in_policy, text
        assert in_policy is all(bool(table[part][row]) for part in drawn)


def _typed(attributes: Any) -> dict[str, Any]:
    return row_of(attributes, TYPES)


def test_what_no_policy_can_say_is_no_pattern() -> None:
    assert pattern([("country", "\0missing")], TYPES) is None
    assert pattern([("country", "line\nbreak")], TYPES) is None
    assert pattern([("country", "x" * 500)], TYPES) is None


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (Pattern((("country", "O'Hara"),), ()), "country = 'O''Hara'"),
        (Pattern(flags=(("member", False),)), "NOT member"),
        (Pattern((), (("age", ColumnType.INT, 30.0, float("inf")),)), "age >= 30"),
        (Pattern((), (("age", ColumnType.INT, 18.0, 30.0),)), "age >= 18 AND age < 30"),
    ],
)
def test_a_pattern_is_written_as_a_person_would_write_it(written: Pattern, text: str) -> None:
    assert condition(written) == text
