"""The heap of this process, where the C library is glibc."""

import ctypes
from contextlib import suppress

# Of mallopt in malloc.h. Two arenas: threads rarely wait for one another.
_M_ARENA_MAX = -8
_ARENAS = 2


def share_memory_among_threads() -> None:
    """Keeps glibc from giving every few threads a heap of their own, of which most would stay unused."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def give_back_unused() -> None:
    """Returns to the system what imports have used and freed again: 5 MB of a role's."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
