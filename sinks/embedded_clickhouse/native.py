"""The Native format in the revision of the protocol that a client asks for (``client_protocol_version``).

The engine writes revision 0: columns one after the other, each with its name, its type and its values. Later revisions
put some bytes in front of a block and one behind the type of each column. So that they can be put in, the end of every
column has to be found; this module knows how long the values of each type are, and reads none of them.

A DateTime with a time zone of its own comes without it: revision 0 has no place for it. The moment is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from interlock.sinks.embedded_clickhouse.errors import NOT_IMPLEMENTED, refusal

# Revisions, as Core/ProtocolDefines.h of ClickHouse names them.
_WITH_CUSTOM_SERIALIZATION = 54454
_WITH_OUT_OF_ORDER_BUCKETS = 54480

# Fields of a block: 1, no overflow rows; 2, no bucket of a distributed aggregation (-1); perhaps 3, no buckets; 0, end.
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff"
_NO_BUCKETS = b"\x03\x00"
_END_OF_INFO = b"\x00"
_NO_CUSTOM_SERIALIZATION = b"\x00"

_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "Time", "IPv4"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6", "Point"), 16),
    **dict.fromkeys(("UInt256", "Int256"), 32),
}
_GEOMETRY = {
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Array(Point))",
    "MultiLineString": "Array(Array(Point))",
    "MultiPolygon": "Array(Array(Array(Point)))",
}
# A dictionary of its own for each block: every LowCardinality begins with the version of its keys. Where it has rows, a
# number follows with these flags and, in its lowest byte, the width of the indexes.
_KEYS_VERSION_BYTES = 8
_GLOBAL_DICTIONARY = 1 << 8

_TYPE = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
_ELEMENT_NAME = re.compile(r"(?:\w+|`(?:[^`\\]|\\.)*`) ", re.DOTALL)


class _Short(Exception):
    """The data end inside a block."""


class NativeEncoder:
    """Takes what the engine writes, gives what the client reads: whole blocks, as soon as they are there."""

    def __init__(self, revision: int) -> None:
        info = _BLOCK_INFO + (_NO_BUCKETS if revision >= _WITH_OUT_OF_ORDER_BUCKETS else b"")
        self._before_block = info + _END_OF_INFO
        self._behind_type = _NO_CUSTOM_SERIALIZATION if revision >= _WITH_CUSTOM_SERIALIZATION else b""
        self._kept = bytearray()
        self._worth_trying = 0  # a block that was cut is looked at again when its known part has doubled

    def encode(self, data: bytes) -> bytes:
        self._kept += data
        return self._blocks() if len(self._kept) >= self._worth_trying else b""

    def finish(self) -> bytes:
        return self._blocks()

    def _blocks(self) -> bytes:
        given, out, start = bytes(self._kept), list[bytes](), 0
        while start < len(given):
            try:
                parts, end = self._block(given, start)
            except _Short:
                break
            out += parts
            start = end
        self._kept = bytearray(given[start:])
        self._worth_trying = 2 * len(self._kept)
        return b"".join(out)

    def _block(self, data: bytes, start: int) -> tuple[list[bytes], int]:
        columns, at = _number(data, start)
        rows, at = _number(data, at)
        parts = [self._before_block, data[start:at]]
        for _ in range(columns):
            column = at
            at = _behind_text(data, at)
            type_at = at
            at = _behind_text(data, at)
            _, type_start = _number(data, type_at)
            parts += [data[column:at], self._behind_type]
            if rows:
                values = at
                layout = _layout(data[type_start:at].decode())
                at = layout.behind(data, values + layout.prefix, rows)
                if at > len(data):
                    raise _Short
                parts.append(data[values:at])
        return parts, at


@dataclass(frozen=True)
class _Layout:
    """How a column lies in the data: a prefix of so many bytes, then so many rows; ``behind`` gives where these end."""

    prefix: int
    behind: Callable[[bytes, int, int], int]


@cache
def _layout(name: str) -> _Layout:
    if name in _GEOMETRY:
        return _layout(_GEOMETRY[name])
    match = _TYPE.fullmatch(name)
    family, inside = (match[1], match[2] or "") if match else ("", "")
    width = 8 if family.startswith("Interval") else _WIDTHS.get(family)
    if width is not None:
        return _fixed(width)
    match family:
        case "String":
            return _Layout(0, _behind_texts)
        case "FixedString":
            return _fixed(int(inside))
        case "Decimal":
            return _fixed(_decimal_width(int(inside.partition(",")[0])))
        case "Nullable":
            return _nullable(_layout(inside))
        case "Array":
            return _array(_layout(inside))
        case "Map":
            return _array(_tuple([_layout(part) for part in _parts(inside)]))
        case "Nested":
            return _array(_tuple([_element(part) for part in _parts(inside)]))
        case "Tuple":
            return _tuple([_element(part) for part in _parts(inside)])
        case "SimpleAggregateFunction":
            return _layout([*_parts(inside)][-1])
        case "LowCardinality":
            nullable = _TYPE.fullmatch(inside)
            keys = nullable[2] if nullable and nullable[1] == "Nullable" else inside
            return _low_cardinality(_layout(keys))
        case _:
            raise refusal(
                NOT_IMPLEMENTED,
                f"The embedded server cannot write {name} in the Native format of this client: "
                "convert the column, for example with toString() or finalizeAggregation(), or ask for another format",
            )


def _fixed(width: int) -> _Layout:
    return _Layout(0, lambda _, at, rows: at + rows * width)


def _decimal_width(precision: int) -> int:
    return next(width for most, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if precision <= most)


def _nullable(values: _Layout) -> _Layout:
    """A byte for each row, which says whether it is NULL, then the values."""
    return _Layout(values.prefix, lambda data, at, rows: values.behind(data, at + rows, rows))


def _tuple(elements: list[_Layout]) -> _Layout:
    def behind(data: bytes, at: int, rows: int) -> int:
        for element in elements:
            at = element.behind(data, at, rows)
        # A tuple of nothing is a byte for each row.
        return at if elements else at + rows

    return _Layout(sum(element.prefix for element in elements), behind)


def _array(values: _Layout) -> _Layout:
    """Where each row ends, then the values of all rows."""

    def behind(data: bytes, at: int, rows: int) -> int:
        end = at + 8 * rows
        total = _fixed_number(data, end - 8) if rows else 0
        return values.behind(data, end, total)

    return _Layout(values.prefix, behind)


def _low_cardinality(keys: _Layout) -> _Layout:
    def behind(data: bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        flags = _fixed_number(data, at)
        if flags & _GLOBAL_DICTIONARY:
            raise refusal(NOT_IMPLEMENTED, "A LowCardinality column with a global dictionary")
        at = keys.behind(data, at + 16, _fixed_number(data, at + 8))
        indexes = _fixed_number(data, at)
        return at + 8 + (indexes << (flags & 0xFF))

    return _Layout(_KEYS_VERSION_BYTES, behind)


def _behind_texts(data: bytes, at: int, rows: int) -> int:
    """Most texts are shorter than 128 bytes: their length is one byte."""
    try:
        for _ in range(rows):
            length = data[at]
            at += 1
            if length >= 0x80:
                length, at = _number(data, at - 1)
            at += length
    except IndexError:
        raise _Short from None
    return at


def _behind_text(data: bytes, at: int) -> int:
    length, at = _number(data, at)
    if at + length > len(data):
        raise _Short
    return at + length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length (LEB128), and where it ends."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _Short


def _fixed_number(data: bytes, at: int) -> int:
    if at + 8 > len(data):
        raise _Short
    return int.from_bytes(data[at : at + 8], "little")


def _parts(inside: str) -> Iterator[str]:
    """The arguments of a type: split at the commas that stand in no brackets and no quotes."""
    depth = start = at = 0
    while at < len(inside):
        if quoted := _QUOTED.match(inside, at):
            at = quoted.end()
            continue
        depth += {"(": 1, ")": -1}.get(inside[at], 0)
        if inside[at] == "," and not depth:
            yield inside[start:at].strip()
            start = at + 1
        at += 1
    if inside:
        yield inside[start:].strip()


def _element(text: str) -> _Layout:
    """An element of a tuple, with or without a name in front of its type."""
    name = _ELEMENT_NAME.match(text)
    return _layout(text[name.end() :] if name else text)
