"""Executors on Apache Kafka: handing over between processes, order across topics, and the roles as processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException
from standardwebhooks import Webhook

from interlock.executors import Execution, Executor, PermanentError
from interlock.operations.dead_letters import read_letters, replay
from interlock.schemas import catalogue, wire
from interlock.streams.kafka import KafkaBroker
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Broker
from tests.interlock.executors.executor_world import (
    SECRET,
    create_topics,
    put,
    put_action,
    put_routed,
    receiving,
    routed,
)

pytestmark = pytest.mark.kafka

# Rebalancing and starting processes take seconds on a busy machine.
TIMEOUT_SECONDS = 90


@pytest.fixture
def broker(kafka: Any) -> Broker:
    broker = KafkaBroker(kafka.bootstrap_servers)
    create_topics(broker)
    return broker


class Done:
    """What was carried out of one test's decisions; the topics are shared with other tests."""

    def __init__(self) -> None:
        self.prefix = f"{uuid4()}-"
        self.ids: list[str] = []
        self.changed = threading.Condition()

    def __call__(self, execution: Execution) -> None:
        if execution.decision_id.startswith(self.prefix):
            with self.changed:
                self.ids.append(execution.action_id.removeprefix(self.prefix))
                self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.ids) >= count, TIMEOUT_SECONDS), self.ids


