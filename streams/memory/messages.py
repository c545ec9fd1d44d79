"""Records as messages, with headers that can be read and headers that cannot."""

from typing import Any

from confluent_kafka import Message

from interlock.streams.memory.log import RawHeaders, Record
from interlock.streams.ports import Headers, Partition


def message_of(partition: Partition, record: Record) -> Message:
    """The message that a consumer hands out."""
    headers = _decoded(record.headers)
    message = _Message(
        topic=partition[0],
        partition=partition[1],
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=headers,
        timestamp=(record.timestamp_type, record.timestamp),
    )
    message.unreadable = headers is None and record.headers is not None
    return message


def _decoded(headers: RawHeaders | None) -> Headers | None:
    """The headers with their names as text; None if there are none or a name is not UTF-8."""
    if headers is None:
        return None
    try:
        return [(name.decode() if isinstance(name, bytes) else name, value) for name, value in headers]
    except UnicodeDecodeError:
        return None


class _Message(Message):
    """One class for all, as confluent_kafka has. `unreadable`: the name of a header is not UTF-8."""

    unreadable = False
    _calls = 0

    def headers(self) -> Any:
        if not self.unreadable:
            return super().headers()
        self._calls += 1
        if self._calls == 1:
            reason = "<method 'headers' of 'confluent_kafka.cimpl.Message' objects> returned a result with an exception"
            raise SystemError(reason)
        raise AssertionError("a second call gives a list that crashes the interpreter")

    def set_headers(self, value: Any) -> None:
        self.unreadable = False
        super().set_headers(value)
