"""Declared attributes as columns: from a map of strings in every row to one typed column an attribute."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from policy.attributes import from_strings
from policy.words import ColumnType


def typed_columns(maps: pa.MapArray, declared: Mapping[str, ColumnType]) -> list[pl.Series]:
    """One nullable column for each declared attribute; missing or unparsable values are NULL.

    Where a map holds a key twice the later entry counts, as in every Avro reader that builds a dictionary.
    """
    if not declared:
        return []
    rows = np.repeat(np.arange(len(maps)), np.diff(maps.offsets.to_numpy()))
    return [from_strings(_column(maps, rows, name), kind) for name, kind in declared.items()]


def _column(maps: pa.MapArray, rows: np.ndarray, name: str) -> pl.Series:
    places = np.flatnonzero(pc.equal(maps.keys, name).to_numpy(zero_copy_only=False))
    where = np.full(len(maps), -1, dtype=np.int64)
    where[rows[places]] = places
    return pl.Series(name, maps.items.take(pa.array(where, mask=where < 0)))
