"""Records for executors, and a broker in memory to put them on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from confluent_kafka import TopicPartition

from interlock.executors import Execution, Executor, MemorySeen, PermanentError, Seen
from interlock.operations.dead_letters import Letter, read_letters
from interlock.schemas import catalogue, wire
from interlock.streams.clock import Clock, ManualClock
from interlock.streams.dispatch.deliveries import Schedule
from interlock.streams.memory import InlineExecutor, MemoryBroker
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Producer, TopicSpec
from tests.interlock.client.test_client import decision

AT = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = (
    catalogue.AUTO_APPROVED,
    catalogue.ACTIONS,
    catalogue.ACTIONS_RETRY,
    catalogue.ACTION_SEQUENCES,
    catalogue.ALERTS,
    catalogue.REVIEWERS,
    catalogue.DEAD_LETTER,
)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def create_topics(broker: Broker) -> None:
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in TOPICS])


def memory(clock: Clock | None = None) -> MemoryBroker:
    broker = MemoryBroker(clock or ManualClock())
    create_topics(broker)
    return broker


def action(decision_id: str, version: int, kind: str = "execute", **fields: Any) -> dict[str, Any]:
    return {
        "action_id": f"{decision_id}/{version}/{kind}",
        "decision_id": decision_id,
        "kind": kind,
        "version": version,
        "outcome": "approve",
        "modifications": "",
        "notices": [],
        "reason_code": "r",
        "reason_text": "because",
        "domain": "d",
        "at": AT,
        "topic": catalogue.REVIEWS_ASYNC.name,
        "partition": 0,
        "offset": 0,
        **fields,
    }


def routed(decision_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "routed_at": AT,
        "route": "auto",
        "reasons": ["lane.auto"],
        "calibrated_confidence": 0.9,
        "policy_version": "p",
        "calibration_version": "",
        "workflow": "post_approval",
        "priority": "low",
        "queue": "q",
        "audit": False,
        "propensity": 0.0,
        "override_until": None,
        "notices": [],
        "decision": decision(decision_id=decision_id).to_record(),
        **fields,
    }


def put(broker: Broker, topic: catalogue.Topic, key: str, record: dict[str, Any] | None) -> None:
    value = wire.encode(topic.schema or "", record) if record is not None else None
    put_bytes(broker, topic, key, value)


def put_bytes(broker: Broker, topic: catalogue.Topic, key: str, value: bytes | None) -> None:
    shared: Any = broker  # no protocol promises to be hashable
    producer = _producer(shared)
    producer.produce(topic.name, value, key.encode(), headers=[("traceparent", b"00-1")])
    assert producer.flush(30) == 0


@lru_cache(1)  # a new one for every record would connect to Kafka every time
def _producer(broker: Broker) -> Producer:
    return broker.producer(None)


def put_action(broker: Broker, decision_id: str, version: int, kind: str = "execute", **fields: Any) -> None:
    put(broker, catalogue.ACTIONS, decision_id, action(decision_id, version, kind, **fields))


def put_routed(broker: Broker, decision_id: str, **fields: Any) -> None:
    put(broker, catalogue.AUTO_APPROVED, decision_id, routed(decision_id, **fields))


class World:
    """An executor on a broker in memory, with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = memory(self.clock)
        self.done: list[Execution] = []
        self.seen: Seen = MemorySeen()
        self.metrics = Metrics("executor")
        self.handler: Callable[[Execution], None] = self.done.append

    @property
    def ids(self) -> list[str]:
        return [execution.action_id for execution in self.done]

    def executor(self, broker: MemoryBroker | None = None, attempts: int = 15, group: str = "executors") -> Executor:
        return Executor(
            broker or self.broker,
            group,
            lambda execution: self.handler(execution),  # noqa: PLW0108 - the handler is changed later
            seen=self.seen,
            schedule=Schedule(attempts),
            clock=self.clock,
            pool=InlineExecutor(),
            metrics=self.metrics,
        )

    def settle(self, executor: Executor, seconds: float = 0.0) -> None:
        """Some turns, with the time going on in between."""
        for _ in range(12):
            executor.step()
            self.clock.advance(seconds / 12)

    def letters(self) -> list[Letter]:
        return list(read_letters(self.broker))


def refusing(world: World, *action_ids: str) -> Callable[[Execution], None]:
    """A handler that refuses these and carries out the others."""

    def handler(execution: Execution) -> None:
        if execution.action_id in action_ids:
            raise PermanentError("the receiver says 404", "http-404")
        world.done.append(execution)

    return handler


def sequences(world: World) -> dict[str, list[tuple[str, str]]]:
    """What a process that begins now reads: action ids and states, by key."""
    topic = catalogue.ACTION_SEQUENCES
    world.broker.compact(topic.name)
    held: dict[str, list[tuple[str, str]]] = {}
    consumer = world.broker.consumer(None)
    consumer.assign([TopicPartition(topic.name, number, 0) for number in range(topic.partitions)])
    while messages := consumer.consume(100, 0):
        for message in messages:
            key = (message.key() or b"").decode()
            if message.value() is None:
                held.pop(key, None)
            else:
                actions = wire.decode("ActionSequence", message.value())["actions"]
                held[key] = [(action["action_id"], action["state"]) for action in actions]
    return held


class Receiver(ThreadingHTTPServer):
    """A server on 127.0.0.1 that keeps what it is sent. It answers as it is told: in turn by `answers`, a number of
    times with 500 by path (`failing`), otherwise with 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.failing: dict[str, int] = {}
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.changed = threading.Condition()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= count, 60), self.received


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.changed:
            self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.server.paths.append(self.path)
            status, headers = self.server.answers.pop(0) if self.server.answers else (204, {})
            if self.server.failing.get(self.path):
                self.server.failing[self.path] -= 1
                status = 500
            self.server.changed.notify_all()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if status >= 400:
            self.wfile.write(b"no, because")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
