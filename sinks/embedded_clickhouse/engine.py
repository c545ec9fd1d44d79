"""The ClickHouse engine in this process: one owner per data directory, one handle per request."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import chdb

from interlock.sinks.embedded_clickhouse import engine_config
from interlock.sinks.embedded_clickhouse.access import Forbidden
from interlock.sinks.embedded_clickhouse.errors import (
    QUERY_WAS_CANCELLED,
    ClickHouseError,
    DataDirectoryInUseError,
    from_engine,
    refusal,
)
from interlock.sinks.embedded_clickhouse.settings import Account
from interlock.sinks.embedded_clickhouse.unfinished_inserts import forget_unfinished

log = logging.getLogger("interlock.clickhouse")


@dataclass(frozen=True)
class Result:
    """What one statement did. ``data`` is empty when the rows went elsewhere (a pipe)."""

    data: bytes = b""
    read_rows: int = 0
    read_bytes: int = 0
    result_rows: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed: float = 0.0

    def lines(self) -> list[str]:
        """The rows of a TabSeparated result."""
        return self.data.decode().splitlines()


class Handle:
    """A connection of its own: USE, SET and readonly touch no other request."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def query(self, sql: str, output_format: str = "TabSeparated", params: Mapping[str, str] | None = None) -> Result:
        """Run one statement, its whole result in memory. ``params`` are in ClickHouse's escaped form."""
        with _engine_errors():
            done = self._connection.query(sql, output_format, params=dict(params or {}))
        return Result(
            data=done.bytes() or b"",
            read_rows=done.storage_rows_read(),
            read_bytes=done.storage_bytes_read(),
            result_rows=done.rows_read(),
            written_rows=done.rows_written(),
            written_bytes=done.bytes_written(),
            elapsed=done.elapsed(),
        )

    def prepare(self, query_id: str, database: str, settings: Mapping[str, str]) -> None:
        """What one request asks for, under the rights of the handle."""
        # The engine gives queries ids of its own; log_comment is how Engine.kill finds this one.
        self.set({"log_comment": query_id})
        if database:
            self.use(database)
        self.set({key: value for key, value in settings.items() if key != "log_comment"})

    def state(self, settings: Iterable[str], *, database: bool) -> Callable[[], None]:
        """What puts these settings, and perhaps the database, back to what they are now."""
        names = ", ".join(quoted(name) for name in settings)
        current = self.query("SELECT currentDatabase()").data.decode().rstrip("\n") if database else ""
        rows = f"SELECT name, changed, value FROM system.settings WHERE name IN ({names})" if names else ""
        before = [line.split("\t") for line in self.query(rows, "TabSeparatedRaw").lines()] if rows else []

        def restore() -> None:
            if current:
                self.use(current)
            for name, changed, value in before:
                self.query(f"SET {name} = {quoted(value) if changed == '1' else 'DEFAULT'}")

        return restore

    def use(self, database: str) -> None:
        self.query("USE {database:Identifier}", params={"database": escaped(database)})

    def set(self, settings: Mapping[str, str]) -> None:
        """SET every setting (or ``param_x``). The engine refuses unknown ones and, read-only, changes."""
        if settings:
            self.query("SET " + ", ".join(f"{key} = {quoted(value)}" for key, value in settings.items()))

    def has_table(self, name: str) -> bool:
        """``name`` as it stands in a query. (EXISTS says yes to everything: it might be a file.)"""
        database, _, table = name.rpartition(".")
        of = quoted(database.strip('`"')) if database else "currentDatabase()"
        called = quoted(table.strip('`"'))
        found = f"SELECT count() FROM system.tables WHERE database = {of} AND name = {called}"
        return self.query(found).lines() != ["0"]

    def canonical(self, sql: str) -> str:
        """The engine's formatting of one statement; raises its syntax error, also for several statements."""
        formatted = self.query("SELECT formatQuerySingleLine({sql:String})", "TabSeparatedRaw", {"sql": escaped(sql)})
        if not formatted.data:  # even of an empty statement there is one row, unless KILL QUERY came in between
            raise refusal(QUERY_WAS_CANCELLED, "Query was cancelled")
        return formatted.data.decode()

    def close(self) -> None:
        self._connection.close()


class Engine:
    """The open engine. ``close`` it when no handle is in use any more."""

    def __init__(self, data_dir: Path) -> None:
        """Open ``data_dir``, creating it when needed.

        Raises DataDirectoryInUseError when another process has it open.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(data_dir)
        try:
            config = engine_config.write(data_dir)
            for table in forget_unfinished(data_dir / "engine"):
                log.warning("the engine was killed during an insert into %s; a repetition is stored", table)
            self._address = f"{data_dir.resolve() / 'engine'}?config-file={config}"
            with _engine_errors():
                # Held open as long as the engine: it shuts down with its last connection.
                self._root = chdb.connect(self._address)
            root = Handle(self._root)
            about = root.query("SELECT version(), timezone(), hostName()").data
        except BaseException:
            os.close(self._lock)
            raise
        self.version, self.timezone, self.host_name = about.decode().rstrip("\n").split("\t")

    @cached_property
    def forbidden(self) -> Forbidden:
        """What the analyst may not use, asked for with an analyst's first query.

        For the answer the engine tries each of its functions. To describe how some of them fail, it reads the symbols
        of all libraries, and keeps them: 13 MB.
        """
        handle = self._connect()
        try:
            return Forbidden.of(
                handle.query("SELECT name FROM system.functions WHERE NOT is_aggregate AND origin = 'System'").lines(),
                handle.query("SELECT name FROM system.table_functions").lines(),
                handle.query("SELECT name FROM system.settings").lines(),
            )
        finally:
            handle.close()

    def open(self, account: Account) -> Handle:
        """A fresh handle with this user's rights and limits; whoever opens it closes it."""
        handle = self._connect()
        if account.read_only:
            try:
                handle.query(f"SET ROLE {engine_config.ANALYST_ROLE}")
                handle.set({**engine_config.ANALYST_LIMITS, **engine_config.ANALYST_SPILL, "readonly": "2"})
                # Its constraints hold from here on.
                handle.set({"profile": engine_config.ANALYST_PROFILE})
            except BaseException:
                handle.close()
                raise
        return handle

    def kill(self, query_id: str) -> bool:
        """Ask the engine to stop a running query; it stops at its next block. False if it runs no such query."""
        handle = self._connect()
        try:
            told = handle.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(query_id)} ASYNC")
        finally:
            handle.close()
        return bool(told.data)

    def _connect(self) -> Handle:
        with _engine_errors():
            return Handle(chdb.connect(self._address))

    def close(self) -> None:
        """Shut the engine down and give the data directory free."""
        self._root.close()
        os.close(self._lock)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def quoted(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"})


def escaped(value: str) -> str:
    """A query parameter's value: ClickHouse reads it as one TabSeparated field."""
    return value.translate(_ESCAPES)


@contextmanager
def _engine_errors() -> Iterator[None]:
    """The engine raises RuntimeError with the server's text in it; nothing else is caught."""
    try:
        yield
    except ClickHouseError:
        raise
    except RuntimeError as error:
        raise from_engine(error) from error


def _lock(data_dir: Path) -> int:
    """Take the directory's lock; the kernel releases it when the process ends, however it ends."""
    path = data_dir / "owner.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 100).decode(errors="replace").strip() or "an unknown process"
        os.close(descriptor)
        raise DataDirectoryInUseError(
            f"ClickHouse data directory {data_dir} is already in use by {owner}. "
            "Only one process can own it: stop that one, use its HTTP port, or choose another directory."
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()}\n".encode())
    return descriptor
