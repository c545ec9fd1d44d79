"""The processes that are measured: each consumes `count` messages exactly once and prints one line of JSON.

python -m bench.workers raw BOOTSTRAP TOPIC GROUP COUNT
python -m bench.workers router-pyruhvro BOOTSTRAP TOPIC GROUP COUNT
"""

import json
import resource
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from bench.decisions import POLICY
from interlock.policy.compiled import compile_policy
from interlock.policy.load import load
from interlock.processors.router.router import Router, RouterOutputs, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas.columns import Engine
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import Message
from interlock.streams.runner import Runner, RunnerSettings

Variant = Literal["raw", "router-pyruhvro", "router-fastavro"]

BATCH = 10_000

# What the router waits for company by default; the raw loop does the same.
WAIT_SECONDS = 0.010

# Where the raw loop writes; as many partitions as the router's outputs together.
RAW_OUTPUT = "decisions.auto-approved"


class Progress:
    """Counts messages and reads the clocks when the warm half begins and when everything is done."""

    def __init__(self, count: int, done: threading.Event) -> None:
        self._count = count
        self._done = done
        self._seen = 0
        self._half: tuple[int, float, float, float] | None = None

    def add(self, messages: int) -> None:
        """Call with every batch before it is processed."""
        if self._half is None and self._seen >= self._count // 2:
            self._half = (self._seen, time.perf_counter(), _cpu(), _memory_mb("VmRSS"))
        self._seen += messages
        if self._seen >= self._count:
            self._done.set()

    def report(self) -> dict[str, Any]:
        """Call when the last transaction is committed."""
        assert self._half is not None
        seen, started, cpu, memory = self._half
        messages = self._seen - seen
        return {
            "messages_per_second": messages / (time.perf_counter() - started),
            "cpu_us_per_message": (_cpu() - cpu) / messages * 1e6,
            "peak_mb": _memory_mb("VmHWM"),
            "growth_mb": _memory_mb("VmRSS") - memory,
            "messages": self._seen,
        }


def raw(broker: KafkaBroker, topic: str, group: str, count: int) -> dict[str, Any]:
    """The reference: the plain exactly-once loop that forwards key, value and headers unchanged."""
    done = threading.Event()
    progress = Progress(count, done)
    consumer: Any = broker.consumer(group)
    producer: Any = broker.producer(f"{group}-raw")
    producer.init_transactions()
    consumer.subscribe([topic])
    while not done.is_set():
        messages = consumer.consume(BATCH, WAIT_SECONDS)
        if not messages:
            continue
        progress.add(len(messages))
        producer.begin_transaction()
        for message in messages:
            producer.produce(RAW_OUTPUT, message.value(), message.key(), headers=message.headers())
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
        producer.commit_transaction()
    report = progress.report()
    consumer.close()
    return report


class Measured:
    """The router, watched."""

    def __init__(self, router: Router, progress: Progress) -> None:
        self._router = router
        self._progress = progress

    def process(self, messages: Sequence[Message], now: int) -> RouterOutputs:
        """As the router does."""
        self._progress.add(len(messages))
        return self._router.process(messages, now)


def router(broker: KafkaBroker, topic: str, group: str, count: int, engine: Engine) -> dict[str, Any]:
    """The router with the full lending policy, on the exactly-once runner."""
    done = threading.Event()
    progress = Progress(count, done)
    state = RouterState()
    policy = compile_policy(load(Path(POLICY)))
    state.policies[policy.name] = policy
    settings = RouterSettings(audit_key=bytes(16), engine=engine)
    runner = Runner(
        broker,
        Measured(Router(state, settings), progress),
        RunnerSettings(group, "1", (topic,), max_batch=BATCH, max_wait_seconds=WAIT_SECONDS),
        stop=done,
    )
    runner.run()
    return progress.report()


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory_mb(name: str) -> float:
    """VmRSS: now, VmHWM: at most. getrusage would tell of the parent, whose memory a new process borrows."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024


def main() -> None:
    """Runs the variant named on the command line."""
    variant, bootstrap, topic, group, count = sys.argv[1:]
    broker = KafkaBroker(bootstrap)
    if variant == "raw":
        report = raw(broker, topic, group, int(count))
    else:
        report = router(broker, topic, group, int(count), cast(Engine, variant.removeprefix("router-")))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
