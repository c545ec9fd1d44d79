"""Ids of jobs that are done, so that a job is not done again when it is read again."""

import sqlite3
from collections import OrderedDict
from contextlib import closing
from pathlib import Path
from typing import Protocol

# What a process reads again after a crash begins at the oldest job that is still being retried: enough for 55 jobs a
# second over the 30 minutes of the default schedule, each with its effect. It takes some 40 MB.
MAX_IDS = 200_000

# How many are added before the oldest ones are deleted.
_PRUNE_EVERY = 1_000


class Seen(Protocol):
    """Remembers ids. Called from one thread. Several processes of one group are safer with one store in common."""

    def __contains__(self, key: str, /) -> bool: ...

    def add(self, key: str) -> None:
        """MUST be durable when it returns, as far as the store is."""
        ...


class MemorySeen:
    """Remembers the latest `max_ids` ids, and forgets everything when the process ends."""

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._keys: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str, /) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        self._keys[key] = None
        if len(self._keys) > self._max_ids:
            self._keys.popitem(last=False)


class SqliteSeen:
    """Remembers the latest `max_ids` ids in a file that outlives the process."""

    def __init__(self, path: Path, max_ids: int = MAX_IDS) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._max_ids = max_ids
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A commit then costs no fsync: jobs whose ids a power failure takes are done a second time, with the same ids.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS seen (number INTEGER PRIMARY KEY, key TEXT UNIQUE)")

    def __contains__(self, key: str, /) -> bool:
        with closing(self._connection.execute("SELECT 1 FROM seen WHERE key = ?", (key,))) as cursor:
            return cursor.fetchone() is not None

    def add(self, key: str) -> None:
        added = self._connection.execute("INSERT OR IGNORE INTO seen (key) VALUES (?)", (key,))
        number = added.lastrowid
        if added.rowcount and number is not None and number % _PRUNE_EVERY == 0:
            self._connection.execute("DELETE FROM seen WHERE number <= ?", (number - self._max_ids,))

    def close(self) -> None:
        self._connection.close()
