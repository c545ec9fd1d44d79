"""What a request may send: how large, how slowly, in which form."""

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import fastavro
from fastapi import Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from interlock.api.problems import Problem, field_error
from interlock.schemas import avro_schemas, json_text, wire
from interlock.schemas.catalogue import MAX_MESSAGE_BYTES
from interlock.schemas.models import Decision

# What Kafka takes of one record; a batch may have some hundred typical decisions of the largest size we know.
MAX_BODY_BYTES = MAX_MESSAGE_BYTES
MAX_BATCH_BYTES = 32 * 1024 * 1024
MAX_BATCH = 10_000

# A whole batch on a link of 10 Mbit/s takes as long; who is slower holds a connection for nothing.
BODY_SECONDS = 30.0

# More than a person reads.
MAX_LISTED_ERRORS = 100

JSON, JSON_LINES, AVRO = "application/json", ("application/jsonl", "application/x-ndjson"), "application/avro"

_OBJECT_CONTAINER, _FRAMED = b"Obj\x01", b"\x00"


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises Problem where it is larger than `limit` or takes too long."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Problem(
            408, "too-slow", f"the body was not complete after {BODY_SECONDS:g} s; nothing was done"
        ) from None
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the connection ended before the body did; nothing was done") from None
    return bytes(body)


def media_type(request: Request) -> str:
    """Without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_decisions(request: Request) -> tuple[list[Decision], bool]:
    """The decisions of a body, and whether it may hold several. All are valid, or Problem names those that are not."""
    kind = media_type(request)
    # In a thread, because a large batch takes a second, in which others are to be answered.
    if kind == JSON:
        return await run_in_threadpool(_one, await read_body(request, MAX_BODY_BYTES)), False
    if kind in JSON_LINES:
        return await run_in_threadpool(_checked, _json_lines(await read_body(request, MAX_BATCH_BYTES))), True
    if kind == AVRO:
        return await run_in_threadpool(_checked, _avro(await read_body(request, MAX_BATCH_BYTES))), True
    known = ", ".join((JSON, *JSON_LINES, AVRO))
    raise Problem(415, "unsupported-media-type", f"Content-Type {kind or 'is missing'}: send one of {known}")


def _one(body: bytes) -> Decision:
    try:
        return Decision.model_validate(json_text.parse_unlimited(body))
    except json_text.JsonError as error:
        raise Problem(400, "malformed", f"the body is not JSON that every reader takes: {error}") from error
    except ValidationError as error:
        errors = [field_error(detail) for detail in error.errors()[:MAX_LISTED_ERRORS]]
        detail = f"{errors[0]['field']}: {errors[0]['message']}"
        raise Problem(422, "invalid", f"{detail}; nothing was sent", errors=errors) from error


def _checked(rows: Iterator[tuple[int, Any]]) -> list[Decision]:
    decisions: list[Decision] = []
    errors: list[dict[str, Any]] = []
    for number, row in rows:
        if number > MAX_BATCH:
            raise Problem(413, "too-many", f"more than {MAX_BATCH:,} decisions in one request; nothing was sent")
        if isinstance(row, str):
            errors.append({"line": number, "field": "", "message": row})
            continue
        try:
            decisions.append(Decision.model_validate(row))
        except ValidationError as error:
            errors.append({"line": number, **field_error(error.errors()[0])})
        if len(errors) >= MAX_LISTED_ERRORS:
            break
    if errors:
        first = errors[0]
        where = f"line {first['line']}{', ' + first['field'] if first['field'] else ''}"
        raise Problem(422, "invalid", f"{where}: {first['message']}; nothing was sent", errors=errors)
    if not decisions:
        raise Problem(422, "invalid", "the body holds no decision; nothing was sent")
    return decisions


def _json_lines(body: bytes) -> Iterator[tuple[int, Any]]:
    """Number, counted from 1, and row; a text says why a line is no row."""
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json_text.parse_unlimited(line)
        except json_text.JsonError as error:
            yield number, str(error)
            continue
        yield number, row if isinstance(row, dict) else "not a JSON object"


def _avro(body: bytes) -> Iterator[tuple[int, Any]]:
    """An object container file, or one record in the framing of registries."""
    if body.startswith(_FRAMED):
        try:
            yield 1, wire.decode("Decision", body)
        except wire.WireError as error:
            yield 1, str(error)
        return
    if not body.startswith(_OBJECT_CONTAINER):
        raise Problem(400, "malformed", "the body is neither an Avro object container file nor a framed Avro record")
    number = 0
    try:
        reader = fastavro.reader(BytesIO(body))
        if reader.codec != "null" or _form(reader.writer_schema) not in _known_forms():
            # Whoever compresses, or brings a schema, decides how much memory reading takes.
            raise Problem(
                415, "unsupported-media-type", "the Avro file must be uncompressed, in the schema of Decision"
            )
        for record in reader:
            number += 1
            yield number, record if isinstance(record, dict) else "not a record"
    except Problem:
        raise
    except Exception as error:  # fastavro raises whatever the bytes lead it to
        raise Problem(400, "malformed", f"record {number + 1} of the Avro file cannot be read: {error}") from error


def _form(schema: Any) -> str:
    return str(fastavro.schema.to_parsing_canonical_form(schema))


@cache
def _known_forms() -> frozenset[str]:
    """Every version of the schema that was ever released."""
    return frozenset(_form(json.loads(version.text)) for version in avro_schemas.versions("Decision"))


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"the body has more than {limit // 1024} KiB; nothing was done")
