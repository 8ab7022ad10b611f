"""How the review process gives memory back: what one large photo needed is not kept for the next."""

import ctypes

MMAP_THRESHOLD = -3  # glibc, malloc.h
LARGE_BYTES = 4 << 20  # a piece of memory from which it is given back as soon as it is free


def give_back_large() -> bool:
    """Has the C library give large pieces back at once; False where it cannot be told to (not glibc).

    By itself glibc raises its threshold to 32 MiB and keeps what lies below.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(MMAP_THRESHOLD, LARGE_BYTES))
