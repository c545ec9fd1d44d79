"""Eight questions, each answered yes, partly or no by what is there."""

from dataclasses import replace
from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.processors.review.checklist import ChecklistAnswer, ContextCounts, ReviewEvidence, assess
from tests.interlock.review.review_world import POLICY, decision, routed, task_record

LENDING = parse(POLICY, "lending")

(THRESHOLDS, PRIORITISED, LEVELS, CONTEXT, FEEDBACK, TRACKED, LOAD, URGENT) = range(8)

# What the test policy lacks for a perfect process: a lane for every outcome.
COMPLETE = parse(POLICY.replace("outcomes: [approve, reject, refer]", "outcomes: [approve, reject]"), "lending")


URGENT_LARGE = parse(POLICY + "priority: [{when: amount > 5000, set: critical}]", "lending")


def reviewer(name: str, role: str = "reviewer", capacity: int = 4) -> dict[str, Any]:
    return {"id": name, "role": role, "capacity": capacity}


def open_task(holder: str = "", **changes: Any) -> dict[str, Any]:
    return task_record(routed(decision("d-1")), lease_holder=holder, **changes)


PERFECT = ReviewEvidence(
    policies={"lending": COMPLETE},
    open_tasks=[open_task("ann"), open_task("bob"), open_task()],
    reviewers={"ann": reviewer("ann", "lead"), "bob": reviewer("bob")},
    on_duty=frozenset({"ann", "bob"}),
    metrics={"human_review_rate": 0.3, "approval_rate": 0.8, "sla_compliance": 0.95},
    handed_out={"ann": 40, "bob": 31, "cid": 1},
    context=ContextCounts(100, 100, 98),
    silence="",
    outcomes=True,
    examples=True,
)

NOTHING = ReviewEvidence(
    {}, [], {}, frozenset(), None, None, None, "ClickHouse does not answer", outcomes=False, examples=False
)


def answer(place: int, **changes: Any) -> ChecklistAnswer:
    return assess(replace(PERFECT, **changes))[place]


def test_a_process_that_has_everything_gets_eight_times_yes_with_evidence() -> None:
    found = assess(PERFECT)
    assert [answer.verdict for answer in found] == ["yes"] * 8
    assert all(answer.evidence and not answer.advice for answer in found)


def test_a_sync_lane_is_named_once_for_each_domain() -> None:
    assert answer(URGENT).evidence == "sync lane of loans; escalations go to ann"


def test_where_nothing_is_there_no_answer_is_yes_and_each_says_what_to_do() -> None:
    found = assess(NOTHING)
    assert [answer.verdict for answer in found] == ["no", "no", "no", "partly", "no", "no", "no", "no"]
    assert all(answer.evidence and answer.advice for answer in found)


@pytest.mark.parametrize(
    ("place", "changes", "verdict", "evidence"),
    [
        (THRESHOLDS, {"policies": {"lending": LENDING}}, "partly", "loans/refer"),
        (THRESHOLDS, {"open_tasks": [open_task(domain="other")]}, "partly", "unknown domains: other"),
        (PRIORITISED, {"open_tasks": [open_task(queue="stray")]}, "partly", "stray"),
        (PRIORITISED, {}, "yes", "ordered by deadline; 0 priority rules; open tasks: 3 medium"),
        (LEVELS, {"open_tasks": [open_task(breached=True)]}, "yes", "95.0% kept"),
        (LEVELS, {"open_tasks": [open_task(breached=True)]}, "yes", "1 are overdue now"),
        (LEVELS, {"metrics": {"sla_compliance": None}}, "partly", "nothing was decided"),
        (LEVELS, {"metrics": None, "silence": "ClickHouse is away"}, "partly", "ClickHouse is away"),
        (CONTEXT, {"context": ContextCounts(100, 100, 60)}, "partly", "60% with an explanation"),
        (CONTEXT, {"context": ContextCounts(100, 40, 100)}, "no", "40% came with input"),
        (CONTEXT, {"context": ContextCounts(0, 0, 0)}, "partly", "no decision went to a person lately"),
        (FEEDBACK, {"examples": False}, "partly", "no training example"),
        (FEEDBACK, {"outcomes": False}, "no", "no person has decided"),
        (TRACKED, {"metrics": {"human_review_rate": 0.3}}, "partly", "no value yet: approval_rate, sla_compliance"),
        (TRACKED, {"metrics": {}}, "no", "no value yet"),
        (LOAD, {"on_duty": frozenset({"ann"})}, "partly", "one person carries everything"),
        (LOAD, {"open_tasks": [open_task("ann")] * 4, "handed_out": None}, "partly", "ann 4 of 4, bob 0 of 4"),
        (LOAD, {"open_tasks": [open_task("ann")] * 4, "handed_out": {"ann": 15}}, "partly", "ann 4 of 4, bob 0 of 4"),
        (LOAD, {"open_tasks": [open_task("ann")] * 4}, "yes", "begun in the latest week: ann 40, bob 31"),
        (LOAD, {"handed_out": {"ann": 40, "bob": 19}}, "partly", "begun in the latest week: ann 40, bob 19"),
        (LOAD, {"handed_out": {"ann": 40}}, "partly", "begun in the latest week: ann 40, bob 0"),
        (URGENT, {"open_tasks": [open_task(stuck=True)]}, "partly", "nobody on the roster may decide d-1"),
        (URGENT, {"open_tasks": [open_task(stuck=True)] * 5}, "partly", "d-1, d-1, d-1 and 2 more"),
        (LOAD, {"on_duty": frozenset()}, "no", "no reviewer is on duty"),
        (URGENT, {"reviewers": {"bob": reviewer("bob")}}, "partly", "there is no lead"),
        (URGENT, {"policies": {}}, "partly", "nothing is urgent by policy"),
        (URGENT, {}, "yes", "escalations go to ann"),
        (URGENT, {"policies": {"lending": URGENT_LARGE}}, "yes", "priority critical"),
        (PRIORITISED, {"policies": {"lending": URGENT_LARGE}}, "yes", "1 priority rule;"),
    ],
)
def test_every_gap_shows_with_its_evidence(place: int, changes: dict[str, Any], verdict: str, evidence: str) -> None:
    found = answer(place, **changes)
    assert found.verdict == verdict, found
    assert evidence in found.evidence
    assert bool(found.advice) is (verdict != "yes")
