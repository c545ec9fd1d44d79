"""A wrong answer that was planted in a review leaves no trace in anything that learns from what people say."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.events import Event
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.processors.proposals.coaching import CoachingFold
from interlock.processors.proposals.override_rate import OverrideRateFold
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import World, outcome
from tests.processors.proposals.proposal_world import new_fold

PEOPLE = ("ana", "bob", "cyd", "eve")

Outcomes = list[dict[str, Any]]


def _reviews() -> Outcomes:
    """Reviews and audits of a model that is overconfident, and right in one country."""
    dice = np.random.default_rng(5)
    found = []
    for record in World(slope=0.6, auto=0.97, rate=0.3, seed=5).outcomes(2_500):
        country = "CH" if dice.random() < 0.4 else "DE"
        said = record["prediction"] if country == "CH" else record["outcome"]
        who = str(dice.choice(PEOPLE))
        if who == "eve" and record["kind"] == "review":  # she agrees with everything
            said = record["prediction"]
        record |= {"outcome": said, "overridden": said != record["prediction"], "reviewer": who}
        found.append(record | {"reason_text": country})
    # Of cards the model is known to err, and eve does not notice.
    for number in range(200):
        wrong = "reject" if number % 4 == 0 else "approve"
        cards = {"domain": "card", "model_id": "cards", "reason_text": ""}
        found.append(outcome(5_000 + 2 * number, kind="audit", blind=True, reviewer="ana", outcome=wrong, **cards))
        found.append(outcome(5_001 + 2 * number, reviewer="eve", **cards))
    return found


def _planted(among: Outcomes) -> Outcomes:
    """Gold items that show a wrong answer, a third of which is taken over, before the first review and after every
    tenth: as the desk writes them."""
    dice = np.random.default_rng(6)
    planted = []
    for place in range(0, len(among), 10):
        said = "reject" if dice.random() < 1 / 3 else "approve"
        reviewer = PEOPLE[-1 - (place // 10) % len(PEOPLE)]
        experiment = {"seeded": True, "arm": "decide-first", "first_opinion": "approve"}
        fields = {"kind": "gold", "resolves": False, "gold_outcome": "approve", "prediction": "reject", "outcome": said}
        where = {name: among[place][name] for name in ("domain", "model_id")}
        settled = {"at": among[place]["at"] - 1, "arrived_at": among[place]["arrived_at"], "reason_text": "DE"}
        planted.append(
            (place, outcome(1_000_000 + place, reviewer=reviewer, **fields, **experiment, **settled, **where))
        )
    mixed = list(among)
    for place, record in reversed(planted):
        mixed.insert(place, record)
    return mixed


def _disguised(outcomes: Iterable[dict[str, Any]]) -> Outcomes:
    """What the desk must never write: the planted answers as if they were reviews."""
    return [one | {"kind": "review", "resolves": True, "seeded": False} if one["seeded"] else one for one in outcomes]


def _learned(outcomes: Outcomes) -> dict[str, list[Event]]:
    """By fold, all that it says."""
    calibration = CalibrationFold(CalibrationSettings(CalibratorSettings(every=500)))
    feedback, proposals = Feedback(RetrainingTerms(every=500)), new_fold()
    coaching, overrides = CoachingFold(ProposalTable()), OverrideRateFold()
    said: dict[str, list[Event]] = {
        name: [] for name in ("calibration", "coaching", "overrides", "examples", "proposals")
    }
    for record in outcomes:
        said["calibration"] += calibration.process(record)
        said["coaching"] += coaching.process(record)
        said["overrides"] += overrides.process(record)
        payload = {"decision": {"input": "{}", "attributes": {"country": record["reason_text"]}, "vector": []}}
        events = feedback.process(record, payload)
        said["examples"] += events
        for event in events:
            if event.topic is catalogue.TRAINING_EXAMPLES and event.record is not None:
                said["proposals"] += proposals.process(event.record)
    return said


@pytest.fixture(scope="module")
def learned() -> dict[str, dict[str, list[Event]]]:
    reviews = _reviews()
    planted = _planted(reviews)
    return {"without": _learned(reviews), "with": _learned(planted)}


@pytest.mark.parametrize("fold", ["calibration", "coaching", "overrides", "examples", "proposals"])
def test_every_fold_says_the_same_with_planted_wrong_answers_and_without(
    learned: dict[str, dict[str, list[Event]]], fold: str
) -> None:
    assert learned["without"][fold], "a fold that says nothing shows nothing"
    assert learned["with"][fold] == learned["without"][fold]


def test_as_reviews_the_planted_answers_would_be_noticed() -> None:
    reviews = _reviews()[-200:]
    honest, disguised = _learned(reviews), _learned(_disguised(_planted(reviews)))
    assert [name for name in ("overrides", "examples") if honest[name] == disguised[name]] == []


def test_the_folds_certify_thresholds_and_safe_rules_of_these_reviews(
    learned: dict[str, dict[str, list[Event]]],
) -> None:
    kinds = {
        event.record["kind"]
        for event in learned["with"]["proposals"]
        if event.topic is catalogue.PROPOSALS and event.record is not None
    }
    assert {"threshold", "safe_rule"} <= kinds
    topics = {event.topic.name for event in learned["with"]["calibration"]}
    assert catalogue.CALIBRATION_MODELS.name in topics
