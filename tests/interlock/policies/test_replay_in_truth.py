"""The errors that a replay forecasts, as people without errors would have found them."""

from typing import Any

import pytest

from interlock.cli.policy_replay import _in_truth as sentence
from interlock.learning.double_reviews import PairCounts
from interlock.learning.reviewer_errors import GoldItems
from interlock.learning.strata import Total
from interlock.policies.replay import replaying
from interlock.policies.replay.forecast import Errors
from interlock.policies.replay.known_errors import InTruth, KnownErrors

SEEN = Total(value=40, low=30, high=50, next_low=25, next_high=55, population=1_000, unknown=0, judged=200)
PEOPLE = {
    "loans": KnownErrors(GoldItems(wrong=400, found=320, right=400, left=400)),
    "cards": KnownErrors(pairs=PairCounts(both=200, one=100, neither=4_000)),
}


def _errors(seen: Total) -> list[Errors]:
    return [Errors("", "", seen, seen), Errors("sex", "female", seen, seen)]


@pytest.fixture(autouse=True)
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "known_errors", lambda _: PEOPLE)


def _found(*domains: str, seen: Total = SEEN) -> InTruth | None:
    client: Any = None
    return replaying._in_truth(client, domains, _errors(seen))


@pytest.mark.parametrize("domain", PEOPLE)
def test_what_is_known_of_people_raises_the_forecast_and_says_so(domain: str) -> None:
    found = _found(domain)
    assert found is not None
    assert found.known
    # Four in five errors are found, of gold items and of what two judge alike.
    assert found.value == pytest.approx(50, rel=0.01)
    assert found.low < 50 < found.high
    assert sentence(found).startswith("in truth 50 would pass (")


@pytest.mark.parametrize("domains", [("unknown",), ("loans", "cards")])
def test_where_nothing_is_known_or_people_of_several_domains_judge_a_fifth_is_supposed_missed(
    domains: tuple[str, ...],
) -> None:
    found = _found(*domains)
    assert found is not None
    assert not found.known
    assert (found.value, found.low, found.high) == pytest.approx((50, 37.5, 62.5))
    assert sentence(found) == "if people miss 20% of errors, 50 would pass: too little is known of what they miss"


def test_where_nobody_has_judged_nothing_is_said() -> None:
    assert _found("loans", seen=Total(0, 0, 0, 0, 0, population=0, unknown=10, judged=0)) is None
