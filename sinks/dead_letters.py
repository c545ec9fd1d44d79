"""Dead letters as columns: what the headers of KIP-1034 say, and the message as it came; and those sent back."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from interlock.schemas.error_headers import read_error_headers, without_error_headers
from interlock.schemas.headers import headers_of
from interlock.schemas.retry_headers import read_retry_headers
from interlock.streams.ports import Message

_TYPES = {
    "reason": pa.string(),
    "message": pa.string(),
    "source_topic": pa.string(),
    "source_partition": pa.int32(),
    "source_offset": pa.int64(),
    "original_key": pa.binary(),
    "original_value": pa.binary(),
    "original_headers": pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())])),
}

_RETRY_TYPES = {
    "executor_group": pa.string(),
    "request": pa.string(),
    "source_topic": pa.string(),
    "source_partition": pa.int32(),
    "source_offset": pa.int64(),
    "original_key": pa.binary(),
    "original_value": pa.binary(),
}


def columns(messages: Sequence[Message]) -> pa.Table:
    """One row a message. Row by row, because dead letters are few or the router stops."""
    rows = [_row(message) for message in messages]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in _TYPES.items()})


def retry_columns(messages: Sequence[Message]) -> pa.Table:
    """One row for each record of `actions.retry`; without its headers, only key and value are known."""
    rows = [_retry_row(message) for message in messages]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in _RETRY_TYPES.items()})


def source_of(errors: Mapping[str, str]) -> tuple[str, int | None, int | None]:
    """Topic, partition and offset the message was read from; None where a header is missing or no number."""
    return errors.get("topic", ""), _number(errors.get("partition"), 31), _number(errors.get("offset"), 63)


def _row(message: Message) -> dict[str, Any]:
    errors = read_error_headers(headers_of(message))
    topic, partition, offset = source_of(errors)
    return {
        "reason": errors.get("exception", ""),
        "message": errors.get("message", ""),
        "source_topic": topic,
        "source_partition": partition,
        "source_offset": offset,
        "original_key": message.key(),
        "original_value": message.value(),
        "original_headers": [
            {"name": name, "value": value} for name, value in without_error_headers(headers_of(message))
        ],
    }


def _retry_row(message: Message) -> dict[str, Any]:
    retry = read_retry_headers(headers_of(message))
    return {
        "executor_group": retry.group if retry else "",
        "request": retry.order if retry else "",
        "source_topic": retry.topic if retry else "",
        "source_partition": _number(str(retry.partition), 31) if retry else None,
        "source_offset": _number(str(retry.offset), 63) if retry else None,
        "original_key": message.key(),
        "original_value": message.value(),
    }


def _number(text: str | None, bits: int) -> int | None:
    """A non-negative number that fits; any producer may write to the topic, so it may be anything."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    number = int(text)
    return number if number < 2**bits else None
