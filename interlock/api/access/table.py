"""The topic `access` as a table: tokens, and which sessions are over, as every API process knows them."""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Literal, Self

import structlog
from confluent_kafka import KafkaException

from interlock.errors import UnavailableError
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker, Message, Producer
from interlock.streams.sending import Outgoing, send_and_wait
from interlock.streams.tables import TableReader

log = structlog.get_logger()

Record = dict[str, Any]
Kind = Literal["token", "session", "person"]

TOPIC = catalogue.ACCESS

# Records arrive in the background; to look whether there are any takes microseconds. A revocation must count within a
# second, and a tenth of that is not worth more looks.
LOOK_SECONDS = 0.1

# Longer than a broker's restart.
DELIVERY_TIMEOUT_SECONDS = 30.0


def access_record(kind: Kind, record_id: str, person: str, **fields: Any) -> Record:
    """An `Access` record; times are microseconds since the epoch."""
    empty = {"name": "", "hash": "", "roles": [], "scopes": [], "created_by": "", "revoked_by": ""}
    no_times = dict.fromkeys(("created_at", "expires_at", "revoked_at"))
    return {"kind": kind, "id": record_id, "person": person, **empty, **no_times, **fields}


def publish(broker: Broker, records: Iterable[Record]) -> None:
    """Stores records. Raises UnavailableError if Kafka does not take all."""
    _send(broker.producer(None), records)


class AccessTable:
    """The newest record of every key. Safe to share between threads.

    What cannot be read counts as revoked from the moment it was written: nobody gets in because of damage.
    """

    def __init__(self, broker: Broker, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Reads everything; raises KafkaException."""
        self._broker = broker
        self._monotonic = monotonic
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._writing = threading.Lock()
        self._producer: Producer | None = None
        self._reader = TableReader(broker, [TOPIC.name], monotonic=monotonic)
        try:
            for message in self._reader.read_all():
                self._apply(message)
        except BaseException:
            self._reader.close()
            raise
        self._next_look = monotonic() + LOOK_SECONDS

    def get(self, kind: Kind, record_id: str) -> Record | None:
        """The record as of a tenth of a second ago or later. While Kafka is away, what was known last holds; raises
        UnavailableError where its client gave up."""
        self._follow()
        with self._lock:
            return self._records.get(f"{kind}:{record_id}")

    def of_kind(self, kind: Kind) -> list[Record]:
        """All records of one kind, by id."""
        self._follow()
        with self._lock:
            return sorted((record for record in self._records.values() if record["kind"] == kind), key=_key)

    def write(self, *records: Record, forgotten: Iterable[str] = ()) -> None:
        """Stores records, after which they hold here at once. `forgotten`: keys. Raises UnavailableError."""
        forgotten = list(forgotten)
        with self._writing:
            # Kept, because the first record of a producer takes half a second.
            if self._producer is None:
                self._producer = self._broker.producer(None)
            _send(self._producer, records, forgotten)
        with self._lock:
            self._records.update({_key(record): record for record in records})
            for key in forgotten:
                self._records.pop(key, None)

    def close(self) -> None:
        with self._looking:
            self._reader.close()

    def _follow(self) -> None:
        # One thread looks; the others go on with what is known, so that none waits for a broker that is away.
        if self._monotonic() < self._next_look or not self._looking.acquire(blocking=False):
            return
        try:
            for message in self._reader.poll():
                self._apply(message)
            self._next_look = self._monotonic() + LOOK_SECONDS
        except KafkaException as error:
            raise UnavailableError(f"{TOPIC.name} cannot be followed: {error.args[0].str()}") from error
        finally:
            self._looking.release()

    def _apply(self, message: Message) -> None:
        key, value = (message.key() or b"").decode(errors="replace"), message.value()
        with self._lock:
            if value is None:
                self._records.pop(key, None)
            else:
                self._records[key] = _decoded(key, value, message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _send(producer: Producer, records: Iterable[Record], forgotten: Iterable[str] = ()) -> None:
    outgoing = [Outgoing(TOPIC.name, _key(record).encode(), wire.encode("Access", record)) for record in records]
    outgoing += [Outgoing(TOPIC.name, key.encode(), None) for key in forgotten]
    try:
        send_and_wait(producer, outgoing, DELIVERY_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise UnavailableError(f"Kafka did not take what was to be stored: {error.args[0].str()}") from error


def _decoded(key: str, value: bytes, message: Message) -> Record:
    try:
        record = wire.decode_plain("Access", value)
        if _key(record) != key:
            raise wire.WireError("key-mismatch", f"it is about {_key(record)!r}")
    except wire.WireError as error:
        log.error("unreadable access record counts as revoked", key=key, offset=message.offset(), error=str(error))
        kind, _, record_id = key.partition(":")
        return access_record(kind, record_id, "", revoked_at=message.timestamp()[1] * 1_000)  # type: ignore[arg-type]
    return record


def _key(record: Record) -> str:
    return f"{record['kind']}:{record['id']}"
