"""The feedback processor on bytes: outcomes in, records out; payloads and earlier examples are fetched as needed."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from interlock.errors import InterlockError, UnavailableError
from interlock.processors.events import Event
from interlock.processors.feedback.examples import UnusableOutcomeError, check, is_word
from interlock.processors.feedback.feedback import Feedback
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue, wire
from interlock.streams.folding import Output, Record, dead_letter
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

log = structlog.get_logger()

# Examples that were read before they were asked for: those of one restart, written again.
_PASSED = 10_000


class FeedbackFold:
    """`interlock.streams.folding.Fold` of `reviews.outcomes`.

    What was written of an outcome before is taken from `training.examples` and not made again: a payload may be gone
    by now, and reading examples is a thousand times faster than fetching payloads one by one.
    """

    def __init__(
        self,
        feedback: Feedback,
        written: "Written",
        fetch: Callable[[dict[str, Any]], dict[str, Any] | None],
    ) -> None:
        """`fetch`: the `RoutedDecision` of an `Outcome`, None if it is gone."""
        self._feedback = feedback
        self._written = written
        self._fetch = fetch

    def __call__(self, record: Record) -> list[Output]:
        try:
            return self._taken(record)
        except (wire.WireError, UnusableOutcomeError) as error:
            return [] if record.replayed else [dead_letter(record, error.reason, str(error), "feedback")]

    def _taken(self, record: Record) -> list[Output]:
        outcome = wire.decode_plain("Outcome", record.value)
        if not is_word(outcome):
            return []
        check(outcome)  # or there is no example of it
        before = self._written.find(outcome["outcome_id"], replayed=record.replayed)
        if record.replayed:
            self._feedback.take(outcome, _as_payload(before))
            return []
        payload = self._fetch(outcome) if before is None else _as_payload(before)
        return [_output(event) for event in self._feedback.take(outcome, payload)]


class Written:
    """Examples that were written before, in the order of their outcomes, some of them twice."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._table: TableReader | None = None
        self._parts: Iterator[Sequence[Message]] = iter(())
        self._passed: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._replaying = False

    def find(self, example_id: str, *, replayed: bool) -> dict[str, Any] | None:
        """The example with this id, if it had been written when the present replay began.

        Ids MUST be asked for in their order; those that come to light before they are asked for are kept for a while.
        Raises KafkaException.
        """
        if self._table is None or (replayed and not self._replaying):
            self.close()
            self._table = TableReader(self._broker, [catalogue.TRAINING_EXAMPLES.name])
            self._parts = self._table.read_parts()
        self._replaying = replayed
        while example_id not in self._passed:
            part = next(self._parts, None)
            if part is None:
                return None
            for message in part:
                try:
                    example = wire.decode_plain("TrainingExample", message.value())
                except wire.WireError:
                    continue  # not written by this role, and no fault of the outcome; calibration makes a dead letter
                self._passed.setdefault(example["example_id"], example)
            while len(self._passed) > _PASSED + len(part):
                self._passed.popitem(last=False)
        return self._passed.pop(example_id)

    def close(self) -> None:
        if self._table is not None:
            self._table.close()


def fetcher(reader: PayloadReader) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Fetches payloads; what is gone or is not what was judged is logged and None. Raises where Kafka or ClickHouse do
    not answer, because then they may still have it."""

    def fetch(outcome: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return reader.read(outcome).routed
        except UnavailableError:
            raise
        except InterlockError as error:
            log.warning("an example without its input", example=outcome["outcome_id"], reason=str(error))
            return None

    return fetch


def _as_payload(example: dict[str, Any] | None) -> dict[str, Any] | None:
    """As much of the payload as an example holds, which is all that an example needs."""
    if example is None:
        return None
    return {"decision": {name: example[name] for name in ("input", "attributes", "vector")}}


def _output(event: Event) -> Output:
    schema = event.topic.schema
    assert schema is not None
    assert event.record is not None
    return Output(event.topic.name, event.key.encode(), wire.encode(schema, event.record))
