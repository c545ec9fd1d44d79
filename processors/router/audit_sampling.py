"""The audit coin: a keyed hash of the decision id. It falls alike on every machine and in every replay, and cannot be
foreseen without the key.

SipHash-2-4 (Aumasson and Bernstein 2012), computed for a whole batch at once with numpy.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Words = NDArray[np.uint64]

KEY_LENGTH = 16

# Initial state: "somepseudorandomlygeneratedbytes" in four words, from the SipHash paper.
_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


# What may become of a decision that takes effect without a person.
UNSEEN, AUDITED, POOLED = 0, 1, 2
DRAWS = 3


def draw(ids: pa.StringArray, key: bytes, rate: float, pool: float) -> NDArray[np.int32]:
    """For every id AUDITED, UNSEEN, or, with probability `pool`, POOLED: left to the sampler.

    Outside the pool the coin falls on AUDITED with probability `rate`. Both come from one hash: the lowest values are
    audited, the highest are the pool.
    """
    if pool == 0:
        return flip(ids, key, rate).astype(np.int32)
    hashes = siphash(ids, key)
    draws = (hashes < _threshold(rate * (1 - pool))).astype(np.int32)
    draws[hashes >= _threshold(1 - pool)] = POOLED
    return draws


def flip(ids: pa.StringArray, key: bytes, rate: float) -> NDArray[np.bool_]:
    """For every id, whether its coin falls on "audit"; True with probability `rate` over random keys.

    What is True at one rate is True at every higher rate.
    """
    if rate >= 1:
        return np.ones(len(ids), dtype=bool)
    return siphash(ids, key) < _threshold(rate)


def _threshold(share: float) -> np.uint64:
    """The hash below which a share of all hashes lies; for a share that rounds to 1, all but one."""
    return np.uint64(min(int(share * 2.0**64), 2**64 - 1))


def siphash(strings: pa.StringArray, key: bytes) -> Words:
    """SipHash-2-4 of every string's UTF-8 bytes under a 16-byte key."""
    if len(key) != KEY_LENGTH:
        raise ValueError(f"the audit key must have {KEY_LENGTH} bytes, not {len(key)}")
    lengths = np.diff(_offsets(strings))
    hashes = np.empty(len(strings), dtype=np.uint64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        equally_long = strings if len(rows) == len(strings) else strings.take(pa.array(rows))
        hashes[rows] = _siphash_equal_lengths(_bytes(equally_long, int(length)), key)
    return hashes


def _offsets(strings: pa.StringArray) -> NDArray[np.int32]:
    offsets = np.frombuffer(strings.buffers()[1], dtype=np.int32)
    return offsets[strings.offset : strings.offset + len(strings) + 1]


def _bytes(strings: pa.StringArray, length: int) -> NDArray[np.uint8]:
    """The strings, all `length` bytes long, as a matrix with a row for each."""
    if length == 0:
        return np.empty((len(strings), 0), dtype=np.uint8)
    offsets = _offsets(strings)
    flat = np.frombuffer(strings.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
    return flat.reshape(len(strings), length)


def _siphash_equal_lengths(rows: NDArray[np.uint8], key: bytes) -> Words:
    count, length = rows.shape
    words = np.zeros((count, (length // 8 + 1) * 8), dtype=np.uint8)
    words[:, :length] = rows
    words[:, -1] = length & 0xFF
    message = np.ascontiguousarray(words.view("<u8").T)
    k0, k1 = np.frombuffer(key, dtype="<u8")
    v = [np.full(count, np.uint64(start) ^ k, dtype=np.uint64) for start, k in zip(_INITIAL, (k0, k1) * 2, strict=True)]
    for word in message:
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= np.uint64(0xFF)
    _rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _rounds(v: list[Words], count: int) -> None:
    for _ in range(count):
        v[0] += v[1]
        v[1] = _rotated(v[1], 13) ^ v[0]
        v[0] = _rotated(v[0], 32)
        v[2] += v[3]
        v[3] = _rotated(v[3], 16) ^ v[2]
        v[0] += v[3]
        v[3] = _rotated(v[3], 21) ^ v[0]
        v[2] += v[1]
        v[1] = _rotated(v[1], 17) ^ v[2]
        v[2] = _rotated(v[2], 32)


def _rotated(x: Words, bits: int) -> Words:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))
