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
from interlock.streams.ports import Broker, Headers

if TYPE_CHECKING:
    from interlock.client.listener import Listener
    from interlock.schemas.models import Decision

# How long a decision may be under way: longer than the restart of a broker.
DELIVERY_SECONDS = 30.0

# How often a wait for acknowledgements compares the time with its time-out.
_POLL_INTERVAL_SECONDS = 0.05

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
            f"decision {first}{others}: {reason}. Submit again under the same decision_id, which "
            "identifies a repetition: without an acknowledgement Kafka may have the decision or not."
        )


class Client:
    """Submits decisions and waits for their resolutions; safe to share between threads."""

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
        long after its time-out `decide` waits for the desk's reply."""
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

    def submit(self, decision: "Decision", headers: Headers | None = None) -> None:
        """Hands one decision to Kafka and waits until it is stored; raises DeliveryError."""
        self.submit_many([decision], headers)

    def submit_many(self, decisions: "Iterable[Decision]", headers: Headers | None = None) -> int:
        """Hands many decisions to Kafka, waits until all are stored, and returns how many.

        Raises DeliveryError naming those that were not; the others are stored.
        """
        delivery = _Deliveries()
        count = 0
        try:
            for decision in decisions:
                self._enqueue(decision, headers, delivery)
                count += 1
        finally:  # also waits for what was handed over before `decisions` raised
            deadline = time.monotonic() + self._seconds
            while delivery.waiting and time.monotonic() < deadline:
                self._producer.poll(_POLL_INTERVAL_SECONDS)
        failures = delivery.failures()
        if failures:
            raise DeliveryError(failures)
        return count

    def decide(self, decision: "Decision", timeout: float, headers: Headers | None = None) -> DecisionResult:
        """Hands one decision to Kafka and waits for its resolution.

        After `timeout` seconds the policy's `on_timeout` applies: its safe outcome, or a lead is asked and the result
        has the status "escalated"; see DecisionResult. Raises DeliveryError if Kafka did not take the decision, and
        NotDecidedError if no resolution came; the client itself never decides anything.
        """
        future = self.decide_future(decision, timeout, headers)
        try:
            return future.result()
        finally:
            future.cancel()  # after an interrupt, nothing waits any more

    def wait(self, decision_id: str, timeout: float) -> DecisionResult:
        """Waits for the next resolution of a decision; raises NotDecidedError after `timeout` seconds.

        The client sees resolutions from now on, and those that came after its own `decide` or `wait` for this
        decision ended without one.
        """
        future = self.resolution_future(decision_id, timeout)
        try:
            return future.result()
        finally:
            future.cancel()

    def decide_future(
        self, decision: "Decision", timeout: float, headers: Headers | None = None
    ) -> "Future[DecisionResult]":
        """As `decide`, but returns a future as soon as Kafka has the decision; cancel it to stop waiting."""
        try:
            pending = self._listen()
        except KafkaException as error:
            reason = f"not submitted, because answers cannot be read: {error.args[0].str()}"
            raise DeliveryError({decision.decision_id: reason}) from error
        future = pending.add(decision.decision_id, time.monotonic() + timeout, expires=True)
        if not future.done():  # done: left open by an earlier call and decided since, so there is nothing to submit
            try:
                self.submit(decision, headers)
            except BaseException:
                future.cancel()
                raise
        return future

    def resolution_future(self, decision_id: str, timeout: float) -> "Future[DecisionResult]":
        """As `wait`, but returns a future at once; cancel it to stop waiting."""
        try:
            pending = self._listen()
        except KafkaException as error:
            reason = f"its resolution cannot be waited for: {error.args[0].str()}"
            raise NotDecidedError(decision_id, "not-listening", reason) from error
        return pending.add(decision_id, time.monotonic() + timeout, expires=False)

    def close(self) -> None:
        """Waits for deliveries under way; calls that still wait for a resolution end with NotDecidedError."""
        with self._listener_lock:
            self._closed = True
            if self._listener is not None:
                self._listener.close()
        self._producer.flush(self._seconds)

    def _listen(self) -> PendingDecisions:
        """The pending decisions, with the shared reader running. Raises KafkaException."""
        with self._listener_lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._listener is None or self._listener.broken:
                from interlock.client.listener import Listener

                pending = PendingDecisions(f"client-{uuid4().hex}", self._grace)
                self._listener = Listener(self._broker, self._producer, pending)
            return self._listener.pending

    def _enqueue(self, decision: "Decision", headers: Headers | None, delivery: "_Deliveries") -> None:
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
                self._producer.poll(_POLL_INTERVAL_SECONDS)
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

    async def submit(self, decision: "Decision", headers: Headers | None = None) -> None:
        """Raises DeliveryError."""
        await self.submit_many([decision], headers)

    async def submit_many(self, decisions: "Iterable[Decision]", headers: Headers | None = None) -> int:
        """Raises DeliveryError. Waiting happens in a thread: the event loop stays free."""
        return await asyncio.to_thread(self._client.submit_many, list(decisions), headers)

    async def decide(self, decision: "Decision", timeout: float, headers: Headers | None = None) -> DecisionResult:
        """As for Client. No thread is blocked meanwhile, however many callers wait."""
        future = await asyncio.to_thread(self._client.decide_future, decision, timeout, headers)
        return await asyncio.wrap_future(future)

    async def wait(self, decision_id: str, timeout: float) -> DecisionResult:
        """As for Client."""
        return await asyncio.wrap_future(await asyncio.to_thread(self._client.resolution_future, decision_id, timeout))

    async def close(self) -> None:
        """Waits for deliveries under way."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Deliveries:
    """Which decisions of one call Kafka took. Callbacks may run in any thread that polls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[int, str] = {}
        self._failed: dict[str, str] = {}
        self._next = 0

    @property
    def waiting(self) -> bool:
        """Whether some delivery is still under way."""
        with self._lock:
            return bool(self._under_way)

    def callback(self, decision_id: str) -> Any:
        """The delivery callback of one decision."""
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
        from interlock.streams.kafka import KafkaBroker

        return KafkaBroker(bootstrap_servers, properties)
    from interlock.platform.connection import connect

    return connect().kafka()
