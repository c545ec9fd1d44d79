"""Decisions that can be read and are wrong: rows to reject, as dead letters, and rows to flag, for a person to see."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from interlock.policy.compiled import ForcedRoute
from interlock.policy.vocabulary import Route
from interlock.schemas.columns import Bad
from interlock.schemas.headers import INVALID_HEADERS
from interlock.schemas.reasons import IMPLAUSIBLE_AMOUNT, IMPLAUSIBLE_CONFIDENCE, IMPLAUSIBLE_TIMESTAMP

# A decision_id is written into every table, log line and URL of the system.
MAX_ID_BYTES = 200

# Routing strings are names and codes; a longer one is a payload in the wrong field. It would be copied into memory,
# logs and ClickHouse columns that are not made for it.
MAX_STRING_BYTES = 8 * 1024

# 2000-01-01: no producer of today decided before that; an earlier time has the wrong unit.
EARLIEST = 946_684_800_000_000

# Clocks of producers may run ahead by an hour at most: a wrong daylight-saving setting.
MAX_AHEAD = 3_600_000_000

_STRINGS = (
    "decision_id",
    "domain",
    "model_id",
    "model_version",
    "prediction",
    "impact",
    "jurisdiction",
    "subject_id",
)


def reject(rows: pa.RecordBatch, keys: Sequence[bytes | None], message_indexes: Sequence[int]) -> dict[int, Bad]:
    """By row: those with an empty id, an oversized string, or a record key that is not the decision id.

    `message_indexes`: which message of the batch each row is from. Columns decide the common case, that there is none.
    """
    rejected: dict[int, Bad] = {}

    def add(mask: pa.BooleanArray, reason: str, message: str) -> None:
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist():
            rejected.setdefault(row, Bad(message_indexes[row], reason, message))

    for name in ("decision_id", "model_id"):
        lengths = pc.binary_length(rows.column(name))
        if pc.min(lengths).as_py() == 0:
            add(pc.equal(lengths, 0), "empty-id", f"{name} is empty")
    for name in _STRINGS:
        limit = MAX_ID_BYTES if name == "decision_id" else MAX_STRING_BYTES
        lengths = pc.binary_length(rows.column(name))
        if (pc.max(lengths).as_py() or 0) > limit:
            add(pc.greater(lengths, limit), "oversized", f"{name} is longer than {limit} bytes")
    ids = rows.column("decision_id").cast(pa.binary())
    same = pc.fill_null(pc.equal(pa.array(keys, type=pa.binary()), ids), False)
    if not pc.all(same).as_py():
        add(pc.invert(same), "key-mismatch", "the record key is not the decision_id")
    return rejected


def reject_headers(unreadable: Sequence[int], message_indexes: Sequence[int]) -> dict[int, Bad]:
    """By row: those whose message is one of `unreadable`, because its headers cannot be passed on."""
    messages = set(unreadable)
    message = "a header's name is not UTF-8; the headers are not kept"
    return {row: Bad(index, INVALID_HEADERS, message) for row, index in enumerate(message_indexes) if index in messages}


def flag(rows: pa.RecordBatch, now: int) -> list[ForcedRoute]:
    """Reasons that send a row to a person whatever the policy says; `now` in microseconds since the epoch."""
    confidence = rows.column("confidence").to_numpy()
    created = rows.column("created_at").cast(pa.int64()).to_numpy()
    amount = pc.fill_null(rows.column("amount"), 0.0).to_numpy()
    checks = (
        # Negated, so that it catches NaN too, which is neither above nor below anything.
        (IMPLAUSIBLE_CONFIDENCE, ~((confidence >= 0) & (confidence <= 1))),
        (IMPLAUSIBLE_TIMESTAMP, (created < EARLIEST) | (created > now + MAX_AHEAD)),
        (IMPLAUSIBLE_AMOUNT, ~np.isfinite(amount)),
    )
    return [ForcedRoute(reason, Route.MANUAL, pl.Series(mask)) for reason, mask in checks if mask.any()]
