"""The error that a person reads who signs: of all that a proposal would release, from the few that were judged."""

from dataclasses import replace

import numpy as np
import pytest

from interlock.learning.answered import Answered
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.numbers import share

_EXAMPLE = Example("d#1", "loans", "m", "1", "approve", 0.9, 0.9, True, 1.0, True, {}, 0, "approve")


def _wrong(example: Example) -> bool:
    return not example.correct


def _judged(draw: np.random.Generator, answered: float = 1.0) -> list[Example]:
    """Of 400 that waited 6 % are wrong, of 2,000 that took effect and were audited at 5 % 1.5 %."""
    reviews = [replace(_EXAMPLE, correct=bool(right)) for right in draw.random(400) >= 0.06]
    chosen = draw.random(2000) < 0.05
    right, judged = draw.random(2000) >= 0.015, draw.random(2000) < answered
    audits = [
        replace(
            _EXAMPLE,
            correct=bool(right[number]),
            propensity=0.05,
            waited=False,
            way="audit",
            answered=Answered(int(chosen[: number + 1].sum()), int((chosen & judged)[: number + 1].sum())),
        )
        for number in np.flatnonzero(chosen & judged).tolist()
    ]
    return reviews + audits


@pytest.mark.parametrize("answered", [1.0, 0.85])
def test_the_interval_of_the_error_holds_the_truth_where_audits_are_few(answered: float) -> None:
    truth = (400 * 0.06 + 2000 * 0.015) / 2400
    draw, runs, held, above = np.random.default_rng(7), 150, 0, 0
    for _ in range(runs):
        error = share(_judged(draw, answered), _wrong)
        assert error is not None
        held += error.low <= truth <= error.high
        above += error.high < truth
    assert held / runs >= 0.93
    assert above / runs <= 0.04


def test_nothing_is_said_where_most_audits_are_not_answered() -> None:
    first = replace(_EXAMPLE, propensity=0.05, waited=False, way="audit", answered=Answered(10, 9))
    second = replace(first, answered=Answered(110, 39))
    assert share([_EXAMPLE, first, second], _wrong) is None
    assert share([], _wrong) is None
