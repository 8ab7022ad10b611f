"""How the review process gives memory back: what one large photo needed is not kept for the next."""

import ctypes

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # glibc, malloc.h
LARGE_BYTES = 1 << 20  # a piece of memory from which it is given back as soon as it is free

_C = ctypes.CDLL(None)


def keep_little() -> bool:
    """Has the C library give large pieces back at once; False where it cannot be told to (not glibc).

    By itself glibc raises its threshold to 32 MiB and keeps what lies below, once for every thread.
    """
    tell = getattr(_C, "mallopt", None)
    return tell is not None and bool(tell(MMAP_THRESHOLD, LARGE_BYTES)) and bool(tell(ARENA_MAX, 1))


def give_back() -> None:
    """Gives back what is free in between."""
    trim = getattr(_C, "malloc_trim", None)
    if trim is not None:
        trim(0)
