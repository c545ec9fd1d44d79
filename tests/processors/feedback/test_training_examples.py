"""What becomes of one outcome."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.feedback.examples import UnusableOutcomeError
from interlock.processors.feedback.feedback import Feedback
from interlock.schemas import catalogue, wire
from tests.processors.feedback.feedback_world import outcome, payload


def test_an_example_holds_what_the_model_saw_what_people_said_and_how_many_decisions_it_stands_for() -> None:
    (event,) = Feedback().process(outcome(1, overridden=True, propensity=0.05), payload(purpose="car"))
    assert event.topic is catalogue.TRAINING_EXAMPLES
    assert event.key == "d000001"
    assert event.record is not None
    assert event.record["input"] == '{"income": 10}'
    assert event.record["attributes"] == {"purpose": "car"}
    assert event.record["vector"] == [1.0, 2.0]
    assert (event.record["prediction"], event.record["final"]) == ("approve", "reject")
    assert event.record["weight"] == pytest.approx(20)
    assert event.record["confidence"] == 0.8
    assert event.record["calibrated_confidence"] == 0.7
    wire.encode("TrainingExample", event.record)


def test_an_example_says_when_its_decision_came_and_up_to_where_all_are_judged() -> None:
    judged = outcome(1, settled_before=7)
    (event,) = Feedback().process(judged, payload())
    assert event.record is not None
    assert (event.record["arrived_at"], event.record["settled_before"]) == (judged["arrived_at"], 7)


def test_a_payload_that_is_gone_leaves_the_input_empty() -> None:
    (event,) = Feedback().process(outcome(1), None)
    assert event.record is not None
    assert (event.record["input"], event.record["attributes"], event.record["vector"]) == ("", {}, [])


def test_a_gold_item_and_the_first_of_two_verdicts_give_no_example() -> None:
    feedback = Feedback()
    assert feedback.process(outcome(1, kind="gold", resolves=False), payload()) == []
    assert feedback.process(outcome(2, resolves=False), payload()) == []


def test_an_audit_that_agrees_gives_an_example_though_it_resolves_nothing() -> None:
    assert len(Feedback().process(outcome(1, kind="audit", audit=True, resolves=False), payload())) == 1


def test_an_appeal_gives_an_example_of_its_own_that_replaces_the_first_by_its_key() -> None:
    feedback = Feedback()
    first = feedback.process(outcome(1), payload())[0]
    appeal = feedback.process(outcome(1, overridden=True, outcome_id="d000001#2", kind="appeal", round=1), payload())[0]
    assert first.key == appeal.key
    assert first.record is not None
    assert appeal.record is not None
    assert first.record["example_id"] != appeal.record["example_id"]
    assert appeal.record["final"] == "reject"


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.1, math.nan, math.inf, 5e-324])
def test_an_outcome_whose_propensity_is_no_probability_is_refused_by_name(propensity: float) -> None:
    with pytest.raises(UnusableOutcomeError) as refused:
        Feedback().process(outcome(1, propensity=propensity), payload())
    assert refused.value.reason == "bad-propensity"
    assert "d000001#1" in str(refused.value)


@pytest.mark.parametrize("field", ["confidence", "raw_confidence"])
def test_an_outcome_of_a_model_that_gave_no_confidence_is_refused_by_name(field: str) -> None:
    with pytest.raises(UnusableOutcomeError) as refused:
        Feedback().process(outcome(1) | {field: math.nan}, payload())
    assert refused.value.reason == "bad-confidence"


@given(
    st.lists(st.floats(width=32), max_size=4),
    st.floats(min_value=0, max_value=1, exclude_min=True),
    st.floats(),
)
def test_no_example_holds_a_number_that_is_none(vector: list[float], propensity: float, confidence: float) -> None:
    routed = payload()
    routed["decision"]["vector"] = vector
    try:
        event, *_ = Feedback().process(outcome(1, propensity=propensity, raw_confidence=confidence), routed)
    except UnusableOutcomeError:
        assert not math.isfinite(confidence) or not math.isfinite(1 / propensity)
        return
    assert event.record is not None
    kept = wire.decode_plain("TrainingExample", wire.encode("TrainingExample", event.record))
    numbers = [kept["weight"], kept["confidence"], kept["propensity"], *kept["vector"]]
    assert all(math.isfinite(number) for number in numbers)
