"""The feedback processor on bytes: outcomes in, records out; fetches payloads and earlier examples as needed."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from interlock.errors import InterlockError, UnavailableError
from interlock.processors.events import Event
from interlock.processors.feedback.examples import UnusableOutcomeError, check
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.outcomes import is_conclusive
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue, wire
from interlock.streams.folding import Output, Record, dead_letter
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

log = structlog.get_logger()

# Examples that are kept because they were read before their turn: those that one restart wrote again.
_MAX_KEPT = 10_000


class FeedbackFold:
    """`interlock.streams.folding.Fold` of `reviews.outcomes`.

    An example that was written before is read from `training.examples`, not made again: its payload may be gone by
    now, and reading examples is a thousand times faster than fetching payloads one by one.
    """

    def __init__(
        self,
        feedback: Feedback,
        written: "WrittenExamples",
        fetch: Callable[[dict[str, Any]], dict[str, Any] | None],
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        """`fetch`: the `RoutedDecision` of an `Outcome`, None if it is gone. `refresh` brings the tables up to date
        that `feedback` reads."""
        self._feedback = feedback
        self._written = written
        self._fetch = fetch
        self._refresh = refresh

    def __call__(self, record: Record) -> list[Output]:
        try:
            return self._process(record)
        except (wire.WireError, UnusableOutcomeError) as error:
            return [] if record.replayed else [dead_letter(record, error.reason, str(error), "feedback")]

    def tick(self, now: int) -> list[Output]:
        """What follows from time alone; `now` in microseconds since the epoch."""
        self._refresh()
        return [_output(event) for event in self._feedback.tick(now)]

    def _process(self, record: Record) -> list[Output]:
        outcome = wire.decode_plain("Outcome", record.value)
        if not is_conclusive(outcome):
            self._feedback.process(outcome, None)  # how people judge gold items is learned, and gives no example
            return []
        check(outcome)  # an outcome that fails has no example
        before = self._written.find(outcome["outcome_id"], replayed=record.replayed)
        if record.replayed:
            self._feedback.process(outcome, _as_payload(before))
            return []
        self._refresh()
        payload = self._fetch(outcome) if before is None else _as_payload(before)
        return [_output(event) for event in self._feedback.process(outcome, payload)]


class WrittenExamples:
    """Examples that were written before, in the order of their outcomes, some of them twice."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._table: TableReader | None = None
        self._parts: Iterator[Sequence[Message]] = iter(())
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._replaying = False

    def find(self, example_id: str, *, replayed: bool) -> dict[str, Any] | None:
        """The example with this id, if it had been written when the present replay began.

        Ids MUST be requested in their order; examples that are read before their turn are kept for a while. Raises
        KafkaException.
        """
        if self._table is None or (replayed and not self._replaying):
            self.close()
            self._table = TableReader(self._broker, [catalogue.TRAINING_EXAMPLES.name], once=True)
            self._parts = self._table.read_parts()
        self._replaying = replayed
        while example_id not in self._kept:
            part = next(self._parts, None)
            if part is None:
                return None
            for message in part:
                try:
                    example = wire.decode_plain("TrainingExample", message.value())
                except wire.WireError:
                    continue  # not written by this role, and no fault of the outcome; calibration makes a dead letter
                self._kept.setdefault(example["example_id"], example)
            while len(self._kept) > _MAX_KEPT + len(part):
                self._kept.popitem(last=False)
        return self._kept.pop(example_id)

    def close(self) -> None:
        if self._table is not None:
            self._table.close()


def fetcher(reader: PayloadReader) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Returns a function that fetches payloads. It logs and returns None if the payload is gone or is not the one that
    was judged, and raises UnavailableError if Kafka or ClickHouse, which may still have it, do not answer."""

    def fetch(outcome: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return reader.read(outcome, as_sent=True).routed
        except UnavailableError:
            raise
        except (InterlockError, wire.WireError) as error:
            log.warning("example without input", example=outcome["outcome_id"], reason=str(error))
            return None

    return fetch


def _as_payload(example: dict[str, Any] | None) -> dict[str, Any] | None:
    """The part of the payload that an example holds, which is all that an example needs."""
    if example is None:
        return None
    return {"decision": {name: example[name] for name in ("input", "attributes", "vector")}}


def _output(event: Event) -> Output:
    schema = event.topic.schema
    assert schema is not None
    assert event.record is not None
    return Output(event.topic.name, event.key.encode(), wire.encode(schema, event.record))
