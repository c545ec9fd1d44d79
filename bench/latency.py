"""From produced to routed and readable under read_committed, at a steady rate: the router against the raw loop."""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.decisions import decisions
from interlock.schemas import catalogue
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec

# The first seconds load libraries and fill caches; they are not measured.
WARM_SECONDS = 5.0


def run(
    rate: int = 10_000, seconds: float = 15.0, rounds: int = 3, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Median over alternating rounds of the p50 and p99 in milliseconds of both, and the ratio of the p99s."""
    # Each once: the router would recognise a repetition, and write nothing.
    keys, messages = map(list, zip(*decisions(int(rate * (WARM_SECONDS + seconds))), strict=True))
    latencies: dict[str, list[tuple[float, float]]] = {"raw": [], "router-pyruhvro": []}
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(Path(directory)) as kafka:
        broker = KafkaBroker(kafka.bootstrap_servers)
        broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        for number in range(rounds):
            for variant, results in latencies.items():
                results.append(_measure(broker, kafka.bootstrap_servers, variant, messages, keys, rate, seconds))
                p50, p99 = results[-1]
                say(f"round {number + 1} of {rounds}: {variant} p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    raw, router = latencies["raw"], latencies["router-pyruhvro"]
    return {
        "rate": rate,
        "raw_p50_ms": statistics.median(p50 for p50, _ in raw),
        "raw_p99_ms": statistics.median(p99 for _, p99 in raw),
        "router_p50_ms": statistics.median(p50 for p50, _ in router),
        "router_p99_ms": statistics.median(p99 for _, p99 in router),
        "p99_ratio": statistics.median(mine[1] / theirs[1] for mine, theirs in zip(router, raw, strict=True)),
    }


def _measure(
    broker: KafkaBroker, bootstrap: str, variant: str, values: list[bytes], keys: list[bytes], rate: int, seconds: float
) -> tuple[float, float]:
    topic = f"latency-{uuid.uuid4()}"
    broker.create_topics([TopicSpec(topic, catalogue.DATA_PARTITIONS)])
    total = int(rate * (WARM_SECONDS + seconds))
    command = [sys.executable, "-m", "bench.workers", variant, bootstrap, topic, str(uuid.uuid4()), str(total)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    delays: list[float] = []
    ready = threading.Event()
    reader = threading.Thread(target=_read, args=(broker, total, delays, ready))
    reader.start()
    ready.wait()
    producer: Any = broker.producer(None, {"linger.ms": 2})
    started = time.perf_counter()
    for number in range(total):
        # The time of sending travels as the record's timestamp, which the worker does not pass on, so as a header.
        now = time.time_ns()
        producer.produce(topic, values[number], keys[number], headers=[("t", str(now))])
        if number % 20 == 0:
            producer.poll(0)
            ahead = number / rate - (time.perf_counter() - started)
            if ahead > 0:
                time.sleep(ahead)
    producer.flush()
    reader.join()
    output, _ = worker.communicate(timeout=60)
    json.loads(output.splitlines()[-1])
    measured = sorted(delays[int(rate * WARM_SECONDS) :])
    return measured[len(measured) // 2], measured[int(len(measured) * 0.99)]


def _read(broker: KafkaBroker, total: int, delays: list[float], ready: threading.Event) -> None:
    """Reads the outputs under read_committed and notes each delay in milliseconds; copies for review count too."""
    from confluent_kafka import OFFSET_END, TopicPartition

    consumer: Any = broker.consumer(None)
    outputs = [(topic.name, number) for topic in catalogue.ROUTE_TOPICS for number in range(topic.partitions)]
    consumer.assign([TopicPartition(name, number, OFFSET_END) for name, number in outputs])
    consumer.consume(1, 1.0)
    ready.set()
    while len(delays) < total:
        for message in consumer.consume(1000, 0.005):
            if message.error() is None:
                delays.append((time.time_ns() - int(message.headers()[0][1])) / 1e6)
    consumer.close()
