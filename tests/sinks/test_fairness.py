"""The fairness report on ClickHouse, against what is known of every decision."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.demo import survey
from interlock.learning.double_reviews import PairCounts
from interlock.learning.reviewer_errors import GoldItems
from interlock.operations.doubtful import doubtful
from interlock.policies.group_rows import FAIRNESS_COLUMNS, fairness_rows
from interlock.policies.replay.fairness import _in_truth, fairness
from interlock.policies.replay.known_errors import KnownErrors
from interlock.policy.attribute_groups import group_of
from tests.sinks.fairness_world import CUTS, NOW, POLICY, decide
from tests.sinks.migrated import clear
from tests.sinks.replay_world import window

COUNT = 1_200


@pytest.fixture(scope="module")
def world(reused: Client) -> Iterator[tuple[Client, list[dict[str, Any]]]]:
    """A client, and every routed decision; people have judged all that they were asked for."""
    yield reused, decide(reused, COUNT)
    clear(reused)


def _report(client: Client) -> list[dict[str, Any]]:
    return fairness(client, POLICY, "employment", *window(NOW, 24 * 60))


def test_shares_are_counted_and_errors_estimated_for_every_group(world: tuple[Client, list[dict[str, Any]]]) -> None:
    client, written = world
    rows = {(row["attribute"], row["group"]): row for row in _report(client)}
    assert rows["", ""]["decisions"] == COUNT
    for name in ("under 18", "18 to under 65", "65 or more"):
        mine = [one for one in written if group_of(one["decision"]["attributes"]["age"], CUTS) == name]
        automatic = [one for one in mine if one["route"] == "auto"]
        row = rows["age", name]
        assert row["decisions"] == len(mine)
        assert row["automated"] == pytest.approx(len(automatic) / len(mine))
        favourable = sum(one["decision"]["prediction"] == "employed" for one in mine)
        assert row["favourable"] == pytest.approx(favourable / len(mine))
        wrong = sum(survey.truth_of(one["decision"]) != one["decision"]["prediction"] for one in automatic)
        assert row["automated_error_verdicts"] == sum(one["audit"] for one in automatic)
        if row["automated_error"] is not None:
            assert row["automated_error_lower"] <= wrong / len(automatic) <= row["automated_error_upper"]
    assert sum(row["decisions"] for key, row in rows.items() if key[0] == "disability") == COUNT
    assert rows["", ""]["automated_error_in_truth"] is None  # there are neither gold items nor double reviews


def test_with_gold_items_or_double_reviews_the_error_in_truth_stands_beside_what_people_found() -> None:
    found = {"automated_error": 0.04, "automated_error_lower": 0.03, "automated_error_upper": 0.05}
    found |= {"automated_error_verdicts": 2_000, "decisions": 9_000}
    told = _in_truth(found, KnownErrors(GoldItems(wrong=100, found=80, right=400, left=400)))
    assert told["automated_error_in_truth"] == pytest.approx(0.05)
    assert told["automated_error_if_a_fifth_is_missed"] is None
    # One person finds four in five there too.
    told = _in_truth(found, KnownErrors(pairs=PairCounts(both=200, one=100, neither=4_000)))
    assert told["automated_error_in_truth"] == pytest.approx(0.05)
    told = _in_truth(found, KnownErrors())
    assert told["automated_error_in_truth"] is None
    assert told["automated_error_if_a_fifth_is_missed"] == pytest.approx(0.05)


def test_impact_ratios_compare_with_the_group_of_the_largest_share(world: tuple[Client, list[dict[str, Any]]]) -> None:
    ages = [row for row in _report(world[0]) if row["attribute"] == "age"]
    assert max(row["automated_ratio"] for row in ages) == 1
    (under,) = [row for row in ages if row["group"] == "under 18"]
    assert under["favourable_ratio"] < 0.8
    assert "favoured-less" in under["remarks"]
    cells = dict(zip(FAIRNESS_COLUMNS, fairness_rows([under])[0], strict=True))
    assert cells["remarks"].startswith("favoured less than four fifths")


def test_verdicts_are_ranked_by_how_little_supports_them(world: tuple[Client, list[dict[str, Any]]]) -> None:
    """One person disagrees with a model that is nearly sure."""
    client, written = world
    ranked = doubtful(client, "employment", 36_500, 5)
    assert len(ranked) == 5
    assert [one["doubt"] for one in ranked] == sorted((one["doubt"] for one in ranked), reverse=True)
    verdicts = sum(one["audit"] or one["route"] != "auto" for one in written)
    everything = doubtful(client, "employment", 36_500, verdicts + 10)
    assert len(everything) == verdicts
    changed = [one for one in everything if one["overridden"]]
    assert max(changed, key=lambda one: one["confidence"])["decision_id"] == changed[0]["decision_id"]
    kept = [one for one in everything if not one["overridden"]]
    assert doubtful(client, "employment", 36_500, 5, confirmed=True) == kept[:5]
    assert doubtful(client, "employment", 36_500, 5, confirmed=False) == changed[:5]
    assert not doubtful(client, "nothing", 36_500, 5)
