"""A part of the trail that proves itself: some rows, and what it takes to come from them to a signed end.

Of the rows between a record and the next signed end only the digests are held, 32 bytes each. If the links that follow
from them lead to the end that was signed, then no digest is another one than on the day of the signature, and neither
is the record. That no record is left out, an excerpt cannot prove: that takes the whole trail.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import pyarrow as pa

from interlock.sinks.trail.anchors import Proved
from interlock.sinks.trail.leaf import leaves
from interlock.sinks.trail.links import links
from interlock.sinks.trail.walk import Chain, Head

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive rows of a chain. `previous`: the link before the first; `digests`: of every row; `head`: what was
    signed of the last one, None where nobody has signed yet. `records`: the rows that are told, by their index."""

    chain: Chain
    previous: bytes
    digests: Sequence[bytes]
    head: Head | None
    records: Mapping[int, Mapping[str, Any]]


def segments_of(offsets: Iterable[int], heads: Sequence[Head]) -> list[tuple[list[int], Head | None]]:
    """The rows at `offsets`, those together that the same end proves: the first that was signed at or behind them."""
    found: list[tuple[list[int], Head | None]] = []
    for offset in sorted(offsets):
        head = next((head for head in heads if head.offset >= offset), None)
        if found and found[-1][1] == head:
            found[-1][0].append(offset)
        else:
            found.append(([offset], head))
    return found


def to_json(segment: Segment) -> dict[str, Any]:
    """Everything but the records, which are lines of their own."""
    chain, head = segment.chain, segment.head
    return {
        "table": chain.table,
        "stream": chain.stream,
        "topic": chain.topic,
        "partition": chain.partition,
        "previous": segment.previous.hex(),
        "digests": base64.b64encode(b"".join(segment.digests)).decode(),
        "signed_offset": None if head is None else head.offset,
    }


def plain(value: Any) -> Any:
    """A value of Arrow as JSON has it; bytes that are no text, and numbers that are none, in an object that says so."""
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode()}
        case float() if not isfinite(value):
            return {"number": str(value)}
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return value


def typed(value: Any, kind: pa.DataType) -> Any:
    """The value again, as Arrow makes a column of it. Raises ValueError, TypeError and KeyError."""
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value)
    if pa.types.is_map(kind):
        return [(typed(key, kind.key_type), typed(item, kind.item_type)) for key, item in value]
    if pa.types.is_list(kind):
        return [typed(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: typed(value[field.name], field.type) for field in kind}
    if isinstance(value, dict):
        return float(value["number"]) if "number" in value else base64.b64decode(value["base64"], validate=True)
    return value.encode() if isinstance(value, str) else value


def shape_to_text(shape: pa.Schema) -> str:
    """`shape` in base64."""
    return base64.b64encode(shape.serialize().to_pybytes()).decode()


def shape_from_text(text: str) -> pa.Schema:
    """The other way round."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text, validate=True)))


def problems(
    number: int, segment: Mapping[str, Any], lines: Mapping[int, str], shape: pa.Schema, proved: Proved
) -> Iterator[str]:
    """What is wrong with the segment `number` of an excerpt and the `lines` of its records, by index; nothing where it
    is proved up to its end, or nobody has signed that.

    A line must be the one that the record gives, byte for byte: another reader might take a second field of the same
    name, or one that no table has, for what was stored. Raises ValueError, TypeError, KeyError and AttributeError.
    """
    records = {index: json.loads(text)["row"] for index, text in lines.items()}
    place = f"{segment['topic']} {segment['partition']}"
    packed = base64.b64decode(segment["digests"], validate=True)
    digests = [packed[start : start + _DIGEST_BYTES] for start in range(0, len(packed), _DIGEST_BYTES)]
    for index, record in sorted(records.items()):
        columns = [pa.array([typed(record.get(field.name), field.type)], field.type) for field in shape]
        row = pa.table(columns, schema=shape)
        (digest,) = leaves(row, shape)
        if line(number, index, row.to_pylist()[0]) != lines[index]:
            yield f"{place}, offset {record.get('kafka_offset')}: the line is not the one that was exported"
        if not 0 <= index < len(digests) or digests[index] != digest:
            stands = digests[index].hex() if 0 <= index < len(digests) else "no row"
            yield (
                f"{place}, offset {record.get('kafka_offset')}: the record is not the one that was stored; its digest "
                f"is {digest.hex()}, that of the chain {stands}"
            )
    for index in sorted(set(range(len(digests))) & set(records)):
        name = (records[index]["kafka_stream"], records[index]["kafka_topic"], records[index]["kafka_partition"])
        if name != (segment["stream"], segment["topic"], segment["partition"]):
            yield f"{place}: a record of {name[1]} {name[2]} stands in this chain"
    end = bytes.fromhex(segment["previous"])
    for link in links(end, digests):
        end = link
    if segment["signed_offset"] is None:
        return
    heads = proved.heads.get((segment["stream"], segment["topic"], segment["partition"]), ())
    signed = [head.link for head in heads if head.offset == segment["signed_offset"]]
    if end not in signed:
        known = ", ".join(link.hex() for link in signed) or "nothing that the trusted key proves"
        yield f"{place}: the links lead to {end.hex()} at offset {segment['signed_offset']}; signed was {known}"


def line(segment: int, index: int, row: Mapping[str, Any]) -> str:
    """A record as a line."""
    return json.dumps({"segment": segment, "index": index, "row": plain(row)}, ensure_ascii=False, sort_keys=True)
