"""The desk as a reviewer tool sees it: tasks that it lists, commands that it answers, payloads that it names."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from .contracts import Contracts, Record

TASKS, COMMANDS, REPLIES = "reviews.tasks", "reviews.commands", "reviews.replies"

# A desk that was killed is replaced within fifteen seconds: a command is sent again until well after that. Sent twice
# under one id it is carried out once.
ATTEMPT_SECONDS, ATTEMPTS = 5.0, 6

# For what Kafka has and only needs to send.
READ_SECONDS = 30.0

# What a verdict names: 128 bits of SHA-256.
HASH_DIGITS = 32


class RefusedError(Exception):
    """The desk, or this tool, will not do it. `code` is stable, the text is for the person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Desk:
    """The desk for one person."""

    def __init__(self, properties: dict[str, str], contracts: Contracts, person: str) -> None:
        self._properties = properties
        self._contracts = contracts
        self._person = person
        self._complaints: list[str] = []
        listening = {"error_cb": lambda error: self._complaints.append(error.str()), "log_level": 0}
        self._producer = Producer({**properties, **listening, "linger.ms": 0, "enable.idempotence": True})
        self._replies = self._consumer()
        # From the end as it is now, before the first command: no reply is missed, none of the past is read.
        self._replies.assign([TopicPartition(REPLIES, 0, self._end_of_replies())])

    def ask(self, kind: str, **fields: Any) -> Record:
        """The desk's reply to a command. Raises RefusedError, also where no reply comes."""
        command = {
            "command_id": uuid.uuid4().hex,
            "kind": kind,
            "actor": self._person,
            "issued_at": int(time.time() * 1_000_000),
            **fields,
        }
        value = self._contracts.encode("Command", command)
        for _ in range(ATTEMPTS):
            self._producer.produce(COMMANDS, value, key=command.get("task_id") or self._person)
            self._producer.flush(ATTEMPT_SECONDS)
            reply = self._reply_to(command)
            if reply is not None:
                if not reply["accepted"]:
                    raise RefusedError(reply["code"], reply["message"])
                return reply
        raise RefusedError("no-reply", f"the desk did not answer {kind} within {ATTEMPTS * ATTEMPT_SECONDS:g} s")

    def tasks(self) -> dict[str, Record]:
        """Every task as it stands: the newest record of each key."""
        found: dict[str, Record] = {}
        for key, value in self._whole(TASKS):
            if value is None:  # the desk has forgotten it
                found.pop(key, None)
            else:
                found[key] = self._contracts.decode("Task", value)
        return found

    def leased(self, reply: Record) -> Record:
        """The task as an answered claim left it. Reply and task become visible together, but not in one read."""
        deadline = time.monotonic() + READ_SECONDS
        while time.monotonic() < deadline:
            task = self.tasks().get(reply["task_id"])
            if task is not None and task["lease_epoch"] >= reply["epoch"]:
                return task
        raise RefusedError("no-task", f"{TASKS} does not show {reply['task_id']}")

    def payload(self, task: Record) -> Record:
        """The routed decision that the task is about, proved by its hash. Raises RefusedError."""
        value = self._at(task["topic"], task["partition"], task["offset"])
        if value is None:
            raise RefusedError("no-payload", "Kafka does not have the case any more; ClickHouse has it")
        return proved(self._contracts, task, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._replies.close()

    def _end_of_replies(self) -> int:
        """The offset behind the last reply. Raises RefusedError with what Kafka complains of, a wrong password too."""
        for _ in range(int(READ_SECONDS)):
            try:
                end: int = self._replies.get_watermark_offsets(TopicPartition(REPLIES, 0), 1.0)[1]
                return end
            except KafkaException as error:
                self._producer.poll(0)  # calls back with what went wrong
                if self._complaints:
                    raise RefusedError("no-kafka", self._complaints[0]) from error
        raise RefusedError("no-kafka", f"Kafka does not tell where {REPLIES} ends")

    def _reply_to(self, command: Record) -> Record | None:
        deadline = time.monotonic() + ATTEMPT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            message = _checked(self._replies.poll(left))
            if message is None or message.key() != command["command_id"].encode():
                continue
            reply = self._contracts.decode("CommandReply", message.value())
            # Somebody else may use the same id.
            same = all(reply[name] == command[name] for name in ("kind", "actor"))
            if same and command.get("task_id", "") in ("", reply["task_id"]):
                return reply
        return None

    def _whole(self, topic: str) -> Iterator[tuple[str, bytes | None]]:
        """Key and value of every record of a topic with one partition, up to its present end."""
        consumer = self._consumer({"enable.partition.eof": True})
        try:
            consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
            while True:
                message = consumer.poll(READ_SECONDS)
                if message is None:
                    raise RefusedError("no-kafka", f"Kafka did not send {topic} within {READ_SECONDS:g} s")
                if message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF:
                    return
                yield _checked(message).key().decode(), message.value()
        finally:
            consumer.close()

    def _at(self, topic: str, partition: int, offset: int) -> bytes | None:
        """The value at a place; None if Kafka does not have it any more."""
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = _checked(consumer.poll(READ_SECONDS))
            value: bytes | None = message.value() if message is not None and message.offset() == offset else None
            return value
        finally:
            consumer.close()

    def _consumer(self, more: dict[str, Any] | None = None) -> Any:
        fixed = {
            "group.id": "interlock-readers",  # demanded by the library, and known to its role; nothing is committed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "log_level": 0,
        }
        return Consumer({**self._properties, **fixed, **(more or {})})


def proved(contracts: Contracts, task: Record, value: bytes) -> Record:
    """The routed decision in `value`, if it is what the task is about. Raises RefusedError."""
    digest = _hash(value)
    if task["kind"] == "gold":  # a planted case must not be found by the hash of the real one
        digest = _hash(f"{task['task_id']}/{digest}".encode())
    if digest != task["payload_hash"]:
        raise RefusedError("wrong-payload", "the case is not the one that the desk means")
    try:
        routed = contracts.decode("RoutedDecision", value)
    except Exception as error:  # damaged bytes make the Avro library raise errors of any kind
        raise RefusedError("damaged-payload", f"the case cannot be read whole ({error})") from error
    if task["kind"] == "gold":  # nor by its age
        routed["decision"]["created_at"] += task["routed_at"] - routed["routed_at"]
    return routed


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:HASH_DIGITS]


def _checked(message: Any) -> Any:
    if message is not None and message.error() is not None:
        raise KafkaException(message.error())
    return message
