"""The board and the queues it shows."""

from collections.abc import Iterator
from typing import Any

import pytest

from interlock.errors import InterlockError
from interlock.processors.review.open_task import OpenTask
from interlock.processors.review.queue_counts import count_queues
from interlock.processors.review.times import SECOND, micros, seconds, span
from interlock.review.board import Board
from interlock.schemas import catalogue, wire
from interlock.schemas.times import moment
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.interlock.review.review_world import decision, routed, task_record

NOW = 1_767_225_600_000_000


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker()
    made.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
    return made


@pytest.fixture
def board(broker: MemoryBroker) -> Iterator[Board]:
    with Board(broker) as made:
        yield made


def task(task_id: str, due: float = 3600, **changes: Any) -> dict[str, Any]:
    base = task_record(routed(decision(task_id)))
    return {**base, "arrived_at": moment(NOW - 60 * SECOND), "deadline": moment(NOW + round(due * SECOND)), **changes}


def put(broker: MemoryBroker, topic: catalogue.Topic, key: str, record: dict[str, Any] | None) -> None:
    producer = broker.producer(None)
    assert topic.schema is not None
    producer.produce(topic.name, None if record is None else wire.encode(topic.schema, record), key.encode())
    producer.flush()


def tell(broker: MemoryBroker, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        put(broker, catalogue.TASKS, task["task_id"], task)


def test_the_last_record_of_a_task_counts_and_a_tombstone_removes_it(broker: MemoryBroker, board: Board) -> None:
    tell(broker, task("a"), task("b"), task("a", state="done"))
    assert board.refresh()
    assert board.task("a") is not None
    assert [task["task_id"] for task in board.open_tasks] == ["b"]
    put(broker, catalogue.TASKS, "b", None)
    board.refresh()
    assert board.task("b") is None
    assert not board.refresh()


def test_open_tasks_come_in_the_order_of_their_deadlines(broker: MemoryBroker, board: Board) -> None:
    tell(broker, task("late", 7200), task("soon", 60), task("b", 3600), task("a", 3600))
    board.refresh()
    assert [task["task_id"] for task in board.open_tasks] == ["soon", "a", "b", "late"]


def test_mine_are_those_i_hold_and_those_meant_for_me(broker: MemoryBroker, board: Board) -> None:
    tell(
        broker,
        task("held", state="leased", lease_holder="ann"),
        task("given", state="assigned", assigned_to="ann"),
        task("other", state="leased", lease_holder="bob"),
        task("decided", state="done", lease_holder="ann"),
    )
    board.refresh()
    assert {task["task_id"] for task in board.mine("ann")} == {"held", "given"}


def test_presence_is_as_the_desk_said_last(broker: MemoryBroker, board: Board) -> None:
    assert not board.on_duty("ann")
    for on_duty in (True, False):
        put(broker, catalogue.PRESENCE, "ann", {"reviewer": "ann", "on_duty": on_duty, "since": NOW})
        board.refresh()
        assert board.on_duty("ann") is on_duty


def test_only_the_newest_record_must_be_readable(broker: MemoryBroker) -> None:
    producer = broker.producer(None)
    producer.produce(catalogue.TASKS.name, b"rubbish", b"a")
    producer.flush()
    tell(broker, task("a"))
    with Board(broker) as board:
        assert board.task("a") is not None


def test_an_unreadable_task_is_named_by_its_offset(broker: MemoryBroker) -> None:
    producer = broker.producer(None)
    producer.produce(catalogue.TASKS.name, b"rubbish", b"a")
    producer.flush()
    with Board(broker) as board, pytest.raises(InterlockError, match=r"offset 0 of reviews\.tasks cannot be read"):
        board.task("a")


def test_queues_are_counted_by_state_priority_and_time_left() -> None:
    tasks = [
        task("a", -10, priority="critical"),
        task("b", 0, state="leased", priority="low"),
        task("c", 3599, state="assigned"),
        task("d", 3600, state="snoozed", arrived_at=moment(NOW - 7200 * SECOND)),
        task("e", 9999, queue="other"),
    ]
    first, second = count_queues(map(OpenTask.of, tasks), NOW)
    assert (first.queue, second.queue) == ("other", "underwriting")
    assert (second.open, second.waiting, second.leased, second.assigned, second.snoozed) == (4, 1, 1, 1, 1)
    assert (second.overdue, second.due_soon) == (1, 2)
    assert second.oldest_seconds == 7200
    assert list(second.by_priority.items()) == [("critical", 1), ("medium", 2), ("low", 1)]


def test_without_open_tasks_there_is_no_queue() -> None:
    assert count_queues([], NOW) == []


def test_moments_survive_the_way_there_and_back_to_the_microsecond() -> None:
    assert micros(moment(NOW + 1)) == NOW + 1


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (3900, "1 h 5 min"), (90000, "1 d 1 h")],
)
def test_spans_are_told_in_two_units(length: int, text: str) -> None:
    assert span(length) == text


def test_a_length_of_time_is_read_or_refused_with_an_example() -> None:
    assert [seconds(text) for text in ("30s", "2m", "4h", "1d")] == [30, 120, 14_400, 86_400]
    with pytest.raises(ValueError, match="write 30m"):
        seconds("soon")
