"""Which outcomes are a sample of a model's decisions: one answer for everything that learns."""

from typing import Any

import pytest

from interlock.processors.calibration.labels import label
from interlock.processors.feedback import examples
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.outcomes import is_conclusive, is_sample, way
from interlock.processors.proposals.examples import example as evidence
from interlock.processors.shadow.comparison import reviewed_outcome
from interlock.schemas import catalogue, wire
from tests.processors.feedback.feedback_world import outcome

# kind, workflow, route, audit, round, which verdict on the task, whether it resolves, and whether it is a sample.
CASES = [
    # A review is one where it decides: at once, or as the verdict that makes two agree or settles a dispute.
    ("review", "escalation", "async", False, 0, 1, True, True),
    ("review", "escalation", "sync", False, 0, 2, True, True),
    ("review", "pre_approval", "manual", False, 0, 3, True, True),
    ("review", "hybrid", "manual", False, 0, 1, True, True),
    ("review", "post_approval", "async", False, 0, 1, True, True),
    ("review", "pre_approval", "manual", False, 0, 1, False, False),
    # An audit is one, whether it changes anything or not, in every workflow.
    ("audit", "escalation", "auto", True, 0, 1, False, True),
    ("audit", "escalation", "auto", True, 0, 1, True, True),
    ("audit", "post_approval", "auto", True, 0, 1, False, True),
    ("audit", "post_approval", "auto", True, 0, 1, True, True),
    # An override is one where it comes before the audit that chance had asked for.
    ("override", "escalation", "auto", True, 0, 1, True, True),
    ("override", "post_approval", "auto", True, 0, 1, True, True),
    ("override", "escalation", "auto", True, 0, 2, True, False),
    ("override", "post_approval", "auto", True, 0, 2, True, False),
    ("override", "escalation", "auto", True, 1, 1, True, False),
    # An objection to what chance had not chosen is none, nor is a look at it.
    ("override", "escalation", "auto", False, 0, 1, True, False),
    ("override", "post_approval", "auto", False, 0, 1, True, False),
    ("post_approval", "post_approval", "auto", False, 0, 1, True, False),
    ("post_approval", "post_approval", "auto", False, 0, 2, True, False),
    # What a lead makes of a review, or of the policy's answer where nobody reviewed in time.
    ("override", "escalation", "async", False, 0, 2, True, False),
    ("override", "escalation", "sync", False, 0, 1, True, False),
    ("override", "pre_approval", "manual", False, 0, 1, False, False),
    # Recalled by hand, contested, planted.
    ("recall", "escalation", "auto", False, 0, 1, True, False),
    ("appeal", "escalation", "async", False, 1, 2, True, False),
    ("appeal", "escalation", "auto", False, 1, 1, True, False),
    ("review", "escalation", "async", False, 1, 2, True, False),
    ("audit", "escalation", "auto", True, 1, 2, True, False),
    ("gold", "escalation", "async", False, 0, 1, False, False),
    ("gold", "escalation", "auto", True, 0, 1, False, False),
]


def _outcome(case: tuple[Any, ...], **fields: Any) -> dict[str, Any]:
    kind, workflow, route, audit, round_, number, resolves, _ = case
    return outcome(
        1,
        kind=kind,
        workflow=workflow,
        route=route,
        audit=audit,
        round=round_,
        resolves=resolves,
        outcome_id=f"d000001#{number}",
        propensity=0.05 if route == "auto" else 1.0,
        **fields,
    )


@pytest.mark.parametrize("case", CASES)
def test_the_first_word_on_a_decision_that_was_chosen_is_a_sample_and_nothing_else(case: tuple[Any, ...]) -> None:
    judged, counts = _outcome(case), case[-1]
    assert is_sample(judged) is counts
    assert (label(judged) is not None) is counts
    assert (reviewed_outcome(judged) is not None) is counts


@pytest.mark.parametrize("case", [case for case in CASES if case[0] == "audit" or (case[6] and case[0] != "gold")])
def test_an_example_is_a_sample_where_its_outcome_is(case: tuple[Any, ...]) -> None:
    judged, counts = _outcome(case), case[-1]
    assert is_conclusive(judged)
    made = examples.example(judged, None)
    written = wire.decode_plain("TrainingExample", wire.encode("TrainingExample", made))
    assert is_sample(written) is counts
    assert (evidence(written) is not None) is counts
    assert written["way"] == way(judged)


@pytest.mark.parametrize("case", [case for case in CASES if not case[6] and case[0] != "audit"])
def test_what_decides_nothing_gives_no_example(case: tuple[Any, ...]) -> None:
    assert not is_conclusive(_outcome(case))


def test_the_policy_answering_for_people_is_no_word_of_theirs() -> None:
    assert not is_sample(_outcome(CASES[0], reviewer=""))


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("review", True), ("audit", True), ("post_approval", False), ("override", False), ("appeal", False)],
)
def test_examples_from_before_they_told_are_read_by_their_kind(kind: str, counts: bool) -> None:
    made = examples.example(_outcome(CASES[0]) | {"kind": kind}, None)
    old = {**made, "way": "", "audit": None, "round": None}
    assert is_sample(wire.decode_plain("TrainingExample", wire.encode("TrainingExample", old))) is counts


@pytest.mark.parametrize(
    ("case", "expected"),
    [(CASES[0], "async"), (CASES[1], "sync"), (CASES[2], "manual"), (CASES[6], "audit"), (CASES[10], "audit")],
)
def test_a_decision_comes_to_a_person_by_its_route_or_by_the_audit_coin(case: tuple[Any, ...], expected: str) -> None:
    assert way(_outcome(case)) == expected


def test_an_objection_in_post_approval_is_an_example_and_moves_no_rate() -> None:
    feedback = Feedback()
    objections = [
        outcome(number, overridden=True, kind="override", workflow="post_approval", route="auto", propensity=0.05)
        for number in range(2000)
    ]
    events = [event for one in objections for event in feedback.process(one, None)]
    assert {event.topic for event in events} == {catalogue.TRAINING_EXAMPLES}
