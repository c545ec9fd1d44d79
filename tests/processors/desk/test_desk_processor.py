"""The desk on bytes: batches in, records out, and the state rebuilt from them."""

import hashlib
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from interlock.processors.desk.command import Command
from interlock.processors.desk.hours import next_change
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.reply_cache import ReplyCache
from interlock.processors.desk.restore import RESTORED_TOPICS
from interlock.processors.desk.reviewers import LIMITS
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import to_record
from interlock.schemas import wire
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.payload import payload_hash
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
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE


def processor() -> DeskProcessor:
    desk = DeskProcessor()
    for record in (
        policy_record(),
        reviewer_record("ann"),
        reviewer_record("bob"),
        reviewer_record("lee", role="lead"),
    ):
        desk.follow(record)
    return desk


def test_a_routed_decision_becomes_a_task_that_names_its_place_and_its_hash() -> None:
    record = routed("d1", 5)
    (task,) = records(processor().process([record], START + 1), "reviews.tasks")
    assert (task["task_id"], task["topic"], task["offset"]) == ("d1", "reviews.async", 5)
    assert task["payload_hash"] == payload_hash(record.value_bytes or b"")
    assert (task["arrived_at"], task["deadline"]) == (START + 1, START + DAY)


def test_every_command_gets_one_reply_and_a_repeated_one_the_same_again() -> None:
    desk = processor()
    desk.process([routed("d1"), command(1, "on_duty", "ann")], START)
    first = desk.process([command(2, "claim", "ann")], START)
    again = desk.process([command(2, "claim", "ann")], START + HOUR - 50 * MINUTE)
    assert again.topics == ["reviews.replies"]
    assert again.values == first.values[-1:]
    assert again.keys == [b"c2"]


def held_by_ann(desk: DeskProcessor, task_id: str) -> dict[str, Any]:
    """The fields with which ann may give her verdict."""
    desk.process([routed(task_id), command(90, "on_duty", "ann"), command(91, "on_duty", "bob")], START)
    (lease,) = records(desk.process([command(92, "claim", "ann", task_id=task_id)], START), "reviews.replies")
    words = {"verdict": "approve", "reason_code": "other", "reason_text": "fine"}
    return {"task_id": task_id, "epoch": lease["epoch"], "payload_hash": lease["payload_hash"]} | words


@pytest.mark.parametrize("taken_over", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"actor": "bob"},
        {"kind": "escalate"},
        {"task_id": "d2"},
        {"verdict": "choose", "outcome": "reject"},
        {"reason_text": "on second thoughts"},
    ],
)
def test_the_id_of_another_command_is_refused_and_the_first_keeps_its_reply(
    change: dict[str, Any], taken_over: bool
) -> None:
    desk = processor()
    first: dict[str, Any] = {"kind": "submit", "actor": "ann"} | held_by_ann(desk, "d1")
    written = as_written(desk.process([command(1, **first)], START))
    (answer,) = [record.value_bytes for record in written if record.name == "reviews.replies"]
    if taken_over:
        desk = processor()
        desk.restore([], [record for record in written if record.name == "reviews.replies"])
    reused = desk.process([command(1, **first | change)], START + MINUTE)
    (reply,) = records(reused, "reviews.replies")
    assert reused.topics == ["reviews.replies"]
    assert (reply["accepted"], reply["code"]) == (False, "command-id-used")
    assert {name: reply[name] for name in ("actor", "kind", "task_id")} == {
        name: (first | change)[name] for name in ("actor", "kind", "task_id")
    }
    assert reused.codes == {"command-id-used": 1}
    again = processor()
    again.restore([], [record for record in [*written, *as_written(reused)] if record.name == "reviews.replies"])
    for later in (desk, again):
        assert later.process([command(1, **first)], START + MINUTE).values == [answer]


