"""The memory of the process: freed memory goes back to the system.

The agent handles few, large pieces: batches of up to 16 MB. By default glibc raises the size from which it asks the system for
memory of its own with every large piece that is freed (mallopt(3), M_MMAP_THRESHOLD), and each thread gets an arena: after a
while such pieces come from arenas that never shrink. With both fixed, the resident size follows what is in use; measured on
documents of 16 MB, its peak was two thirds of what it had been.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGE_BYTES = 1024 * 1024


def return_what_is_freed() -> bool:
    """Tell the allocator; returns whether it could be told (a libc other than glibc has its own ways)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {M_MMAP_THRESHOLD: LARGE_BYTES, M_TRIM_THRESHOLD: LARGE_BYTES, M_ARENA_MAX: 2}
    told = {name: mallopt(name, value) == 1 for name, value in wanted.items()}
    return all(told.values())


@contextlib.contextmanager
def without_looking_for_cycles() -> Iterator[None]:
    """Keep Python from looking for cycles of references while many small objects are made that have none.

    They are freed when the last reference goes. To look through all of them, again and again while they are made, took a third of
    the time of a batch of the oplog. What is due is done when it ends.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
