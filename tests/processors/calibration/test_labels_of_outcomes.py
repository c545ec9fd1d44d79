"""Which outcomes are samples of what a model does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.calibration.labels import BadLabelError, label
from tests.processors.calibration.reviewed_world import outcome


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"kind": "review"}, True),
        ({"kind": "audit", "resolves": False}, True),
        ({"kind": "audit", "resolves": True}, True),
        ({"kind": "post_approval"}, True),
        ({"kind": "gold", "resolves": False}, False),
        ({"kind": "appeal", "round": 1}, False),
        ({"kind": "override"}, False),
        ({"kind": "review", "round": 1}, False),
        ({"kind": "review", "resolves": False}, False),
    ],
)
def test_every_decision_is_counted_once_and_only_what_was_sampled(fields: dict[str, Any], counts: bool) -> None:
    assert (label(outcome(1, **fields)) is not None) is counts


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
