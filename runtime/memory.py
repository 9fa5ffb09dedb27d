"""The memory that glibc keeps for the worker's threads."""

import ctypes

# Source: malloc.h of glibc.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_MMAP_BYTES = 128 * 1024
MOST_ARENAS = 2


def limit_arenas() -> None:
    """Have all threads share two heaps, and large blocks returned; elsewhere, nothing is done.

    By default, glibc has up to 8 heaps a CPU, of which each keeps what its threads' bursts needed.
    Call it before threads are started.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, MOST_ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
