"""Folds between topics: what they write can be read, and what they read may be rubbish."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from interlock.policies import publishing
from interlock.processors.calibration.confidence import ConfidenceSettings
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.proposals.fold import ProposalSettings
from interlock.schemas import catalogue, wire
from interlock.schemas.error_headers import read_error_headers
from interlock.services import calibration_folds as folds
from interlock.streams.clock import SystemClock
from interlock.streams.folding import Fold, Output, Record
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from tests.processors.calibration.reviewed_world import World, outcome
from tests.processors.proposals.proposal_world import policy_version
from tests.processors.proposals.test_revoking_certificates import _proposal, _signal


@pytest.fixture
def broker() -> Any:
    memory = MemoryBroker(SystemClock())
    memory.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
    return memory


def _record(topic: catalogue.Topic, value: bytes, offset: int = 0, *, replayed: bool = False) -> Record:
    return Record(topic.name, 0, offset, b"k", value, (), replayed)


def _encoded(topic: catalogue.Topic, record: dict[str, Any], offset: int = 0, **more: bool) -> Record:
    assert topic.schema is not None
    return _record(topic, wire.encode(topic.schema, record), offset, **more)


def _topics(outputs: list[Output]) -> set[str]:
    for output in outputs:
        schema = catalogue.BY_NAME[output.topic].schema
        assert schema is not None
        wire.decode(schema, output.value)
    return {output.topic for output in outputs}


def test_outcomes_become_reports_recalibrations_and_signals(broker: Any) -> None:
    with folds.outcomes(broker, CalibrationSettings()) as fold:
        made = [
            Output(*item)
            for place, its in enumerate(World(slope=0.3, intercept=-0.5).outcomes(2_000))
            for item in fold(_encoded(catalogue.OUTCOMES, its, place))
        ]
    assert _topics(made) >= {"calibration.reports", "calibration.models", "drift.signals", "alerts"}


def test_examples_become_proposals_and_a_person_s_word_is_heard(broker: Any) -> None:
    publishing.send(broker, catalogue.POLICIES, "lending", wire.encode("PolicyVersion", policy_version()))
    examples = list(World(intercept=1.0).examples(2_000))
    with folds.examples(broker, ProposalSettings(alpha=0.1)) as fold:
        made = [Output(*item) for its in examples for item in fold(_encoded(catalogue.TRAINING_EXAMPLES, its))]
    assert _topics(made) == {"proposals", "proposals.progress"}
    proposed = [output for output in made if output.topic == "proposals"][-1]
    assert proposed.value is not None
    publishing.send(broker, catalogue.PROPOSALS, (proposed.key or b"").decode(), proposed.value)
    with folds.examples(broker, ProposalSettings(alpha=0.1)) as fold:
        again = [item for its in examples for item in fold(_encoded(catalogue.TRAINING_EXAMPLES, its))]
    assert proposed not in again


def test_a_signal_halts_what_was_accepted_while_the_fold_was_running(broker: Any) -> None:
    with folds.signals(broker) as fold:
        publishing.send(broker, catalogue.PROPOSALS, "t1", wire.encode("Proposal", _proposal("t1", "accepted")))
        made = fold(_encoded(catalogue.DRIFT_SIGNALS, _signal()))
        assert _topics([Output(*item) for item in made]) == {"controls", "alerts", "proposals"}


def test_what_is_replayed_is_not_said_again(broker: Any) -> None:
    publishing.send(broker, catalogue.PROPOSALS, "t1", wire.encode("Proposal", _proposal("t1", "accepted")))
    with folds.signals(broker) as fold:
        assert not list(fold(_encoded(catalogue.DRIFT_SIGNALS, _signal(), replayed=True)))


def test_outcomes_and_decisions_that_cannot_be_read_are_left_to_the_roles_that_bury_them(broker: Any) -> None:
    with folds.outcomes(broker, CalibrationSettings()) as fold:
        assert not list(fold(_record(catalogue.OUTCOMES, b"rubbish")))
        assert not list(fold(_encoded(catalogue.OUTCOMES, outcome(1, propensity=0.0))))
    with folds.decisions(broker, ConfidenceSettings()) as fold:
        assert not list(fold(_record(catalogue.DECISIONS, b"rubbish")))


@pytest.mark.parametrize(
    ("topic", "make"),
    [
        (catalogue.TRAINING_EXAMPLES, lambda broker: folds.examples(broker, ProposalSettings())),
        (catalogue.DRIFT_SIGNALS, folds.signals),
        (catalogue.RETRAINING_REQUESTS, folds.requests),
    ],
)
def test_other_records_that_cannot_be_read_become_dead_letters_once(
    broker: Any, topic: catalogue.Topic, make: Callable[[Broker], AbstractContextManager[Fold]]
) -> None:
    with make(broker) as fold:
        (letter,) = (Output(*output) for output in fold(_record(topic, b"rubbish", 7)))
        assert not list(fold(_record(topic, b"rubbish", 7, replayed=True)))
    assert (letter.topic, letter.key, letter.value) == (catalogue.DEAD_LETTER.name, b"k", b"rubbish")
    errors = read_error_headers(letter.headers)
    assert (errors["topic"], errors["partition"], errors["offset"]) == (topic.name, "0", "7")
    assert (errors["exception"], errors["stacktrace"]) == ("not-wire-format", "interlock calibration")


def test_a_request_whose_numbers_say_nothing_becomes_a_dead_letter(broker: Any) -> None:
    request = {
        "request_id": "m@1#o",
        "model_id": "m",
        "model_version": "1",
        "domain": "loans",
        "limit": float("nan"),
        "override_rate_estimate": None,
        "override_rate_lower": None,
        "override_rate_upper": None,
        "reviewed": 1,
        "reviewed_override_rate": float("inf"),
        "slices": [],
        "first_example": "",
        "last_example": "",
        "reason": "",
        "at": 0,
    }
    record = _encoded(catalogue.RETRAINING_REQUESTS, request, 3)
    with folds.requests(broker) as fold:
        (letter,) = (Output(*output) for output in fold(record))
        assert not list(fold(_encoded(catalogue.RETRAINING_REQUESTS, request, 3, replayed=True)))
    assert (letter.topic, letter.value) == (catalogue.DEAD_LETTER.name, record.value)
    assert read_error_headers(letter.headers)["exception"] == "implausible"
