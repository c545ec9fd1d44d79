"""Mends what a killed engine may leave behind: a token that is remembered although its rows were never stored.

ClickHouse notes the token of an insert in the table's deduplication log and only then gives the part, which is already
written, its final name. Killed in between, it would drop the repetition of that insert as a duplicate, and its rows
would be lost without a word (seen in one of some 300 kills during inserts; `BlockAllocation` in ClickHouse's source).
Here such tokens are forgotten before the engine opens its tables, so that a repetition is stored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Operations in the log, as in ClickHouse's MergeTreeDeduplicationLog.
_ADD, _DROP = "1", "2"

_LOG = re.compile(r"deduplication_log_(\d+)\.txt")

# partition, first block, last block, level, and perhaps the mutation; temporary parts have more words in front.
_PART = re.compile(r"(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(_\d+)?")


@dataclass(frozen=True, slots=True)
class Part:
    """A part as its name tells it: blocks `first` to `last` of a partition."""

    partition: str
    first: int
    last: int

    def holds(self, other: Part) -> bool:
        """Whether it is `other`, or was merged from it among others."""
        return self.partition == other.partition and self.first <= other.first and other.last <= self.last


def part(name: str) -> Part | None:
    """The part of that name; None for any other directory."""
    found = _PART.fullmatch(name)
    return Part(found["partition"], int(found["first"]), int(found["last"])) if found else None


def unfinished(records: Iterable[str], parts: Iterable[Part]) -> list[tuple[str, str]]:
    """Part name and token of what the records of a deduplication log remember and no part holds."""
    known: dict[str, str] = {}
    for record in records:
        operation, name, token = record.split("\t")
        if operation == _ADD:
            known[token] = name
        else:
            known.pop(token, None)
    there = list(parts)
    lost = []
    for token, name in known.items():
        wanted = part(name)
        if wanted is not None and not any(existing.holds(wanted) for existing in there):
            lost.append((name, token))
    return lost


def forget_unfinished(engine_dir: Path) -> list[Path]:
    """Forgets the tokens of unfinished inserts in all tables; returns the directories of the tables concerned.

    The engine must not be running.
    """
    return [logs.parent for logs in sorted(engine_dir.glob("store/*/*/deduplication_logs")) if _mend(logs)]


def _mend(directory: Path) -> bool:
    logs = sorted((int(found[1]), file) for file in directory.iterdir() if (found := _LOG.fullmatch(file.name)))
    if not logs:
        return False
    newest = logs[-1][1]
    _cut_off_half_a_record(newest)
    lost = unfinished((line for _, file in logs for line in file.read_text().splitlines()), _parts(directory.parent))
    if not lost:
        return False
    with newest.open("a") as log:
        log.writelines(f"{_DROP}\t{name}\t{token}\n" for name, token in lost)
        log.flush()
        os.fsync(log.fileno())
    return True


def _parts(table: Path) -> Iterator[Part]:
    for entry in table.iterdir():
        if (found := part(entry.name)) is not None:
            yield found


def _cut_off_half_a_record(log: Path) -> None:
    """The engine died, or the disk was full, in the middle of a line: its insert came no further."""
    text = log.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        os.truncate(log, whole)
