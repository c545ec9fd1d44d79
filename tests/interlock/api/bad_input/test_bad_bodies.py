"""Bodies that are too large, of another form, or damaged: the right status, problem details, nothing changed."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fastavro
import pytest

from interlock.api import bodies
from interlock.schemas import avro_schemas, wire
from interlock.schemas.models import MAX_ID_BYTES, Decision
from tests.interlock.api.api_world import World, refusal
from tests.interlock.api.bad_input.sending import COMMANDS, DECISION, post, text


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
def test_a_body_that_declares_too_much_is_refused_unread(world: World, path: str) -> None:
    def parts() -> Iterator[bytes]:
        yield b"{"
        raise AssertionError("the body was read")

    response = post(world, path, parts(), **{"content-length": str(bodies.MAX_BATCH_BYTES + 1)})
    assert refusal(response) == (413, "too-large")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
def test_a_body_without_a_length_is_refused_once_it_is_too_large(world: World, path: str) -> None:
    kibibyte = b" " * 1024
    chunks = (kibibyte for _ in range(bodies.MAX_BODY_BYTES // 1024 + 1))
    assert refusal(post(world, path, chunks)) == (413, "too-large")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "json", None])
def test_another_content_type_is_not_guessed_at(world: World, path: str, kind: str | None) -> None:
    assert refusal(post(world, path, b"{}", kind)) == (415, "unsupported-media-type")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1} {"b": 2}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"}",
        b"\x00",
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_json_is_malformed(world: World, path: str, body: bytes) -> None:
    assert refusal(post(world, path, body)) == (400, "malformed")


@pytest.mark.parametrize("path", COMMANDS)
@pytest.mark.parametrize("body", [b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": 1e999}', b"[" * 65 + b"]" * 65])
def test_json_that_not_every_reader_takes_is_malformed(world: World, path: str, body: bytes) -> None:
    assert refusal(post(world, path, body)) == (400, "malformed")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"{}", b'{"unknown": 1}'])
def test_json_of_another_form_names_what_is_wrong(world: World, path: str, body: bytes) -> None:
    response = post(world, path, body)
    assert refusal(response) == (422, "invalid")
    assert response.json()["errors"]


@pytest.mark.parametrize(
    "changes",
    [
        {"decision_id": ""},
        {"decision_id": "x" * (MAX_ID_BYTES + 1)},
        {"decision_id": "é" * (MAX_ID_BYTES // 2 + 1)},
        {"decision_id": "\ud800"},
        {"confidence": 1.01},
        {"confidence": "high"},
        {"confidence": None},
        {"input": "\ud800"},
        {"created_at": "yesterday"},
        {"created_at": 1e300},
        {"unknown": 1},
        {"attributes": {"a": {}}},
    ],
    ids=str,
)
def test_a_decision_that_says_nothing_usable_is_invalid(world: World, changes: dict[str, Any]) -> None:
    assert refusal(post(world, "/v1/decisions", text(**changes))) == (422, "invalid")


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (b"", None),
        (b"\n\n", None),
        (text() + b"\n{", 2),
        (text() + b"\n\nnull\n" + text(), 3),
        (text(decision_id=""), 1),
        (text() + b"\n" + text(confidence=2), 2),
        (text() + b"\n\xff", 2),
        (b"[" * 100_000, 1),
    ],
)
def test_one_wrong_line_of_a_batch_is_named_and_none_is_sent(world: World, lines: bytes, line: int | None) -> None:
    response = post(world, "/v1/decisions", lines, "application/jsonl")
    assert refusal(response) == (422, "invalid")
    assert [error.get("line") for error in response.json().get("errors", [])] == ([line] if line else [])


def test_a_batch_of_too_many_decisions_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BATCH", 3)
    assert refusal(post(world, "/v1/decisions", b"\n".join([text()] * 4), "application/jsonl")) == (413, "too-many")


def test_a_wait_takes_a_single_decision(world: World) -> None:
    lines = b"\n".join([text(), text(decision_id="loan-2")])
    assert refusal(post(world, "/v1/decisions?wait=1", lines, "application/jsonl")) == (422, "invalid")


def container(schema: Any, rows: list[Any], codec: str = "null") -> bytes:
    file = BytesIO()
    fastavro.writer(file, schema, rows, codec=codec)
    return file.getvalue()


def of_decisions(codec: str = "null") -> bytes:
    return container(avro_schemas.parsed("Decision"), [Decision.model_validate(DECISION).to_record()], codec)


FRAMED = wire.encode("Decision", Decision.model_validate(DECISION).to_record())

# Few bytes that say there are a thousand million records, and as many bytes.
BOMB = container(avro_schemas.parsed("Decision"), []) + b"\x80\xa8\xd6\xb9\x07" + b"\x80\xa8\xd6\xb9\x07" + b"\x00"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "malformed")),
        (b"Obj\x01", (400, "malformed")),
        (b"no avro", (400, "malformed")),
        (of_decisions()[:-20], (400, "malformed")),
        (of_decisions()[:200], (400, "malformed")),
        (of_decisions("deflate"), (415, "unsupported-media-type")),
        (container("string", ["x"]), (415, "unsupported-media-type")),
        (container({"type": "array", "items": "null"}, [[None] * 10]), (415, "unsupported-media-type")),
        (BOMB, (400, "malformed")),
        (FRAMED[:-5], (422, "invalid")),
        (b"\x00" + b"\xff" * 20, (422, "invalid")),
        (b"\x00", (422, "invalid")),
    ],
    ids=[
        *("empty", "magic", "no avro", "truncated", "no schema", "compressed", "other schema", "of nothing", "bomb"),
        *("framed and truncated", "framed with an unknown schema", "frame"),
    ],
)
def test_damaged_or_foreign_avro_is_refused(world: World, body: bytes, expected: tuple[int, str]) -> None:
    assert refusal(post(world, "/v1/decisions", body, "application/avro")) == expected
