"""Makes the C library give large blocks back to the system as soon as they are free."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`."""
LARGE_BYTES = 1 << 20


def return_large_blocks() -> bool:
    """Fix the size from which a block is memory of its own; return False where that is unknown.

    glibc raises that size whenever a large block is freed, up to 32 MiB. After that a few large
    images would leave the process many times as large as before.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library
    sizes = {M_MMAP_THRESHOLD: LARGE_BYTES, M_TRIM_THRESHOLD: LARGE_BYTES}
    results = [mallopt(name, size) for name, size in sizes.items()]
    return results == [1, 1]
