"""The connection to the desk: it sends commands, and returns every reply to the caller who asked.

One consumer and one thread serve any number of callers. The consumer starts at the end of the replies before the first
command goes out, so it misses no reply. It belongs to no group, because every tool needs its own replies.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, TopicPartition

from interlock.errors import InterlockError, UnavailableError, UsageError
from interlock.schemas import catalogue, json_text, wire
from interlock.schemas.signed_commands import Signer
from interlock.streams.consuming import records_of
from interlock.streams.forks import begin_anew_in_children
from interlock.streams.ports import Broker, Headers
from interlock.streams.tables import FOLLOWING

log = logging.getLogger(__name__)

# A desk answers within tens of milliseconds. One that was killed is replaced within fifteen seconds, so a command is
# sent again every five, and given up when even the replacement must have answered.
ATTEMPT_SECONDS = 5.0
ATTEMPTS = 6

# How late the listening thread notices that it shall stop, and why a command could not be sent; a reply ends the wait.
# Ten looks a second cost 0.08 % of a core (measured): fewer where nobody has given a command for as long as all
# attempts take.
_POLL_INTERVAL_SECONDS = 0.1
_REST_INTERVAL_SECONDS = 0.5
_RECENTLY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """The desk's answer to a command; the fields of `CommandReply.avsc`."""

    command_id: str
    kind: str
    actor: str
    task_id: str
    accepted: bool
    code: str
    message: str
    at: datetime
    epoch: int
    lease_until: datetime | None
    payload_hash: str
    topic: str
    partition: int
    offset: int

    def for_people(self) -> dict[str, Any]:
        """The fields, as a person may see them: without the place of the payload, since an old place among new ones
        tells that a case was planted."""
        return {**asdict(self), "topic": "", "partition": -1, "offset": -1}


class CommandRefusedError(InterlockError):
    """The desk refused the command and nothing has changed. `code`: stable, for example already-decided."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.message} [{reply.code}]")
        self.reply = reply
        self.code = reply.code


class DeskUnavailableError(UnavailableError):
    """No reply came: the command may be carried out or not, and sending it again under the same id is harmless."""

    def __init__(self, command: dict[str, Any], seconds: float, detail: str) -> None:
        super().__init__(
            f"the desk did not answer {command['kind']} within {seconds:g} s{detail}. Is it running (`interlock run "
            f"desk`)? Whether the command was carried out is not known; repeated under its id {command['command_id']} "
            "it is carried out once."
        )
        self.command_id: str = command["command_id"]


def answers(reply: Reply, command: dict[str, Any]) -> bool:
    """Whether a reply under a command's id is about that command: the same person, kind and task."""
    if (reply.actor, reply.kind) != (command["actor"], command["kind"]):
        return False
    asked = command.get("task_id") or ""
    # Without a task the desk chooses one; a planted item has a name of its own.
    return not asked or command["kind"] == "gold" or reply.task_id == asked


