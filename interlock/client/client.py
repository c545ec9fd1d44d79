"""The client library for teams that produce decisions.

    from interlock import Client, Decision

    with Client("localhost:9092") as client:
        client.submit(Decision(decision_id="…", …))
        decided = client.decide(Decision(decision_id="…", …), timeout=30)

When `submit` returns, Kafka has the decision; when it raises, the error says which decision and what to do.
`decide` also waits until the decision is decided, by the policy or by a person.
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from confluent_kafka import KafkaException

from interlock.client.pending import GRACE_SECONDS, DecisionResult, NotDecidedError, PendingDecisions
from interlock.errors import InterlockError
from interlock.schemas import catalogue, wire
from interlock.schemas.models import Decision
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import Broker, Headers

if TYPE_CHECKING:
    from interlock.client.listener import Listener

# How long a decision may be under way: longer than the restart of a broker.
DELIVERY_SECONDS = 30.0

# How long one wait for acknowledgements lasts before the time-out is looked at again.
_POLL_SECONDS = 0.05

_NO_ACKNOWLEDGEMENT = (
    "no acknowledgement in time (does Kafka run at this address? `interlock status` names that of the local instance)"
)


class DeliveryError(InterlockError):
    """A decision did not reach Kafka. `decision_ids`: which ones (the first hundred)."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        self.decision_ids = list(failures)[:100]
        first, reason = next(iter(failures.items()))
        others = f" and {len(failures) - 1} others" if len(failures) > 1 else ""
        super().__init__(
            f"decision {first}{others}: {reason}. Submit again under the same decision_id, by which a repetition can "
            "be told: without an acknowledgement Kafka may have the decision or not."
        )


