"""The explanation of every kind of history, as the golden files have it, and always the same."""

import json
from dataclasses import replace

import pytest

from interlock.explanations.from_kafka import records_in_kafka
from interlock.processors.explanation.explain import explain
from interlock.processors.explanation.model import Explanation, Rules
from interlock.processors.explanation.records import Entry
from interlock.processors.explanation.text import sections
from interlock.testing import Topology
from tests.interlock.explanations import histories
from tests.interlock.explanations.golden_files import FOLDER, golden


def _explained(pipeline: Topology, name: str) -> Explanation:
    return explain(records_in_kafka(pipeline.broker, name))


@pytest.mark.parametrize("name", histories.NAMES)
def test_the_explanation_of_a_history_is_the_golden_one(pipeline: Topology, name: str) -> None:
    assert golden(_explained(pipeline, name)) == (FOLDER / f"{name}.json").read_text()


@pytest.mark.parametrize("name", histories.NAMES)
def test_what_was_explained_once_is_explained_so_again_byte_for_byte(pipeline: Topology, name: str) -> None:
    """C-203/22: the procedure and principles that were applied are explained the same whenever somebody asks."""
    first, again = _explained(pipeline, name), _explained(pipeline, name)
    assert json.dumps(first.facts()) == json.dumps(again.facts())
    assert sections(first) == sections(again)


def test_an_explanation_as_of_a_moment_knows_nothing_of_what_came_later(pipeline: Topology) -> None:
    records = records_in_kafka(pipeline.broker, "overridden")
    before_the_override = next(entry.logged_at for entry in records.resolutions if entry.record["outcome"] == "approve")
    early = explain(records.until(before_the_override))
    assert early.words[-1].outcome == "approve"
    assert explain(records).words[-1].outcome == "reject"
    assert "Lee Park" not in json.dumps(early.facts())


def test_a_person_has_the_name_of_the_time_when_the_person_acted(pipeline: Topology) -> None:
    facts = json.dumps(_explained(pipeline, "overridden").facts())
    assert "Ann Lee" in facts
    assert '"name": "ann"' not in facts


def test_what_a_blind_review_withheld_is_told(pipeline: Topology) -> None:
    (look,) = _explained(pipeline, "audited").looks
    assert "what the model answered" in look.withheld
    (look,) = _explained(pipeline, "approved").looks
    assert look.withheld == ""


def test_the_second_of_two_people_did_not_see_the_first_verdict(pipeline: Topology) -> None:
    first, second = _explained(pipeline, "four-eyes").looks
    assert (first.withheld, second.withheld) == ("", "the verdict of the first person")


def test_a_stop_is_told_with_who_set_it_and_why(pipeline: Topology) -> None:
    rules = _explained(pipeline, "halted").rules
    assert rules is not None
    (stop,) = rules.controls
    assert (stop.scope, stop.reason, stop.set_by.id) == ("model:scorer@3", "test", "test")


def test_the_numbers_of_a_calibration_are_told(pipeline: Topology) -> None:
    rules = _explained(pipeline, "calibrated").rules
    assert rules is not None
    assert "93 %, which counted as 82.8 %" in rules.calibration.text
    assert (rules.calibration.intercept, rules.calibration.slope, rules.calibration.labels) == (-0.5, 0.8, 412)


def test_a_missed_deadline_is_told(pipeline: Topology) -> None:
    (deadline,) = _explained(pipeline, "late").deadlines
    assert deadline.kept is False
    (deadline,) = _explained(pipeline, "approved").deadlines
    assert deadline.kept is True


def _on_trial(pipeline: Topology, policies: tuple[Entry, ...] = (), **fields: str) -> Rules:
    """The open case, as if a change of its policy had been tried when it was routed."""
    records = records_in_kafka(pipeline.broker, "open")
    (routed,) = records.routed
    tried = replace(routed, record={**routed.record, **fields})
    rules = explain(replace(records, routed=(tried,), policies=(*policies, *records.policies))).rules
    assert rules is not None
    return rules


@pytest.mark.parametrize(
    ("route", "would"), [("auto", "the route “auto”"), ("async", "the same route")], ids=["another", "the same"]
)
def test_a_change_that_was_tried_in_shadow_is_told_with_the_route_it_would_have_given(
    pipeline: Topology, route: str, would: str
) -> None:
    rules = _on_trial(pipeline, candidate_version="bolder", candidate_route=route)
    begin = "Version bolder, a change of the policy, was being tried beside it and had no effect here."
    assert rules.trial_text == f"{begin} It would have given {would}."
    assert rules.policy.name == "lending"


def test_a_change_that_chose_the_route_is_told_with_who_began_its_trial_and_the_route_in_force(
    pipeline: Topology,
) -> None:
    (in_force, *_) = records_in_kafka(pipeline.broker, "open").policies
    shared = {"version": "bolder", "stage": "share", "share": 0.1, "signed_by": ["ann"], "started_at": 0}
    begun = {"published_by": "ann", "note": "fewer reviews"}
    candidate = replace(in_force, record={**in_force.record, **shared, **begun})
    rules = _on_trial(pipeline, (candidate,), policy_version="bolder", candidate_version="bolder", live_route="manual")
    assert rules.policy.text.startswith(
        "It went by version bolder of the policy “lending”, which decided a share of the decisions in a trial that ann"
    )
    assert rules.policy.text.endswith("The reason given: “fewer reviews”.")
    begin = "Version bolder, a change of the policy tried on a share of the decisions, chose the route."
    assert rules.trial_text == f"{begin} The policy in force would have given the route “manual”."
