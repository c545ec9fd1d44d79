"""What the requests of one process share: connections, and the state of the platform as Kafka tells it.

Nothing here is lost with the process: another one reads the same topics.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from queue import LifoQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from clickhouse_connect.driver.exceptions import OperationalError
from fastapi import Request

from interlock.api.live_board import LiveBoard
from interlock.client.client import Client
from interlock.errors import UnavailableError
from interlock.platform.connection import Platform
from interlock.policies.published import Policies
from interlock.processors.review.payload import Payload
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import ATTEMPT_SECONDS, DeskConnection
from interlock.review.payload import PayloadReader
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.ports import Broker

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouse

# A takeover after a kill takes seven seconds: who asks then is answered, and no thread waits for long.
DESK_ATTEMPTS = 3

# A payload takes 8 ms, and a reader serves one request at a time: four serve some 500 a second.
PAYLOAD_READERS = 4


# Longer than any question of the console takes; the driver would wait for five minutes, and its thread with it.
CLICKHOUSE_SECONDS = 20

# After ClickHouse was silent for so long, nobody else waits for it until then.
SILENCE_SECONDS = 10.0


class Backend:
    """Safe to share between threads."""

    def __init__(
        self,
        platform: Platform,
        *,
        broker: Broker | None = None,
        clock: Clock | None = None,
        desk_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        """Opens everything that Kafka is needed for; ClickHouse is asked when it is needed. `desk_seconds`: how long
        the desk has for each of its attempts.

        Raises InterlockError and KafkaException.
        """
        self.platform = platform
        self.broker = broker or platform.serving_kafka()
        self.clock: Clock = clock or SystemClock()
        self.policies = Policies(self.broker)
        self.board = LiveBoard(self.broker, self.policies.refresh)
        self._desk_seconds = desk_seconds
        self._desk = self._new_desk()
        self.client = Client(
            broker=self.broker,
            clickhouse=analyst_dsn(platform),
            signer=platform.signer,
            encrypt=platform.encryption(),
        )
        # The last that was used first: the others have no connection before several are needed at a time.
        self._payloads: LifoQueue[PayloadReader] = LifoQueue()
        for _ in range(PAYLOAD_READERS):
            self._payloads.put(
                PayloadReader(
                    self.broker, partial(platform.clickhouse, seconds=CLICKHOUSE_SECONDS), lambda: platform.keys_to_read
                )
            )
        self._teller = self.broker.producer(None, {"linger.ms": 0})
        self._lock = threading.Lock()
        self._clickhouse: ClickHouse | None = None
        self._silent_until = 0.0

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self.clock.now()

    @property
    def desk(self) -> DeskConnection:
        """The connection to the desk; a new one after Kafka refused it, say for rights that were taken and given back.

        Raises KafkaException.
        """
        with self._lock:
            if self._desk.broken:
                self._desk.close()
                self._desk = self._new_desk()
            return self._desk

    def _new_desk(self) -> DeskConnection:
        return DeskConnection(
            self.broker,
            signer=self.platform.signer,
            attempts=DESK_ATTEMPTS,
            attempt_seconds=self._desk_seconds,
        )

    def desk_of(self, person: str) -> DeskClient:
        """The commands of one person, on the shared connection."""
        return DeskClient(self.broker, person, connection=self.desk, clock=self.clock)

    def tell(self, topic: str, key: str, value: bytes) -> None:
        """Sends a record that may get lost. Raises KafkaException."""
        self._teller.produce(topic, value, key.encode())
        self._teller.poll(0)

    def payload(self, task: dict[str, Any]) -> Payload:
        """What a `Task` record is about. Raises InterlockError and KafkaException."""
        with self.payload_reader() as reader:
            return reader.read(task)

    @contextmanager
    def payload_reader(self) -> Iterator[PayloadReader]:
        """One of the readers of payloads, for as long as it is needed."""
        reader = self._payloads.get()
        try:
            yield reader
        finally:
            self._payloads.put(reader)

    @contextmanager
    def clickhouse(self) -> "Iterator[ClickHouse]":
        """A client, which several requests may use at a time; raises UnavailableError, and what queries raise."""
        with self._lock:
            client = self._clickhouse
            silent = time.monotonic() < self._silent_until
        if silent:
            raise UnavailableError(
                f"ClickHouse did not answer within {CLICKHOUSE_SECONDS} s just now; it is asked again soon"
            )
        started = time.monotonic()
        try:
            if client is None:
                client = self.platform.clickhouse(analyst=True, seconds=CLICKHOUSE_SECONDS)
                with self._lock:
                    client = self._clickhouse = self._clickhouse or client
            yield client
        except (OperationalError, UnavailableError):
            # One that is down refuses at once, and costs nobody anything.
            if time.monotonic() - started >= CLICKHOUSE_SECONDS:
                with self._lock:
                    self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise

    def close(self) -> None:
        """Ends all connections; requests that wait are answered that the server stops."""
        self.client.close()
        self._desk.close()
        self.board.close()
        while not self._payloads.empty():
            with closing(self._payloads.get()):
                pass
        if self._clickhouse is not None:
            self._clickhouse.close()


def backend_of(request: Request) -> Backend:
    """The backend of the app that serves the request."""
    backend: Backend = request.app.state.backend
    return backend


def analyst_dsn(platform: Platform) -> str | None:
    """ClickHouse for the lookup of resolutions, as the analyst; None where the settings name none."""
    configured, instance = platform.settings.clickhouse, platform.instance
    if configured.url:
        url, password = configured.url, configured.analyst_password.get_secret_value()
    elif instance is not None:
        url, password = instance.clickhouse_url, instance.analyst_password
    else:
        return None
    parts = urlsplit(url)
    user = f"{quote(configured.analyst_user, safe='')}:{quote(password, safe='')}"
    limits = f"connect_timeout={CLICKHOUSE_SECONDS}&send_receive_timeout={CLICKHOUSE_SECONDS}"
    return urlunsplit((parts.scheme, f"{user}@{parts.netloc}", f"/{configured.database}", limits, ""))
