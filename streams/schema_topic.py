"""The topic `schemas`: what records were written in, for processes that do not have the schema.

`interlock prepare` records the versions of a release before its roles start, so that older processes can read what
newer ones write. What a schema registry says is recorded as well, and outlives an outage of the registry.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any, Protocol

from confluent_kafka import KafkaException

from interlock.schemas import avro_schemas, catalogue, wire, written
from interlock.schemas.written import SchemaUnavailableError
from interlock.streams.errors import FATAL_CODES
from interlock.streams.ports import Broker, Message
from interlock.streams.sending import Outgoing, send_and_wait
from interlock.streams.tables import TableReader

log = logging.getLogger(__name__)

# How long an id that nobody knew is not asked about again. A producer sends thousands of records with it.
_RETRY_SECONDS = 10.0

# Unknown ids that are asked about in a minute. A question takes some 0.1 s, in which nothing is routed: a producer that
# writes garbage must not stop the others. A healthy system has a new id with a deployment.
_MAX_MISSES = 20
_MISSES_SECONDS = 60.0

# For a record of an unknown schema: its batch waits.
_TIMEOUT_SECONDS = 5.0

# For `prepare`, which may have created the topic a moment ago: as long as leaders are elected.
_PREPARE_TIMEOUT_SECONDS = 30.0

_PAUSE_SECONDS = 0.1


class Registry(Protocol):
    """A schema registry."""

    @property
    def address(self) -> str: ...

    def find(self, key: str) -> str | None:
        """As SchemaSource: keys `registry/ID` and `guid/GUID`."""
        ...


class SchemaTopic:
    """Finds schemas in the topic, then in the registry, and records there what the registry said. For all threads."""

    def __init__(
        self, broker: Broker, registry: Registry | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Connects when it is asked for the first time. `clock`: seconds."""
        self._broker = broker
        self.registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        # What was found of ids that are unknown, until when.
        self._missed: dict[str, tuple[float, SchemaUnavailableError | None]] = {}
        self._misses: deque[float] = deque()
        self._registry_rests_until = 0.0

    def find(self, key: str) -> str | None:
        """The schema under an id of `SchemaVersion`; None if there is none. Raises SchemaUnavailableError."""
        with self._lock:
            if key not in self._known:
                self._ask(key)
            return self._known.get(key)

    def _ask(self, key: str) -> None:
        now = self._clock()
        until, error = self._missed.get(key, (now, None))
        if now < until:
            if error is not None:
                raise error
            return
        while self._misses and self._misses[0] < now - _MISSES_SECONDS:
            self._misses.popleft()
        if len(self._misses) >= _MAX_MISSES:
            return
        try:
            self._known |= {record["id"]: record["schema"] for record in read(self._broker)}
            if key not in self._known:
                self._ask_registry(key)
        except SchemaUnavailableError as unavailable:
            error = unavailable
        else:
            error = None
        if key not in self._known:
            self._misses.append(now)
            self._missed = {other: miss for other, miss in self._missed.items() if miss[0] > now}
            self._missed[key] = self._clock() + _RETRY_SECONDS, error
            if error is not None:
                raise error

    def _ask_registry(self, key: str) -> None:
        if self.registry is None or key.startswith(written.OWN):
            return
        if self._clock() < self._registry_rests_until:
            raise SchemaUnavailableError(f"the schema registry at {self.registry.address} did not answer a moment ago")
        try:
            text = self.registry.find(key)
        except SchemaUnavailableError:
            self._registry_rests_until = self._clock() + _RETRY_SECONDS
            raise
        if text is None:
            return
        self._known[key] = text
        try:
            record(self._broker, [entry(key, text, origin=self.registry.address)])
        except KafkaException as error:
            problem = f"cannot be recorded in topic {catalogue.SCHEMAS.name} ({error.args[0].str()})"
            log.warning("schema %s of the registry %s: the next process asks the registry again", key, problem)


def read(broker: Broker, timeout: float = _TIMEOUT_SECONDS) -> list[dict[str, Any]]:
    """The `SchemaVersion` records of the topic; none if there is no such topic. Raises SchemaUnavailableError after
    `timeout` seconds without an answer."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            messages = _messages(broker, timeout)
        except KafkaException as error:
            # Others pass: above all, leaders are elected after a topic was created and while a broker restarts.
            if error.args[0].code() in FATAL_CODES or time.monotonic() > deadline:
                problem = f"topic {catalogue.SCHEMAS.name} cannot be read: {error.args[0].str()}"
                raise SchemaUnavailableError(problem) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            break
    found: dict[bytes, dict[str, Any]] = {}
    for message in messages:
        try:
            found[message.key() or b""] = wire.decode_plain("SchemaVersion", message.value())
        except wire.WireError as error:
            found.pop(message.key() or b"", None)
            if error.reason != "empty-value":
                log.warning("unreadable record in topic %s: %s", catalogue.SCHEMAS.name, error)
    return list(found.values())


def _messages(broker: Broker, timeout: float) -> list[Message]:
    if not broker.topic_states([catalogue.SCHEMAS.name]):
        return []
    with closing(TableReader(broker, [catalogue.SCHEMAS.name], once=True)) as table:
        return table.read_all(timeout)


def record(broker: Broker, entries: Iterable[dict[str, Any]], timeout: float = _TIMEOUT_SECONDS) -> None:
    """Writes `SchemaVersion` records. Raises KafkaException."""
    records = [Outgoing(catalogue.SCHEMAS.name, e["id"].encode(), wire.encode("SchemaVersion", e)) for e in entries]
    send_and_wait(broker.producer(None), records, timeout)


def record_own(broker: Broker) -> list[str]:
    """Records the versions of this release that the topic does not have; returns a line for each.

    Raises KafkaException and SchemaUnavailableError.
    """
    known = {found["id"] for found in read(broker, _PREPARE_TIMEOUT_SECONDS)}
    missing = [version for version in avro_schemas.lock().values() if written.key_of(version.id) not in known]
    own = [entry(written.key_of(v.id), v.text, origin="prepare", version=v.number) for v in missing]
    record(broker, own, _PREPARE_TIMEOUT_SECONDS)
    return [f"recorded version {version.number} of {version.name} (id {version.id})" for version in missing]


def entry(key: str, text: str, *, origin: str, version: int = 0) -> dict[str, Any]:
    """A `SchemaVersion` record of now."""
    document = json.loads(text)
    last = document[-1] if isinstance(document, list) and document else document
    return {
        "id": key,
        "name": _full_name(last),
        "version": version,
        "schema": text,
        "origin": origin,
        "recorded_at": time.time_ns() // 1000,
    }


def _full_name(document: Any) -> str:
    if not isinstance(document, dict) or "name" not in document:
        return ""
    name, namespace = str(document["name"]), document.get("namespace", "")
    return name if "." in name or not namespace else f"{namespace}.{name}"