@contextmanager
def running(broker: Broker, group: str, done: Callable[[Execution], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Executor(broker, group, done).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_roll_back_follows_its_execute_and_transaction_markers_at_the_end_do_not_hold_it_up(broker: Broker) -> None:
    done = Done()
    for number in range(30):
        put_action(broker, f"{done.prefix}{number}", 1, "roll_back")
        put_routed(broker, f"{done.prefix}{number}")
    put_action(broker, f"{done.prefix}old", 1, "roll_back")  # its execute has long been deleted
    # What ends every partition is nothing that a reader sees.
    producer = broker.producer(f"aborting-{uuid4()}")
    producer.init_transactions(30)
    for _ in range(2):
        producer.begin_transaction()
        for partition in range(catalogue.AUTO_APPROVED.partitions):
            value = wire.encode("RoutedDecision", routed("aborted"))
            producer.produce(catalogue.AUTO_APPROVED.name, value, b"aborted", partition)
        producer.flush(30)
        producer.abort_transaction(30)
    with running(broker, f"g-{uuid4()}", done):
        done.wait_for(61)
    assert len(done.ids) == len(set(done.ids)) == 61
    for number in range(30):
        assert done.ids.index(f"{number}/1/execute") < done.ids.index(f"{number}/1/roll_back")


def test_members_that_come_and_go_hand_over_without_loss_repetition_or_disorder(broker: Broker) -> None:
    done, group = Done(), f"g-{uuid4()}"
    versions = range(1, 11)

    def put_version(version: int) -> None:
        for number in range(20):
            put_action(broker, f"{done.prefix}{number}", version)

    second_works = threading.Event()
    probes = 0

    def second(execution: Execution) -> None:
        second_works.set()
        done(execution)

    with running(broker, group, done):
        for version in versions[:4]:
            put_version(version)
        done.wait_for(20)
        with running(broker, group, second):
            while not second_works.wait(0.05):
                put_action(broker, f"{done.prefix}probe{probes}", 1)
                probes += 1
            for version in versions[4:7]:
                put_version(version)
            done.wait_for(7 * 20 + probes)
        for version in versions[7:]:
            put_version(version)
        done.wait_for(10 * 20 + probes)
    assert len(done.ids) == 10 * 20 + probes
    for number in range(20):
        assert [key for key in done.ids if key.startswith(f"{number}/")] == [f"{number}/{v}/execute" for v in versions]


def test_a_dead_letter_that_was_overruled_stays_undone_and_another_one_is_done_by_a_process_that_remembers_nothing(
    broker: Broker,
) -> None:
    done, group = Done(), f"g-{uuid4()}"
    refused = [f"{done.prefix}{name}/1/execute" for name in ("overruled", "right")]

    def refuse(execution: Execution) -> None:
        if execution.action_id in refused:
            raise PermanentError("the receiver is gone")
        done(execution)

    def letters() -> list[tuple[int, int]]:
        found = (letter for letter in read_letters(broker) if letter.step == group)
        return [(letter.partition, letter.offset) for letter in found]

    def all_committed(topic: catalogue.Topic, markers: int) -> bool:
        """But for the markers at the end of a partition, which are no records that are read."""
        ends = broker.end_offsets(topic.name)
        try:
            committed = committed_offsets(broker, group, {topic.name: topic.partitions})
        except KafkaException:  # a coordinator that is busy with the rebalance
            return False
        return all(offset >= ends[number] - markers for (_, number), offset in committed.items())

    put_action(broker, f"{done.prefix}overruled", 1)
    put_routed(broker, f"{done.prefix}right")
    with running(broker, group, refuse):
        until(lambda: len(letters()) == 2)
        put_action(broker, f"{done.prefix}overruled", 1, "roll_back")
        put_action(broker, f"{done.prefix}overruled", 2)
        done.wait_for(1)
        # What other tests have written may still be under way before it.
        until(lambda: all_committed(catalogue.ACTIONS, 0))
    assert replay(broker, letters(), None) == 2
    with running(broker, group, done):
        until(lambda: len(done.ids) == 2 and all_committed(catalogue.ACTIONS_RETRY, 1))
    assert done.ids == ["overruled/2/execute", "right/1/execute"]
    assert len(letters()) == 2


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.2)
    raise AssertionError("it did not come to that")


@contextmanager
def role(name: str, kafka: Any, directory: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")}
    settings = {
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "INTERLOCK_DATA_DIR": str(directory),
        **{f"INTERLOCK_{key}": value for key, value in environment.items()},
    }
    with (directory / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "run", name], env={**kept, **settings}, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_the_role_webhooks_delivers_ends_in_order_and_does_not_repeat_itself_after_a_kill(
    broker: Broker, kafka: Any, tmp_path: Path
) -> None:
    decision_id = str(uuid4())
    with receiving() as receiver:

        def wait_for(action_id: str) -> None:
            with receiver.changed:
                assert receiver.changed.wait_for(lambda: action_id in receiver.ids, TIMEOUT_SECONDS), receiver.ids

        settings = {
            "WEBHOOKS__URL": f"http://{receiver.address}/hook",
            "WEBHOOKS__SECRET": SECRET,
            "WEBHOOKS__GROUP": f"g-{decision_id}",
        }
        with role("webhooks", kafka, tmp_path, **settings) as process:
            put_action(broker, decision_id, 1)
            wait_for(f"{decision_id}/1/execute")
            put_action(broker, decision_id, 2)
            wait_for(f"{decision_id}/2/execute")  # by now the first is remembered
            process.kill()
        with role("webhooks", kafka, tmp_path, **settings) as process:
            put_action(broker, decision_id, 3)
            wait_for(f"{decision_id}/3/execute")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == 0, (tmp_path / "webhooks.log").read_text()
    assert receiver.ids.count(f"{decision_id}/1/execute") == 1
    headers, body = next(found for found in receiver.received if found[0]["webhook-id"] == f"{decision_id}/1/execute")
    assert Webhook(SECRET).verify(body, headers)["data"]["decision_id"] == decision_id


def test_the_role_notifier_tells_the_operators(broker: Broker, kafka: Any, tmp_path: Path) -> None:
    alert_id = f"unreadable/{uuid4()}"
    record = {
        "alert_id": alert_id,
        "kind": "unreadable",
        "severity": "critical",
        "to": [],
        "task_id": "",
        "queue": "",
        "message": "a record cannot be read",
        "at": datetime.now(UTC),
    }
    put(broker, catalogue.ALERTS, alert_id, record)
    with receiving() as receiver:
        urls = f'["json://{receiver.address}/operators"]'
        with role("notifier", kafka, tmp_path, ALERTS__URLS=urls, ALERTS__GROUP=f"g-{uuid4()}") as process:
            receiver.wait_for(1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == 0, (tmp_path / "notifier.log").read_text()
    assert b"a record cannot be read" in receiver.received[0][1]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "INTERLOCK_WEBHOOKS__URL"),
        ({"WEBHOOKS__URL": "http://h", "WEBHOOKS__SECRET": "whsec_a"}, "not a webhook secret"),
        ({"WEBHOOKS__URL": "h", "WEBHOOKS__SECRET": SECRET}, "not an address"),
    ],
)
def test_the_role_webhooks_says_which_setting_is_missing_or_wrong(
    kafka: Any, tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    with role("webhooks", kafka, tmp_path, **environment) as process:
        assert process.wait(TIMEOUT_SECONDS) == 3
    text = (tmp_path / "webhooks.log").read_text()
    assert says in text
    assert "Traceback" not in text
