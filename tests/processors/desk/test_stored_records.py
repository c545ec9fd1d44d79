"""Tasks that a desk reads back: many at once exactly as one by one, and none that makes no sense."""

from random import Random
from typing import Any
from unittest import mock

import pytest

from interlock.processors.desk import stored_records
from interlock.processors.desk.command import MAX_NAME_LENGTH
from interlock.processors.desk.stored_records import read_task, read_tasks
from interlock.processors.desk.task import END_OF_TIME, Task
from interlock.schemas import wire
from interlock.schemas.columns import Decoder, Engine
from tests.processors.desk.desk_world import DeskWorld


def _written() -> list[dict[str, Any]]:
    """What a desk writes of tasks in many states."""
    world = DeskWorld()
    world.hire("ann", "bob", capacity=1_000)
    world.hire("lee", role="lead")
    for number in range(6):
        world.arrive(f"dé{number}", amount=float(number), audit=number == 5)
    world.decide("ann", "modify", task_id="dé0", modifications='{"amount": 80}')
    world.command("appeal", "lee", task_id="dé0", reason_text="look again")
    world.command("claim", "bob", task_id="dé1")
    world.command("escalate", "bob", task_id="dé1", epoch=1, reason_text="not mine")
    world.command("claim", "bob", task_id="dé2")
    return world.said["reviews.tasks"]


# Values that no desk writes, beside some that it does.
_STRANGE: dict[str, list[Any]] = {
    "state": ["", "donE", "leased", "snoozed", "assigned", "waiting"],
    "priority": ["", "urgent", "high"],
    "score": [float("nan"), float("inf"), 0.5],
    "decided_at": [-1, END_OF_TIME, 2**62, None, 0],
    "deadline": [-1, END_OF_TIME, 2**62, 0],
    "final_at": [-1, 5, None],
    "round": [3],
    "appeals": [9],
    "decided_by": ["ann", "policy"],
    "task_id": ["x" * (MAX_NAME_LENGTH + 1), "x" * MAX_NAME_LENGTH, "other"],
}


def _drawn(dice: Random) -> list[tuple[bytes, bytes]]:
    pairs = []
    for record in _written() * 5:
        key = str(record["task_id"]).encode()
        strange = dice.sample(sorted(_STRANGE), dice.randrange(3))
        changed = record | {name: dice.choice(_STRANGE[name]) for name in strange}
        if dice.random() < 0.7:
            key = str(changed["task_id"]).encode()
        value = dice.choice([*wire.encodings("Task", changed)][:3])
        damage = dice.randrange(12)
        if damage == 0:
            value = value[: dice.randrange(len(value))]
        elif damage == 1:
            value += b"more"
        elif damage == 2:
            at = dice.randrange(len(value))
            value = value[:at] + bytes([dice.randrange(256)]) + value[at + 1 :]
        pairs.append((key, value))
    return pairs


def _one_by_one(key: bytes, value: bytes) -> Task | ValueError:
    try:
        return read_task(key, value)
    except ValueError as error:
        return error


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("engine", ["pyruhvro", "fastavro"])
def test_many_tasks_are_read_exactly_as_one_by_one(seed: int, engine: Engine) -> None:
    pairs = _drawn(Random(seed))
    decoder = Decoder("Task", stored_records.plain_schema(), engine)
    with mock.patch.object(stored_records, "_decoder", return_value=decoder):
        together = read_tasks([key for key, _ in pairs], [value for _, value in pairs])
    alone = [_one_by_one(key, value) for key, value in pairs]
    assert any(isinstance(found, Task) and found.verdicts for found in alone)
    assert any(isinstance(found, ValueError) for found in alone)
    for one, other in zip(together, alone, strict=True):
        assert type(one) is type(other)
        assert one == other or str(one) == str(other)


def test_nothing_is_read_from_nothing() -> None:
    assert read_tasks([], []) == []
