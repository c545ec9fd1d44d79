"""What a desk that takes over must know of decided tasks, read from the first fields of their records alone.

Some thousands at once, by columns: one by one they take six times as long, decoded as a whole some fifty times, and
there are millions.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interlock.processors.desk.command import MAX_NAME_LENGTH
from interlock.processors.desk.task import END_OF_TIME
from interlock.schemas import avro_schemas, columns, flat_reader, wire

# Among the first fields of a task.
_NEEDED = ("task_id", "state", "final_at", "closed_at", "at")

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DecidedTasks:
    """The decided tasks among some records, by column: the index of the record, when the task was closed, when its
    resolution becomes final (None: it is), when the task changed last."""

    index: Ints
    closed_at: Ints
    final_at: list[int | None]
    at: Ints


def read_decided(keys: Sequence[bytes], values: Sequence[bytes]) -> DecidedTasks:
    """The decided tasks among the records with these keys and values.

    Left out, because the record must be decoded as a whole: what is not decided, and what cannot be one of the desk's:
    a task under another key than its own, or with times that no calendar holds. The rest of a record may be damaged.
    """
    headers = _headers()
    index = np.flatnonzero([value[: wire.HEADER_LENGTH] in headers for value in values])
    bodies = [values[i][wire.HEADER_LENGTH :] for i in index.tolist()]
    rows = columns.read_fast(bodies, _prefix_text()) if bodies else None
    if rows is None:
        rows, refused = flat_reader.read(bodies, *_prefix())
        index = np.delete(index, refused)
    named = pc.and_(
        pc.equal(rows["task_id"].cast(pa.binary()), pa.array([keys[i] for i in index.tolist()], pa.binary())),
        pc.less_equal(pc.utf8_length(rows["task_id"]), MAX_NAME_LENGTH),
    )
    decided = pc.and_(pc.equal(rows["state"], "done"), pc.is_valid(rows["closed_at"]))
    closed_at, final_at, at = (_times(rows[name]) for name in ("closed_at", "final_at", "at"))
    plausible = _bools(pc.and_(named, decided))
    for times in (closed_at, final_at, at):
        plausible &= (times >= 0) & (times < END_OF_TIME)
    finals = rows["final_at"].cast(pa.int64()).filter(pa.array(plausible)).to_pylist()
    return DecidedTasks(index[plausible], closed_at[plausible], finals, at[plausible])


@cache
def _prefix_text() -> str:
    """The schema of the first fields up to the last one that is needed."""
    document = json.loads(avro_schemas.versions("Task")[-1].text)
    names = [field["name"] for field in document["fields"]]
    document["fields"] = document["fields"][: 1 + max(map(names.index, _NEEDED))]
    return json.dumps(document)


@cache
def _prefix() -> tuple[list[dict[str, Any]], pa.Schema]:
    """These fields, and their columns."""
    return _plain(json.loads(_prefix_text())), columns.arrow_schema(_prefix_text())


@cache
def _headers() -> frozenset[bytes]:
    """The headers of the schemas whose records begin with these fields."""
    fields, _ = _prefix()
    return frozenset(
        wire.header_of(version.id)
        for version in avro_schemas.versions("Task")
        if [(field["name"], field["type"]) for field in _plain(json.loads(version.text))[: len(fields)]]
        == [(field["name"], field["type"]) for field in fields]
    )


def _plain(document: Any) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], avro_schemas.without_logical_types(document)["fields"])


def _times(column: pa.Array) -> Ints:
    times: Ints = column.cast(pa.int64()).fill_null(0).to_numpy()
    return times


def _bools(column: pa.Array) -> NDArray[np.bool_]:
    bools: NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    # Arrow may lend its own memory, which must not be written to.
    return bools.copy()
