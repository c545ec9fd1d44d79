"""Whoever overrides the AI less often than it errs is named, once, and hardly ever anybody else."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from interlock.processors.events import Event
from interlock.processors.proposals.override_rate import OverrideRateFold
from interlock.schemas import wire
from tests.processors.calibration.reviewed_world import outcome


def _day(rates: dict[str, float], errors: float, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """A verdict of everybody, and a blind audit, `count` times."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        wrong = rng.random() < errors
        said = "reject" if wrong else "approve"
        yield outcome(10 * number, reviewer="aud", kind="audit", blind=True, resolves=False, outcome=said)
        for place, (who, rate) in enumerate(sorted(rates.items()), 1):
            yield outcome(
                10 * number + place, reviewer=who, outcome="reject" if rng.random() < rate else "approve", blind=False
            )


def _told(outcomes: Iterator[dict[str, Any]]) -> list[Event]:
    fold = OverrideRateFold()
    return [event for one in outcomes for event in fold.process(one)]


def test_whoever_agrees_with_everything_is_told_of_once() -> None:
    (event,) = _told(_day({"ann": 0.2, "eve": 0.0}, 0.1, 400, seed=1))
    assert event.record is not None
    assert wire.encode("Alert", event.record)
    assert event.record["kind"] == "override_rate_low"
    assert "eve has overridden 0 of" in event.record["message"]
    assert "reliance report --reviewer eve" in event.record["message"]


def test_a_model_is_told_of_once_whose_reviewers_together_override_less_often_than_it_errs() -> None:
    """Nobody of them judged enough cases to be named."""
    team = {f"r{number}": 0.005 for number in range(20)}
    (event,) = _told(_day(team, 0.15, 60, seed=1))
    assert event.record is not None
    assert wire.encode("Alert", event.record)
    assert (event.record["kind"], event.record["alert_id"]) == (
        "model_override_rate_low",
        "model_override_rate_low/loan/scorer",
    )
    assert "answers of scorer in loan, where blind audits found" in event.record["message"]


def test_nobody_is_named_while_the_model_is_not_known_to_err() -> None:
    assert _told(_day({"eve": 0.0}, 0.0, 300, seed=2)) == []
    assert _told(one for one in _day({"eve": 0.0}, 0.3, 300, seed=2) if one["kind"] != "audit") == []


def test_people_who_override_as_often_as_the_model_errs_are_hardly_ever_named() -> None:
    teams = [_told(_day({"ann": 0.08, "bob": 0.08}, 0.08, 200, seed)) for seed in range(40)]
    assert sum(map(bool, teams)) <= 2


def test_a_model_whose_reviewers_differ_and_override_enough_together_is_hardly_ever_named() -> None:
    teams = [_told(_day({"ann": 0.16, "bob": 0.04, "cid": 0.04}, 0.08, 150, seed)) for seed in range(20)]
    assert sum(event.key.startswith("model_") for team in teams for event in team) <= 2


def test_first_reviews_alone_count_and_only_of_people_who_saw_the_answer() -> None:
    seen = list(_day({"eve": 0.0}, 0.2, 300, seed=3))
    for change in ({"blind": True}, {"round": 1}, {"kind": "gold", "gold_outcome": "reject", "resolves": False}):
        altered = [one if one["kind"] == "audit" else one | change for one in seen]
        assert _told(iter(altered)) == [], change
