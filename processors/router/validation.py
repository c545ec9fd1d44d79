"""Readable but implausible decisions: which rows a person must see, and which cannot be processed at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from interlock.policy.compiled import ForcedRoute
from interlock.policy.vocabulary import Route
from interlock.schemas.columns import Bad
from interlock.schemas.reasons import IMPLAUSIBLE_AMOUNT, IMPLAUSIBLE_CONFIDENCE, IMPLAUSIBLE_TIMESTAMP

# decision_id stands in every table, log line and URL of the system.
MAX_ID_BYTES = 200

# Routing strings are names and codes; a longer one is a payload in the wrong field, and it would be copied
# into memory, logs and ClickHouse columns that nobody sized for it.
MAX_STRING_BYTES = 8 * 1024

# 2000-01-01: no producer of today decided before that; what claims so has mixed up its units.
EARLIEST = 946_684_800_000_000

# Clocks of producers may run ahead, by an hour at most (a wrong daylight-saving setting).
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


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that cannot be processed although its bytes could be read."""

    row: int
    bad: Bad


def unusable(rows: pa.RecordBatch, keys: Sequence[bytes | None], places: Sequence[int]) -> list[Unusable]:
    """Rows with empty ids, oversized strings, or a record key that is not the decision id.

    `places` are the positions of the rows in the batch of messages. The common case, none, is decided on columns.
    """
    found: dict[int, Unusable] = {}

    def refuse(mask: pa.BooleanArray, reason: str, message: str) -> None:
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist():
            found.setdefault(row, Unusable(row, Bad(places[row], reason, message)))

    for name in ("decision_id", "model_id"):
        lengths = pc.binary_length(rows.column(name))
        if pc.min(lengths).as_py() == 0:
            refuse(pc.equal(lengths, 0), "empty-id", f"{name} is empty")
    for name in _STRINGS:
        limit = MAX_ID_BYTES if name == "decision_id" else MAX_STRING_BYTES
        lengths = pc.binary_length(rows.column(name))
        if (pc.max(lengths).as_py() or 0) > limit:
            refuse(pc.greater(lengths, limit), "oversized", f"{name} is longer than {limit} bytes")
    ids = rows.column("decision_id").cast(pa.binary())
    same = pc.fill_null(pc.equal(pa.array(keys, type=pa.binary()), ids), False)
    if not pc.all(same).as_py():
        refuse(pc.invert(same), "key-mismatch", "the record key is not the decision_id")
    return [found[row] for row in sorted(found)]


def implausible(rows: pa.RecordBatch, now: int) -> list[ForcedRoute]:
    """Reasons that send a row to a person whatever the policy says; `now` in microseconds since the epoch."""
    confidence = rows.column("confidence").to_numpy()
    created = rows.column("created_at").cast(pa.int64()).to_numpy()
    amount = pc.fill_null(rows.column("amount"), 0.0).to_numpy()
    checks = (
        # written so that NaN, which is neither above nor below anything, is caught too
        (IMPLAUSIBLE_CONFIDENCE, ~((confidence >= 0) & (confidence <= 1))),
        (IMPLAUSIBLE_TIMESTAMP, (created < EARLIEST) | (created > now + MAX_AHEAD)),
        (IMPLAUSIBLE_AMOUNT, ~np.isfinite(amount)),
    )
    return [ForcedRoute(reason, Route.MANUAL, pl.Series(mask)) for reason, mask in checks if mask.any()]
