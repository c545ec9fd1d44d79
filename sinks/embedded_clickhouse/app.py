"""The ClickHouse HTTP interface as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from interlock.sinks.embedded_clickhouse.block_compression import BlockDecoder, BlockEncoder
from interlock.sinks.embedded_clickhouse.body import Body
from interlock.sinks.embedded_clickhouse.compression import (
    Decoder,
    DecoderChain,
    Encoder,
    EncoderChain,
    choose_encoding,
    decoder,
    encoder,
)
from interlock.sinks.embedded_clickhouse.engine import Engine, Result
from interlock.sinks.embedded_clickhouse.errors import (
    BAD_ARGUMENTS,
    QUERY_TOO_LARGE,
    SYNTAX_ERROR,
    ClickHouseError,
    refusal,
)
from interlock.sinks.embedded_clickhouse.native import NativeEncoder
from interlock.sinks.embedded_clickhouse.request import QueryParameters, authenticate, form_fields, parameters
from interlock.sinks.embedded_clickhouse.result_stream import ResultStream
from interlock.sinks.embedded_clickhouse.running import Job, Runner
from interlock.sinks.embedded_clickhouse.settings import Account
from interlock.sinks.embedded_clickhouse.sql import (
    InsertWithData,
    insert_with_data,
    kill_of_one_query,
    parse,
    with_own_query_ids,
)

log = logging.getLogger("interlock.clickhouse")

# The server's max_query_size: longer statements are refused, and an INSERT's must end within so many bytes of the
# request. Taking a statement apart takes a hundred times its length in memory.
_STATEMENT_BYTES = 262_144
# A multipart form, held in memory: a statement and its parameters, which clients put there when they are long.
_FORM_BYTES = 4 << 20
# Results up to this size are answered whole, with their summary and with a proper status if they fail late.
_WHOLE_RESULT_BYTES = 1 << 20

_DEFAULT_OUTPUT = "TabSeparated"
_DEFAULT_INPUT = "Values"

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Avro": "application/octet-stream",
}


class _ResultCutShort(Exception):
    """A result failed after its first bytes were sent; the connection is broken off on purpose."""


class Gateway:
    """Turns requests into jobs for the runner and their outcomes into responses."""

    def __init__(self, engine: Engine, accounts: Iterable[Account], runner: Runner) -> None:
        self._engine = engine
        self._accounts = tuple(accounts)
        self._runner = runner

    async def ping(self, _: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    async def root(self, request: Request) -> Response:
        """``/``: one query per request."""
        query_id = request.query_params.get("query_id") or str(uuid.uuid4())
        try:
            return await self._answer(request, query_id)
        except ClickHouseError as error:
            return self._error(error, query_id)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it; nginx's code for "client closed request"

    async def _answer(self, request: Request, query_id: str) -> Response:
        wanted = parameters(request.query_params.multi_items(), request.headers)
        if request.method == "GET" and not wanted.query:
            return PlainTextResponse("Ok.\n")
        account = authenticate(self._accounts, request.headers, request.query_params)
        body = Body(aiter(request.stream()), _decoder(request, wanted), self._runner.call)
        content_type = request.headers.get("content-type", "")
        if content_type.startswith("multipart/form-data"):
            fields = form_fields(await body.all(_FORM_BYTES), content_type)
            wanted = parameters([*request.query_params.multi_items(), *fields], request.headers)

        def job(text: str) -> Job:
            return Job(account, query_id, text, wanted, get_request=request.method == "GET")

        if len(wanted.query) > _STATEMENT_BYTES:
            raise refusal(QUERY_TOO_LARGE, f"The query is longer than {_STATEMENT_BYTES} bytes")
        # Query text in the URL is followed by the body, as if a line feed stood between them.
        prefix = wanted.query.encode() + b"\n" if wanted.query else b""
        insert = insert_with_data(prefix) if prefix else None
        if insert is None:
            head = prefix + await body.head(_STATEMENT_BYTES)
            insert = insert_with_data(head)
            if insert is not None and insert.format is None and len(head) >= _STATEMENT_BYTES:
                raise refusal(QUERY_TOO_LARGE, f"No FORMAT or VALUES within {_STATEMENT_BYTES} bytes of INSERT")
        if insert is not None:
            input_format = insert.format or wanted.default_format or _DEFAULT_INPUT
            pieces = _data(prefix, insert, body)
            return self._inserted(
                await self._runner.insert(job(_text(insert.statement)), input_format, pieces), query_id
            )
        return await self._query(request, job(_text(prefix + await body.all(_STATEMENT_BYTES))))

    async def _query(self, request: Request, job: Job) -> Response:
        given = job.text
        job = replace(job, text=with_own_query_ids(given))
        statement = parse(job.text)
        if statement is None:
            raise refusal(SYNTAX_ERROR, "Syntax error: Empty query")
        output_format = statement.format or job.parameters.default_format or _DEFAULT_OUTPUT
        encoding = _encoding(request, job.parameters)
        compressed = _encoder(job.parameters, output_format, encoding)
        if not statement.is_select:
            kill = kill_of_one_query(given)
            if kill is not None:
                result = await self._runner.kill(job, kill, kill.format or output_format)
            else:
                result = await self._runner.command(job, output_format)
            return self._whole(result.data, result, job, output_format, encoding, compressed)
        stream = await self._runner.select(job, statement, output_format)
        try:
            first, complete = await _unless_gone(request, stream)
            if complete:
                return self._whole(first, await stream.done, job, output_format, encoding, compressed)
            first = compressed.encode(first)
        except BaseException:
            self._runner.abandon(job, stream)
            raise
        tag = secrets.token_hex(8)
        headers = self._headers(job.query_id, output_format, encoding) | {"X-ClickHouse-Exception-Tag": tag}
        return StreamingResponse(self._rest(job, stream, first, compressed, tag), headers=headers)

    async def _rest(
        self, job: Job, stream: ResultStream, first: bytes, compressed: EncoderChain, tag: str
    ) -> AsyncIterator[bytes]:
        try:
            yield first
            try:
                while part := await stream.read():
                    yield compressed.encode(part)
                await stream.done
            except ClickHouseError as error:
                # The status has been sent: the message goes into the body, where clients that know the
                # format find it, and the connection breaks, which no other client can overlook.
                yield compressed.break_off(_exception_block(error.body(self._engine.version), tag))
                raise _ResultCutShort from error
            yield compressed.finish()
        finally:
            self._runner.abandon(job, stream)

    def _whole(
        self, data: bytes, result: Result, job: Job, output_format: str, encoding: str, compressed: EncoderChain
    ) -> Response:
        headers = self._headers(job.query_id, output_format, encoding) | _summary(result)
        return Response(compressed.encode(data) + compressed.finish(), headers=headers)

    def _inserted(self, result: Result, query_id: str) -> Response:
        return Response(headers=self._headers(query_id, _DEFAULT_OUTPUT, "") | _summary(result))

    def _error(self, error: ClickHouseError, query_id: str) -> Response:
        headers = self._headers(query_id, _DEFAULT_OUTPUT, "") | {
            "X-ClickHouse-Exception-Code": str(error.code),
            "Content-Type": "text/plain; charset=UTF-8",
        }
        return Response(error.body(self._engine.version), error.http_status, headers)

    def _headers(self, query_id: str, output_format: str, encoding: str) -> dict[str, str]:
        headers = {
            "Content-Type": _CONTENT_TYPES.get(output_format, "text/plain; charset=UTF-8"),
            "X-ClickHouse-Server-Display-Name": self._engine.host_name,
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Format": output_format,
            "X-ClickHouse-Timezone": self._engine.timezone,
        }
        return headers | {"Content-Encoding": encoding} if encoding else headers


def _text(statement: bytes) -> str:
    try:
        return statement.decode()
    except UnicodeDecodeError as error:
        raise refusal(BAD_ARGUMENTS, f"The query is not UTF-8 at byte {error.start}") from None


async def _data(prefix: bytes, insert: InsertWithData, body: Body) -> AsyncIterator[bytes]:
    """The rows of an INSERT: what the URL holds of them, then the body's."""
    if inline := prefix[insert.data_offset :]:
        yield inline
    async for piece in body.pieces(skip=max(0, insert.data_offset - len(prefix))):
        yield piece


