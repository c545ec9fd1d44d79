"""What a desk needs for many decided tasks: memory, and the time in which it is restored from the records of its tasks.

Without Kafka: a desk that takes over also reads the records, some 500 bytes each.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import psutil

from interlock.processors.desk.restore import Tables, rebuild
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.schemas import catalogue, wire

_DAY = 86_400 * 1_000_000
_SECOND = 1_000_000

# The beginning of 2026, in microseconds.
_START = 1_767_225_600_000_000

_WORDS = ("income", "statement", "history", "branch", "collateral", "document", "applicant", "policy", "missing")


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of `reviews.tasks` as the desk reads it."""

    offset_: int
    key_: bytes
    value_: bytes

    def topic(self) -> str:
        return catalogue.TASKS.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.offset_

    def key(self) -> bytes:
        return self.key_

    def value(self) -> bytes:
        return self.value_

    def headers(self) -> list[tuple[str, bytes | None]]:
        return []

    def timestamp(self) -> tuple[int, int]:
        return 1, _START // 1_000


def run(
    decided: int = 2_600_000, open_tasks: int = 200_000, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The figures; times in seconds, memory in MB. The records are made while they are read; that time is taken off."""
    process = psutil.Process()
    before = process.memory_info().rss / 1e6
    making = _Stopwatch()
    started = time.perf_counter()
    rebuilt = rebuild(Tables(), making.through(_records(decided, open_tasks)))
    seconds = time.perf_counter() - started - making.seconds
    memory = process.memory_info().rss / 1e6
    say(f"{decided:,} decided and {open_tasks:,} open tasks restored in {seconds:.1f} s: {memory:,.0f} MB")
    assert len(rebuilt.state.tasks) == decided + open_tasks
    started = time.perf_counter()
    dice = Random(2)
    for _ in range(1_000):
        assert rebuilt.state.tasks.get(_name(dice.randrange(decided))) is not None
    found = (time.perf_counter() - started) * 1_000
    return {
        "decided_tasks": decided,
        "open_tasks": open_tasks,
        "memory_before_mb": before,
        "memory_mb": memory,
        "restore_seconds": seconds,
        "microseconds_to_read_one_back": found,
    }


class _Stopwatch:
    """Times how long an iterator takes to give its items."""

    seconds = 0.0

    def through(self, records: Iterator[_Record]) -> Iterator[_Record]:
        while True:
            started = time.perf_counter()
            record = next(records, None)
            self.seconds += time.perf_counter() - started
            if record is None:
                return
            yield record


def _name(number: int) -> str:
    return f"decision-{number * 7_919 % 100_000_000:08d}"


def _records(decided: int, open_tasks: int) -> Iterator[_Record]:
    """Tasks decided evenly over thirty days, in their order, and open ones behind them."""
    dice = Random(1)
    for number in range(decided + open_tasks):
        at = _START + number * 30 * _DAY // (decided + open_tasks)
        task = _task(number, at, dice)
        if number < decided:
            _decide(task, at, dice)
        record = task_changed(
            task, "resolved" if number < decided else "arrived", "ann", at, f"{dice.getrandbits(128):x}"
        )
        yield _Record(number, task.task_id.encode(), wire.encode("Task", record.record or {}))


def _task(number: int, at: int, dice: Random) -> Task:
    name = _name(number)
    return Task(
        task_id=name,
        decision_id=name,
        kind="review",
        state="waiting",
        queue="underwriting",
        priority=dice.choice(("critical", "high", "medium", "low")),
        route="async",
        workflow="pre_approval",
        domain="loan_approval",
        model_id="credit-scorer",
        model_version="7",
        prediction=dice.choice(("approve", "reject")),
        confidence=dice.random(),
        raw_confidence=dice.random(),
        propensity=1.0,
        amount=float(dice.randrange(50_000)),
        impact=dice.random(),
        compliance_review=False,
        policy_version="0123456789abcdef",
        deadline_policy="0123456789abcdef",
        routed_at=at - dice.randrange(_DAY),
        arrived_at=at - dice.randrange(_DAY),
        due_from=at - dice.randrange(_DAY),
        deadline=at + dice.randrange(_DAY),
        score=dice.random(),
        blind=False,
        quorum=1,
        payload_hash=f"{dice.getrandbits(128):032x}",
        topic="reviews.async",
        partition=0,
        offset=number,
    )


def _decide(task: Task, at: int, dice: Random) -> None:
    task.state = "done"
    task.version = task.effect = 1
    task.outcome = task.prediction
    task.source = "review"
    task.decided_by = f"reviewer-{dice.randrange(40)}"
    task.decided_at = task.closed_at = at
    task.override_until = at + _DAY
    # Of most the window has ended.
    task.final_at = None if dice.random() < 29 / 30 else at + _DAY
    verdict = {
        "reviewer": task.decided_by,
        "verdict": "approve",
        "outcome": task.outcome,
        "reason_code": "agree",
        "reason_text": " ".join(dice.choices(_WORDS, k=dice.randrange(4, 14))),
        "modifications": "",
        "at": at,
        "round": 0,
    }
    task.verdicts = (verdict,)
