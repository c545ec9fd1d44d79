"""Which outcomes are samples of what a model does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.calibration.labels import BadLabelError, label
from tests.processors.calibration.reviewed_world import outcome


def test_a_prediction_was_right_where_people_decided_the_same() -> None:
    right, wrong = label(outcome(1)), label(outcome(2, outcome="reject"))
    assert right is not None
    assert right.correct
    assert wrong is not None
    assert not wrong.correct


@given(st.sampled_from([0.0, -0.1, 1.1, float("nan"), float("inf")]), st.sampled_from(["propensity", "raw_confidence"]))
def test_what_is_no_probability_is_refused_by_name(value: float, field: str) -> None:
    if field == "raw_confidence" and value == 0:
        return
    with pytest.raises(BadLabelError, match="d5#1") as refusal:
        label(outcome(5, **{field: value}))
    assert refusal.value.reason == {"propensity": "bad-propensity", "raw_confidence": "bad-confidence"}[field]
