"""Decisions whose id was sent before: recognised by what the log says, as far back as is remembered."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from interlock.processors.events import Event, alert
from interlock.processors.records import Message, column
from interlock.processors.router.reading import Readable
from interlock.processors.router.recent_ids import RecentIds
from interlock.schemas.columns import Bad
from interlock.schemas.dead_letters import CONTRADICTION

# Partition, first offset and the offset after the last one wanted: the records of `decisions` in between, in parts.
History = Callable[[int, int, int], Iterable[Sequence[Message]]]

# 2^64 divided by the golden ratio, whose bits are mixed well: an id has another hash in each partition.
_PARTITION_FACTOR = np.uint64(0x9E3779B97F4A7C15)

_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Repeated:
    """`rows` that are no first sending, and what is wrong with those of them whose content is not that of the first."""

    rows: frozenset[int]
    contradictions: list[tuple[int, Bad]]


class Repeats:
    """Remembers the ids of the decisions that were read, by partition: an id always comes to the same one."""

    def __init__(self, ids: int) -> None:
        """`ids`: of how many latest decisions a repetition is recognised at least."""
        self._recent = RecentIds(ids)

    def find(self, batch: Readable) -> Repeated:
        """Remembers a batch; returns what of it was sent before. The first sending stands, whatever became of it."""
        count = len(batch.messages)
        partitions = np.fromiter(column(batch.messages, "partition"), np.uint64, count)
        offsets = np.fromiter(column(batch.messages, "offset"), np.int64, count)
        ids = _hashes(pl.from_arrow(batch.rows.column("decision_id")))
        hashes = ids ^ ((partitions + np.uint64(1)) * _PARTITION_FACTOR)
        # Only the kind of the answer depends on these: 32 bits tell two contents of one id apart well enough.
        digests = _hashes(pl.Series(batch.bodies, dtype=pl.Binary)).astype(np.uint32)
        rows, firsts, first_digests = self._recent.add(np.maximum(hashes, np.uint64(1)), offsets, digests)
        other = digests[rows] != first_digests
        contradictions = [
            (row, _contradiction(batch.messages[row], batch.index[row], first))
            for row, first in zip(rows[other].tolist(), firsts[other].tolist(), strict=True)
        ]
        return Repeated(frozenset(rows.tolist()), contradictions)


def alerts(batch: Readable, contradictions: Sequence[tuple[int, Bad]], now: int) -> list[Event]:
    """One for each model, and the same one for an hour: a producer that uses ids again would send thousands."""
    by_model: dict[str, list[Bad]] = defaultdict(list)
    models, versions = (batch.rows.column(name) for name in ("model_id", "model_version"))
    for row, bad in contradictions:
        by_model[f"{models[row].as_py()}@{versions[row].as_py()}"].append(bad)
    return [
        alert(
            CONTRADICTION,
            f"{model}/{now // _HOUR}",
            "critical",
            (),
            f"{len(found)} decisions of {model} came under the decision_id of an earlier decision, with other content. "
            f"They are dead letters (`interlock dead-letters list --reason {CONTRADICTION}`); the earlier ones stand. "
            f"A producer must give every decision an id of its own. The first: {found[0].message}.",
            now,
        )
        for model, found in sorted(by_model.items())
    ]


def _contradiction(message: Message, index: int, first: int) -> Bad:
    place = f"{message.topic()}[{message.partition()}]"
    return Bad(
        index,
        CONTRADICTION,
        f"{place} offset {message.offset()} has other content than offset {first} under the same decision_id",
    )


def _hashes(series: Any) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    hashes: np.ndarray[Any, np.dtype[np.uint64]] = series.hash().to_numpy()
    return hashes