class DeskConnection:
    """Sends commands and waits for their replies; safe to share between threads.

    In a forked child one that its parent made connects anew with the first command; calls that wait in the parent go on
    there.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        signer: Signer | None = None,
        attempt_seconds: float = ATTEMPT_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        """`signer`: where the desk takes only signed commands, of the people whom this process has logged in.

        Raises InterlockError if the topics do not exist, KafkaException if Kafka does not answer."""
        self._signer = signer
        self._seconds = attempt_seconds
        self._attempts = attempts
        self._broker = broker
        self._lock = threading.Lock()
        self._inherited = False
        self._connect()
        begin_anew_in_children(self)

    def _connect(self) -> None:
        broker = self._broker
        names = [catalogue.COMMANDS.name, catalogue.REPLIES.name]
        missing = [name for name in names if name not in broker.topic_states(names)]
        if missing:
            raise InterlockError(f"topic {', '.join(missing)} does not exist: create it with `interlock prepare`")
        ends = broker.end_offsets(catalogue.REPLIES.name)
        # Linger would delay a person's click for the sake of batches that never fill.
        self._producer = broker.producer(None, {"linger.ms": 0, "delivery.report.only.error": False})
        self._consumer = broker.consumer(None, overrides=FOLLOWING)
        # The offsets themselves and not "the end", which librdkafka would look up later, perhaps after the reply.
        self._consumer.assign([TopicPartition(catalogue.REPLIES.name, number, end) for number, end in ends.items()])
        # By the id of the command. Several may wait under one: a caller who repeats a command that is under way.
        self._waiting: dict[bytes, list[tuple[dict[str, Any], Future[Reply]]]] = {}
        self._failure: BaseException | None = None
        self._used_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="desk replies", daemon=True)
        self._thread.start()

    def after_fork(self) -> None:
        """Its lock may be held by a thread of the parent, and what it waits for comes there."""
        self._lock = threading.Lock()
        self._inherited = True

    def signature(self, person: str, value: bytes) -> Headers:
        """The headers that say that `person` has given what `value` says; none where this process has no key."""
        return [*self._signer.headers(person, value)] if self._signer else []

    def ask(self, command: dict[str, Any]) -> Reply:
        """The reply to a `Command` record. Raises CommandRefusedError, DeskUnavailableError or KafkaException, and
        UsageError for text that is not Unicode."""
        for name, text in command.items():
            try:
                json_text.check_text(text if isinstance(text, str) else "")
            except json_text.JsonError as error:
                raise UsageError(f"{name} {error}") from error
        with self._lock:
            if self._inherited:
                self._connect()
                self._inherited = False
        value = wire.encode("Command", command)
        key = (command.get("task_id") or command["actor"]).encode()
        headers: Headers | None = self.signature(command["actor"], value) or None
        complaints: list[str] = []
        future = self._expect(command)
        try:
            for _ in range(self._attempts):
                self._send(
                    key, value, headers, lambda error, _: complaints.append(self._complaint(error)) if error else None
                )
                try:
                    reply = future.result(self._seconds)
                except TimeoutError:
                    continue
                if not reply.accepted:
                    raise CommandRefusedError(reply)
                return reply
        finally:
            self._forget(command, future)
        raise DeskUnavailableError(
            command, self._seconds * self._attempts, f" (Kafka: {complaints[-1]})" if complaints else ""
        )

    @property
    def broken(self) -> bool:
        """Whether Kafka refused what no retry can mend, or it is closed: only a new one hears replies again."""
        with self._lock:
            return self._failure is not None and not self._inherited

    def close(self) -> None:
        """Stops listening; callers who still wait get an error."""
        if self._inherited:
            return
        self._stopping.set()
        self._thread.join()
        self._producer.flush(self._seconds)

    def _expect(self, command: dict[str, Any]) -> "Future[Reply]":
        future: Future[Reply] = Future()
        key = command["command_id"].encode()
        self._used_at = time.monotonic()
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._waiting.setdefault(key, []).append((command, future))
        return future

    def _forget(self, command: dict[str, Any], future: "Future[Reply]") -> None:
        key = command["command_id"].encode()
        with self._lock:
            waiting = [(other, each) for other, each in self._waiting.pop(key, []) if each is not future]
            if waiting:
                self._waiting[key] = waiting

    def _send(
        self, key: bytes, value: bytes, headers: Headers | None, on_delivery: Callable[[KafkaError | None, Any], None]
    ) -> None:
        self._producer.produce(catalogue.COMMANDS.name, value, key, on_delivery=on_delivery, headers=headers)
        self._producer.poll(0)

    def _complaint(self, error: KafkaError) -> str:
        return self._producer.explained(error, [catalogue.COMMANDS.name]).str()

    def _listen(self) -> None:
        """Runs in the thread."""
        failure: BaseException = RuntimeError("the connection to the desk is closed")
        try:
            while not self._stopping.is_set():
                # One message ends the wait; asking for more would wait until they are there.
                messages = [*self._consumer.consume(1, self._poll_seconds())]
                if messages:
                    messages += self._consumer.consume(1000, 0)
                for record in records_of(messages):
                    self._deliver(record.key() or b"", record.value())
                self._producer.poll(0)
        except Exception as error:
            failure = error
        with self._lock:
            self._failure = failure
            waiting = [future for each in self._waiting.values() for _, future in each if not future.done()]
        for future in waiting:
            future.set_exception(failure)
        self._consumer.close()

    def _poll_seconds(self) -> float:
        recently = time.monotonic() < self._used_at + _RECENTLY_SECONDS
        return _POLL_INTERVAL_SECONDS if recently else _REST_INTERVAL_SECONDS

    def _deliver(self, key: bytes, value: bytes | None) -> None:
        with self._lock:
            waiting = list(self._waiting.get(key, ()))
        if not waiting:  # it is another tool's, or the repetition of an answer that was given
            return
        try:
            reply = Reply(**wire.decode("CommandReply", value))
        except wire.WireError as error:  # whoever waits asks again, and others go on
            log.warning("a reply to command %r cannot be read: %s", key.decode(errors="replace"), error)
            return
        for command, future in waiting:
            # A reply to somebody else, who uses the same id, says nothing to the others.
            if answers(reply, command) and not future.done():
                future.set_result(reply)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
