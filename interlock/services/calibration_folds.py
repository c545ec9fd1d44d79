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
from interlock.streams.folding import Fold, Output, Record
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

log = structlog.get_logger()

_BOOK = (catalogue.PROPOSALS.name,)


@contextmanager
def outcomes(broker: Broker, settings: CalibrationSettings) -> Iterator[Fold]:
    """Of `reviews.outcomes`: reports, recalibrations, override alarms; and coaching."""
    calibration, book = CalibrationFold(settings), ProposalTable()
    coaching = CoachingFold(book)
    with _followed(broker, _BOOK, _into(book)) as refresh:

        def fold(record: Record) -> list[Output]:
            outcome = _decoded("Outcome", record)
            if outcome is None:
                return []
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
    made = ProposalFold(settings)

    def take(message: Message) -> None:
        made.follow(message.topic(), message.key(), message.value())

    with _followed(broker, proposals.FOLLOWED, take) as refresh:

        def fold(record: Record) -> list[Output]:
            example = _decoded("TrainingExample", record)
            if example is None:
                return []
            if not record.replayed:
                refresh()
            return outputs(made.take(example, replayed=record.replayed))

        yield fold


@contextmanager
def signals(broker: Broker) -> Iterator[Fold]:
    """Of `drift.signals`: certificates that end, models that are halted for it, models to be trained anew."""

    def follow(signal: dict[str, Any], book: ProposalTable) -> list[Event]:
        return [*revoke(signal, book), *ask_after(signal, book)]

    with _with_book(broker, "DriftSignal", follow) as fold:
        yield fold


@contextmanager
def requests(broker: Broker) -> Iterator[Fold]:
    """Of `retraining.requests`: the same as proposals."""
    with _with_book(broker, "RetrainingRequest", mirror) as fold:
        yield fold


@contextmanager
def _with_book(
    broker: Broker, schema: str, follows: Callable[[dict[str, Any], ProposalTable], list[Event]]
) -> Iterator[Fold]:
    """A fold whose only memory are the proposals: what was said before needs no replay."""
    book = ProposalTable()
    with _followed(broker, _BOOK, _into(book)) as refresh:

        def fold(record: Record) -> list[Output]:
            if record.replayed:
                return []
            refresh()
            found = _decoded(schema, record)
            return outputs(follows(found, book)) if found is not None else []

        yield fold


@contextmanager
def _followed(broker: Broker, topics: tuple[str, ...], take: Callable[[Message], None]) -> Iterator[Callable[[], None]]:
    """Gives `take` what the tables hold; then what has come since, whenever the result is called."""
    with closing(TableReader(broker, topics)) as reader:
        for message in reader.read_all():
            take(message)

        def refresh() -> None:
            for message in reader.poll():
                take(message)

        yield refresh


def _into(book: ProposalTable) -> Callable[[Message], None]:
    return lambda message: book.follow(message.key(), message.value())


def _decoded(schema: str, record: Record) -> dict[str, Any] | None:
    """The record, None if it cannot be read: the feedback role makes a dead letter of an unreadable outcome."""
    try:
        return wire.decode_plain(schema, record.value)
    except wire.WireError as error:
        if not record.replayed:
            log.error("unreadable", topic=record.topic, offset=record.offset, error=str(error))
        return None


def outputs(events: Iterable[Event]) -> list[Output]:
    """Events as records."""
    made = []
    for one in events:
        assert one.topic.schema is not None
        assert one.record is not None
        made.append(Output(one.topic.name, one.key.encode(), wire.encode(one.topic.schema, one.record)))
    return made
