"""The router against a raw exactly-once pass-through: same broker, same client settings, alternating runs."""

import json
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.decisions import HEADERS, decisions
from bench.workers import Variant
from interlock.schemas import catalogue
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec

VARIANTS: tuple[Variant, ...] = ("raw", "router-pyruhvro", "router-fastavro")

# A run that takes longer has hung.
RUN_SECONDS = 300


@dataclass(frozen=True)
class Result:
    """Medians over the rounds, of the warm half of each run."""

    variant: str
    headers: bool
    messages_per_second: float
    ratio_to_raw: float
    cpu_us_per_message: float
    peak_mb: float
    growth_mb: float


def run(count: int = 600_000, rounds: int = 3, say: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """One result for each variant, without and with three headers passed on; ratios are medians over rounds of the
    ratio within a round, because the machine's speed drifts."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(Path(directory)) as kafka:
        broker = KafkaBroker(kafka.bootstrap_servers)
        broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        results: list[Result] = []
        for headers in (False, True):
            topic = "with-headers" if headers else "without-headers"
            say(f"writing {count:,} decisions {topic.replace('-', ' ')}")
            fill(broker, topic, count, headers)
            runs: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
            for number in range(rounds):
                for variant in VARIANTS:
                    runs[variant].append(_run(variant, kafka.bootstrap_servers, topic, count))
                    speed = runs[variant][-1]["messages_per_second"]
                    say(f"{topic}, round {number + 1} of {rounds}: {variant} {speed:,.0f}/s")
            results += [_result(variant, headers, runs) for variant in VARIANTS]
        return [asdict(result) for result in results]


def fill(broker: KafkaBroker, topic: str, count: int, headers: bool) -> None:
    """Writes the decisions that every run reads."""
    broker.create_topics([TopicSpec(topic, catalogue.DATA_PARTITIONS)])
    producer: Any = broker.producer(None)
    for key, value in decisions(count):
        while True:
            try:
                producer.produce(topic, value, key, headers=HEADERS if headers else None)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def _run(variant: str, bootstrap: str, topic: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.workers", variant, bootstrap, topic, str(uuid.uuid4()), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=RUN_SECONDS, text=True)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _result(variant: str, headers: bool, runs: dict[str, list[dict[str, Any]]]) -> Result:
    mine = runs[variant]
    ratios = [
        run["messages_per_second"] / reference["messages_per_second"]
        for run, reference in zip(mine, runs["raw"], strict=True)
    ]

    def median(name: str) -> float:
        return float(statistics.median(run[name] for run in mine))

    return Result(
        variant,
        headers,
        median("messages_per_second"),
        statistics.median(ratios),
        median("cpu_us_per_message"),
        median("peak_mb"),
        median("growth_mb"),
    )
