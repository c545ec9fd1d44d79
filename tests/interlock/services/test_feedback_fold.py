"""Feedback on bytes: what is fetched, what is remembered, what is put aside; and its role."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.errors import InterlockError, UnavailableError
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.outcomes import verdict_number
from interlock.processors.review.payload import Payload
from interlock.schemas import catalogue, wire
from interlock.schemas.error_headers import read_error_headers
from interlock.services.feedback_fold import FeedbackFold, WrittenExamples, fetcher
from interlock.streams.embedded_kafka.settings import free_port
from interlock.streams.folding import Output, Record
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from tests.crash.test_kill_everything import wait_until
from tests.processors.feedback.feedback_world import outcome, payload


class Payloads:
    """Where payloads are; counts what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, one: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append(one["outcome_id"])
        return payload(purpose=one["decision_id"])


@pytest.fixture
def broker() -> Broker:
    memory = MemoryBroker()
    memory.create_topics([TopicSpec(catalogue.TRAINING_EXAMPLES.name, 1)])
    return memory


def record(one: dict[str, Any], *, replayed: bool = False) -> Record:
    return Record("reviews.outcomes", 0, one["offset"], b"key", wire.encode("Outcome", one), (), replayed)


def keep(broker: Broker, outputs: list[Output]) -> None:
    producer = broker.producer(None)
    for output in outputs:
        producer.produce(output.topic, output.value, output.key)
    producer.flush()


def test_an_outcome_that_may_not_be_used_goes_to_the_dead_letters_with_its_bytes_and_the_reason(broker: Broker) -> None:
    fold = FeedbackFold(Feedback(), WrittenExamples(broker), Payloads())
    for bad, reason in (
        (outcome(1, propensity=0.0), "bad-propensity"),
        (outcome(2, confidence=math.nan), "bad-confidence"),
    ):
        (letter,) = fold(record(bad))
        assert letter.topic == catalogue.DEAD_LETTER.name
        assert letter.value == wire.encode("Outcome", bad)
        what = read_error_headers(letter.headers)
        assert (what["exception"], what["topic"], what["offset"]) == (reason, "reviews.outcomes", str(bad["offset"]))
    (letter,) = fold(Record("reviews.outcomes", 0, 9, None, b"\x00junk", (), replayed=False))
    assert read_error_headers(letter.headers)["exception"] == "unknown-schema"
    assert fold(record(outcome(1, propensity=0.0), replayed=True)) == []


def test_what_was_written_before_is_not_fetched_again_and_says_the_same(broker: Broker) -> None:
    first = FeedbackFold(Feedback(), WrittenExamples(broker), Payloads())
    before = [first(record(outcome(number))) for number in range(5)]
    for made in before:
        keep(broker, made)
    keep(broker, before[3])  # a worker was killed before it committed
    keep(broker, before[4])
    payloads = Payloads()
    again = FeedbackFold(Feedback(), WrittenExamples(broker), payloads)
    assert [again(record(outcome(number), replayed=True)) for number in range(3)] == [[], [], []]
    assert [again(record(outcome(number))) for number in (3, 4)] == before[3:]
    assert payloads.asked == []
    again(record(outcome(5)))
    assert payloads.asked == ["d000005#1"]


def test_what_others_wrote_between_two_turns_is_not_fetched_either(broker: Broker) -> None:
    payloads = Payloads()
    mine = FeedbackFold(Feedback(), WrittenExamples(broker), payloads)
    other = FeedbackFold(Feedback(), WrittenExamples(broker), Payloads())
    keep(broker, mine(record(outcome(0))))
    other(record(outcome(0), replayed=True))
    for number in (1, 2):
        keep(broker, other(record(outcome(number))))
    for number in (1, 2):
        mine(record(outcome(number), replayed=True))
    assert payloads.asked == ["d000000#1"]


def test_a_payload_that_cannot_be_read_leaves_an_example_without_it(broker: Broker) -> None:
    class Damaged:
        def read(self, _: dict[str, Any], *, as_sent: bool) -> Payload:  # noqa: ARG002 - the signature of readers
            raise wire.WireError("malformed-avro", "the record ends too early")

    reader: Any = Damaged()
    (made,) = FeedbackFold(Feedback(), WrittenExamples(broker), fetcher(reader))(record(outcome(0)))
    assert made.topic == catalogue.TRAINING_EXAMPLES.name
    assert wire.decode("TrainingExample", made.value)["input"] == ""


def test_an_outcome_whose_id_ends_in_thousands_of_digits_has_no_number() -> None:
    assert verdict_number({"outcome_id": "d1#2"}) == 2
    assert verdict_number({"outcome_id": "d1#" + "9" * 5_000}) == 0


def test_an_unreadable_record_among_the_examples_is_not_blamed_on_an_outcome(broker: Broker) -> None:
    keep(broker, [Output(catalogue.TRAINING_EXAMPLES.name, b"k", b"rubbish")])
    before = FeedbackFold(Feedback(), WrittenExamples(broker), Payloads())(record(outcome(0)))
    assert [output.topic for output in before] == [catalogue.TRAINING_EXAMPLES.name]
    keep(broker, before)
    payloads = Payloads()
    assert FeedbackFold(Feedback(), WrittenExamples(broker), payloads)(record(outcome(0))) == before
    assert payloads.asked == []


def test_gold_items_and_first_verdicts_are_not_fetched(broker: Broker) -> None:
    payloads = Payloads()
    fold = FeedbackFold(Feedback(), WrittenExamples(broker), payloads)
    assert fold(record(outcome(1, kind="gold", resolves=False))) == []
    assert fold(record(outcome(2, resolves=False))) == []
    assert payloads.asked == []


class Reader:
    """A payload reader that has nothing, for a reason."""

    def __init__(self, error: InterlockError | None = None) -> None:
        self._error = error

    def read(self, task: dict[str, Any], *, as_sent: bool) -> Payload:  # noqa: ARG002 - the signature of readers
        if self._error is not None:
            raise self._error
        return Payload(payload(), verified=True)


def test_a_payload_that_is_gone_is_none_and_one_that_cannot_be_asked_for_now_is_an_error() -> None:
    assert fetcher(Reader())(outcome(1)) == payload()  # type: ignore[arg-type]
    assert fetcher(Reader(InterlockError("gone")))(outcome(1)) is None  # type: ignore[arg-type]
    with pytest.raises(InterlockError, match="no answer"):
        fetcher(Reader(UnavailableError("no answer")))(outcome(1))  # type: ignore[arg-type]


def test_the_role_waits_for_kafka_says_so_once_and_stops_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        "INTERLOCK_DATA_DIR": str(tmp_path),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "run", "feedback"], env=environment, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: "does not answer" in log.read_text(), "it says what is missing", 60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    text = log.read_text()
    assert text.count("does not answer") == 1
    assert "Traceback" not in text
