"""The processes of a run: all of them inherit a mark in their environment, also those that were detached."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

MARK = "BACKUP_TEST_RUN"
#: A process that was told to stop needs a moment; one that is still there after that was forgotten.
PATIENCE_SECONDS = 20


def left_behind(mark: str) -> dict[int, str]:
    """Return the command line of every other process with the mark, by process id."""
    wanted = f"{MARK}={mark}".encode()
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        if directory.name == str(os.getpid()):
            continue
        with suppress(OSError):  # it is gone, or another user's
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(directory.name)] = command.strip()[:150]
    return found


def wait_until_gone(mark: str, seconds: float = PATIENCE_SECONDS) -> dict[int, str]:
    """Return what is left behind when nothing is any more, or when the time is over."""
    deadline = time.monotonic() + seconds
    while (left := left_behind(mark)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def kill_all(mark: str) -> None:
    """Kill every process with the mark, and what these start meanwhile."""
    while left := left_behind(mark):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
