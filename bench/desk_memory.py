"""What a desk needs for many decided tasks: memory, and the time in which it is restored from the records of its tasks.

In this process from records that are made while they are read; or, as in production, by a desk process that reads them
from Kafka.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import psutil

from bench import desk
from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.schemas import avro_schemas, catalogue, wire
from interlock.streams import gc_tuning
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec

_DAY = 86_400 * 1_000_000

# Of a critical task, whose service level is an hour, the warning comes after three quarters of it.
_RECENT = 20 * 60 * 1_000_000

# On a machine that is full of other work it takes many times as long as it should.
_TIMEOUT_SECONDS = 1_200.0

# Less than the thirty days for which a desk keeps them, so that it does not begin with forgetting.
DAYS = 29

# Different records behind their first fields. More would compress no worse: the desk compresses some dozens together.
_TEMPLATES = 1_024

# The fields before them.
_LAST_OF_PREFIX = "at"

_WORDS = ("income", "statement", "history", "branch", "collateral", "document", "applicant", "policy", "missing")


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as the desk reads it."""

    topic_: str
    offset_: int
    key_: bytes
    value_: bytes

    def topic(self) -> str:
        return self.topic_

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
        return 1, 0


def run(
    decided: int = 2_600_000, open_tasks: int = 200_000, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The figures of a desk in this process; times in seconds, memory in MB. The time in which records are made is
    taken off."""
    process = psutil.Process()
    now = time.time_ns() // 1_000
    processor = DeskProcessor()
    for topic, followed in desk.people_and_policy().items():
        for number, (key, record) in enumerate(followed.items()):
            assert topic.schema is not None
            processor.follow(_Record(topic.name, number, key.encode(), wire.encode(topic.schema, record)))
    given = records(decided, open_tasks, now)
    making = _Stopwatch()
    gc_tuning.keep_off_the_hot_path()
    before = process.memory_info().rss / 1e6
    started, used = time.perf_counter(), time.process_time()
    processor.restore(making.through(given), [])
    seconds = time.perf_counter() - started - making.seconds
    cpu = time.process_time() - used - making.cpu
    memory = process.memory_info().rss / 1e6
    tasks = processor.desk.state.tasks
    say(f"{decided:,} decided and {open_tasks:,} open tasks restored in {seconds:.1f} s: {memory:,.0f} MB")
    assert (len(tasks), len(tasks.unpacked)) == (decided + open_tasks, open_tasks)
    first = _timed(lambda: processor.process([], now))
    say(f"the first batch, which looks at every open task, took {first:.1f} s")
    processor.follow(_Record(catalogue.REVIEWERS.name, 0, b"new", wire.encode("Reviewer", {"id": "new", "name": ""})))
    roster = _timed(lambda: processor.process([], now))
    say(f"a change of the roster took {roster:.2f} s")
    dice = Random(2)
    names = [_name(dice.randrange(decided)) for _ in range(1_000)]
    found = _timed(lambda: [tasks[name] for name in names])
    return {
        "decided_tasks": decided,
        "open_tasks": open_tasks,
        "memory_before_mb": before,
        "memory_mb": memory,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6,
        "restore_seconds": seconds,
        "restore_cpu_seconds": cpu,
        "first_batch_seconds": first,
        "roster_change_seconds": roster,
        "milliseconds_to_read_one_back": found,
    }


def run_on_kafka(
    decided: int = 2_600_000, open_tasks: int = 200_000, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The figures of a desk process that finds these tasks in Kafka when it starts."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(Path(directory)) as kafka:
        broker = KafkaBroker(kafka.bootstrap_servers)
        broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS])
        desk.hire(broker)
        started = time.perf_counter()
        producer = broker.producer(None)
        for record in records(decided, open_tasks, time.time_ns() // 1_000):
            while True:
                try:
                    producer.produce(record.topic_, record.value_, record.key_)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()
        say(f"{decided + open_tasks:,} tasks written in {time.perf_counter() - started:.0f} s")
        with desk.desk_process(kafka.bootstrap_servers, Path(directory)) as process:
            started = time.perf_counter()
            desk.until(lambda: desk.answers(broker), "the desk answers", _TIMEOUT_SECONDS)
            seconds = time.perf_counter() - started
            cpu = process.cpu_times().user
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            memory = process.memory_info().rss / 1e6
    say(f"answers {seconds:.1f} s after its start: {memory:,.0f} MB")
    return {
        "decided_tasks": decided,
        "open_tasks": open_tasks,
        "ready_seconds": seconds,
        "ready_cpu_seconds": cpu,
        "memory_mb": memory,
        "peak_memory_mb": peak * 1_024 / 1e6,
    }


def _timed(do: Callable[[], Any]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


class _Stopwatch:
    """Times how long an iterator takes to give its items."""

    seconds = 0.0
    cpu = 0.0

    def through(self, records: Iterator[_Record]) -> Iterator[_Record]:
        while True:
            started, used = time.perf_counter(), time.process_time()
            # As many as Kafka's client gives at once.
            part = list(islice(records, 10_000))
            self.seconds += time.perf_counter() - started
            self.cpu += time.process_time() - used
            if not part:
                return
            yield from part


def _name(number: int) -> str:
    return f"decision-{number * 7_919 % 100_000_000:08d}"


def records(decided: int, open_tasks: int, now: int, days: int = DAYS) -> Iterator[_Record]:
    """Tasks decided evenly over the days before `now`, in their order, and open ones behind them."""
    for number, (first, rest) in enumerate(_cycled(_templates(now, decided=True), decided)):
        at = now - days * _DAY + number * days * _DAY // decided
        window = at + _DAY if at + _DAY > now else None
        yield _record(number, first | {"at": at, "closed_at": at, "final_at": window}, rest)
    for number, (first, rest) in enumerate(_cycled(_templates(now, decided=False), open_tasks), decided):
        yield _record(number, first, rest)


def _cycled(templates: list[tuple[dict[str, Any], bytes]], count: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    return (templates[number % len(templates)] for number in range(count))


def _record(number: int, first: dict[str, Any], rest: bytes) -> _Record:
    name = _name(number)
    out = BytesIO()
    fastavro.schemaless_writer(out, _prefix(), first | {"task_id": name, "decision_id": name})
    value = wire.header("Task") + out.getvalue() + rest
    return _Record(catalogue.TASKS.name, number, name.encode(), value)


def _templates(now: int, *, decided: bool) -> list[tuple[dict[str, Any], bytes]]:
    """Records cut behind the first fields, and these fields."""
    in_force = version(parse(desk.POLICY, "bench policy"))
    dice = Random(1)
    templates = []
    for number in range(_TEMPLATES):
        task = _task(number, now, in_force, dice)
        if decided:
            _decide(task, now, dice)
        record = task_changed(task, "resolved" if decided else "arrived", "ann", now, f"{dice.getrandbits(128):x}")
        body = BytesIO(wire.encode("Task", record.record or {})[wire.HEADER_LENGTH :])
        first = fastavro.schemaless_reader(body, _prefix(), None)
        assert isinstance(first, dict)
        templates.append((first, body.read()))
    return templates


@cache
def _prefix() -> Any:
    document = json.loads(avro_schemas.versions("Task")[-1].text)
    names = [field["name"] for field in document["fields"]]
    document["fields"] = document["fields"][: names.index(_LAST_OF_PREFIX) + 1]
    return fastavro.parse_schema(avro_schemas.without_logical_types(document))


def _task(number: int, now: int, in_force: str, dice: Random) -> Task:
    name = _name(number)
    at = now - dice.randrange(_RECENT)
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
        policy_version=in_force,
        deadline_policy=in_force,
        routed_at=at,
        arrived_at=at,
        due_from=at,
        deadline=now + _DAY + dice.randrange(_DAY),
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
