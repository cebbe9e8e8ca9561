"""The memory of the process: freed memory goes back to the system.

The agent handles few, large pieces: batches of up to 16 MB. By default glibc raises the size from which it asks the system for
memory of its own with every large piece that is freed (mallopt(3), M_MMAP_THRESHOLD), and each thread gets an arena: after a
while such pieces come from arenas that never shrink. With both fixed, the resident size follows what is in use; measured on
documents of 16 MB, its peak was two thirds of what it had been.

And it is bounded what all threads hold together of such pieces. One of 16 MB is three times that while it is read or written.
Threads that copy, capture and apply take them at the same time, so each of them says how large its next piece may be before it
takes it, and waits while others hold too much.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
from collections import deque
from collections.abc import Iterator

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGE_BYTES = 1024 * 1024

HELD_BYTES = 16 * 1024 * 1024
"""One piece of the largest kind, or four pages of the usual size (`pages.PAGE_BYTES`)."""

PATIENCE_SECONDS = 5.0
"""How long to wait for a turn. A member that falls silent while a piece is read from it must not stop everything else: then
the bound is given up, not the work."""


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


class Bound:
    """Lets pieces in, in the order of asking, up to a total of `limit` bytes. A single piece may have any size."""

    def __init__(self, limit: int, patience: float = PATIENCE_SECONDS) -> None:
        """`limit` is in bytes, `patience` in seconds."""
        self._limit, self._patience = limit, patience
        self._held = self._inside = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def piece(self, size: int) -> Iterator[None]:
        """Hold a piece of about this size. A thread that holds one must not ask for another: it would wait for itself."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._has_room(size), self._patience)
                self._held, self._inside = self._held + size, self._inside + 1
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._held, self._inside = self._held - size, self._inside - 1
                self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._inside or self._held + size <= self._limit


PIECES = Bound(HELD_BYTES)
"""That of this process: its memory is one."""
