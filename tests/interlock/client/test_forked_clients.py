"""A client that was made before its process forked: gunicorn with preload, Celery, multiprocessing."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition

from interlock import Client, DecisionResult
from interlock.executors import Executor
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import DeskConnection
from interlock.schemas import catalogue, wire
from interlock.streams.forks import ForkedError
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import read_topic
from interlock.streams.tables import TableReader
from tests.interlock.client.test_client import decision
from tests.interlock.client.test_deciding import TOPICS, Desk, memory, resolution, working
from tests.interlock.review.test_desk_client import reply_to

# A child that hangs ends with a signal, and the test with it.
CHILD_SECONDS = 60


def in_a_child(work: Callable[[], None]) -> int:
    """The exit code of a forked child that does `work`: 0 if it raised nothing, negative if it hung."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_SECONDS)
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_begins_anew() -> None:
    broker = memory()
    with Client(broker=broker) as client:
        client.submit(decision())

        def work() -> None:
            with working(Desk(broker, lambda record: [resolution(record["decision_id"])])):
                assert client.decide(decision(), timeout=30).outcome == "reject"
            client.close()

        # No thread of the parent uses the broker: a child of this one would inherit its locks as they are.
        assert in_a_child(work) == 0
        client.submit(decision())


def test_a_child_does_not_wait_for_a_lock_that_a_thread_of_the_parent_held() -> None:
    broker = memory()
    with Client(broker=broker) as client:
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with client._lock:
                held.set()
                done.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(60)
        try:
            assert in_a_child(lambda: client.submit(decision())) == 0
        finally:
            done.set()
            holder.join()


@pytest.fixture
def client(kafka: Any) -> Client:
    broker = KafkaBroker(kafka.bootstrap_servers)
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in TOPICS])
    client = Client(broker=broker, delivery_seconds=30, grace_seconds=1)
    client.submit(decision())
    assert client.resolution("nothing") is None  # also the administration client and the lookup are connected
    client.resolution_future("nothing", timeout=600)
    return client


# A client cannot be sent to a worker, which finds the one that its parent had.
_INHERITED: list[Client] = []


def _submit_and_look_up(decision_id: str) -> DecisionResult | None:
    (client,) = _INHERITED
    client.submit(decision(decision_id=decision_id))
    return client.resolution(decision_id)


@pytest.mark.kafka
def test_on_kafka_every_child_of_a_pool_submits_and_looks_up_and_all_of_them_end(client: Client, kafka: Any) -> None:
    names = [f"forked-{os.getpid()}-{number}" for number in range(6)]
    _INHERITED[:] = [client]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        asked = [pool.apply_async(_submit_and_look_up, (name,)) for name in names]
        assert [answer.get(CHILD_SECONDS) for answer in asked] == [None] * len(names)
        pool.close()
        pool.join()
    _INHERITED.clear()
    batches = read_topic(KafkaBroker(kafka.bootstrap_servers), "decisions")
    assert {name.encode() for name in names} <= {message.key() for batch in batches for message in batch}
    client.submit(decision())
    waiting = client.resolution_future("parent", timeout=60)
    Desk(KafkaBroker(kafka.bootstrap_servers)).say([resolution("parent")])
    assert waiting.result(60).outcome == "reject"
    client.close()


@pytest.mark.kafka
def test_on_kafka_a_child_that_ends_in_the_ordinary_way_frees_nothing_of_its_parent(client: Client) -> None:
    def work() -> None:
        client.submit(decision())
        client.close()

    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_SECONDS)
        work()
        for name in list(vars(client)):
            delattr(client, name)  # what the end of the interpreter does to everything
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.close()


@pytest.mark.kafka
@pytest.mark.parametrize("what", ["executor", "consumer", "producer", "reader"])
def test_on_kafka_what_cannot_begin_anew_says_at_once_that_it_was_made_before_the_fork(what: str, kafka: Any) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    names = (*TOPICS, catalogue.ACTIONS, catalogue.ACTIONS_RETRY, catalogue.ACTION_SEQUENCES)
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in names])
    executor = Executor(broker, f"executor-{uuid4().hex}", lambda _: None) if what == "executor" else None
    consumer, producer = broker.consumer(f"forked-{uuid4().hex}"), broker.producer(None)
    reader = TableReader(broker, ["decisions"])
    uses: dict[str, Callable[[], object]] = {
        "executor": lambda: executor.run(threading.Event()) if executor is not None else None,
        "consumer": lambda: consumer.consume(1, 1),
        "producer": lambda: producer.produce("decisions", b"value"),
        "reader": reader.poll,
    }

    def work() -> None:
        began = time.monotonic()
        with pytest.raises(ForkedError, match="made before this process was forked"):
            uses[what]()
        assert time.monotonic() - began < 5
        consumer.close()
        reader.close()

    assert in_a_child(work) == 0
    consumer.close()
    reader.close()
    if executor is not None:
        executor.close()


def test_a_connection_to_the_desk_connects_anew_in_a_child() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(topic.name, 1) for topic in (catalogue.COMMANDS, catalogue.REPLIES)])
    with DeskConnection(broker) as connection:
        parents = connection._thread

        def work() -> None:
            broker.cluster.changed.release()
            asked: list[str] = []
            commands = broker.consumer(None)
            commands.assign([TopicPartition(catalogue.COMMANDS.name, 0, 0)])

            def answer() -> None:
                while not (messages := commands.consume(1, 1)):
                    pass
                command = wire.decode_plain("Command", messages[0].value())
                asked.append(command["kind"])
                value = wire.encode("CommandReply", reply_to(command))
                producer = broker.producer(None)
                producer.produce(catalogue.REPLIES.name, value, command["command_id"].encode())
                producer.flush(5)

            desk = threading.Thread(target=answer)
            desk.start()
            assert DeskClient(broker, "ada", connection=connection).on_duty().accepted
            desk.join()
            assert asked == ["on_duty"]
            assert connection._thread is not parents
            connection.close()

        # Held for the child too: it would inherit the lock from whichever thread of the parent had it at that moment.
        with broker.cluster.changed:
            assert in_a_child(work) == 0


def test_a_child_asks_why_kafka_does_not_answer_though_a_thread_of_the_parent_was_just_told() -> None:
    broker = KafkaBroker("127.0.0.1:1")

    def work() -> None:
        assert broker._troubles.latest() is None

    with broker._troubles._lock:
        assert in_a_child(work) == 0
