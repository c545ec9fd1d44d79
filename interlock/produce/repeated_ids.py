"""Which ids a file has had already, however many they are."""

import sqlite3
from types import TracebackType
from typing import Self

# Of the memory that SQLite may take before it writes to a temporary file, in KiB: enough for a million ids.
_CACHE_KIB = 64 * 1024


class RepeatedIds:
    """A private database that is gone with the process: ids of any number in bounded memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KIB};"
            "CREATE TABLE seen (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID; BEGIN"
        )
        self._cursor = self._database.cursor()

    def first_line(self, decision_id: str, line: int) -> int | None:
        """Where the id stood before; None if it did not, and then `line` is where."""
        self._cursor.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (decision_id, line))
        if self._cursor.rowcount:
            return None
        found: int = self._cursor.execute("SELECT line FROM seen WHERE id = ?", (decision_id,)).fetchone()[0]
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
