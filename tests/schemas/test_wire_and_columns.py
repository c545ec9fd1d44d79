"""The wire format, one message at a time and whole batches in two engines."""

import contextlib
import json
import random
import subprocess
import sys
from io import BytesIO
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.schemas import avro_schemas, wire
from interlock.schemas.columns import Decoded, Decoder, Engine

PREFIX = avro_schemas.routing_prefix_text()
FULL = avro_schemas.text("Decision")


def _decision(**fields: Any) -> dict[str, Any]:
    return {
        "decision_id": "d-é",
        "domain": "loans",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": 0.5,
        "created_at": 1_767_225_600_000_000,
        "amount": 7.5,
        "attributes": {"age": "40", "country": "DE"},
        "alternatives": [{"option": "reject", "confidence": 0.1, "pros": ["safe"], "cons": []}],
        "explanation": {
            "top_features": [{"feature": "age", "value": "40", "importance": 0.2}],
            "reasoning": "because",
            "similar_cases": [{"case_id": "c", "outcome": "approve"}],
        },
        "history": {
            "previous_decisions": [{"decision_id": "p", "outcome": "reject", "decided_at": 5}],
            "model_accuracy_on_similar": None,
        },
        "vector": [0.5, 1.0],
        **fields,
    }


GOOD = wire.encode("Decision", _decision())


def _damaged(seed: int, times: int) -> bytes:
    rng = random.Random(seed)
    message = bytearray(GOOD)
    for _ in range(times):
        position = rng.randrange(len(message) + 1)
        kind = rng.randrange(4)
        if kind == 0 and position < len(message):
            message[position] = rng.randrange(256)
        elif kind == 1:
            del message[position : position + rng.randrange(1, 6)]
        elif kind == 2:
            message[position:position] = rng.choice([b"\xff" * 9 + b"\x01", b"\x80" * 12, bytes([rng.randrange(256)])])
        else:
            message = message[:position]
    return bytes(message)


def _printed(rows: pa.RecordBatch) -> list[str]:
    """As text NaN equals itself, and there may be a time that no Python date can hold."""
    return [column.to_string(window=100, container_window=100) for column in rows.columns]


_MESSAGES = st.lists(
    st.just(GOOD)
    | st.none()
    | st.binary(max_size=30)
    | st.binary(max_size=60).map(lambda rest: wire.header("Decision") + rest)
    | st.builds(_damaged, st.integers(0, 10**9), st.integers(1, 3)),
    max_size=25,
)


