"""The text of a policy after a change: valid, with the meaning that was asked for, and otherwise as it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.policy.diff import diff
from interlock.policy.editing import with_raw_threshold, with_safe_rule, with_threshold
from interlock.policy.load import parse
from tests.processors.proposals.proposal_world import SOURCE

RULE = {
    "id": "safe-1",
    "domain": "loan",
    "prediction": "approve",
    "when": "country = 'DE'",
    "because": "shown",
    "proposal": "safe-1",
}


def _changes(before: str, after: str) -> dict[str, Any]:
    return {change.field: change.new for change in diff(parse(before, "a"), parse(after, "b"))}


def test_a_number_changes_alone_and_comments_stay() -> None:
    source = SOURCE.replace("async: 0.85", "async: 0.60")
    assert with_threshold(source, "loan", "approve", 0.7251) == source.replace("auto: 0.90", "auto: 0.7251")


def test_thresholds_that_would_lie_above_follow() -> None:
    after = with_threshold(SOURCE, "loan", "approve", 0.7)
    assert _changes(SOURCE, after) == {
        "domains.loan.lanes.approve.auto": 0.7,
        "domains.loan.lanes.approve.async": 0.7,
    }


def test_a_threshold_in_raw_confidence_joins_the_others_and_comments_stay() -> None:
    first = with_raw_threshold(SOURCE, "loan", "approve", "scorer@7", 0.91)
    assert first == SOURCE.replace("async: 0.85}", "async: 0.85, auto_raw: {scorer@7: 0.91}}")
    second = with_raw_threshold(first, "loan", "approve", "scorer@8", 0.93)
    assert second == first.replace("0.91}", "0.91, scorer@8: 0.93}")
    assert with_raw_threshold(second, "loan", "approve", "scorer@7", 0.88) == second.replace("0.91", "0.88")


def test_a_threshold_in_raw_confidence_fits_into_a_lane_of_several_lines() -> None:
    source = SOURCE.replace("{auto: 0.90, async: 0.85}   # as agreed in May", "# May\n        auto: 0.90 # agreed")
    after = with_raw_threshold(source, "loan", "approve", "scorer@7: #", 0.91)
    assert "# May" in after
    assert "# agreed" in after
    assert _changes(source, after) == {"domains.loan.lanes.approve.auto_raw.scorer@7: #": 0.91}


def test_a_lane_that_had_the_default_gets_a_threshold_of_its_own() -> None:
    source = SOURCE.replace("{auto: 0.90, async: 0.85}", "")
    with pytest.raises(ValueError, match="lanes"):
        parse(source, "an empty lane is no lane")
    source = SOURCE.replace("{auto: 0.90, async: 0.85}", "{}")
    assert _changes(source, with_threshold(source, "loan", "approve", 0.85)) == {
        "domains.loan.lanes.approve.auto": 0.85
    }


def test_an_alias_does_not_carry_the_change_elsewhere() -> None:
    source = """
name: x
domains:
  a: {models: ['*'], outcomes: [yes, no], lanes: {yes: &lane {auto: 0.9}}}
  b: {models: ['*'], outcomes: [yes, no], lanes: {yes: *lane}}
"""
    assert _changes(source, with_threshold(source, "a", "yes", 0.85)) == {"domains.a.lanes.yes.auto": 0.85}


def test_a_first_safe_rule_is_added_at_the_end_and_a_second_one_to_the_list() -> None:
    first = with_safe_rule(SOURCE, RULE)
    assert first.startswith(SOURCE)
    second = with_safe_rule(first, RULE | {"id": "safe-2", "when": "age < 30"})
    assert [rule.id for rule in parse(second, "x").safe_rules] == ["safe-1", "safe-2"]
    assert with_safe_rule(second, RULE) == second


@given(
    st.dictionaries(st.sampled_from(["country"]), st.text(max_size=10), max_size=1),
    st.sampled_from(["1e5", "yes", "0x1f", "null", "2026-01-01", "~", "'", "a: b", "é"]),
)
def test_whatever_texts_a_policy_holds_they_mean_the_same_after_it_was_written_anew(
    because: dict[str, str], odd: str
) -> None:
    rule = RULE | {"because": odd + because.get("country", "").encode("ascii", "ignore").decode().strip("\0")}
    if not rule["because"].isprintable():
        return
    twice = with_safe_rule(with_safe_rule(SOURCE, rule), RULE | {"id": "another"})
    assert parse(twice, "x").safe_rules[0].because == rule["because"]
