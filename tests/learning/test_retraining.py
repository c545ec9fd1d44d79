import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.retraining import LIMIT, assess_override_rate

outcomes = st.lists(st.tuples(st.booleans(), st.sampled_from([0.05, 0.25, 1.0])), min_size=1, max_size=150)


@settings(max_examples=100, deadline=None)
@given(outcomes)
def test_retraining_is_asked_for_exactly_when_the_bound_exceeds_the_limit(
    given_outcomes: list[tuple[bool, float]],
) -> None:
    overridden, propensity = (np.array(column, dtype=float) for column in zip(*given_outcomes, strict=True))
    assessment = assess_override_rate(overridden, propensity, 0.05)
    assert 0 <= assessment.lower <= 1
    assert 0 <= assessment.rate <= 1
    # The bound is found to within a billionth.
    assert assessment.retrain == (assessment.lower >= LIMIT - 2e-9)


def test_a_rate_that_is_too_high_beyond_doubt_asks_for_retraining_and_says_after_how_many_outcomes() -> None:
    overridden = np.arange(300) % 2 == 0
    assessment = assess_override_rate(overridden, np.ones(300), 1.0)
    assert assessment.retrain
    assert assessment.after is not None
    assert assessment.lower > LIMIT
    assert not assess_override_rate(overridden[: assessment.after - 1], np.ones(assessment.after - 1), 1.0).retrain
    assert assess_override_rate(overridden[: assessment.after], np.ones(assessment.after), 1.0).retrain


def test_a_high_rate_among_the_doubtful_alone_does_not_ask_for_retraining() -> None:
    # 28 % of the reviewed are overridden, but one audited decision stands for twenty: 9 % of all.
    audited = np.arange(2000) % 7 == 0
    overridden = np.where(audited, np.arange(2000) % 140 == 0, np.arange(2000) % 3 == 0).astype(float)
    assessment = assess_override_rate(overridden, np.where(audited, 0.05, 1.0), 0.05)
    assert overridden.mean() > 0.28
    assert assessment.rate < 0.13
    assert not assessment.retrain


def test_a_request_stays_once_it_was_made() -> None:
    assessment = assess_override_rate(np.concatenate([np.ones(100), np.zeros(5000)]), np.ones(5100), 1.0)
    assert assessment.retrain
    assert assessment.rate < LIMIT


def test_few_outcomes_prove_nothing_however_many_are_overridden() -> None:
    assert not assess_override_rate([1, 1, 0], [1.0, 1.0, 1.0], 1.0).retrain


@pytest.mark.parametrize("smallest", [0.06, 0.0, -1.0, np.nan])
def test_a_smallest_propensity_that_was_not_the_smallest_is_refused(smallest: float) -> None:
    with pytest.raises(InsufficientDataError, match="audit rate of the policy") as refused:
        assess_override_rate([1, 0], [1.0, 0.05], smallest)
    assert refused.value.reason is Reason.BAD_PROPENSITY


@pytest.mark.parametrize(
    ("overridden", "propensity", "reason"),
    [
        ([], [], Reason.NO_DATA),
        ([1, 0], [1.0, 0.0], Reason.BAD_PROPENSITY),
        ([1, 0], [1.0, np.nan], Reason.BAD_PROPENSITY),
        ([1, np.nan], [1.0, 1.0], Reason.NOT_BINARY),
        ([1, 0], [1.0], Reason.LENGTHS_DIFFER),
    ],
)
def test_outcomes_without_a_known_propensity_are_refused(
    overridden: list[float], propensity: list[float], reason: Reason
) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        assess_override_rate(overridden, propensity, 0.05)
    assert refused.value.reason is reason