class Client:
    """Submits decisions and waits for words on them; safe to share between threads."""

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        delivery_seconds: float = DELIVERY_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        broker: Broker | None = None,
    ) -> None:
        """`properties`: further librdkafka settings such as `security.protocol`. Without `bootstrap_servers` the
        INTERLOCK_ settings apply, and the local instance. `broker` replaces Kafka in tests. `grace_seconds`: how
        long after its time-out `decide` waits for the desk's answer."""
        self._seconds = delivery_seconds
        self._broker = broker or _broker(bootstrap_servers, properties)
        self._producer = self._broker.producer(
            None,
            {"delivery.report.only.error": False, "message.timeout.ms": int(delivery_seconds * 1000)},
        )
        self._grace = grace_seconds
        self._listener: Listener | None = None
        self._listener_lock = threading.Lock()
        self._closed = False

    def submit(self, decision: Decision, headers: Headers | None = None) -> None:
        """Hands one decision to Kafka and waits until it is stored; raises DeliveryError."""
        self.submit_many([decision], headers)

    def submit_many(self, decisions: Iterable[Decision], headers: Headers | None = None) -> int:
        """Hands many decisions to Kafka, waits until all are stored, and returns how many.

        Raises DeliveryError naming those that were not; the others are stored.
        """
        delivery = _Deliveries()
        count = 0
        try:
            for decision in decisions:
                self._enqueue(decision, headers, delivery)
                count += 1
        finally:  # what was handed over before `decisions` raised is seen through as well
            deadline = time.monotonic() + self._seconds
            while delivery.waiting and time.monotonic() < deadline:
                self._producer.poll(_POLL_SECONDS)
        failures = delivery.failures()
        if failures:
            raise DeliveryError(failures)
        return count

    def decide(self, decision: Decision, timeout: float, headers: Headers | None = None) -> DecisionResult:
        """Hands one decision to Kafka and waits for the word on it.

        After `timeout` seconds the policy's `on_timeout` applies: its safe outcome, or a lead is asked and the answer
        has the status "escalated"; see Decided. Raises DeliveryError where Kafka did not take the decision, and
        Undecided where no word came; nothing is ever decided on this side.
        """
        future = self.begin(decision, timeout, headers)
        try:
            return future.result()
        finally:
            future.cancel()  # an interrupted caller waits no longer

    def wait(self, decision_id: str, timeout: float) -> DecisionResult:
        """Waits for the next word on a decision; raises Undecided after `timeout` seconds.

        Heard is what comes from now on, and what came after `decide` or `wait` of this client ended without a word.
        """
        future = self.begin_waiting(decision_id, timeout)
        try:
            return future.result()
        finally:
            future.cancel()

    def begin(self, decision: Decision, timeout: float, headers: Headers | None = None) -> "Future[DecisionResult]":
        """As `decide`, but returns the future word as soon as Kafka has the decision."""
        try:
            waiting = self._listen()
        except KafkaException as error:
            reason = f"not submitted, because answers cannot be read: {error.args[0].str()}"
            raise DeliveryError({decision.decision_id: reason}) from error
        future = waiting.add(decision.decision_id, time.monotonic() + timeout, expires=True)
        if not future.done():  # left open before, and decided meanwhile: there is nothing to submit
            try:
                self.submit(decision, headers)
            except BaseException:
                future.cancel()
                raise
        return future

    def begin_waiting(self, decision_id: str, timeout: float) -> "Future[DecisionResult]":
        """As `wait`, but returns the future word at once."""
        try:
            waiting = self._listen()
        except KafkaException as error:
            reason = f"its word cannot be waited for: {error.args[0].str()}"
            raise NotDecidedError(decision_id, "not-listening", reason) from error
        return waiting.add(decision_id, time.monotonic() + timeout, expires=False)

    def close(self) -> None:
        """Waits for what is under way; whoever waits for a word is told that none will be heard."""
        with self._listener_lock:
            self._closed = True
            if self._listener is not None:
                self._listener.close()
        self._producer.flush(self._seconds)

    def _listen(self) -> PendingDecisions:
        """Those who wait, with the shared reader running. Raises KafkaException."""
        with self._listener_lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._listener is None or self._listener.broken:
                from interlock.client.listener import Listener

                waiting = PendingDecisions(f"client-{uuid4().hex}", self._grace)
                self._listener = Listener(self._broker, self._producer, waiting)
            return self._listener.waiting

    def _enqueue(self, decision: Decision, headers: Headers | None, delivery: "_Deliveries") -> None:
        value = wire.encode("Decision", decision.to_record())
        callback = delivery.callback(decision.decision_id)
        key = decision.decision_id.encode()
        while True:
            try:
                self._producer.produce(
                    catalogue.DECISIONS.name,
                    value,
                    key,
                    on_delivery=callback,
                    headers=headers,
                )
            except BufferError:  # Kafka is slower than the caller: wait for room
                self._producer.poll(_POLL_SECONDS)
            except KafkaException as error:  # refused on the spot, for example for its size
                callback(error.args[0], None)
                return
            else:
                self._producer.poll(0)
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: `await client.submit(decision)` returns when Kafka has stored it."""

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        delivery_seconds: float = DELIVERY_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        broker: Broker | None = None,
    ) -> None:
        """As for Client."""
        self._client = Client(
            bootstrap_servers,
            properties=properties,
            delivery_seconds=delivery_seconds,
            grace_seconds=grace_seconds,
            broker=broker,
        )

    async def submit(self, decision: Decision, headers: Headers | None = None) -> None:
        """Raises DeliveryError."""
        await self.submit_many([decision], headers)

    async def submit_many(self, decisions: Iterable[Decision], headers: Headers | None = None) -> int:
        """Raises DeliveryError. Waiting happens in a thread: the event loop stays free."""
        return await asyncio.to_thread(self._client.submit_many, list(decisions), headers)

    async def decide(self, decision: Decision, timeout: float, headers: Headers | None = None) -> DecisionResult:
        """As for Client. No thread waits meanwhile, however many callers do."""
        return await asyncio.wrap_future(await asyncio.to_thread(self._client.begin, decision, timeout, headers))

    async def wait(self, decision_id: str, timeout: float) -> DecisionResult:
        """As for Client."""
        return await asyncio.wrap_future(await asyncio.to_thread(self._client.begin_waiting, decision_id, timeout))

    async def close(self) -> None:
        """Waits for what is under way."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Deliveries:
    """The outcome of one call's decisions. Callbacks may run in any thread that polls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[int, str] = {}
        self._failed: dict[str, str] = {}
        self._next = 0

    @property
    def waiting(self) -> bool:
        """Whether some outcome is still unknown."""
        with self._lock:
            return bool(self._under_way)

    def callback(self, decision_id: str) -> Any:
        """What to call with the outcome of one decision."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._under_way[number] = decision_id

        def delivered(error: Any, _: Any) -> None:
            with self._lock:
                self._under_way.pop(number, None)
                if error is not None:
                    self._failed[decision_id] = error.str()

        return delivered

    def failures(self) -> dict[str, str]:
        """Reason by decision id."""
        with self._lock:
            late = dict.fromkeys(self._under_way.values(), _NO_ACKNOWLEDGEMENT)
            return {**self._failed, **late}


def _broker(bootstrap_servers: str | None, properties: Mapping[str, str] | None) -> Broker:
    if bootstrap_servers is not None:
        return KafkaBroker(bootstrap_servers, properties)
    from interlock.platform.connection import connect

    return connect().kafka()
