"""Processes of the demo that are still there at its end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def belonging_to(directory: Path) -> list[int]:
    """Return the processes whose command line names the demo's directory, but none that we descend from."""
    processes = {int(entry.name): entry for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    own = _ancestors()
    return [pid for pid, entry in processes.items() if pid not in own and str(directory) in _command_line(entry)]


def stop_all(directory: Path, grace_seconds: float = 20) -> list[int]:
    """Wait until they are gone, ask the rest to stop, then kill them; return the ones that had to be asked."""
    _wait(directory, grace_seconds)
    asked = belonging_to(directory)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in belonging_to(directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        _wait(directory, grace_seconds)
    return asked


def _wait(directory: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while belonging_to(directory) and time.monotonic() < deadline:
        time.sleep(0.1)


def _command_line(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found