def _encoding(request: Request, wanted: QueryParameters) -> str:
    return choose_encoding(request.headers.get("accept-encoding", "")) if wanted.compress_response else ""


def _encoder(wanted: QueryParameters, output_format: str, encoding: str) -> EncoderChain:
    """From what the engine writes to what goes over the wire; the last one is the content encoding."""
    steps: list[Encoder] = []
    if output_format == "Native" and wanted.protocol_version:
        steps.append(NativeEncoder(wanted.protocol_version))
    if wanted.compress_blocks:
        steps.append(BlockEncoder(wanted.settings.get("network_compression_method", "LZ4")))
    return EncoderChain(*steps, encoder(encoding))


def _decoder(request: Request, wanted: QueryParameters) -> Decoder:
    outer = decoder(request.headers.get("content-encoding", ""))
    return DecoderChain(outer, BlockDecoder()) if wanted.decompress_blocks else outer


def _summary(result: Result) -> dict[str, str]:
    numbers = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "result_rows": result.result_rows,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "elapsed_ns": int(result.elapsed * 1e9),
    }
    return {"X-ClickHouse-Summary": json.dumps({key: str(value) for key, value in numbers.items()})}


def _exception_block(message: str, tag: str) -> bytes:
    """How servers since 25.11 write an exception into a result that had already begun."""
    text = message.encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (
        tag.encode(),
        text,
        len(text),
        tag.encode(),
    )


async def _unless_gone(request: Request, stream: ResultStream) -> tuple[bytes, bool]:
    """The beginning of a result, or ClientDisconnect as soon as nobody waits for it any more."""
    reading = asyncio.ensure_future(stream.read_until(_WHOLE_RESULT_BYTES))
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise ClientDisconnect
        return reading.result()
    finally:
        reading.cancel()
        gone.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _break_connections(app: ASGIApp) -> ASGIApp:
    """Whatever ends early ends without its last chunk, which every HTTP client notices."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except _ResultCutShort as cut:
            log.warning("a result failed after it had begun: %s", cut.__cause__)
        except asyncio.CancelledError:
            log.warning("a request was broken off because the server stops")

    return wrapped


def create_app(engine: Engine, accounts: Iterable[Account], runner: Runner) -> ASGIApp:
    """The application. Starting and stopping engine and runner is the caller's business."""
    gateway = Gateway(engine, accounts, runner)
    return _break_connections(
        Starlette(
            routes=[
                Route("/ping", gateway.ping),
                Route("/replicas_status", gateway.ping),
                Route("/", gateway.root, methods=["GET", "POST"]),
            ]
        )
    )
