"""What decisions under four eyes show of people, as training examples tell it."""

from typing import Any

from interlock.processors.feedback.feedback import Feedback
from interlock.schemas import wire
from tests.processors.calibration.reviewed_world import outcome
from tests.processors.desk.desk_world import DeskWorld

Counts = tuple[int, int, int, int]


def verdict(task: int, number: int, reviewer: str, decided: str, **fields: Any) -> dict[str, Any]:
    """On a decision for which the model had said "approve"."""
    known = {"outcome_id": f"d{task}#{number}", "reviewer": reviewer, "outcome": decided}
    return outcome(task, **known | {"resolves": number > 1} | fields)


def told(feedback: Feedback, number: int, **fields: Any) -> Counts:
    """What the example of a review then says, through the bytes of its record."""
    event = feedback.process(outcome(number, **fields), None)[0]
    assert event.record is not None
    record = wire.decode_plain("TrainingExample", wire.encode("TrainingExample", event.record))
    names = ("errors_found_by_both", "errors_found_by_one", "changed_by_mistake", "left_by_both")
    both, one, alarms, neither = (record[name] for name in names)
    return both, one, alarms, neither


def after(*verdicts: tuple[str, str, str], **fields: Any) -> Counts:
    """Of decisions on which two said the first and second, and a third the last; "": not yet."""
    feedback = Feedback()
    for task, said in enumerate(verdicts):
        for number, (who, decided) in enumerate(zip(("ana", "ben", "lea"), said, strict=True), 1):
            if decided:
                feedback.process(verdict(task, number, who, decided, **fields), None)
    return told(feedback, 100)


def test_what_both_found_what_one_found_and_what_was_no_error_is_told_apart() -> None:
    assert after(("reject", "reject", "")) == (1, 0, 0, 0)
    assert after(("reject", "approve", "reject")) == (0, 1, 0, 0)
    assert after(("approve", "reject", "approve")) == (0, 0, 1, 0)
    assert after(("approve", "approve", "")) == (0, 0, 0, 1)


def test_where_two_differ_an_error_is_supposed_until_the_third_has_decided() -> None:
    assert after(("reject", "approve", "")) == (0, 1, 0, 0)
    assert after(("reject", "approve", ""), ("reject", "approve", "approve")) == (0, 1, 1, 0)


def test_two_who_change_it_differently_have_both_found_an_error_unless_the_third_says_there_was_none() -> None:
    assert after(("reject", "ask", "")) == (0, 0, 0, 0)
    assert after(("reject", "ask", "reject")) == (1, 0, 0, 0)
    assert after(("reject", "ask", "approve")) == (0, 0, 0, 0)


def test_another_outcome_by_the_third_is_an_error_that_one_has_found() -> None:
    assert after(("reject", "approve", "ask")) == (0, 1, 0, 0)


def test_each_domain_has_its_own_counts_and_what_one_person_judges_is_in_none() -> None:
    assert after(("reject", "reject", ""), domain="card") == (0, 0, 0, 0)
    feedback = Feedback()
    for number, decided in enumerate(("reject", "approve")):
        feedback.process(outcome(number, outcome=decided), None)
    assert told(feedback, 3) == (0, 0, 0, 0)


def test_what_two_say_at_the_desk_is_counted_and_appeals_and_overrides_of_it_are_not() -> None:
    world = DeskWorld()
    world.hire("ana", "ben", "cem")
    world.hire("lea", role="lead")
    for name, said in (("both", ("reject", "reject")), ("one", ("reject", "approve", "reject")), ("none", ())):
        task_id = world.arrive(name, reasons=("big",)).task_id
        for who, decided in zip(("ben", "ana", "lea"), said or ("approve", "approve"), strict=False):
            world.decide(who, decided, task_id=task_id)
        if name == "none":
            world.command("appeal", "lea", task_id=task_id, reason_text="unfair")
            world.decide("cem", "reject", task_id=task_id)
    feedback = Feedback()
    for record in world.said["reviews.outcomes"]:
        feedback.process(record, None)
    (domain,) = {record["domain"] for record in world.said["reviews.outcomes"]}
    assert told(feedback, 100, domain=domain) == (1, 1, 0, 1)
