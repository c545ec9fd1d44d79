"""Groups of people in the evidence of thresholds and safe rules."""

import json
from collections.abc import Iterator
from typing import Any

from interlock.policies.group_rows import COLUMNS, group_rows
from tests.processors.calibration.reviewed_world import World
from tests.processors.proposals.proposal_world import SOURCE, new_fold, proposals, taken

GROUPED = SOURCE.replace(
    "attributes: {country: string, age: int, member: bool}",
    "attributes: {country: string, age: int, member: bool}\n    adverse: [reject]\n"
    "    groups: {age: [18, 65], country: []}",
)


def _examples(count: int) -> Iterator[dict[str, Any]]:
    """Errors of the old are three times as frequent as the model says; nobody knows the country of one in ten."""
    for number, example in enumerate(World(intercept=1.6, seed=3).examples(count)):
        age = (16, 30, 40, 70)[number % 4]
        if age == 70 and number % 3 == 0:
            example |= {"final": "reject", "overridden": True}
        country = {} if number % 10 == 0 else {"country": "fr"}
        yield example | {"attributes": {"age": str(age), **country}}


def _proposed(source: str) -> dict[str, Any]:
    (proposal,) = [
        one for one in proposals(taken(new_fold(source, alpha=0.2), _examples(4_000))) if one["kind"] == "threshold"
    ][-1:]
    return proposal


def test_a_threshold_lists_the_groups_inside_what_it_would_release_worst_first() -> None:
    proposal = _proposed(GROUPED)
    groups = json.loads(proposal["evidence"])["groups"]
    ages = [one for one in groups if one["attribute"] == "age"]
    assert ages[0]["group"] == "65 or more"
    assert {one["group"] for one in ages[1:]} == {"under 18", "18 to under 65"}
    assert ages[0]["error_lower"] > max(one["error_upper"] for one in ages[1:])
    assert ages[0]["verdicts"] >= ages[0]["errors"] > 30
    assert sum(one["share_of_decisions"] for one in ages) == 1.0
    assert all(one["error_lower"] <= one["error"] <= one["error_upper"] for one in ages)
    assert {one["group"] for one in groups if one["attribute"] == "country"} == {"fr", ""}
    assert "Worst group: age 65 or more" in proposal["claim"]


def test_shares_are_compared_with_the_group_of_the_largest_share() -> None:
    ages = [one for one in json.loads(_proposed(GROUPED)["evidence"])["groups"] if one["attribute"] == "age"]
    assert max(one["released_ratio"] for one in ages) == 1.0
    assert max(one["favourable_ratio"] for one in ages) == 1.0
    assert min(ages, key=lambda one: one["favourable"])["group"] == "65 or more"


def test_a_policy_that_names_no_groups_gets_none() -> None:
    proposal = _proposed(SOURCE)
    assert "groups" not in json.loads(proposal["evidence"])
    assert "Worst group" not in proposal["claim"]


def test_a_table_row_says_what_is_not_known() -> None:
    groups = json.loads(_proposed(GROUPED)["evidence"])["groups"]
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in group_rows(groups)]
    unknown = next(row for row in rows if row["group"] == "(not known)")
    assert "attribute not known" in unknown["remarks"]
    assert rows[0]["errors"].endswith("%)")
