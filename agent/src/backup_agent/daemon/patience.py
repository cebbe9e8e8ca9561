"""How a step handles errors that may pass by themselves: it waits and tries again, counts other errors, and gives up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import structlog
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent.errors import NoRoom, OperationFailed, Transient
from backup_agent.head import HeadFailed
from backup_agent.state.room import DIRECTORY, HEAD, REPOSITORY, SLICES, Room
from backup_agent.words import words

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2
PATIENCE_SECONDS = 1800
"""How long a step other than the sync waits for an error to pass. Then it fails, so that other operations get their turn."""

FAILURES = 5
"""A step that finds the head gone this often in a row fails."""

NEEDED_ROOM: dict[str, tuple[str, ...]] = {
    "sync": (DIRECTORY, HEAD, SLICES),
    "snapshot": (DIRECTORY, HEAD, REPOSITORY),
    "prove": (DIRECTORY,),
}
"""The disks that a step writes to: it ends before one is full, and begins again when there is room."""

GIVES_UP_WITHOUT_ROOM = ("snapshot", "prove", "verify")
"""Steps that do not wait for room for ever: only their own operation is lost, and other operations get their turn."""


class Patience:
    """The patience of one step of one operation."""

    def __init__(self, room: Room, step: str, wait: Callable[[float], None], say: Callable[[str], None]) -> None:
        """`wait` lets the job's other work go on for so many seconds; `say` tells an operator what is waited for."""
        self._room, self._step, self._wait, self._say = room, step, wait, say
        self._places = NEEDED_ROOM.get(step, (DIRECTORY,))
        self._began, self._failures = time.monotonic(), 0
        self._said: str | None = None
        """The reason that was logged last: the same one is not logged each time."""

    def bear(self, error: Exception, head_died: bool) -> None:
        """Return when the step may be tried again. Raises OperationFailed when it may not any more, or what ends it at once."""
        late = time.monotonic() - self._began > PATIENCE_SECONDS
        full = self._room.explain(error, *self._places)
        if full is not None and self._step != "restore":  # its target is the operator's disk
            if late and self._step in GIVES_UP_WITHOUT_ROOM:
                raise OperationFailed(f"step {self._step}: {full.message}") from error
            self._wait_for_room(full)
            return
        if not isinstance(error, (Transient, HeadFailed, PyMongoError)):
            raise error
        reason = words(error)[:500]
        self._failures += head_died or isinstance(error, (HeadFailed, OperationFailure))
        if self._failures >= FAILURES or (late and self._step != "sync"):
            raise OperationFailed(f"step {self._step}: {reason}") from error
        if reason != self._said:
            log.warning("step waits", step=self._step, reason=reason)
        self._said = reason
        self._tell(f"waiting: {reason}")
        self._wait(RETRY_SECONDS)

    def _wait_for_room(self, full: NoRoom) -> None:
        """Wait until what is measured has room again; what cannot be measured is tried."""
        log.warning("step waits for room", step=self._step, reason=full.message)
        self._room.note(full)
        self._tell(f"waiting: {full.message}")
        began = time.monotonic()
        while True:
            self._wait(RETRY_SECONDS)
            try:
                self._room.require(*self._places)
                return
            except NoRoom:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    return

    def _tell(self, text: str) -> None:
        with contextlib.suppress(NoRoom):  # the state's own disk
            self._say(text)
