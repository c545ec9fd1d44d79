"""Messages for every topic: right ones, damaged ones, and those that only a program without a schema would send."""

from random import Random
from typing import Any, NamedTuple

from interlock.schemas import catalogue, wire
from tests.fuzz.values import IDS, Values

MiB = 1024 * 1024

Headers = list[tuple[Any, bytes | None]]

HEADERS: tuple[Headers, ...] = (
    [("traceparent", b"00-1-2-03"), ("ce_id", None), ("", b"")],
    [("__streams.errors.topic", b"policies"), ("__streams.errors.offset", b"-1"), ("__streams.errors.exception", None)],
    [("__streams.errors.partition", b"9" * 5_000), ("\x1b[2J", b"\xff\xfe")],
    [("n" * 200, b"v" * 1_000)] * 200,
    [("fine", b"1"), (b"caf\xe9", b"2"), ("after", b"3")],
    [(b"\xed\xa0\x80", b"surrogate")],
    [(b"\xff\xfe\x00", None)] * 3,
)

# Most of what is sent, so that there is something to route; the breaker opens at one half of bad messages.
DECISIONS_SHARE = 0.55


class Sent(NamedTuple):
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None
    timestamp: int


class Messages:
    """An endless supply; the same for the same seed."""

    def __init__(self, rng: Random, now: int) -> None:
        self._rng = rng
        self._values = Values(rng, now)
        self._others = [topic for topic in catalogue.STORED_TOPICS if topic.name != "decisions"]

    def next(self) -> Sent:
        rng = self._rng
        topic = catalogue.DECISIONS if rng.random() < DECISIONS_SHARE else rng.choice(self._others)
        odd = rng.choice((0.0, 0.0, 0.02, 0.3)) if topic is catalogue.DECISIONS else rng.choice((0.0, 0.1, 0.5))
        if topic.schema is None:
            key, value = self._foreign()
        else:
            record = self._values.record(topic.schema, odd)
            value = self._values.encoded(topic.schema, record)
            key = self._key(topic, record)
        is_damaged = rng.random() < (0.2 if topic is catalogue.DECISIONS else 0.4)
        damaged = self._damaged(value) if is_damaged else value
        if rng.random() < 0.03:
            key = rng.choice((None, b"", b"\xff\xfe", rng.randbytes(8), b"k" * 10_000))
        headers = rng.choice(HEADERS) if rng.random() < 0.1 else None
        timestamp = rng.choice((0, 0, 0, 1, 2**40, 2**62))
        return Sent(topic.name, key, damaged, headers, timestamp)

    def _foreign(self) -> tuple[bytes | None, bytes]:
        return b"key", self._rng.randbytes(self._rng.randrange(1, 200))

    def _key(self, topic: catalogue.Topic, record: dict[str, Any]) -> bytes | None:
        names = {"name": "name", "scope": "scope", "reviewer": "reviewer", "id": "id"}
        field = next((name for name in (*IDS, *names, topic.key) if name == topic.key and name in record), None)
        if field is not None:
            return str(record[field]).encode()
        if "model_id" in record:
            return f"{record['model_id']}@{record['model_version']}".encode()
        return b"key"

    def _damaged(self, value: bytes) -> bytes | None:
        rng = self._rng
        data = bytearray(value)
        match rng.randrange(10):
            case 0:
                return rng.choice((None, b"", b"\0", value[:5]))
            case 1:
                return value[: rng.randrange(len(value))]
            case 2:
                return value + rng.randbytes(rng.randrange(1, 20))
            case 3:
                return rng.randbytes(rng.randrange(1, 300))
            case 4:  # a length or count that is absurd
                at = rng.randrange(len(data))
                data[at : at + 1] = rng.choice((b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"\x80" * 20))
                return bytes(data)
            case 5:  # another schema
                return wire.header(rng.choice(("Task", "RoutedDecision", "Decision"))) + value[5:]
            case 6:  # no UTF-8
                at = rng.randrange(len(data))
                data[at : at + 2] = b"\xc3\x28"
                return bytes(data)
            case 7 if rng.random() < 0.02:
                return bytes(9 * MiB)
        for _ in range(rng.choice((1, 1, 3, 10))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(data)
