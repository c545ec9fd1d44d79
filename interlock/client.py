"""The client library for teams that produce decisions.

    from interlock import Client, Decision

    with Client("localhost:9092") as client:
        client.submit(Decision(decision_id="…", …))

When `submit` returns, Kafka has the decision; when it raises, the error says which decision and what to do.
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException

from schemas import catalogue, wire
from schemas.models import Decision
from streams.kafka import KafkaBroker
from streams.ports import Broker, Headers

# How long a decision may be under way: longer than the restart of a broker.
DELIVERY_SECONDS = 30.0

# How long one wait for acknowledgements lasts before the time-out is looked at again.
_POLL_SECONDS = 0.05


class DeliveryError(Exception):
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
    """Submits decisions; safe to share between threads."""

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        delivery_seconds: float = DELIVERY_SECONDS,
        broker: Broker | None = None,
    ) -> None:
        """`properties`: further librdkafka settings such as `security.protocol`. Without `bootstrap_servers` the
        INTERLOCK_ settings apply, and the local instance. `broker` replaces Kafka in tests."""
        self._seconds = delivery_seconds
        chosen = broker or _broker(bootstrap_servers, properties)
        self._producer = chosen.producer(
            None,
            {"delivery.report.only.error": False, "message.timeout.ms": int(delivery_seconds * 1000)},
        )

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

    def close(self) -> None:
        """Waits for what is under way."""
        self._producer.flush(self._seconds)

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
        broker: Broker | None = None,
    ) -> None:
        """As for Client."""
        self._client = Client(
            bootstrap_servers, properties=properties, delivery_seconds=delivery_seconds, broker=broker
        )

    async def submit(self, decision: Decision, headers: Headers | None = None) -> None:
        """Raises DeliveryError."""
        await self.submit_many([decision], headers)

    async def submit_many(self, decisions: Iterable[Decision], headers: Headers | None = None) -> int:
        """Raises DeliveryError. Waiting happens in a thread: the event loop stays free."""
        return await asyncio.to_thread(self._client.submit_many, list(decisions), headers)

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
            late = {decision_id: "no acknowledgement in time" for decision_id in self._under_way.values()}
            return {**self._failed, **late}


def _broker(bootstrap_servers: str | None, properties: Mapping[str, str] | None) -> Broker:
    if bootstrap_servers is not None:
        return KafkaBroker(bootstrap_servers, properties)
    from interlock.connect import platform

    return platform().kafka()
