"""Decisions on their way from a file to Kafka, at a pace."""

from interlock.client.client import Client
from interlock.produce.reading import LineError
from interlock.produce.rows import Problem
from interlock.produce.sending import MAX_LISTED_ERRORS, send
from interlock.schemas import catalogue
from interlock.schemas.models import Decision
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.interlock.client.test_client import decision

WRONG = LineError("f", 2, (Problem("confidence", "is missing"),))


def memory() -> MemoryBroker:
    broker = MemoryBroker(SystemClock())
    broker.create_topics([TopicSpec(catalogue.DECISIONS.name, 1)])
    return broker


def stored(broker: MemoryBroker) -> int:
    return broker.end_offsets(catalogue.DECISIONS.name)[0]


def test_good_lines_are_sent_and_wrong_ones_counted_and_handed_on() -> None:
    broker = memory()
    rejected: list[LineError] = []
    lines: list[Decision | LineError] = [decision(), WRONG, decision(), WRONG]
    summary = send(lines, Client(broker=broker), on_error=rejected.append)
    assert (summary.sent, summary.rejected, stored(broker)) == (2, 2, 2)
    assert rejected == summary.errors == [WRONG, WRONG]


def test_only_the_first_errors_are_kept() -> None:
    summary = send([WRONG] * (MAX_LISTED_ERRORS + 5), Client(broker=memory()))
    assert (summary.rejected, len(summary.errors)) == (MAX_LISTED_ERRORS + 5, MAX_LISTED_ERRORS)


def test_strict_stops_at_the_first_wrong_line_and_what_came_before_is_sent() -> None:
    broker = memory()
    summary = send([decision(), WRONG, decision()], Client(broker=broker), strict=True)
    assert (summary.sent, summary.rejected, stored(broker)) == (1, 1, 1)


def test_a_rate_is_kept_by_waiting_for_the_time_that_is_ahead() -> None:
    seconds = 0.0

    def sleep(duration: float) -> None:
        nonlocal seconds
        seconds += duration

    lines = [decision() for _ in range(100)]
    summary = send(lines, Client(broker=memory()), rate=50.0, monotonic=lambda: seconds, sleep=sleep)
    assert summary.sent == 100
    assert abs(seconds - 2.0) < 0.11


def test_progress_tells_how_many_are_stored_and_stopping_is_obeyed() -> None:
    seen: list[int] = []
    send(
        [decision() for _ in range(30)], Client(broker=memory()), rate=100.0, progress=seen.append, sleep=lambda _: None
    )
    assert seen == [10, 20, 30]
    assert send([decision()], Client(broker=memory()), stopped=lambda: True).sent == 0
