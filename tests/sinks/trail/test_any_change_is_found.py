"""Whatever is changed, removed, inserted or put into another order in a chain is found, and where."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from interlock.sinks.trail.leaf import covered, leaves
from interlock.sinks.trail.links import NOT_LINKED, linked
from interlock.sinks.trail.walk import Break, Chain, Head, Problem, Walk

CHAIN = Chain("things", "log", "topic", 3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

REQUIRED, NULLABLE = {"nullable": False}, {"nullable": True}
TEXTS = pa.list_(pa.field("item", pa.binary(), **REQUIRED))
PARTS = pa.struct(
    [
        pa.field("option", pa.binary(), **REQUIRED),
        pa.field("weight", pa.float64(), **REQUIRED),
        pa.field("rate", pa.float64(), **NULLABLE),
        pa.field("texts", TEXTS, **REQUIRED),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("kafka_stream", pa.binary(), **REQUIRED),
        pa.field("kafka_topic", pa.binary(), **REQUIRED),
        pa.field("kafka_partition", pa.uint32(), **REQUIRED),
        pa.field("kafka_offset", pa.uint64(), **REQUIRED),
        pa.field("kafka_timestamp", pa.timestamp("ms", tz="UTC"), **REQUIRED),
        pa.field("text", pa.binary(), **REQUIRED),
        pa.field("perhaps", pa.binary(), **NULLABLE),
        pa.field("amount", pa.float64(), **NULLABLE),
        pa.field("score", pa.float64(), **REQUIRED),
        pa.field("count", pa.int32(), **REQUIRED),
        pa.field("flag", pa.bool_(), **REQUIRED),
        pa.field("until", pa.timestamp("us", tz="UTC"), **NULLABLE),
        pa.field("names", TEXTS, **REQUIRED),
        pa.field("vector", pa.list_(pa.field("item", pa.float32(), **REQUIRED)), **REQUIRED),
        pa.field("attributes", pa.map_(pa.binary(), pa.field("value", pa.binary(), **REQUIRED)), **REQUIRED),
        pa.field("parts", pa.list_(pa.field("item", PARTS, **REQUIRED)), **REQUIRED),
        pa.field("part", PARTS, **REQUIRED),
        pa.field("headers", pa.list_(pa.field("item", pa.binary(), **NULLABLE)), **REQUIRED),
        pa.field("inserted_at", pa.uint32(), **REQUIRED),
    ]
)
EMPTY_PART = {"option": b"", "weight": 0.0, "rate": None, "texts": []}


def record(offset: int, **changes: Any) -> dict[str, Any]:
    return {
        "kafka_stream": b"log",
        "kafka_topic": b"topic",
        "kafka_partition": 3,
        "kafka_offset": offset,
        "kafka_timestamp": 1_700_000_000_000 + offset,
        "text": b"a\0",
        "perhaps": b"",
        "amount": 0.0,
        "score": 0.25,
        "count": -2,
        "flag": True,
        "until": 1_700_000_000_000_000,
        "names": [b"x", b""],
        "vector": [0.5, 0.0],
        "attributes": [(b"age", b"4"), (b"", b"")],
        "parts": [EMPTY_PART, {"option": b"o", "weight": 1.0, "rate": 0.0, "texts": [b"t"]}],
        "part": {"option": b"", "weight": 0.0, "rate": 0.5, "texts": []},
        "headers": [b"", None],
        "inserted_at": 5,
        **changes,
    }


EMPTY: dict[str, Any] = {
    "text": b"",
    "perhaps": None,
    "amount": None,
    "score": 0.0,
    "count": 0,
    "flag": False,
    "until": None,
    "names": [],
    "vector": [],
    "attributes": [],
    "parts": [],
    "part": EMPTY_PART,
    "headers": [],
}
HISTORY = [record(2), record(5, **EMPTY), record(6), record(9, text=b"other")]


def table(records: Sequence[dict[str, Any]]) -> pa.Table:
    columns = [pa.array([row[field.name] for row in records], field.type) for field in SCHEMA]
    return pa.table(columns, schema=SCHEMA)


def stored(records: Sequence[dict[str, Any]]) -> list[bytes]:
    """The links with which the sink stores `records`."""
    links: list[bytes] = linked(table(records), covered(SCHEMA), CHAIN.beginning, {})["link"].to_pylist()
    return links


def walked(
    records: Sequence[dict[str, Any]],
    links: Sequence[bytes],
    heads: Sequence[Head] = (),
    expired: datetime | None = None,
) -> Walk:
    walk = Walk(CHAIN, heads, expired=expired)
    if records:
        walk.take([row["kafka_offset"] for row in records], links, leaves(table(records), covered(SCHEMA)))
    walk.end()
    return walk


LINKS = stored(HISTORY)
END = [Head(9, LINKS[-1], NOW)]


def variants(value: Any, kind: pa.DataType) -> Iterator[Any]:
    """`value` with one byte changed, removed or added, at every place; NULL too."""
    if value is None:
        yield {pa.binary(): b"", pa.float64(): 0.0}.get(kind, 0)
    elif isinstance(value, bytes):
        yield from (value[:i] + bytes([value[i] ^ 1]) + value[i + 1 :] for i in range(len(value)))
        yield from (value[:i] + b"\0" + value[i:] for i in range(len(value) + 1))
        yield from (value[:i] + value[i + 1 :] for i in range(len(value)))
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value ^ (1 << 8 * byte) for byte in range(4 if pa.types.is_integer(kind) else 6))
    elif isinstance(value, float):
        yield from (value + step for step in (2.0**-20, -(2.0**-20), 1.0))
    elif isinstance(value, dict):
        for field in kind:
            yield from (value | {field.name: other} for other in variants(value[field.name], field.type))
            if field.nullable and value[field.name] is not None:
                yield value | {field.name: None}
    elif isinstance(kind, pa.MapType):
        yield from (value[:i] + value[i + 1 :] for i in range(len(value)))
        if len(value) > 1:
            yield value[::-1]
        for index, (key, item) in enumerate(value):
            yield from ([*value[:index], (other, item), *value[index + 1 :]] for other in variants(key, kind.key_type))
            yield from ([*value[:index], (key, other), *value[index + 1 :]] for other in variants(item, kind.item_type))
    else:
        yield from (value[:i] + value[i + 1 :] for i in range(len(value)))
        yield from ([*value[:i], value[i], *value[i:]] for i in range(len(value)))
        if len(value) > 1 and value != value[::-1]:
            yield value[::-1]
        for index, item in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in variants(item, kind.value_type))


def test_an_untouched_chain_is_whole_up_to_what_was_signed() -> None:
    walk = walked(HISTORY, LINKS, END)
    assert (walk.first_break, walk.rows, walk.begins_at, walk.whole) == (None, 4, 2, True)
    assert (walk.signed, walk.behind) == (END[0], 0)


@pytest.mark.parametrize("field", list(covered(SCHEMA)), ids=lambda field: field.name)
def test_any_changed_value_is_found_in_its_row(field: pa.Field) -> None:
    count = 0
    for index, row in enumerate(HISTORY):
        others = list(variants(row[field.name], field.type))
        if field.nullable and row[field.name] is not None:
            others.append(None)
        for other in others:
            count += 1
            changed = [*HISTORY[:index], row | {field.name: other}, *HISTORY[index + 1 :]]
            found = walked(changed, LINKS).first_break
            assert found is not None, (row[field.name], other)
            if field.name != "kafka_offset":
                problem = "changed" if index else "beginning"
                assert (found.offset, found.problem, found.found) == (row["kafka_offset"], problem, LINKS[index])
    assert count >= 4


@pytest.mark.parametrize("byte", range(32))
def test_any_changed_byte_of_a_link_is_found(byte: int) -> None:
    for index, link in enumerate(LINKS):
        other = link[:byte] + bytes([link[byte] ^ 1]) + link[byte + 1 :]
        found = walked(HISTORY, [*LINKS[:index], other, *LINKS[index + 1 :]], END)
        problem: Problem = "changed" if index else "beginning"
        assert found.first_break == Break(HISTORY[index]["kafka_offset"], problem, link, other)


def test_any_removed_row_is_found() -> None:
    for index in range(3):
        found = walked(HISTORY[:index] + HISTORY[index + 1 :], LINKS[:index] + LINKS[index + 1 :], END).first_break
        assert found is not None
        assert found.offset == HISTORY[index + 1]["kafka_offset"]
        assert found.problem == ("changed" if index else "beginning")


def test_a_removed_tail_is_found_by_what_was_signed() -> None:
    for kept in range(4):
        found = walked(HISTORY[:kept], LINKS[:kept], END).first_break
        assert found == Break(9, "missing", LINKS[-1], b"")


def test_rows_that_were_old_enough_to_be_removed_break_nothing() -> None:
    heads = [Head(5, LINKS[1], NOW), Head(9, LINKS[3], NOW + DAY)]
    for removed in (1, 2, 3):
        walk = walked(HISTORY[removed:], LINKS[removed:], heads, expired=NOW + DAY / 2)
        assert (walk.first_break, walk.whole, walk.begins_at) == (None, False, HISTORY[removed]["kafka_offset"])
        assert (walk.signed, walk.behind) == (heads[1], 0)
        found = walked(HISTORY[removed:], LINKS[removed:], heads, expired=NOW - DAY).first_break
        assert found is not None
        assert found.problem == "beginning"
    assert walked([], [], heads, expired=NOW + 2 * DAY).first_break is None


def test_any_two_swapped_rows_are_found() -> None:
    for first in range(4):
        for second in range(first + 1, 4):
            order = list(range(4))
            order[first], order[second] = second, first
            offsets = [row["kafka_offset"] for row in HISTORY]
            rows = [HISTORY[i] | {"kafka_offset": offset} for i, offset in zip(order, offsets, strict=True)]
            found = walked(rows, [LINKS[i] for i in order], END).first_break
            assert found is not None


@pytest.mark.parametrize("link", ["none", "copied", "right"])
def test_any_inserted_row_is_found(link: str) -> None:
    for index, offset in enumerate((1, 3, 6, 7)):
        row = record(offset, text=b"forged")
        forged = stored([*HISTORY[:index], row])[-1]
        links = {"none": NOT_LINKED, "copied": LINKS[index], "right": forged}
        rows = [*HISTORY[:index], row, *HISTORY[index:]]
        found = walked(rows, [*LINKS[:index], links[link], *LINKS[index:]], END)
        if (link, index) == ("none", 0):
            assert found.unlinked == 1  # as if it had been there before the trail: such rows are not proved
        else:
            assert found.first_break is not None


def test_a_history_that_was_written_anew_without_the_signing_key_is_found() -> None:
    for index in range(4):
        forged = [*HISTORY[:index], HISTORY[index] | {"text": b"forged"}, *HISTORY[index + 1 :]]
        assert walked(forged, stored(forged)).first_break is None
        found = walked(forged, stored(forged), END).first_break
        assert found == Break(9, "not as signed", LINKS[-1], stored(forged)[-1])


def test_links_that_were_taken_away_are_found_by_what_was_signed() -> None:
    found = walked(HISTORY, [NOT_LINKED] * 4, END).first_break
    assert found == Break(9, "unlinked", LINKS[-1], NOT_LINKED)


def test_rows_of_before_the_trail_are_told_from_those_of_the_chain() -> None:
    old = [record(0), record(1)]
    walk = walked([*old, *HISTORY], [NOT_LINKED, NOT_LINKED, *LINKS], END)
    assert (walk.first_break, walk.unlinked, walk.begins_at, walk.whole) == (None, 2, 2, True)
    hidden = walked([*old, *HISTORY], [NOT_LINKED, NOT_LINKED, NOT_LINKED, *LINKS[1:]], END).first_break
    assert hidden is not None
    assert (hidden.offset, hidden.problem) == (5, "beginning")


def test_columns_that_a_later_version_adds_leave_digests_as_they_are() -> None:
    fields = [pa.field("a_new_one", pa.float64(), nullable=False), pa.field("another", pa.binary(), nullable=True)]
    wider = pa.schema([*SCHEMA, *fields])
    rows = table(HISTORY)
    with_new = rows.append_column(fields[0], pa.array([0.0] * 4)).append_column(fields[1], pa.nulls(4, pa.binary()))
    assert leaves(with_new, covered(wider)) == leaves(rows, covered(SCHEMA)) == leaves(rows, covered(wider))
    filled = with_new.set_column(with_new.column_names.index("another"), fields[1], pa.array([b""] * 4, pa.binary()))
    assert set(leaves(filled, covered(wider))).isdisjoint(leaves(rows, covered(SCHEMA)))


def test_who_inserted_a_row_and_when_may_change() -> None:
    later = [row | {"inserted_at": 6} for row in HISTORY]
    assert walked(later, LINKS, END).first_break is None


def test_a_slice_of_a_table_has_the_digests_of_its_rows() -> None:
    rows = table(HISTORY)
    whole = leaves(rows, covered(SCHEMA))
    assert [leaves(rows.slice(index, 1), covered(SCHEMA))[0] for index in range(4)] == whole
    assert leaves(pa.concat_tables([rows.slice(2), rows.slice(0, 2)]), covered(SCHEMA)) == whole[2:] + whole[:2]
