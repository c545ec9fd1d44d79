"""ClickHouse errors: what the engine says, and how the HTTP interface says it."""

from __future__ import annotations

import re

from interlock.errors import InterlockError

SYNTAX_ERROR = 62
UNKNOWN_FORMAT = 73
UNKNOWN_TABLE = 60
READONLY = 164
TOO_LARGE_SIZE_COMPRESSED = 12
CHECKSUM_DOESNT_MATCH = 40
UNKNOWN_COMPRESSION_METHOD = 89
CANNOT_DECOMPRESS = 271
UNKNOWN_ROLE = 511
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
INVALID_SESSION_TIMEOUT = 374
TOO_MANY_QUERIES = 202
INTO_OUTFILE_NOT_ALLOWED = 358
NOT_IMPLEMENTED = 48
BAD_ARGUMENTS = 36
UNSUPPORTED_METHOD = 1
AUTHENTICATION_FAILED = 516
ACCESS_DENIED = 497
QUERY_TOO_LARGE = 309
INCORRECT_DATA = 117
ABORTED = 236
SAME_QUERY_ID = 216
QUERY_WAS_CANCELLED = 394
UNKNOWN_EXCEPTION = 1002  # ClickHouse's own code for "something without a code"

_NAMES = {
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    UNKNOWN_TABLE: "UNKNOWN_TABLE",
    TOO_LARGE_SIZE_COMPRESSED: "TOO_LARGE_SIZE_COMPRESSED",
    CHECKSUM_DOESNT_MATCH: "CHECKSUM_DOESNT_MATCH",
    UNKNOWN_COMPRESSION_METHOD: "UNKNOWN_COMPRESSION_METHOD",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    UNKNOWN_ROLE: "UNKNOWN_ROLE",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    INVALID_SESSION_TIMEOUT: "INVALID_SESSION_TIMEOUT",
    READONLY: "READONLY",
    SAME_QUERY_ID: "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
    TOO_MANY_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    INTO_OUTFILE_NOT_ALLOWED: "INTO_OUTFILE_NOT_ALLOWED",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    UNSUPPORTED_METHOD: "UNSUPPORTED_METHOD",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    ACCESS_DENIED: "ACCESS_DENIED",
    QUERY_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    INCORRECT_DATA: "INCORRECT_DATA",
    ABORTED: "ABORTED",
    QUERY_WAS_CANCELLED: "QUERY_WAS_CANCELLED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}

# The status the server gives per code (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); everything else: 500.
_STATUS = {
    **dict.fromkeys((194,), 401),
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    **dict.fromkeys((6, 10, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 69, 72, 117, 144, 167, 168, 190), 400),
    **dict.fromkeys((224, 386, 427, 441, 675, 676), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 84, 115, 511), 404),
    **dict.fromkeys((QUERY_TOO_LARGE,), 413),
    **dict.fromkeys((NOT_IMPLEMENTED,), 501),
    **dict.fromkeys((76, 209, 439), 503),
    **dict.fromkeys((159,), 408),
}

_CODE = re.compile(r"Code: (\d+)\. (.*)", re.DOTALL)
_NESTED = re.compile(r"DB::\w*Exception: Code: \d+\. (.*)", re.DOTALL)
_VERSION = re.compile(r" \(version [^()]*\)")
_DOUBLED_NAME = re.compile(r"\. (\([A-Z0-9_]+\))\. \1$")


class DataDirectoryInUseError(InterlockError, RuntimeError):
    """Another process owns the data directory."""


class ClickHouseError(InterlockError):
    """One error with ClickHouse's number for it. ``text`` is what follows ``Code: N. ``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. {text}")
        self.code = code
        self.text = text

    @property
    def http_status(self) -> int:
        return _STATUS.get(self.code, 500)

    def body(self, version: str) -> str:
        """The response body, as a server writes it."""
        return f"Code: {self.code}. {self.text} (version {version})\n"


def refusal(code: int, message: str) -> ClickHouseError:
    """An error of the HTTP interface itself, in ClickHouse's own form."""
    return ClickHouseError(code, f"DB::Exception: {message}. ({_NAMES[code]})")


def from_engine(error: BaseException) -> ClickHouseError:
    """The engine's error without what its layers wrap around it (prefixes, repeated codes and versions)."""
    match = _CODE.search(str(error))
    if match is None:
        return ClickHouseError(UNKNOWN_EXCEPTION, f"DB::Exception: {str(error).strip()} (UNKNOWN_EXCEPTION)")
    code, text = int(match[1]), _VERSION.sub("", match[2]).strip()
    while (nested := _NESTED.match(text)) is not None:
        text = nested[1]
    while (doubled := _DOUBLED_NAME.search(text)) is not None:
        text = text[: doubled.start()] + f". {doubled[1]}"
    return ClickHouseError(code, text)