def test_who_reuses_an_id_is_told_whose_it_is_and_for_what_it_was_used() -> None:
    desk = processor()
    mine = held_by_ann(desk, "d1")
    desk.process([command(1, "submit", "ann", **mine)], START)
    (reply,) = records(desk.process([command(1, "claim", "bob")], START + MINUTE), "reviews.replies")
    assert (reply["accepted"], reply["actor"], reply["kind"]) == (False, "bob", "claim")
    assert reply["message"] == (
        "bob cannot use the id 'c1' for the command claim: it belongs to the command submit about d1 of ann at "
        "2026-01-01T00:00:00Z. Nothing was done now. Send the command under an id of its own"
    )


@pytest.mark.parametrize("taken_over", [False, True])
def test_the_id_of_a_command_is_remembered_for_a_day(taken_over: bool) -> None:
    desk = processor()
    written = as_written(desk.process([command(1, "on_duty", "ann")], START))
    for number in range(2, 2_000):
        written += as_written(desk.process([command(number, "claim", "ann")], START + number))
    if taken_over:
        desk = processor()
        desk.restore(of(written, *RESTORED_TOPICS), of(written, "reviews.replies"))
    for late, code in ((DAY - 1, "command-id-used"), (DAY, "ok")):
        outputs = desk.process([command(1, "off_duty", "ann")], START + late)
        assert [reply["code"] for reply in records(outputs, "reviews.replies")] == [code]


def test_a_command_is_recognised_by_a_desk_that_knows_more_fields_than_the_one_that_answered_it() -> None:
    """The digest of before, of a version of the desk whose commands could say no more than this."""
    desk = processor()
    desk.process([routed("d1"), command(1, "on_duty", "ann")], START)
    sent = command(2, "claim", "ann", task_id="d1")
    answer = as_written(desk.process([sent], START))[-1]
    said = '{"actor": "ann", "command_id": "c2", "kind": "claim", "task_id": "d1"}'
    digest_of_before = hashlib.sha256(said.encode()).digest()[:16]
    later = processor()
    later.restore([], [replace(answer, sent_headers=(("interlock.command-digest", digest_of_before),))])
    assert later.process([sent], START + MINUTE).values == [answer.value_bytes]
    (other,) = records(later.process([command(2, "claim", "ann", task_id="d2")], START + MINUTE), "reviews.replies")
    assert other["code"] == "command-id-used"


def test_a_flood_of_commands_makes_the_desk_forget_the_oldest_ids_first() -> None:
    replies = ReplyCache(limit=100)
    for number in range(1_000):
        reply = {"command_id": f"c{number}", "kind": "claim", "actor": "ann", "task_id": "", "accepted": False}
        rest = {"code": "nothing-to-do", "message": "", "at": number, "epoch": 0, "lease_until": None}
        place = {"payload_hash": "", "topic": "", "partition": -1, "offset": -1}
        replies.put(f"c{number}", wire.encode("CommandReply", reply | rest | place), b"-" * 16, number)
    assert 60 <= len(replies) <= 100
    with pytest.raises(CommandRefused, match="it belongs to the command claim of ann"):
        replies.find(Command("c999", "claim", "bob"))
    assert replies.find(Command("c0", "claim", "bob")) is None


def test_a_command_that_is_only_issued_later_is_the_same() -> None:
    desk = processor()
    first = desk.process([command(1, "on_duty", "ann")], START)
    again = desk.process([command(1, "on_duty", "ann", issued_at=START + MINUTE)], START + MINUTE)
    assert again.values == first.values[-1:]


