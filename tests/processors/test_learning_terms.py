"""What policies set for those who learn: the smallest audit rate, and one override limit for drift and retraining."""

from typing import Any

import pytest

from interlock.learning.retraining import LIMIT
from interlock.platform.settings import Settings
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.events import Event
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.processors.learning_terms import LearningTerms
from interlock.schemas import catalogue
from tests.processors.desk.desk_records import policy_record
from tests.processors.desk.desk_world import POLICY
from tests.processors.feedback.feedback_world import stream


def in_force(limits: str = "", audit: str = "") -> LearningTerms:
    terms = LearningTerms()
    put(terms, limits, audit)
    return terms


def put(terms: LearningTerms, limits: str = "", audit: str = "") -> None:
    source = POLICY.replace("    on_timeout: reject\n", f"    on_timeout: reject\n{limits}", 1)
    record = policy_record(source.replace("name: bank", f"name: bank\n{audit}", 1))
    terms.apply(record.key_bytes, record.value_bytes)


def told(events: list[Event], topic: catalogue.Topic) -> list[dict[str, Any]]:
    return [event.record for event in events if event.topic is topic and event.record is not None]


def alarmed(terms: LearningTerms, outcomes: list[dict[str, Any]]) -> bool:
    """Whether the override monitor warns of the verdicts."""
    fold = CalibrationFold(CalibrationSettings(), policies=terms)
    signals = told([event for one in outcomes for event in fold.process(one)], catalogue.DRIFT_SIGNALS)
    return any(signal["monitor"] == "overrides" for signal in signals)


def requested(terms: LearningTerms, outcomes: list[dict[str, Any]]) -> list[float]:
    """The limits of the requests for retraining."""
    feedback = Feedback(policies=terms)
    events = [event for one in outcomes for event in feedback.process(one, None)]
    return [request["limit"] for request in told(events, catalogue.RETRAINING_REQUESTS)]


def test_a_version_has_its_own_limit_before_that_of_its_model_and_of_its_domain() -> None:
    terms = in_force("    override_limit: 0.05\n    override_limits: {credit: 0.1, credit@1: 0.2}\n")
    assert terms.override_limit("loan", "credit", "1") == 0.2
    assert terms.override_limit("loan", "credit", "2") == 0.1
    assert terms.override_limit("loan", "other", "2") == 0.05
    assert terms.override_limit("advice", "credit", "1") is None
    assert terms.override_limit("unknown", "credit", "1") is None


def test_drift_and_retraining_have_the_limit_of_the_policy() -> None:
    bad = stream(1_500, 0.3, seed=1)
    assert alarmed(in_force(), bad)
    assert requested(in_force(), bad)[0] == LIMIT
    assert requested(in_force("    override_limit: 0.2\n"), bad)[0] == 0.2
    lenient = in_force("    override_limit: 0.4\n")
    assert not alarmed(lenient, bad)
    assert requested(lenient, bad) == []


def test_a_limit_that_a_policy_changes_counts_from_the_next_verdict_on() -> None:
    outcomes = stream(3_000, 0.3, seed=1)
    terms = in_force("    override_limit: 0.4\n")
    feedback, fold = Feedback(policies=terms), CalibrationFold(CalibrationSettings(), policies=terms)

    def learned(some: list[dict[str, Any]]) -> tuple[int, int]:
        events = [event for one in some for event in (*feedback.process(one, None), *fold.process(one))]
        return len(told(events, catalogue.RETRAINING_REQUESTS)), len(told(events, catalogue.DRIFT_SIGNALS))

    assert learned(outcomes[:1_500]) == (0, 0)
    put(terms, "    override_limit: 0.15\n")
    requests, signals = learned(outcomes[1_500:])
    assert requests > 0
    assert signals > 0


def test_a_model_of_two_domains_has_the_limit_of_the_first_one_and_keeps_its_evidence() -> None:
    terms = in_force("    override_limit: 0.2\n")
    mixed = [one | {"domain": "advice"} if number % 2 else one for number, one in enumerate(stream(1_500, 0.4, seed=1))]
    assert requested(terms, mixed)[0] == 0.2


@pytest.mark.parametrize("value", [b"junk", None])
def test_a_policy_that_cannot_be_read_leaves_the_one_before_and_a_withdrawn_one_tells_nothing(
    value: bytes | None,
) -> None:
    terms = in_force("    override_limit: 0.2\n")
    terms.apply(policy_record(POLICY).key_bytes, value)
    stays = value is not None
    assert (terms.smallest_propensity("loan") is not None) is stays
    assert (terms.override_limit("loan", "credit", "1") is not None) is stays


def test_the_smallest_propensity_is_the_audit_rate() -> None:
    assert in_force(audit="audit: {rate: 0.02}").smallest_propensity("loan") == 0.02


def test_one_setting_is_the_default_of_both() -> None:
    assert Settings().override_limit == LIMIT == RetrainingTerms().limit == CalibrationSettings().override_limit
