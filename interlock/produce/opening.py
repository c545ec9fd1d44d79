"""The bytes and the text of a file, whatever it is compressed with and encoded in."""

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from interlock.errors import InterlockError, UsageError
from interlock.produce.layout import STDIN
from interlock.produce.values import FIRST_TIME

# The longest first: the mark of UTF-32 begins as that of UTF-16 does. The names write the mark again.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# What decoding leaves of a byte that is none of the encoding's.
_UNDECODED = re.compile("[\udc80-\udcff]")

# Ids hold so many hex digits of a file's hash: among a million files two are alike once in five hundred times.
_HASH_DIGITS = 12


def open_bytes(path: Path) -> io.BufferedReader:
    """The unpacked bytes of a file, or of standard input for `-`; raises UsageError if it cannot be opened."""
    try:
        match path.suffix.lower():
            case ".gz":
                file: Any = gzip.GzipFile(path)
            case ".bz2":
                file = bz2.BZ2File(path)
            case ".xz":
                file = lzma.LZMAFile(path)  # noqa: SIM115 - the caller closes it
            case ".zst":
                file = _zstd().ZstdFile(path)
            case _:
                file = sys.stdin.buffer if path == STDIN else path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    return file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)


def open_text(file: io.BufferedReader, encoding: str | None, newline: str) -> io.TextIOWrapper:
    """Its text; bytes that are none of the encoding stay as surrogates (`undecoded`). Raises UsageError."""
    try:
        return io.TextIOWrapper(file, encoding or _marked(file), errors="surrogateescape", newline=newline)
    except LookupError as error:
        raise UsageError(
            f"encoding {encoding!r}: nobody knows it; write a name such as utf-8, cp1252, latin-1 or utf-16"
        ) from error


def undecoded(text: str, encoding: str) -> str | None:
    """What is wrong with the first byte that is none of the encoding's; None if there is none."""
    found = None if text.isascii() else _UNDECODED.search(text)
    if found is None:
        return None
    name = "UTF-8" if encoding in ("utf-8", "utf-8-sig") else encoding
    byte = ord(found[0]) - 0xDC00
    return (
        f"is not {name}: byte 0x{byte:02X} at character {found.start() + 1}; say --encoding, "
        "which is cp1252 for what Excel and older systems write in Western Europe and America"
    )


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turns what reading a damaged file raises into InterlockError."""
    try:
        yield
    except UnicodeError as error:
        raise InterlockError(f"cannot read {name}: {error}; is it in another --encoding?") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InterlockError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    except Exception as error:
        if type(error).__name__ == "ZstdError":  # of whichever module there is
            raise InterlockError(f"cannot read {name}: {error}") from error
        raise


def content_hash(path: Path) -> str:
    """The first digits of the SHA-256 of a file as it stands; raises UsageError."""
    if path == STDIN or (path.exists() and not path.is_file()):
        raise UsageError("--id-prefix makes ids of the whole file: write what comes through a pipe to a file first")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_DIGITS]
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def last_written(path: Path, now: datetime) -> datetime | None:
    """When a file was last written; None for a pipe, and where the file system says what cannot be."""
    if not path.is_file():
        return None
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return written if FIRST_TIME <= written <= now else None


def _marked(file: io.BufferedReader) -> str:
    """The encoding that a byte order mark tells, or UTF-8."""
    start = b""
    with suppress(InterlockError), readable(""):  # damage is told where the lines are read
        start = file.peek(4)
    return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(name)
    raise UsageError(
        "files that end in .zst need Python 3.14 or the package backports.zstd: pip install backports.zstd"
    )
