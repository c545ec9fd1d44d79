"""Verdicts in the order in which their decisions came, whatever order people judge them in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors import arrival_order
from interlock.processors.arrival_order import ArrivalOrderBuffer
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import START, outcome

HOUR = 3_600_000_000
MINUTE = 60_000_000


def test_a_verdict_waits_for_those_that_came_before_it() -> None:
    queue: ArrivalOrderBuffer[str] = ArrivalOrderBuffer()
    assert queue.add("b", 20, 10, "second", 0) == []
    assert queue.add("c", 30, 10, "third", 0) == []
    assert queue.add("a", 10, 40, "first", 0) == ["first", "second", "third"]


def test_what_came_at_the_same_time_has_an_order_that_says_nothing_about_the_verdict() -> None:
    queue: ArrivalOrderBuffer[str] = ArrivalOrderBuffer()
    assert queue.add("b", 10, 10, "right", 0) == []
    assert queue.add("a", 10, 11, "wrong", 0) == ["wrong", "right"]


def test_where_nobody_knows_what_waits_verdicts_count_as_they_come() -> None:
    queue: ArrivalOrderBuffer[str] = ArrivalOrderBuffer()
    assert [queue.add(str(index), 9 - index, None, f"v{index}", 0) for index in range(3)] == [["v0"], ["v1"], ["v2"]]


def test_nothing_waits_for_longer_than_the_longest_wait_though_what_came_before_is_open() -> None:
    """One forgotten task must not keep everything uncounted."""
    queue: ArrivalOrderBuffer[int] = ArrivalOrderBuffer(longest_wait=100)
    counted = [queue.add(str(at), at, 1, at, at) for at in range(2, 1_002)]
    assert [value for values in counted for value in values] == list(range(2, 901))


def test_time_alone_releases_what_has_waited_long_enough() -> None:
    queue: ArrivalOrderBuffer[str] = ArrivalOrderBuffer(longest_wait=100)
    assert queue.add("b", 20, 10, "second", 30) == []
    assert queue.add("a", 15, 10, "first", 40) == []
    assert queue.release(10, 115) == []
    assert queue.release(10, 116) == ["first"]
    assert queue.release(21, 117) == ["second"]


def test_a_late_verdict_counts_at_once_and_only_so_many_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival_order, "MAX_HELD", 2)
    queue: ArrivalOrderBuffer[str] = ArrivalOrderBuffer()
    assert queue.add("late", 5, 10, "late", 0) == ["late"]
    assert [queue.add(name, at, 10, name, 0) for name, at in (("z", 30), ("y", 20), ("x", 40))] == [[], [], ["y"]]


@given(st.permutations(range(30)))
def test_whatever_the_order_of_judging_all_are_counted_once_in_the_order_of_arrival(order: list[int]) -> None:
    queue: ArrivalOrderBuffer[int] = ArrivalOrderBuffer()
    waiting, counted = set(order), []
    for arrival in order:
        waiting.discard(arrival)
        counted += queue.add(str(arrival), arrival, min(waiting, default=len(order)), arrival, 0)
    assert counted == sorted(order)


def _nights(seed: int, *, known: bool) -> list[dict[str, Any]]:
    """Twenty nights' backlogs of a model that errs in 12 %, each worked off by doubt in the morning."""
    rng = np.random.default_rng(seed)
    outcomes = []
    for night in range(20):
        confidence = np.sort(rng.beta(8, 1.2, 300))
        wrong = rng.random(300) < 0.12 * (1 - confidence) / (1 - confidence).mean()
        came = START + night * 24 * HOUR + rng.permutation(300) * MINUTE
        for index in range(300):
            waiting = came[index + 1 :]
            outcomes.append(
                outcome(
                    night * 300 + index,
                    outcome="reject" if wrong[index] else "approve",
                    confidence=float(confidence[index]),
                    arrived_at=int(came[index]),
                    at=int(START + night * 24 * HOUR + 12 * HOUR + index * MINUTE),
                    settled_before=int(waiting.min(initial=came.max() + 1)) if known else None,
                )
            )
    return outcomes


def _alarms(outcomes: list[dict[str, Any]]) -> int:
    fold = CalibrationFold(CalibrationSettings(CalibratorSettings(every=10**6), override_limit=0.15))
    events = [event for outcome in outcomes for event in fold.process(outcome)]
    return sum(event.topic is catalogue.DRIFT_SIGNALS for event in events)


def test_a_backlog_worked_off_by_doubt_raises_no_alarm_though_its_first_verdicts_are_mostly_overrides() -> None:
    assert [_alarms(_nights(seed, known=True)) for seed in range(5)] == [0] * 5
    assert min(_alarms(_nights(seed, known=False)) for seed in range(5)) > 0


def test_a_model_that_people_override_too_often_raises_the_alarm_in_spite_of_the_order() -> None:
    outcomes = [
        record | {"outcome": "reject" if index % 10 < 3 else record["outcome"]}
        for index, record in enumerate(_nights(1, known=True))
    ]
    assert _alarms(outcomes) > 0
