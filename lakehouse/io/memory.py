"""Memory that a process has freed but its allocators still hold."""

import ctypes
from collections.abc import Callable
from functools import cache

import pyarrow as pa


def release_memory() -> None:
    """Give it back to the system: Arrow's pool, and the C library's heap (glibc only)."""
    pa.default_memory_pool().release_unused()
    if trim := _malloc_trim():
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
