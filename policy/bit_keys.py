"""Many small columns packed into one integer a row: rows of one kind are then found by hashing integers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# A column of small numbers, and how many bits they take.
Field = tuple[NDArray[np.integer], int]

# The other bit of a signed 64-bit integer is its sign.
_WORD_BITS = 63


def packed(masks: Sequence[NDArray[np.bool_]]) -> Iterator[Field]:
    """Eight masks to a column of bytes; mask k becomes bit k of all bytes one after the other."""
    for start in range(0, len(masks), 8):
        eight = masks[start : start + 8]
        byte = eight[0].astype(np.uint8)
        for bit, mask in enumerate(eight[1:], 1):
            byte |= mask.view(np.uint8) << np.uint8(bit)
        yield byte, len(eight)


def distinct(fields: Sequence[Field]) -> tuple[NDArray[np.int32], list[int]]:
    """For every row the number of its combination of values, and each combination as one integer.

    The first field takes the lowest bits of the integer, the next field the bits above them, and so on. Combinations
    are in order of first appearance.
    """
    words = list(_words(fields))
    index, keys = _encoded(words[0][0])
    used = words[0][1]
    for word, bits in words[1:]:
        value_index, values = _encoded(word)
        index, pairs = _encoded(index.astype(np.int64) * len(values) + value_index)
        keys = [keys[pair // len(values)] | values[pair % len(values)] << used for pair in pairs]
        used += bits
    return index, keys


def _words(fields: Sequence[Field]) -> Iterator[tuple[Ints, int]]:
    """The fields side by side in as few 64-bit integers as hold them."""
    word, used = fields[0][0].astype(np.int64), fields[0][1]
    for values, bits in fields[1:]:
        if used + bits > _WORD_BITS:
            yield word, used
            word, used = values.astype(np.int64), bits
        else:
            word |= values.astype(np.int64) << used
            used += bits
    yield word, used


def _encoded(word: Ints) -> tuple[NDArray[np.int32], list[int]]:
    """For every row the index of its value among the distinct values, and those values."""
    # This hashes where numpy's unique sorts: eight times as fast, and in order of first appearance.
    encoded = pa.array(word).dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
