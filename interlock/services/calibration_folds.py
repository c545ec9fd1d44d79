"""The folds of the calibration role: decode records, follow tables, call the processors, encode."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from interlock.processors.answered import TallyTable
from interlock.processors.calibration import confidence
from interlock.processors.calibration.confidence import ConfidenceDrift, ConfidenceSettings
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.events import Event
from interlock.processors.learning_terms import LearningTerms
from interlock.processors.proposals import fold as proposals
from interlock.processors.proposals.coaching import CoachingFold
from interlock.processors.proposals.fold import ProposalFold, ProposalSettings
from interlock.processors.proposals.override_rate import OverrideRateFold
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.retraining import propose_from_request
from interlock.processors.proposals.revoking import revoke
from interlock.schemas import catalogue, wire
from interlock.services.folds import microseconds
from interlock.services.followed import followed
from interlock.streams.folding import Fold, Output, Record, TickingFold, dead_letter
from interlock.streams.ports import Broker, Message

log = structlog.get_logger()

_PROPOSALS = (catalogue.PROPOSALS.name,)
_BESIDE_OUTCOMES = (*_PROPOSALS, catalogue.TALLIES.name, catalogue.POLICIES.name)

# Decisions after which recalibrations and warnings of others are read; a poll for each would cost more than the rest.
_REFRESH_DECISIONS = 64


@contextmanager
def outcomes(broker: Broker, settings: CalibrationSettings) -> Iterator[Fold]:
    """Fold of `reviews.outcomes`: reports, recalibrations, override alarms, and coaching proposals."""
    table, tallies, policies = ProposalTable(), TallyTable(), LearningTerms()
    calibration = CalibrationFold(settings, tallies, policies)
    coaching, override_rates = CoachingFold(table), OverrideRateFold()

    def apply(message: Message) -> None:
        if message.topic() == catalogue.TALLIES.name:
            tallies.apply(message.value())
        elif message.topic() == catalogue.POLICIES.name:
            policies.apply(message.key(), message.value())
        else:
            table.apply(message.key(), message.value())

    with followed(broker, _BESIDE_OUTCOMES, apply) as refresh:

        def fold(record: Record) -> list[Output]:
            try:
                outcome = wire.decode_plain("Outcome", record.value)
            except wire.WireError:
                return []  # the feedback role makes the dead letter
            if not record.replayed:
                refresh()
            refused_before = (calibration.refused + coaching.refused).total()
            events = calibration.process(outcome) + coaching.process(outcome, replayed=record.replayed)
            events += override_rates.process(outcome)
            refused = calibration.refused + coaching.refused
            if refused.total() > refused_before and not record.replayed:
                log.warning("outcome not used", outcome=outcome["outcome_id"], refused=dict(refused))
            return outputs(events)

        def tick() -> list[Output]:
            refresh()
            return outputs(calibration.tick(microseconds()))

        yield TickingFold(fold, tick)


@contextmanager
def decisions(broker: Broker, settings: ConfidenceSettings) -> Iterator[Fold]:
    """Fold of `decisions`: warnings about shifts of confidence."""
    drift = ConfidenceDrift(settings)
    with followed(broker, confidence.TABLE_TOPICS, lambda it: drift.apply(it.topic(), it.value())) as refresh:
        looked = 0

        def fold(record: Record) -> list[Output]:
            nonlocal looked
            looked += 1
            if not record.replayed and looked % _REFRESH_DECISIONS == 0:
                refresh()
            events = drift.process(record.value, record.offset, record.headers, replayed=record.replayed)
            return outputs(events)

        yield fold


@contextmanager
def examples(broker: Broker, settings: ProposalSettings) -> Iterator[Fold]:
    """Fold of `training.examples`: proposals of thresholds and safe rules, and broken certificates."""
    processor = ProposalFold(settings)

    def apply(message: Message) -> None:
        processor.apply(message.topic(), message.key(), message.value())

    with followed(broker, proposals.TABLE_TOPICS, apply) as refresh:

        def fold(record: Record) -> list[Output]:
            try:
                example = wire.decode_plain("TrainingExample", record.value)
            except wire.WireError as error:
                return _dead_letters(record, error.reason, error)
            if not record.replayed:
                refresh()
            return outputs(processor.process(example, replayed=record.replayed))

        def tick() -> list[Output]:
            refresh()
            return outputs(processor.tick(microseconds()))

        yield TickingFold(fold, tick)


@contextmanager
def signals(broker: Broker) -> Iterator[Fold]:
    """Fold of `drift.signals`: revoked certificates, and halted models."""
    with _proposal_fold(broker, "DriftSignal", revoke) as fold:
        yield fold


@contextmanager
def requests(broker: Broker) -> Iterator[Fold]:
    """Fold of `retraining.requests`: the same as proposals."""
    with _proposal_fold(broker, "RetrainingRequest", propose_from_request) as fold:
        yield fold


@contextmanager
def _proposal_fold(
    broker: Broker, schema: str, react: Callable[[dict[str, Any], ProposalTable], list[Event]]
) -> Iterator[Fold]:
    """A fold whose only state are the proposals, so that it needs no replay."""
    table = ProposalTable()
    with followed(broker, _PROPOSALS, _apply_to(table)) as refresh:

        def fold(record: Record) -> list[Output]:
            if record.replayed:
                return []
            refresh()
            try:
                return outputs(react(wire.decode_plain(schema, record.value), table))
            except wire.WireError as error:
                return _dead_letters(record, error.reason, error)
            except ValueError as error:  # numbers that say nothing, such as NaN
                return _dead_letters(record, "implausible", error)

        yield fold


def _apply_to(table: ProposalTable) -> Callable[[Message], None]:
    return lambda message: table.apply(message.key(), message.value())


def _dead_letters(record: Record, reason: str, error: ValueError) -> list[Output]:
    """The dead letter of an unusable record; none if it is replayed, because it was written before."""
    return [] if record.replayed else [dead_letter(record, reason, str(error), "calibration")]


def outputs(events: Iterable[Event]) -> list[Output]:
    """Encodes events as records."""
    encoded = []
    for event in events:
        assert event.topic.schema is not None
        assert event.record is not None
        encoded.append(Output(event.topic.name, event.key.encode(), wire.encode(event.topic.schema, event.record)))
    return encoded
