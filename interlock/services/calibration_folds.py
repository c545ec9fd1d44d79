"""Folds between topics and the logic of calibration and proposals: decode, follow tables, encode."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import structlog

from interlock.processors.calibration.confidence import ConfidenceDrift
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.processors.events import Event
from interlock.processors.proposals import fold as proposals
from interlock.processors.proposals.coaching import CoachingFold
from interlock.processors.proposals.fold import ProposalFold, ProposalSettings
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.retraining import ask_after, mirror
from interlock.processors.proposals.revoking import revoke
from interlock.schemas import catalogue, wire
from interlock.streams.folding import Fold, Output, Record, dead_letter
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

log = structlog.get_logger()

_PROPOSALS = (catalogue.PROPOSALS.name,)


@contextmanager
def outcomes(broker: Broker, settings: CalibrationSettings) -> Iterator[Fold]:
    """Of `reviews.outcomes`: reports, recalibrations, override alarms; and coaching."""
    calibration, table = CalibrationFold(settings), ProposalTable()
    coaching = CoachingFold(table)
    with _followed(broker, _PROPOSALS, _follow_into(table)) as refresh:

        def fold(record: Record) -> list[Output]:
            try:
                outcome = wire.decode_plain("Outcome", record.value)
            except wire.WireError:
                return []  # the feedback role makes the dead letter
            if not record.replayed:
                refresh()
            before = (calibration.refused + coaching.refused).total()
            events = calibration.take(outcome) + coaching.take(outcome, replayed=record.replayed)
            refused = calibration.refused + coaching.refused
            if refused.total() > before and not record.replayed:
                log.warning("outcome not used", outcome=outcome["outcome_id"], refused=dict(refused))
            return outputs(events)

        yield fold


@contextmanager
def decisions(broker: Broker, every: int) -> Iterator[Fold]:  # noqa: ARG001 - the signature of folds
    """Of `decisions`: alarms about confidence that has moved."""
    drift = ConfidenceDrift(every)
    yield lambda record: outputs(drift.take(record.value, record.partition, record.offset))


@contextmanager
def examples(broker: Broker, settings: ProposalSettings) -> Iterator[Fold]:
    """Of `training.examples`: proposals of thresholds and safe rules, and broken certificates."""
    proposing = ProposalFold(settings)

    def take(message: Message) -> None:
        proposing.follow(message.topic(), message.key(), message.value())

    with _followed(broker, proposals.FOLLOWED, take) as refresh:

        def fold(record: Record) -> list[Output]:
            try:
                example = wire.decode_plain("TrainingExample", record.value)
            except wire.WireError as error:
                return _dead_letters(record, error)
            if not record.replayed:
                refresh()
            return outputs(proposing.take(example, replayed=record.replayed))

        yield fold


@contextmanager
def signals(broker: Broker) -> Iterator[Fold]:
    """Of `drift.signals`: certificates that end, models that are halted for it, models to be retrained."""

    def follow(signal: dict[str, Any], table: ProposalTable) -> list[Event]:
        return [*revoke(signal, table), *ask_after(signal, table)]

    with _with_proposals(broker, "DriftSignal", follow) as fold:
        yield fold


@contextmanager
def requests(broker: Broker) -> Iterator[Fold]:
    """Of `retraining.requests`: the same as proposals."""
    with _with_proposals(broker, "RetrainingRequest", mirror) as fold:
        yield fold


@contextmanager
def _with_proposals(
    broker: Broker, schema: str, events_of: Callable[[dict[str, Any], ProposalTable], list[Event]]
) -> Iterator[Fold]:
    """A fold whose only state is the table of proposals: records whose outputs were written need no replay."""
    table = ProposalTable()
    with _followed(broker, _PROPOSALS, _follow_into(table)) as refresh:

        def fold(record: Record) -> list[Output]:
            if record.replayed:
                return []
            refresh()
            try:
                decoded = wire.decode_plain(schema, record.value)
            except wire.WireError as error:
                return _dead_letters(record, error)
            return outputs(events_of(decoded, table))

        yield fold


@contextmanager
def _followed(broker: Broker, topics: tuple[str, ...], take: Callable[[Message], None]) -> Iterator[Callable[[], None]]:
    """Gives `take` the records of the tables; each call of the result gives it those that have come since."""
    with closing(TableReader(broker, topics)) as reader:
        for message in reader.read_all():
            take(message)

        def refresh() -> None:
            for message in reader.poll():
                take(message)

        yield refresh


def _follow_into(table: ProposalTable) -> Callable[[Message], None]:
    return lambda message: table.follow(message.key(), message.value())


def _dead_letters(record: Record, error: wire.WireError) -> list[Output]:
    """The dead letter of an unreadable record; none if it is replayed, because it was written before."""
    return [] if record.replayed else [dead_letter(record, error.reason, str(error), "calibration")]


def outputs(events: Iterable[Event]) -> list[Output]:
    """Events as records."""
    records = []
    for event in events:
        assert event.topic.schema is not None
        assert event.record is not None
        records.append(Output(event.topic.name, event.key.encode(), wire.encode(event.topic.schema, event.record)))
    return records
