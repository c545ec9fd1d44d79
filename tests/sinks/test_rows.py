"""Messages as rows: every message exactly one, whatever its bytes are."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.schemas import wire
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.sinks.sink_world import ASYNC, AUTO, DEAD, DECISIONS, START, TOPICS, World, decision, routed

DAY = 86_400_000_000


def message(topic: str, offset: int, value: bytes | None, key: bytes | None = b"key", **more: Any) -> Message:
    return Message(topic=topic, partition=0, offset=offset, key=key, value=value, timestamp=(1, START // 1000), **more)


def to_rows(topic: str, *values: bytes | None, **more: Any) -> list[dict[str, Any]]:
    """The rows, in the order of their offsets."""
    messages = [message(topic, offset, value, **more) for offset, value in enumerate(values)]
    table = rows.to_arrow(messages, Chunk(topic, 0, 0, len(values) - 1), "log")
    assert len(table.to_batches()) == 1
    found: list[dict[str, Any]] = table.sort_by("kafka_offset").to_pylist()
    return found


@given(
    st.sampled_from(TOPICS),
    st.lists(st.none() | st.binary(max_size=40), min_size=1, max_size=12),
    st.lists(st.none() | st.binary(max_size=5), min_size=1, max_size=12),
)
@settings(deadline=None)
def test_any_bytes_at_all_become_one_row_a_message(
    topic: str, values: list[bytes | None], keys: list[bytes | None]
) -> None:
    framed = [None if v is None else wire.header("RoutedDecision") + v if i % 2 else v for i, v in enumerate(values)]
    messages = [message(topic, i, value, keys[i % len(keys)]) for i, value in enumerate(framed)]
    table = rows.to_arrow(messages, Chunk(topic, 0, 0, len(values) - 1), "log")
    assert sorted(table["kafka_offset"].to_pylist()) == list(range(len(values)))


def test_a_dead_letter_whose_headers_cannot_be_read_is_a_row_with_its_bytes() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(DEAD, 1)])
    producer = broker.producer(None)
    producer.produce(DEAD, b"foreign", b"key", headers=[(b"caf\xe9", b"1")])
    producer.flush()
    consumer = broker.consumer("sink")
    consumer.subscribe([DEAD])
    (row,) = rows.to_arrow(consumer.consume(1, 0), Chunk(DEAD, 0, 0, 0), "log").to_pylist()
    assert (row["original_value"], row["original_key"], row["original_headers"]) == (b"foreign", b"key", [])
    assert (row["reason"], row["source_topic"]) == ("", "")


def test_a_payload_damaged_behind_the_routing_fields_keeps_its_route_and_its_bytes() -> None:
    whole = wire.encode("RoutedDecision", routed(decision("d-1", "lending"), "sync"))
    damaged = whole[:-50]
    good, bad, worse = to_rows("reviews.sync", whole, damaged, b"nonsense")
    assert (good["error"], good["raw"], good["input"]) == ("", b"", '{"term": 36}')
    assert (bad["route"], bad["decision_id"], bad["domain"], bad["confidence"]) == ("sync", "d-1", "lending", 0.9)
    assert (bad["error"], bad["raw"], bad["input"]) == ("malformed-avro", damaged, "")
    assert (worse["route"], worse["decision_id"], worse["error"], worse["raw"]) == (
        "",
        "key",
        "not-wire-format",
        b"nonsense",
    )


def test_every_field_of_a_routed_decision_has_its_column() -> None:
    record = routed(decision("d-1", "lending"), "auto", override_until=START + DAY)
    (row,) = to_rows(AUTO, wire.encode("RoutedDecision", record))
    expected = {**record, **record["decision"]}
    del expected["decision"]
    plain = {name: row[name] for name in expected}
    plain["attributes"] = dict(plain["attributes"])
    for name in ("routed_at", "created_at", "override_until"):
        plain[name] = _micros(plain[name])
    previous = plain["history"]["previous_decisions"][0]
    previous["decided_at"] = _micros(previous["decided_at"])
    assert plain == expected


def _micros(naive: datetime) -> int:
    return (naive - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001  (UTC on both sides)


@pytest.mark.parametrize("when", [-(2**63), -(2**62), 2**62, 2**63 - 1])
def test_absurd_times_are_clamped_to_what_clickhouse_can_hold(when: int) -> None:
    history = {
        "previous_decisions": [{"decision_id": "d", "outcome": "o", "decided_at": when}],
        "model_accuracy_on_similar": 0.5,
    }
    record = routed(decision("d-1", "lending", created_at=when, history=history), "manual", override_until=when)
    table = rows.to_arrow([message(AUTO, 0, wire.encode("RoutedDecision", record))], Chunk(AUTO, 0, 0, 0), "log")
    bound = -2_208_988_800_000_000 if when < 0 else 10_413_791_999_000_000
    nested = table["history"].combine_chunks().field("previous_decisions").values.field("decided_at")
    for column in (table["created_at"], table["override_until"], nested):
        assert column.cast(pa.int64()).to_pylist() == [bound]


def test_a_tombstone_on_a_compacted_topic_is_a_row_and_no_error() -> None:
    control = {"scope": "all", "halted": True, "reason": "incident", "set_by": "me", "set_at": START}
    values = (wire.encode("Control", control), None, b"damaged")
    found = to_rows("controls", *values)
    assert [(row["scope"], row["tombstone"], row["error"], row["key"]) for row in found] == [
        ("all", False, "", b"key"),
        ("", True, "", b"key"),
        ("", False, "not-wire-format", b"key"),
    ]


def test_a_tombstone_among_decisions_is_an_error() -> None:
    (row,) = to_rows(DECISIONS, None)
    assert (row["error"], row["decision_id"]) == ("empty-value", "key")


def test_a_dead_letter_tells_what_its_headers_say_and_keeps_the_message_unchanged() -> None:
    headers = [
        ("traceparent", b"00-1"),
        ("empty", None),
        ("__streams.errors.exception", b"malformed-avro"),
        ("__streams.errors.message", "schön".encode()),
        ("__streams.errors.topic", b"decisions"),
        ("__streams.errors.partition", b"3"),
        ("__streams.errors.offset", b"12"),
    ]
    (row,) = to_rows(DEAD, b"\xff\x00", key=b"\xfe", headers=headers)
    assert (row["reason"], row["message"]) == ("malformed-avro", "schön")
    assert (row["source_topic"], row["source_partition"], row["source_offset"]) == ("decisions", 3, 12)
    assert (row["original_key"], row["original_value"]) == (b"\xfe", b"\xff\x00")
    assert [(item["name"], item["value"]) for item in row["original_headers"]] == [
        ("traceparent", b"00-1"),
        ("empty", None),
    ]


@pytest.mark.parametrize("number", [b"", b"-1", b"1.5", b"9" * 30, b"2147483648", "٣".encode(), None])
def test_a_source_that_is_no_number_is_unknown(number: bytes | None) -> None:
    (row,) = to_rows(DEAD, b"", headers=[("__streams.errors.partition", number)])
    assert row["source_partition"] is None


@pytest.mark.warehouse
def test_clickhouse_gives_back_what_was_sent(shared: Client, run_id: str) -> None:
    world = World(run_id, shared, partitions=1)
    record = routed(decision(f"{run_id}-1", run_id, created_at=2**62), "auto", audit=True, override_until=START + DAY)
    whole = wire.encode("RoutedDecision", record)
    world.send(ASYNC, b"k", whole)
    world.send(ASYNC, b"k", whole[:-50])
    world.send(ASYNC, b"\xff", b"\xff\xfe")
    world.settle(world.writer())
    found = shared.query(
        "SELECT * FROM routed_decisions WHERE kafka_stream = {name:String} ORDER BY kafka_offset",
        parameters={"name": run_id},
    )
    good, damaged, unreadable = found.named_results()
    assert good["explanation"] == record["decision"]["explanation"]
    assert good["alternatives"] == record["decision"]["alternatives"]
    assert (good["vector"], good["attributes"]) == ([0.5, -1.0], {"country": "DE", "age": "40"})
    assert good["created_at"].year == 2299
    assert _micros(good["routed_at"].replace(tzinfo=None)) == START
    assert (good["review_copy"], good["audit"], damaged["review_copy"]) == (True, True, True)
    assert (damaged["route"], damaged["error"], damaged["input"]) == ("auto", "malformed-avro", "")
    assert (unreadable["route"], unreadable["decision_id"], unreadable["review_copy"]) == ("", "\\xff", False)
    sizes = world.ask(
        "SELECT length(raw) FROM routed_decisions WHERE kafka_stream = {name:String} ORDER BY kafka_offset"
    )
    assert sizes == [(0,), (len(whole) - 50,), (2,)]


@pytest.mark.warehouse
def test_scattered_timestamps_are_no_obstacle(shared: Client, run_id: str) -> None:
    world = World(run_id, shared, partitions=1)
    for month in range(150):  # more partitions than an insert may touch by default
        world.producer.produce(DECISIONS, b"unreadable", b"k", timestamp=1 + month * 31 * 86_400_000)
    world.producer.flush()
    world.settle(world.writer(max_rows=200, max_consumed=200))
    world.assert_exactly_once()


_ENTRIES = st.lists(st.tuples(st.sampled_from(["country", "age", ""]), st.sampled_from(["DE", "US"])), max_size=4)


@given(st.lists(_ENTRIES, min_size=1, max_size=5))
def test_of_a_key_that_stands_twice_the_last_entry_is_kept_as_the_router_and_the_reviewer_have_it(
    maps: list[list[tuple[str, str]]],
) -> None:
    values = []
    for number, entries in enumerate(maps):
        # A map without entries is a zero; with entries their count, the entries, and a zero.
        empty = wire.encode("Decision", decision(f"d-{number}", "w", attributes={"marker": "x"}))
        marker = b"\x02\x0cmarker\x02x\x00"
        assert empty.count(marker) == 1
        texts = b"".join(bytes([2 * len(text)]) + text.encode() for entry in entries for text in entry)
        block = bytes([2 * len(entries)]) + texts + b"\x00" if entries else b"\x00"
        values.append(empty.replace(marker, block))
    as_read = [wire.decode("Decision", value)["attributes"] for value in values]
    assert as_read == [dict(entries) for entries in maps]
    for row, attributes in zip(to_rows(DECISIONS, *values), as_read, strict=True):
        assert sorted(row["attributes"]) == sorted(attributes.items())
