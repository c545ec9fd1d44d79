"""What one HTTP request asks for: who, which query, under which settings."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP

from interlock.sinks.embedded_clickhouse.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    INVALID_SESSION_TIMEOUT,
    NOT_IMPLEMENTED,
    UNKNOWN_FORMAT,
    UNKNOWN_ROLE,
    refusal,
)
from interlock.sinks.embedded_clickhouse.settings import Account

# Parameters of the HTTP interface that are no settings of the engine. The hints about progress headers and buffering
# are accepted and have no effect.
_INTERFACE = frozenset(
    {
        "query",
        "database",
        "default_format",
        "query_id",
        "user",
        "password",
        "quota_key",
        "session_id",
        "session_timeout",
        "session_check",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "stacktrace",
        "role",
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "http_wait_end_of_query",
        "http_response_buffer_size",
        "http_write_exception_in_output_format",
        "cancel_http_readonly_queries_on_client_close",
        "add_http_cors_header",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


# In seconds, as servers have them (default_session_timeout, max_session_timeout).
_SESSION_SECONDS = 60
_LONGEST_SESSION_SECONDS = 3600


@dataclass(frozen=True)
class SessionParameters:
    """The session that a request belongs to. ``must_exist``: it may not be the first one of it."""

    name: str
    seconds: int
    must_exist: bool


@dataclass(frozen=True)
class QueryParameters:
    """The parameters of a query as ClickHouse names them, sorted by what they mean."""

    query: str
    database: str
    query_id: str
    default_format: str | None
    compress_response: bool
    compress_blocks: bool  # the answer in ClickHouse's own compressed blocks
    decompress_blocks: bool  # the body is in them
    protocol_version: int  # the revision in which the client reads the Native format
    settings: Mapping[str, str]
    params: Mapping[str, str]
    session: SessionParameters | None = None


def parameters(pairs: Iterable[tuple[str, str]], headers: Mapping[str, str]) -> QueryParameters:
    """Sort URL (or form) parameters. Raises for odd names and values, and for roles, which no account has."""
    given = dict(pairs)
    if given.get("role"):
        raise refusal(UNKNOWN_ROLE, f"There is no role {given['role']!r}: users of the embedded server have no roles")
    revision = given.get("client_protocol_version") or "0"
    if not revision.isascii() or not revision.isdecimal():
        raise refusal(BAD_ARGUMENTS, f"client_protocol_version {revision!r} is not a number")
    settings: dict[str, str] = {}
    params: dict[str, str] = {}
    for key, value in given.items():
        if key in _INTERFACE:
            continue
        if not _NAME.fullmatch(key):
            raise refusal(BAD_ARGUMENTS, f"{key!r} is not the name of a setting or parameter")
        if key.startswith("param_"):
            params[key.removeprefix("param_")] = value
        else:
            settings[key] = value
    default_format = headers.get("x-clickhouse-format") or given.get("default_format") or None
    if default_format is not None and not _NAME.fullmatch(default_format):
        raise refusal(UNKNOWN_FORMAT, f"Unknown format {default_format!r}")
    return QueryParameters(
        query=given.get("query", ""),
        database=given.get("database") or headers.get("x-clickhouse-database", ""),
        query_id=given.get("query_id", ""),
        default_format=default_format,
        compress_response=_is_on(given, "enable_http_compression"),
        compress_blocks=_is_on(given, "compress"),
        decompress_blocks=_is_on(given, "decompress"),
        protocol_version=int(revision),
        settings=settings,
        params=params,
        session=_session(given),
    )


def _session(given: Mapping[str, str]) -> SessionParameters | None:
    if not given.get("session_id"):
        return None
    text = given.get("session_timeout") or str(_SESSION_SECONDS)
    if not (text.isascii() and text.isdecimal()) or int(text) > _LONGEST_SESSION_SECONDS:
        raise refusal(
            INVALID_SESSION_TIMEOUT,
            f"Invalid session timeout {text!r}: a number of seconds, at most {_LONGEST_SESSION_SECONDS}",
        )
    return SessionParameters(given["session_id"], int(text), _is_on(given, "session_check"))


def _is_on(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "0").lower() not in {"", "0", "false"}


def authenticate(accounts: Iterable[Account], headers: Mapping[str, str], query: Mapping[str, str]) -> Account:
    """The account this request belongs to; raises AUTHENTICATION_FAILED, not saying which part was wrong."""
    name, password = _credentials(headers, query)
    for account in accounts:
        known = hmac.compare_digest(account.name.encode(), name.encode())
        if hmac.compare_digest(account.password.encode(), password.encode()) and known:
            return account
    raise refusal(
        AUTHENTICATION_FAILED,
        f"{name}: Authentication failed: password is incorrect, or there is no user with such name",
    )


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    authorization = headers.get("authorization", "")
    if authorization:
        scheme, _, encoded = authorization.partition(" ")
        try:
            if scheme.lower() != "basic":
                raise ValueError(scheme)
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise refusal(
                AUTHENTICATION_FAILED, "Invalid authentication: only HTTP Basic user:password is understood"
            ) from None
        return name, password
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    return query.get("user", "default"), query.get("password", "")


def form_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of a multipart form, in which clients send long parameters. External tables raise."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise refusal(BAD_ARGUMENTS, "A part of the multipart request has no name")
        if part.get_filename() is not None:
            raise refusal(NOT_IMPLEMENTED, f"External table {name} is not supported by the embedded server")
        payload = part.get_payload(decode=True)
        fields.append((name, payload.decode() if isinstance(payload, bytes) else str(payload)))
    return fields