def _by(engine: Engine, text: str, messages: list[bytes | None], few: int = 80) -> Decoded:
    """`few`: below how many records fastavro reads one by one, where it would otherwise be columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interlock.schemas.columns._MIN_FLAT_BATCH", few)
        return Decoder("Decision", text, engine).decode(messages)


@pytest.mark.parametrize("text", [PREFIX, FULL], ids=["prefix", "full"])
@given(messages=_MESSAGES)
@settings(deadline=None, max_examples=300)
def test_every_reader_gives_the_same_rows_and_names_the_same_bad_messages(
    text: str, messages: list[bytes | None]
) -> None:
    slow = _by("fastavro", text, messages, few=1000)
    for fast in (_by("pyruhvro", text, messages), _by("fastavro", text, messages, few=0)):
        assert fast.bad == slow.bad
        assert fast.bodies == slow.bodies
        places = list(range(len(messages)))
        assert (fast.index or places[: len(fast.bodies)]) == (slow.index or places[: len(slow.bodies)])
        assert fast.rows.schema.equals(slow.rows.schema)
        assert _printed(fast.rows) == _printed(slow.rows)
        assert fast.rows.num_rows + len(fast.bad) == len(messages)


_TEXTS = st.text(max_size=5) | st.sampled_from(["", "é" * 40, "x" * 63, "x" * 64, "x" * 9000, "\0"])
_NAMES = ("decision_id", "domain", "model_id", "model_version", "prediction", "impact", "jurisdiction", "subject_id")
_PREFIXES = st.fixed_dictionaries(
    {
        **dict.fromkeys(_NAMES, _TEXTS),
        "confidence": st.floats(),
        "created_at": st.integers(-(2**63), 2**63 - 1),
        "amount": st.none() | st.floats(),
        "novel": st.booleans(),
        "compliance_review": st.booleans(),
        "attributes": st.dictionaries(_TEXTS, _TEXTS, max_size=4)
        | st.integers(14, 80).map(lambda size: {str(i): "v" for i in range(size)}),
    }
)


@given(records=st.lists(_PREFIXES, min_size=1, max_size=8), rest=st.binary(max_size=3))
@settings(deadline=None, max_examples=200)
def test_every_reader_gives_what_was_written_whatever_follows(records: list[dict[str, Any]], rest: bytes) -> None:
    schema = fastavro.parse_schema(avro_schemas.without_logical_types(json.loads(PREFIX)))
    messages: list[bytes | None] = []
    for record in records:
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, record)
        messages.append(wire.header("Decision") + out.getvalue() + rest)
    read = [
        _by("pyruhvro", PREFIX, messages),
        _by("fastavro", PREFIX, messages, few=0),
        _by("fastavro", PREFIX, messages, few=1000),
    ]
    assert [decoded.bad for decoded in read] == [[], [], []]
    assert _printed(read[0].rows) == _printed(read[1].rows) == _printed(read[2].rows)
    assert read[1].rows["decision_id"].to_pylist() == [record["decision_id"] for record in records]


@given(st.integers(0, 10**9), st.integers(1, 3))
@settings(deadline=None)
def test_a_damaged_message_decodes_or_is_refused_with_a_reason_but_never_breaks(seed: int, times: int) -> None:
    with contextlib.suppress(wire.WireError):
        assert wire.decode("Decision", _damaged(seed, times))["decision_id"] is not None


@pytest.mark.parametrize("engine", ["pyruhvro", "fastavro"])
def test_one_bad_message_among_thousands_is_found_and_the_others_are_read(engine: Any) -> None:
    messages: list[bytes | None] = [GOOD] * 3000
    messages[1234] = GOOD[:40]
    messages[2999] = None
    decoded = Decoder("Decision", FULL, engine).decode(messages)
    assert [(bad.index, bad.reason) for bad in decoded.bad] == [(1234, "malformed-avro"), (2999, "empty-value")]
    assert decoded.rows.num_rows == 2998
    assert decoded.index is not None
    assert 1234 not in decoded.index


@pytest.mark.parametrize("engine", ["pyruhvro", "fastavro"])
@pytest.mark.parametrize("text", [PREFIX, FULL], ids=["prefix", "full"])
def test_no_messages_give_no_rows(engine: Any, text: str) -> None:
    decoded = Decoder("Decision", text, engine).decode([])
    assert (decoded.rows.num_rows, decoded.bad, decoded.bodies) == (0, [], [])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "empty-value"),
        (b"", "not-wire-format"),
        (b"{}", "not-wire-format"),
        (b"\0\0\0\0\x63rest", "unknown-schema"),
        (GOOD[:30], "malformed-avro"),
        (GOOD + b"x", "trailing-bytes"),
        (GOOD.replace("é".encode(), b"\xff\xff"), "invalid-utf8"),
    ],
)
def test_what_is_no_message_of_the_schema_is_refused_with_its_reason(message: bytes | None, reason: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode("Decision", message)
    assert caught.value.reason == reason


def test_an_unknown_schema_is_named_by_its_id() -> None:
    with pytest.raises(wire.WireError, match=r"schema id 99 is not Decision \(id 1\)"):
        wire.decode("Decision", b"\0\0\0\0\x63rest")


def test_a_decoder_loads_nothing_more_with_its_first_batch() -> None:
    # In a process of its own, because this one has loaded everything long ago.
    program = """
import sys
from interlock.schemas import avro_schemas
from interlock.schemas.columns import Decoder
decoder = Decoder("Decision", avro_schemas.routing_prefix_text())
before = set(sys.modules)
decoder.decode([b"no decision"])
assert "pandas" not in set(sys.modules) - before
import pyarrow
pyarrow.array(["x"])
assert "pandas" not in set(sys.modules) - before
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_number_that_does_not_fit_its_type_makes_its_record_unreadable_and_no_other() -> None:
    text = '{"type": "record", "name": "Alert", "fields": [{"name": "count", "type": "int"}]}'

    def message(count: int) -> bytes:
        stream = BytesIO()
        fastavro.schemaless_writer(stream, json.loads(text.replace('"int"', '"long"')), {"count": count})
        return wire.header("Alert") + stream.getvalue()

    # pyruhvro cuts such a number to 32 bits; where it refuses another record of the batch, fastavro decides.
    decoded = Decoder("Alert", text, "fastavro").decode([message(n) for n in (1, 2**40, 2, -(2**31) - 1, 3)])
    assert decoded.rows.to_pydict() == {"count": [1, 2, 3]}
    assert decoded.index == [0, 2, 4]
    assert [(bad.index, bad.reason) for bad in decoded.bad] == [(1, "malformed-avro"), (3, "malformed-avro")]
