"""What a desk keeps of decided tasks: packed, for a time that can be set, and read back whole when somebody comes."""

import gc
import json
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from io import BytesIO
from random import Random
from typing import Any
from unittest import mock

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.processors.desk.command import MAX_NAME_LENGTH
from interlock.processors.desk.desk import Desk
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import RESTORED_TOPICS
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import END_OF_TIME, to_record
from interlock.processors.desk.task_prefix import read_decided
from interlock.schemas import avro_schemas, wire
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
        processor.restore(
            [record for record in written if record.name in RESTORED_TOPICS],
            [],
        )
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
    found = read_decided([b"d0"] * 3, values)
    assert [found.index.tolist(), found.closed_at.tolist(), found.at.tolist()] == [[2], [now], [now]]
    assert found.final_at == [now + DAY]
    done = values[-1]
    damaged = [done[:length] for length in range(60)] + [b"\0\0\0\0\x09" + done[5:]]
    assert not len(read_decided([b"d0"] * len(damaged), damaged).index)
    assert read_decided([b"d0", b"d1", b"d0"], [done, done, done[:-1]]).index.tolist() == [0, 2]


def test_a_desk_that_restores_its_state_once_more_does_not_keep_the_one_before_meanwhile() -> None:
    # Restored while it held millions of tasks, as after a transaction in doubt, it took 2.4 GB and was killed.
    processor = desk()
    written = [record for record in decided(processor) if record.name == "reviews.tasks"]
    before = weakref.ref(processor.desk.state)

    def read() -> Iterator[Record]:
        gc.collect()
        assert before() is None
        yield from written

    processor.restore(read(), [])
    assert sorted(processor.desk.state.tasks) == ["d0", "d1", "d2"]


_TIMES = st.sampled_from([0, START, START + DAY, -1, END_OF_TIME, 2**63 - 1])
_PREFIXES = st.fixed_dictionaries(
    {
        **dict.fromkeys(("decision_id", "kind", "event", "actor"), st.text(max_size=3) | st.just("é" * 100)),
        "task_id": st.sampled_from(["a", "ñandú", "x" * 500, "x" * (MAX_NAME_LENGTH + 1)]),
        "state": st.sampled_from(["done", "waiting", "donE", ""]),
        "final_at": st.none() | _TIMES,
        "closed_at": st.none() | _TIMES,
        "at": _TIMES,
    }
)


@pytest.mark.parametrize("compiled", [True, False])
@given(drawn=st.lists(st.tuples(_PREFIXES, st.booleans(), st.binary(max_size=4), st.integers(0, 80)), max_size=12))
@settings(deadline=None, max_examples=200)
def test_read_from_the_first_fields_a_task_is_decided_exactly_if_its_record_says_so_and_makes_sense(
    drawn: list[tuple[dict[str, Any], bool, bytes, int]], compiled: bool
) -> None:
    document = json.loads(avro_schemas.versions("Task")[-1].text)
    document["fields"] = document["fields"][:9]
    schema = fastavro.parse_schema(avro_schemas.without_logical_types(document))
    keys, values, told = [], [], []
    for index, (record, own_key, rest, cut) in enumerate(drawn):
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, record)
        whole = wire.header("Task") + out.getvalue()
        keys.append(record["task_id"].encode() if own_key else b"b")
        values.append(whole[:-cut] if cut in range(1, 5) else whole + rest)
        instants = [record["closed_at"], record["final_at"] or 0, record["at"]]
        sensible = own_key and len(record["task_id"]) <= MAX_NAME_LENGTH and cut not in range(1, 5)
        if record["state"] == "done" and sensible and all(x is not None and 0 <= x < END_OF_TIME for x in instants):
            told.append((index, record["closed_at"], record["final_at"], record["at"]))
    with nullcontext() if compiled else mock.patch("interlock.schemas.columns.pyruhvro", None):
        found = read_decided(keys, values)
    read = zip(found.index.tolist(), found.closed_at.tolist(), found.final_at, found.at.tolist(), strict=True)
    assert list(read) == told


@pytest.mark.parametrize("seed", range(5))
def test_however_its_records_are_cut_into_parts_the_last_record_of_a_task_counts(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = Random(seed)
    processor = desk()
    written = decided(processor, 6)
    for number in range(4):
        words = {"task_id": f"d{number}", "reason_text": "look again"}
        written += as_written(processor.process([command(100 + number, "appeal", "lee", **words)], START + HOUR))
    history = [record for record in written if record.name == "reviews.tasks"]
    history += [Record("reviews.tasks", f"d{number}".encode(), None) for number in (2, 4)]
    # An old record may be written again, as by a person who repairs something.
    history += dice.sample(history, 15)
    last = {record.key_bytes: record.value_bytes for record in history}
    restored = []
    for part in (1, 2, 7, 10_000):
        monkeypatch.setattr("interlock.processors.desk.restore._PART", part)
        reborn = desk()
        reborn.restore(history, [])
        tasks = reborn.desk.state.tasks
        restored.append({name: to_record(tasks[name]) for name in sorted(tasks)})
        assert len(tasks) == len(restored[0])
    assert all(tasks == restored[0] for tasks in restored)
    known = {(key or b"").decode(): wire.decode_plain("Task", value) for key, value in last.items() if value}
    assert {name: task["state"] for name, task in restored[0].items()} == {
        name: record["state"] for name, record in sorted(known.items())
    }


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
    outputs = reborn.process(asked, START + HOUR)
    assert [reply["code"] for reply in records(outputs, "reviews.replies")] == ["ok", "ok", "unknown-task"]
    assert "d1" in next(alert["message"] for alert in records(outputs, "alerts") if alert["kind"] == "unreadable")
    assert [(one.key_bytes, one.value_bytes) for one in as_written(outputs) if one.name == "dead-letter"] == [
        (b"d1", broken[:-30])
    ]
    assert reborn.process([], START + 60 * DAY).count


def test_the_clock_knows_when_the_next_decided_task_becomes_final() -> None:
    state = DeskState()
    assert Desk(state).state.first_due() is None
    processor = desk()
    decided(processor)
    assert processor.desk.state.first_due() == START + 1_000_000 + DAY
    processor.process([], START + 1_000_000 + DAY)
    assert processor.desk.state.first_due() == START + 2_000_000 + DAY
