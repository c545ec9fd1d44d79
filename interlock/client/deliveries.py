"""Which decisions of one call Kafka took."""

import threading
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from interlock.schemas import catalogue
from interlock.streams.ports import Headers, Producer

# How often a wait for acknowledgements compares the time with its time-out.
POLL_INTERVAL_SECONDS = 0.05

_NO_ACKNOWLEDGEMENT = (
    "no acknowledgement in time (does Kafka run at this address? `interlock status` names that of the local instance)"
)


class Deliveries:
    """Which decisions of one call Kafka took. Callbacks may run in any thread that polls."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
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
            reason = error and self._explained(error)
            with self._lock:
                self._under_way.pop(number, None)
                if reason is not None:
                    self._failed[decision_id] = reason

        return delivered

    def failures(self) -> dict[str, str]:
        """Reason by decision id."""
        late = self._explained(KafkaError(KafkaError._TIMED_OUT, _NO_ACKNOWLEDGEMENT))
        with self._lock:
            return {**self._failed, **dict.fromkeys(self._under_way.values(), late)}

    def _explained(self, error: KafkaError) -> str:
        return self._producer.explained(error, [catalogue.DECISIONS.name]).str()


def enqueue(producer: Producer, decision_id: str, value: bytes, headers: Headers | None, delivery: Deliveries) -> None:
    """Hands one decision to the producer; `delivery` learns what becomes of it."""
    callback = delivery.callback(decision_id)
    key = decision_id.encode()
    while True:
        try:
            producer.enqueue(catalogue.DECISIONS.name, value, key, on_delivery=callback, headers=headers)
        except BufferError:  # Kafka is slower than the caller: wait for room
            producer.poll(POLL_INTERVAL_SECONDS)
        except KafkaException as error:  # refused on the spot, for example for its size
            callback(error.args[0], None)
            return
        else:
            producer.poll(0)
            return
