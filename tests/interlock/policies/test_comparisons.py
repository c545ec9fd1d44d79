"""What was forecast of a version, beside what then happened."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.learning.count_forecasts import Band
from interlock.learning.strata import Total
from interlock.policies.forecasts import kept
from interlock.policies.replay import Replay
from interlock.policies.replay.comparisons import Compared, compare, first_days
from interlock.policies.replay.forecast import Errors, QueueForecast

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)


def _total(value: float, low: float, high: float, judged: int = 100) -> Total:
    return Total(value, low, high, low - 7, high + 7, population=1_000, unknown=0, judged=judged)


def _replay(tasks: float, passed: Total, would_pass: Total, overrides: Total) -> dict[str, Any]:
    queue = QueueForecast("underwriting", tasks, Band(140, 105, 175), BEGIN, ())
    return Replay(
        "lending",
        "v2",
        BEGIN - WEEK,
        BEGIN,
        ("loan",),
        decisions=1_000,
        rerouted=100,
        other_reasons=0,
        ambiguous=0,
        unreadable=0,
        versions={"v1": 1_000},
        matrix=(),
        rules=(),
        examples=(),
        reviews=(),
        queues=(queue,),
        errors=(
            Errors("age", "old", passed, would_pass),
            Errors("", "", passed, would_pass),
        ),
        overrides=overrides,
        breaches=(),
    ).facts()


FORECAST = json.loads(
    kept(json.dumps(_replay(70, _total(7, 3, 11), _total(28, 21, 35), _total(14, 10, 18)), default=str), "v2")
)


def _compared(found: dict[str, Any], days: float = 7) -> dict[str, Compared]:
    period = first_days(FORECAST, BEGIN, BEGIN + timedelta(days=days))
    return {one.measure: one for one in compare(FORECAST, found, period)}


def test_tasks_errors_and_overrides_of_the_first_days_are_told_a_day_beside_their_bands() -> None:
    found = _replay(168, _total(56, 49, 63), _total(0, 0, 0), _total(21, 17, 25))
    tasks, errors, overrides = (_compared(found)[name] for name in ("tasks", "errors", "overrides"))
    assert asdict(tasks) == {
        "measure": "tasks",
        "of": "underwriting",
        "forecast": 20,
        "low": 15,
        "high": 25,
        "happened": 24,
        "happened_low": 24,
        "happened_high": 24,
        "inside": True,
    }
    assert (errors.forecast, errors.low, errors.high) == pytest.approx((4, 2, 6))
    assert (errors.happened, errors.happened_low, errors.inside) == pytest.approx((8, 7, False))
    assert (overrides.happened, overrides.inside) == (3, True), "its interval meets the band"


def test_before_the_days_of_the_forecast_are_over_nothing_is_inside_or_outside() -> None:
    found = _replay(84, _total(56, 49, 63), _total(0, 0, 0), _total(21, 17, 25))
    half = _compared(found, 3.5)
    assert {one.inside for one in half.values()} == {None}
    assert half["tasks"].happened == 24


def test_no_more_days_are_compared_than_the_forecast_was_of() -> None:
    period = first_days(FORECAST, BEGIN, BEGIN + 4 * WEEK)
    assert (period.until, period.whole) == (BEGIN + WEEK, True)
    ended = first_days(FORECAST, BEGIN, BEGIN + timedelta(days=1))
    assert (ended.until, ended.whole) == (BEGIN + timedelta(days=1), False)


def test_what_nobody_has_judged_is_not_known() -> None:
    nothing = _total(0, 0, 0, judged=0)
    errors = _compared(_replay(140, nothing, nothing, nothing))["errors"]
    assert (errors.happened, errors.inside) == (None, None)
