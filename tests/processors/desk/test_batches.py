"""However many commands come in one batch, the desk does and writes the same."""

import random
from typing import Any

import pytest

from interlock.processors.desk.command import Command
from interlock.processors.desk.command_reading import read_commands
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import to_record
from tests.processors.desk.desk_records import (
    START,
    Record,
    command,
    policy_record,
    records,
    reviewer_record,
    routed,
)

PEOPLE = ("ann", "bob", "cyd")
CASES = 150
VERDICT = {"verdict": "approve", "reason_code": "other", "reason_text": "fine"}


def _office() -> tuple[DeskProcessor, list[str]]:
    """People on duty and waiting tasks with their hashes."""
    desk = DeskProcessor()
    people = [reviewer_record(name, capacity=CASES) for name in PEOPLE]
    for record in (policy_record(), *people, reviewer_record("lee", role="lead")):
        desk.follow(record)
    decisions = [routed(f"d{number}", number) for number in range(CASES)]
    duty = [command(number, "on_duty", name) for number, name in enumerate((*PEOPLE, "lee"))]
    arrived = records(desk.process([*decisions, *duty], START), "reviews.tasks")
    return desk, [task["payload_hash"] for task in arrived]


def _commands(hashes: list[str]) -> list[Record]:
    """Claims, verdicts, overrides and appeals, some of them wrong, damaged, or sent twice."""
    dice = random.Random(7)
    sent: list[Record] = []
    for number, payload_hash in enumerate(hashes):
        me = dice.choice(PEOPLE)
        about: dict[str, Any] = {"task_id": f"d{number}"}
        verdict = VERDICT | {"epoch": dice.choice([1, 1, 1, 2]), "payload_hash": payload_hash}
        sent += [
            command(1_000 + number, "claim", me, **about),
            command(2_000 + number, "submit", me, **about, **verdict),
        ]
        if dice.random() < 0.2:
            overridden = VERDICT | {"verdict": "reject", "payload_hash": payload_hash}
            sent.append(command(3_000 + number, "override", "lee", **about, **overridden))
        if dice.random() < 0.2:
            sent.append(command(4_000 + number, "appeal", dice.choice(PEOPLE), reason_text="please", **about))
        if dice.random() < 0.2:
            sent.append(sent[dice.randrange(len(sent))])
        if dice.random() < 0.1:
            sent.append(command(1_000 + number, "release", me, **about))
        if dice.random() < 0.1:
            broken = sent[-1].value_bytes or b""
            sent.append(Record("reviews.commands", b"key", broken[: dice.randrange(len(broken))], 9))
    return sent


@pytest.mark.parametrize("size", [7, 100, 10_000])
def test_a_batch_of_commands_does_what_they_do_one_by_one(size: int) -> None:
    def carried_out(at_once: int) -> tuple[list[Any], dict[Any, Any]]:
        desk, hashes = _office()
        sent = _commands(hashes)
        written: list[Any] = []
        for first in range(0, len(sent), at_once):
            made = desk.process(sent[first : first + at_once], START + 1)
            written += zip(made.topics, made.keys, made.values, made.headers, strict=True)
        # A tally is written once a batch.
        tallies = {key: value for topic, key, value, _ in written if topic == "reviews.tallies"}
        state = {name: to_record(task) for name, task in desk.desk.state.tasks.items()} | tallies
        return [record for record in written if record[0] != "reviews.tallies"], state

    assert carried_out(size) == carried_out(1)


def test_what_the_desk_keeps_of_a_decided_task_is_what_it_wrote_of_it_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> dict[str, Any]:
        desk, hashes = _office()
        desk.process(_commands(hashes), START + 1)
        assert not [task for task in desk.desk.state.tasks.unpacked.values() if task.state == "done"]
        return {name: to_record(task) for name, task in desk.desk.state.tasks.items()}

    as_written = kept()
    pack = DeskState.pack
    monkeypatch.setattr(DeskState, "pack", lambda state, _: pack(state, {}))
    assert as_written == kept()
    assert sum(task["state"] == "done" for task in as_written.values()) > CASES / 2


def test_commands_that_are_read_together_are_read_as_each_alone() -> None:
    _, hashes = _office()
    sent = [*_commands(hashes), Record("reviews.commands", None, None), Record("reviews.commands", None, b"{}")]
    together, alone = read_commands(sent), [read_commands([message])[0] for message in sent]
    assert [one if isinstance(one, Command) else (one.reason, one.message) for one in together] == [
        one if isinstance(one, Command) else (one.reason, one.message) for one in alone
    ]
    assert sum(isinstance(one, Command) for one in together) > CASES