def test_a_desk_that_takes_over_gives_no_warning_about_a_lease_again() -> None:
    desk = processor()
    written = as_written(desk.process([routed("d1"), command(1, "on_duty", "ann"), command(2, "claim", "ann")], START))
    alerts: list[dict[str, Any]] = []
    for minutes in (12, 13, 14):
        desk = processor()
        desk.restore(of(written, *RESTORED_TOPICS), of(written, "reviews.replies"))
        outputs = desk.process([], START + minutes * MINUTE)
        written += as_written(outputs)
        alerts += records(outputs, "alerts")
    assert [alert["kind"] for alert in alerts] == ["lease_expiring"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record("reviews.commands", b"k", b"junk", 3), "not-wire-format"),
        (Record("reviews.commands", b"k", None, 3), "empty-value"),
        (Record("reviews.async", b"k", b"\x00\x00\x00\x00\x02zz", 3), "malformed-avro"),
        (command(0, "claim", ""), "empty-id"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_with_its_bytes_and_the_rest_goes_on(record: Record, reason: str) -> None:
    outputs = processor().process([record, routed("d1")], START)
    assert outputs.topics == ["dead-letter", "reviews.tasks"]
    assert (outputs.keys[0], outputs.values[0]) == (record.key_bytes, record.value_bytes)
    headers = outputs.headers[0]
    assert headers is not None
    assert headers[0] == ("traceparent", b"00")
    assert read_error_headers(headers)["exception"] == reason
    assert outputs.bad == {reason: 1}


def test_nothing_is_said_when_nothing_is_due() -> None:
    desk = processor()
    desk.process([routed("d1")], START)
    assert desk.process([], START + HOUR).count == 0


def test_an_unreadable_policy_or_reviewer_leaves_the_one_before_in_force() -> None:
    desk = processor()
    desk.follow(Record("policies", b"bank", b"junk"))
    desk.follow(Record("reviewers", b"ann", b"junk"))
    assert "bank" in desk.desk.state.policies
    assert "ann" in desk.desk.state.reviewers


@pytest.mark.parametrize("name", ["policy", "desk", "timeout", "window", "ann, bob"])
def test_nobody_can_be_called_what_acts_where_no_person_does(name: str) -> None:
    desk = processor()
    desk.follow(reviewer_record(name))
    assert name not in desk.desk.state.reviewers
    (alert,) = records(desk.process([command(1, "on_duty", name)], START), "alerts")
    assert (alert["kind"], alert["severity"], alert["to"]) == ("unreadable", "warning", [])
    assert repr(name) in alert["message"]
    assert not desk.process([], START + HOUR).count, "told once"
    desk.restore([], [])
    assert records(desk.process([], START + HOUR), "alerts") == [alert | {"at": START + HOUR}], "the same alert"


def test_an_ignored_record_that_was_written_again_as_it_should_be_is_not_told_of() -> None:
    desk = processor()
    desk.follow(Record("reviewers", b"ann", b"junk"))
    desk.follow(reviewer_record("ann"))
    assert not desk.process([], START).count


TOO_MUCH = {
    "hours": [{"day": 0, "start": 0, "end": 1}] * 100_000,
    "time_off": [{"start": 0, "end": 1}] * 100_000,
    "queues": ["q"] * 200_000,
    "qualifications": [{"name": "q", "expires_at": None}] * 100_000,
}


@pytest.mark.parametrize("field", TOO_MUCH)
def test_a_reviewer_with_more_than_the_desk_can_take_leaves_the_one_before(field: str) -> None:
    desk = processor()
    before = desk.desk.state.reviewers["ann"]
    desk.follow(reviewer_record("ann", **{field: TOO_MUCH[field]}))
    assert desk.desk.state.reviewers["ann"] is before


def test_the_largest_record_of_a_reviewer_costs_little() -> None:
    """Shifts and absences that never change the answer: all of them are looked at."""
    shifts = [{"day": day, "start": 240 * n, "end": 240 * (n + 1)} for day in range(7) for n in range(6)]
    away = [{"start": START - DAY, "end": START + 20 * DAY * n} for n in range(1, LIMITS["time_off"])]
    record = {"time_zone": "Europe/Berlin", "hours": shifts, "time_off": [*away, {"start": START - DAY, "end": 2**62}]}
    assert (len(record["hours"]), len(record["time_off"])) == (LIMITS["hours"], LIMITS["time_off"])
    started = time.process_time()
    assert next_change(record, START) is None
    assert time.process_time() - started < 0.2


def work(desk: DeskProcessor, seed: int, steps: int = 300) -> tuple[list[Record], int]:
    """Random work; returns everything written, and the time at the end."""
    rng = random.Random(seed)
    now = START
    written: list[Record] = []
    held: list[tuple[str, str, int, str]] = []
    batch = [command(0, "on_duty", name) for name in ("ann", "bob", "lee")]
    for step in range(1, steps):
        now += rng.choice([0, MINUTE, 20 * MINUTE, 5 * HOUR])
        kind = rng.choice(["arrive", "claim", "claim", "submit", "release", "snooze", "escalate", "appeal"])
        if kind == "arrive":
            route: dict[str, Any] = rng.choice(
                [{}, {"audit": True, "route": "auto"}, {"route": "auto", "override_until": now + DAY}]
            )
            batch.append(routed(f"d{step}", step, **route, priority=rng.choice(["critical", "high", "low"])))
        elif kind == "claim":
            batch.append(command(step, "claim", rng.choice(["ann", "bob", "lee"])))
        elif kind == "appeal":
            batch.append(command(step, "appeal", "lee", task_id=f"d{rng.randrange(step)}", reason_text="unfair"))
        elif held:
            task_id, actor, epoch, seen = rng.choice(held)
            fields: dict[str, Any] = {"task_id": task_id, "epoch": epoch, "payload_hash": seen}
            fields |= {"reason_code": "other", "reason_text": "because"} if rng.random() < 0.7 else {}
            if kind == "submit":
                fields |= {"verdict": "choose", "outcome": rng.choice(["approve", "reject"])}
            if kind == "snooze":
                fields |= {"until": now + DAY}
            batch.append(command(step, kind, actor, **fields))
        outputs = desk.process(batch, now)
        batch = []
        written += as_written(outputs)
        for reply in records(outputs, "reviews.replies"):
            if reply["kind"] == "claim" and reply["accepted"]:
                held.append((reply["task_id"], reply["actor"], reply["epoch"], reply["payload_hash"]))
    return written, now


def of(written: Iterable[Record], *topics: str) -> list[Record]:
    return [record for record in written if record.name in topics]


def content(state: DeskState) -> dict[str, dict[str, Any]]:
    return {task_id: to_record(task) for task_id, task in state.tasks.items()}


@pytest.mark.parametrize("seed", range(8))
def test_a_rebuilt_desk_goes_on_as_if_nothing_had_happened(seed: int) -> None:
    lived = processor()
    written, now = work(lived, seed)
    reborn = processor()
    reborn.restore(of(written, *RESTORED_TOPICS), of(written, "reviews.replies"))
    assert content(reborn.desk.state) == content(lived.desk.state)
    assert reborn.desk.state.on_duty == lived.desk.state.on_duty
    assert reborn.desk.state.open == lived.desk.state.open
    for later in (0, MINUTE, HOUR, DAY, 5 * DAY):
        batch = [command(10_000 + later, "claim", "lee"), command(1, "claim", "bob")]
        # The order in which tasks fall due at one and the same instant is not part of the contract.
        first, second = (sorted(zip(d.process(batch, now + later).keys, strict=False)) for d in (lived, reborn))
        assert first == second
        assert content(reborn.desk.state) == content(lived.desk.state)


def test_a_rebuilt_desk_knows_since_when_somebody_is_off_duty() -> None:
    lived = processor()
    outputs = lived.process([command(1, "on_duty", "bob"), command(2, "off_duty", "bob")], START)
    reborn = processor()
    reborn.restore(of(as_written(outputs), *RESTORED_TOPICS), [])
    (refusal,) = records(reborn.process([command(3, "claim", "bob")], START), "reviews.replies")
    assert refusal["code"] == "off-duty"
    assert "bob is off duty since 2026-01-01T00:00:00Z" in refusal["message"]


def test_a_rebuilt_desk_knows_to_whom_nothing_is_pushed_and_why_and_tells_no_caller_twice() -> None:
    lived = processor()
    minute = 60 * 1_000_000
    outputs = lived.process([command(1, "on_duty", "bob"), routed("s1", 1, route="sync", routed_at=START)], START)
    later = lived.process([], START + minute)
    told = [alert["alert_id"] for alert in records(later, "alerts") if alert["kind"] == "nobody_on_duty"]
    assert len(told) == 1
    reborn = processor()
    written = [*as_written(outputs), *as_written(later)]
    reborn.restore(of(written, *RESTORED_TOPICS), of(written, "alerts"))
    again = reborn.process([command(3, "claim", "bob", queue="other")], START + 2 * minute)
    assert not [alert for alert in records(again, "alerts") if alert["kind"] == "nobody_on_duty"]
    (refusal,) = records(again, "reviews.replies")
    assert "Nothing is pushed to you since 2026-01-01T00:01:00Z because s1 was to be started by" in refusal["message"]


def _damaged(records: list[Record], **changes: Any) -> list[Record]:
    """The newest record of d1, with other values."""
    (newest,) = [record for record in records if record.key_bytes == b"d1"][-1:]
    assert newest.value_bytes is not None
    return [
        Record("reviews.tasks", b"d1", wire.encode("Task", wire.decode_plain("Task", newest.value_bytes) | changes))
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "lost"},
        {"priority": "utmost"},
        {"task_id": "d2"},
        {"deadline": 2**62},
        {"lease_until": -1},
        {"score": float("nan")},
        {"state": "leased", "lease_holder": "ann"},
        {"state": "assigned", "assigned_until": START},
        None,
    ],
)
def test_a_task_that_makes_no_sense_is_left_out_and_told_and_its_decision_makes_a_new_one(
    changes: dict[str, Any] | None,
) -> None:
    outputs = processor().process([routed("d1"), routed("d2")], START)
    written = [Record(*row) for row in zip(outputs.topics, outputs.keys, outputs.values, strict=True)]
    damaged = [Record("reviews.tasks", b"d1", b"junk")] if changes is None else _damaged(written, **changes)
    presence = [Record("reviews.presence", b"ann", b"junk"), Record("reviews.presence", None, b"", 1)]
    reborn = processor()
    reborn.restore([*written, *damaged, *presence], [])
    assert list(reborn.desk.state.tasks) == ["d2"]
    assert reborn.unreadable == {"reviews.tasks": 1, "reviews.presence": 2, "reviews.tallies": 0}
    outputs = reborn.process([], START + 5 * DAY)
    told = [alert for alert in records(outputs, "alerts") if alert["kind"] == "unreadable"]
    assert [alert["severity"] for alert in told] == ["warning", "warning", "critical"]
    letters = [record for record in as_written(outputs) if record.name == "dead-letter"]
    assert [(letter.key_bytes, letter.value_bytes) for letter in letters] == [
        (record.key_bytes, record.value_bytes) for record in (*presence, *damaged)
    ]
    assert {read_error_headers(letter.headers())["exception"] for letter in letters} == {"unreadable-state"}
    assert not [a for a in records(reborn.process([], START + 6 * DAY), "alerts") if a["kind"] == "unreadable"]
    written_again = records(reborn.process([routed("d1")], START + 5 * DAY), "reviews.tasks")
    assert ("d1", "arrived") in [(task["task_id"], task["event"]) for task in written_again]


def test_a_desk_that_takes_over_does_not_tell_again_of_a_record_that_is_still_unreadable() -> None:
    junk = [Record("reviews.tasks", b"d1", b"junk", 3)]
    first, second = processor(), processor()
    first.restore(junk, [])
    told = as_written(first.process([], START))
    assert [record.name for record in told] == ["alerts", "dead-letter"]
    second.restore(junk, of(told, "alerts"))
    assert second.unreadable["reviews.tasks"] == 1
    assert second.process([], START).topics == []
    second.restore([*junk, Record("reviews.tasks", b"d1", b"more junk", 4)], of(told, "alerts"))
    assert second.process([], START).topics == ["alerts", "dead-letter"]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_input_at_the_same_time_gives_the_same_bytes(seed: int) -> None:
    assert work(processor(), seed) == work(processor(), seed)
