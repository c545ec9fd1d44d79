"""How people judge items with a known answer, as training examples tell it."""

from typing import Any

from interlock.processors.feedback.feedback import Feedback
from interlock.schemas import catalogue, wire
from tests.processors.calibration.reviewed_world import outcome


def gold(number: int, prediction: str, said: str, **fields: Any) -> dict[str, Any]:
    """A gold item whose right answer is "approve"."""
    return outcome(number, kind="gold", prediction=prediction, outcome=said, gold_outcome="approve", **fields)


def told(feedback: Feedback, number: int, **fields: Any) -> tuple[int, int, int, int]:
    """What the example of a review then says, through the bytes of its record."""
    event = feedback.process(outcome(number, **fields), None)[0]
    assert event.topic is catalogue.TRAINING_EXAMPLES
    assert event.record is not None
    record = wire.decode_plain("TrainingExample", wire.encode("TrainingExample", event.record))
    return record["gold_wrong"], record["gold_found"], record["gold_right"], record["gold_left"]


def test_examples_tell_what_was_known_of_people_by_then() -> None:
    feedback = Feedback()
    assert told(feedback, 1) == (0, 0, 0, 0)
    feedback.process(gold(2, "reject", "approve"), None)
    feedback.process(gold(3, "reject", "reject"), None)
    feedback.process(gold(4, "approve", "approve"), None)
    feedback.process(gold(5, "approve", "reject"), None)
    assert told(feedback, 6) == (2, 1, 2, 1)


def test_each_domain_has_its_own_record_and_wrong_answers_shown_on_purpose_are_left_out() -> None:
    feedback = Feedback()
    feedback.process(gold(1, "reject", "approve", seeded=True), None)
    feedback.process(gold(2, "reject", "approve", domain="card"), None)
    assert told(feedback, 3) == (0, 0, 0, 0)
    assert told(feedback, 4, domain="card") == (1, 1, 0, 0)


def test_another_wrong_answer_than_the_shown_one_counts_as_an_error_that_was_found() -> None:
    feedback = Feedback()
    feedback.process(gold(1, "reject", "escalate"), None)
    assert told(feedback, 2) == (1, 1, 0, 0)
