"""A bound on the large pieces that all threads hold together.

A piece of 16 MB is three times that while it is read or written. Threads that copy, capture and apply take such pieces at the
same time, so each of them says how large its next piece may be before it takes it, and waits while others hold too much.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

HELD_BYTES = 16 * 1024 * 1024
"""One piece of the largest kind, or four pages of the usual size (`pages.PAGE_BYTES`)."""

PATIENCE_SECONDS = 5.0
"""How long to wait for a turn. A member that falls silent while a piece is read from it must not stop everything else: then
the bound is given up, not the work."""


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
