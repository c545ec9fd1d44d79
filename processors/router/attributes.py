"""Declared attributes: from one map of strings a row to one column of strings an attribute."""

from collections.abc import Iterable

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc


def columns(maps: pa.MapArray, declared: Iterable[str]) -> list[pl.Series]:
    """One column of strings for each declared attribute, NULL where a map lacks it.

    Where a map holds a key twice the later entry counts, as in every Avro reader that builds a dictionary.
    """
    rows = np.repeat(np.arange(len(maps)), np.diff(maps.offsets.to_numpy()))
    return [_column(maps, rows, name) for name in declared]


def _column(maps: pa.MapArray, rows: np.ndarray, name: str) -> pl.Series:
    entries = np.flatnonzero(pc.equal(maps.keys, name).to_numpy(zero_copy_only=False))
    entry_of_row = np.full(len(maps), -1, dtype=np.int64)
    entry_of_row[rows[entries]] = entries
    return pl.Series(name, maps.items.take(pa.array(entry_of_row, mask=entry_of_row < 0)))
