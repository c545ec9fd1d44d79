"""Three brokers, killed and rolled one at a time under load: nothing that was acknowledged is lost, nothing is doubled.

The checker knows Kafka's clients and the contracts, and nothing else of Interlock.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from interlock.operations.durability import judge, read_replication
from interlock.platform.connection import Platform
from interlock.platform.provisioning import create_topics
from interlock.platform.settings import KafkaSettings, Settings
from interlock.policies.publishing import publish_policy
from interlock.schemas import catalogue, wire
from tests.crash.kafka_cluster import KafkaCluster
from tests.crash.test_kill_everything import wait_until

SEED = 20261128

DEADLINE = 300.0

POLICY = """
name: cluster
audit: {rate: 0}
domains:
  loan: {models: ['*'], outcomes: [approve, reject], lanes: {approve: {auto: 0.8}}}
"""

OUTPUTS = [*(topic.name for topic in catalogue.ROUTE_TOPICS), catalogue.DEAD_LETTER.name]


class Load:
    """Producers that send decisions until they are told to stop; knows what Kafka has acknowledged."""

    def __init__(self, servers: str, producers: int) -> None:
        self.acknowledged: set[str] = set()
        self.failed: list[str] = []
        self._servers = servers
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(producers)]
        for thread in self._threads:
            thread.start()

    def _send(self, number: int) -> None:
        chances = random.Random(SEED + number)
        producer = Producer(
            {
                "bootstrap.servers": self._servers,
                # What is sent again for want of an answer arrives twice, which the routers must recognise. Besides, an
                # idempotent producer of librdkafka 2.16 spins as long as no more requests may be under way, which is
                # most of the time while a broker is away, and takes a core from the others.
                "acks": "all",
                "linger.ms": 5,
                "queue.buffering.max.messages": 2_000,
                "log_level": 0,
            }
        )
        count = 0
        while not self._stopping.is_set():
            decision_id = f"p{number}-{count}"
            value = wire.encode("Decision", _decision(decision_id, chances.random()))
            try:
                producer.produce("decisions", value, decision_id.encode(), on_delivery=self._delivered)
                count += 1
            except BufferError:  # acknowledgements wait for a leader
                producer.poll(0.1)
            producer.poll(0)
            # Some hundred a second from each are load enough for brokers that share two cores with everything else.
            self._stopping.wait(0.003)
        assert producer.flush(DEADLINE) == 0

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        key = (message.key() or b"").decode()
        if error is None:
            self.acknowledged.add(key)
        else:
            self.failed.append(f"{key}: {error}")

    def stop(self) -> None:
        """Returns when all that was sent is acknowledged or has failed."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def _decision(decision_id: str, confidence: float) -> dict[str, object]:
    return {
        "decision_id": decision_id,
        "domain": "loan",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": confidence,
        "created_at": time.time_ns() // 1000,
        "amount": 100.0,
    }


class Routed:
    """Reads all route topics and dead letters, committed records only: how often each decision is there."""

    def __init__(self, servers: str) -> None:
        self.copies: Counter[str] = Counter()
        self.by_topic: Counter[str] = Counter()
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "checker",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        known = self._consumer.list_topics(timeout=30).topics
        self._consumer.assign(
            [TopicPartition(name, number, OFFSET_BEGINNING) for name in OUTPUTS for number in known[name].partitions]
        )

    def read(self) -> None:
        """Some of what has come since the last time: the load never leaves a topic without a new record."""
        for message in self._consumer.consume(2000, 0.5):
            if message.error() is None:
                self.copies[(message.key() or b"").decode()] += 1
                self.by_topic[message.topic() or ""] += 1

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path / "cluster") as cluster:
        yield cluster


def _router(servers: str, instance: str, log: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": servers,
        "INTERLOCK_ROUTER__AUDIT_KEY": "8a1c50e7d3b94f26a07e5c11d9f8b324",
        "INTERLOCK_INSTANCE_ID": instance,
    }
    with log.open("ab") as output:
        command = [sys.executable, "-m", "interlock", "run", "router"]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_brokers_killed_and_rolled_one_at_a_time_lose_and_double_nothing(
    cluster: KafkaCluster, crash_kills: int, campaign: bool, tmp_path: Path
) -> None:
    servers = cluster.bootstrap_servers
    platform = Platform(Settings(data_dir=tmp_path, kafka=KafkaSettings(bootstrap_servers=servers)))
    create_topics(platform, replication=3)
    state, finding = judge(*read_replication(platform))
    assert state == "ok", finding
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    publish_policy(platform.kafka(), policy, "the test", "for a test")

    chances = random.Random(SEED)
    log = tmp_path / "routers.log"
    with ExitStack() as stack:
        routers = [_router(servers, instance, log) for instance in ("1", "2")]
        for router in routers:
            stack.callback(router.wait)
            stack.callback(router.kill)
        routed = stack.enter_context(closing(Routed(servers)))
        load = Load(servers, producers=2)
        stack.callback(load.stop)

        def more_come_through(count: int) -> None:
            """New decisions are acknowledged and routed, whoever is away."""
            sent = len(load.acknowledged) + count
            wait_until(lambda: len(load.acknowledged) >= sent, "decisions are acknowledged", DEADLINE)
            through = sum(routed.copies.values()) + count

            def enough() -> bool:
                routed.read()
                return sum(routed.copies.values()) >= through

            wait_until(enough, "decisions are routed", DEADLINE)

        more_come_through(200)
        rounds = []
        # Each takes ten to thirty seconds: the others must notice it, and the one that returns must catch up.
        for number in range(crash_kills if campaign else crash_kills // 3):
            node = chances.choice(cluster.nodes)
            rolled = chances.random() < 0.3
            wait_until(cluster.is_whole, "every replica is in sync", DEADLINE)
            began = time.monotonic()
            (node.stop if rolled else node.kill)()
            more_come_through(chances.randrange(50, 500))
            without = time.monotonic() - began
            node.start()
            wait_until(cluster.is_whole, "every replica is in sync", DEADLINE)
            rounds.append((number, "rolled" if rolled else "killed", without, time.monotonic() - began))
            assert [router.poll() for router in routers] == [None, None], log.read_text()[-3000:]
        load.stop()

        def all_routed() -> bool:
            routed.read()
            return load.acknowledged <= routed.copies.keys()

        with suppress(AssertionError):  # said below, with names
            wait_until(all_routed, "every acknowledged decision is routed", DEADLINE)
        lost = sorted(load.acknowledged - routed.copies.keys())
        doubled = {key: count for key, count in routed.copies.items() if count > 1}
        for line in rounds:
            print("round {}: {}, went on after {:.1f} s, whole after {:.1f} s".format(*line))
        print(
            f"{len(load.acknowledged)} acknowledged, {len(load.failed)} refused, {sum(routed.copies.values())} routed "
            f"{dict(routed.by_topic)}, lost {len(lost)}, doubled {len(doubled)}"
        )
        assert (lost[:10], dict(list(doubled.items())[:10])) == ([], {})
