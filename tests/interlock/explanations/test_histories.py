"""The explanation of every kind of history, as the golden files have it, and always the same."""

import json

import pytest

from interlock.explanations.from_kafka import records_in_kafka
from interlock.processors.explanation.explain import explain
from interlock.processors.explanation.model import Explanation
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
