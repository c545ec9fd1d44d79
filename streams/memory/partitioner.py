"""Which partition a key goes to: murmur2, as in Java's clients and librdkafka's `murmur2_random`."""

from itertools import count

# The constants of MurmurHash2 (32 bit) with the seed Kafka chose; compatibility is their reason.
_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The unsigned 32-bit hash."""
    length = len(data)
    h = _SEED ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k ^= k >> 24
        h = (h * _M & _MASK) ^ (k * _M & _MASK)
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


class Partitioner:
    """Keys by hash; records without a key in turn, where librdkafka chooses at random."""

    def __init__(self) -> None:
        self._turn = count()

    def __call__(self, key: bytes | None, partitions: int) -> int:
        if key is None:
            return next(self._turn) % partitions
        return (murmur2(key) & 0x7FFFFFFF) % partitions
