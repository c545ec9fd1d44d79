"""What a desk keeps of decided tasks: packed, for a time that can be set, and read back whole when somebody comes."""

import gc
import tracemalloc
from dataclasses import asdict

import pytest

from interlock.processors.desk.desk import Desk
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import to_record
from interlock.processors.desk.task_prefix import Decided, read_decided
from interlock.schemas import wire
from tests.processors.desk.desk_records import (
    START,
    Record,
    as_written,
    command,
    policy_record,
    records,
    reviewer_record,
    routed,
)
from tests.processors.desk.desk_world import DAY, HOUR, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", capacity=1_000)
    world.hire("lee", role="lead")
    return world


def desk(retention: int = 30 * DAY) -> DeskProcessor:
    processor = DeskProcessor(retention=retention)
    for record in (policy_record(), reviewer_record("ann"), reviewer_record("lee", role="lead")):
        processor.follow(record)
    return processor


def decided(processor: DeskProcessor, count: int = 3) -> list[Record]:
    """What a desk writes while ann decides some tasks, each in its own second."""
    written = as_written(processor.process([command(0, "on_duty", "ann"), command(1, "on_duty", "lee")], START))
    for number in range(count):
        now = START + (number + 1) * 1_000_000
        arrived = processor.process([routed(f"d{number}", number), command(10 * number + 2, "claim", "ann")], now)
        (lease,) = records(arrived, "reviews.replies")
        held = {name: lease[name] for name in ("task_id", "epoch", "payload_hash")}
        words = {"verdict": "approve", "reason_code": "other", "reason_text": f"fine, says {number}"}
        given = processor.process([command(10 * number + 3, "submit", "ann", **held, **words)], now)
        written += as_written(arrived) + as_written(given)
    return written


def test_a_decided_task_costs_a_few_hundred_bytes(world: DeskWorld) -> None:
    def decide(first: int, count: int) -> None:
        for number in range(first, first + count):
            world.arrive(f"decision-{number:08d}", confidence=0.5 + number / 10_000, amount=float(number))
            world.decide("ann", reason_text=f"the documents of case {number} are complete")
            world.said.clear()

    decide(0, 100)
    gc.collect()
    tracemalloc.start()
    decide(100, 1_000)
    gc.collect()
    per_task = tracemalloc.get_traced_memory()[0] / 1_000
    tracemalloc.stop()
    assert not world.desk.state.tasks.unpacked
    # It was 1,555. Half of it is timers of when it was open, of which the desk keeps ten thousand at most.
    assert per_task < 500


def test_a_decided_task_is_read_back_as_it_was(world: DeskWorld) -> None:
    open_task = world.arrive("d1")
    world.decide("ann", "modify", modifications='{"amount": 80}')
    record = world.last("reviews.tasks")
    task = world.task("d1")
    assert task is not open_task
    assert to_record(task) == {name: record[name] for name in to_record(task)}
    assert asdict(world.task("d1")) == asdict(task)


def test_an_old_task_can_be_overridden_and_appealed_like_a_new_one(world: DeskWorld) -> None:
    for number in range(100):
        world.arrive(f"d{number}")
        world.decide("ann", task_id=f"d{number}")
    words = {"verdict": "reject", "reason_code": "other", "reason_text": "forged"}
    for number in (7, 42):
        reply = world.command("override", "lee", task_id=f"d{number}", payload_hash=f"hash of d{number}", **words)
        assert reply["accepted"], reply["message"]
    world.wait(10 * DAY)
    assert world.command("appeal", "bob", task_id="d8", reason_text="please look again")["accepted"]
    assert [task.task_id for task in world.desk.state.open_tasks()] == ["d8"]
    assert world.task("d42").outcome == "reject"
    assert world.task("d43").outcome == "approve"


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_decided_task_is_forgotten_when_the_time_that_is_set_has_passed(taken_over: bool) -> None:
    processor = desk(retention=3 * DAY)
    written = decided(processor)
    if taken_over:
        processor = desk(retention=3 * DAY)
        processor.restore([record for record in written if record.name in ("reviews.tasks", "reviews.presence")], [])
    assert processor.process([], START + 2 * DAY).topics.count("reviews.tasks") == 3
    assert processor.process([], START + 3 * DAY).topics == []
    outputs = processor.process([], START + 3 * DAY + 2_000_000)
    assert (outputs.topics, outputs.keys, outputs.values) == (["reviews.tasks"] * 2, [b"d0", b"d1"], [None] * 2)
    assert list(processor.desk.state.tasks) == ["d2"]


def test_a_desk_that_takes_over_does_not_decode_what_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    written = [record for record in decided(desk()) if record.name == "reviews.tasks"]
    reborn = desk()
    with monkeypatch.context() as patched:
        patched.setattr(wire, "decode_plain", None)
        reborn.tables = type(reborn.tables)()
        last = {record.key_bytes: record for record in written}
        reborn.restore(list(last.values()), [])
    assert sorted(reborn.desk.state.tasks) == ["d0", "d1", "d2"]
    assert not reborn.desk.state.tasks.unpacked
    assert reborn.desk.state.tasks["d1"].verdicts[0]["reason_text"] == "fine, says 1"


def test_the_first_fields_of_a_record_say_when_a_decided_task_rests_until() -> None:
    written = [record for record in decided(desk(), 1) if record.name == "reviews.tasks"]
    values = [record.value_bytes or b"" for record in written]
    now = START + 1_000_000
    assert [read_decided(value) for value in values] == [None, None, Decided(b"d0", now, now + DAY, now)]
    done = values[-1]
    assert all(read_decided(done[:length]) is None for length in range(60))
    assert read_decided(b"\0\0\0\0\x09" + done[5:]) is None


def test_a_decided_task_that_cannot_be_read_when_somebody_comes_is_unknown_and_stops_nobody() -> None:
    written = [record for record in decided(desk()) if record.name == "reviews.tasks"]
    last = {record.key_bytes: record for record in written}
    broken = last[b"d1"].value_bytes or b""
    reborn = desk()
    reborn.restore([*last.values(), Record("reviews.tasks", b"d1", broken[:-30])], [])
    asked = [
        command(89, "on_duty", "lee"),
        command(90, "appeal", "lee", task_id="d0", reason_text="look again"),
        command(91, "appeal", "lee", task_id="d1", reason_text="look again"),
    ]
    replies = records(reborn.process(asked, START + HOUR), "reviews.replies")
    assert [reply["code"] for reply in replies] == ["ok", "ok", "unknown-task"]
    assert reborn.process([], START + 60 * DAY).count


def test_the_clock_knows_when_the_next_decided_task_becomes_final() -> None:
    state = DeskState()
    assert Desk(state).state.first_due() is None
    processor = desk()
    decided(processor)
    assert processor.desk.state.first_due() == START + 1_000_000 + DAY
    processor.process([], START + 1_000_000 + DAY)
    assert processor.desk.state.first_due() == START + 2_000_000 + DAY
