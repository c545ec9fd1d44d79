"""Messages of `decisions` as columns: the readable ones, and what is wrong with the others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import pyarrow as pa

from interlock.processors.records import Message, column
from interlock.processors.router import validation
from interlock.schemas import avro_schemas
from interlock.schemas.columns import Bad, Decoder, Engine
from interlock.schemas.copy_headers import without_copy_headers
from interlock.schemas.headers import Headers, read_headers

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Readable:
    """The readable decisions of a batch: routing fields, messages, keys, headers, Avro bodies, and the index of each
    message in the batch. `bad`: the others, in no order."""

    rows: pa.RecordBatch
    messages: Sequence[Message]
    keys: Sequence[bytes | None]
    headers: Sequence[Headers | None]
    bodies: Sequence[bytes]
    index: Sequence[int]
    bad: Sequence[Bad]

    def without(self, rows: Collection[int]) -> Self:
        """The same without some rows."""
        if not rows:
            return self
        kept = [row for row in range(len(self.messages)) if row not in rows]
        return replace(
            self,
            rows=self.rows.take(pa.array(kept, type=pa.int64())),
            messages=_take(self.messages, kept),
            keys=_take(self.keys, kept),
            headers=_take(self.headers, kept),
            bodies=_take(self.bodies, kept),
            index=_take(self.index, kept),
        )


class Reader:
    """Decodes and validates batches."""

    def __init__(self, engine: Engine) -> None:
        self._decoder = Decoder("Decision", avro_schemas.routing_prefix_text(), engine)

    def read(self, messages: Sequence[Message]) -> Readable:
        """Every message is either a row or bad."""
        headers, unreadable = read_headers(messages)
        decoded = self._decoder.decode(list(column(messages, "value")), headers.__getitem__)
        index = range(len(messages)) if decoded.index is None else decoded.index
        if decoded.index is not None:
            messages, headers = _take(messages, decoded.index), _take(headers, decoded.index)
        headers = without_copy_headers(headers)
        keys = list(column(messages, "key"))
        rejected = validation.reject(decoded.rows, keys, index)
        if unreadable:
            rejected |= validation.reject_headers(unreadable, index)
        bad = [*decoded.bad, *rejected.values()]
        return Readable(decoded.rows, messages, keys, headers, decoded.bodies, index, bad).without(rejected)


def _take(items: Sequence[_Item], rows: Sequence[int]) -> list[_Item]:
    return [items[row] for row in rows]
