"""The texts of notices, and what people were shown in the experiment on reliance."""

from typing import Any

import pytest

from interlock.processors.explanation.effects import effects
from interlock.processors.explanation.people import what_was_shown
from interlock.processors.explanation.records import Entry, Records
from interlock.schemas import catalogue
from tests.sinks.review_records import action, task

LETTER = "Dear customer,\nwe cannot grant the loan."


def _effects(**fields: Any) -> Any:
    record = {**action("d", at=0), "corrects": 0, **fields}
    (effect,) = effects(Records("d", actions=(Entry(record, catalogue.ACTIONS.name, 0, 0, 0),)), None)
    return effect


def test_the_text_of_a_notice_is_told_as_it_was_sent() -> None:
    sent = _effects(kind="notice", notices=["adverse_action"], language="en", text=LETTER)
    assert sent.letter == LETTER
    assert sent.text == ("The text was written for the person concerned: “adverse action”, in the language “en”.")


def test_a_corrected_notice_says_what_it_corrects() -> None:
    sent = _effects(kind="notice", notices=["adverse_action:withdrawn"], language="en", text=LETTER, corrects=1)
    assert "that the notice “adverse action” no longer holds" in sent.text
    assert sent.text.endswith("It corrects what was sent for version 1.")


@pytest.mark.parametrize(
    ("arm", "blind", "shown"),
    [
        ("ai-first", False, "at once the model's answer"),
        ("decide-first", True, "once the person had given a first opinion the model's answer"),
        ("decide-first", False, "at once the model's answer"),
    ],
)
def test_reviewers_in_the_experiment_were_not_shown_the_models_reasons(arm: str, blind: bool, shown: str) -> None:
    record = {**task("d", "claimed"), "arm": arm, "blind": blind}
    told, withheld = what_was_shown(record, judged_before=False)
    assert shown in told
    assert "the model's reasons" in withheld
