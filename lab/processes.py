"""Child processes that cannot outlive this one, not even when it is killed with SIGKILL."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# The kernel sends the death signal when the *thread* that started a child ends, so one thread that lives as long as
# the process starts them all: a helper thread may restart a member and end.
_starter: tuple[int, ThreadPoolExecutor] | None = None


def spawn(
    argv: Sequence[str | Path], output: Path, env: Mapping[str, str] | None = None, group: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own (so Ctrl-C reaches only us), appending its output to a file.

    `group` is the group id that it runs with, for root.
    """
    return _thread().submit(_spawn, argv, output, env, group).result()


def _thread() -> ThreadPoolExecutor:
    global _starter  # noqa: PLW0603 - one thread per process, made again after a fork
    if _starter is None or _starter[0] != os.getpid():
        _starter = os.getpid(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-starter")
    return _starter[1]


def _spawn(
    argv: Sequence[str | Path], output: Path, env: Mapping[str, str] | None, group: int | None
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    with output.open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if env is None else {**os.environ, **env},
            preexec_fn=die_with_parent,  # noqa: PLW1509 - calls nothing that can wait for a lock
            process_group=0,
            group=group,
        )


def stop(process: subprocess.Popen[bytes], timeout_seconds: float = 20) -> int:
    """Ask a child to end, kill it when it does not, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a child at once and wait until it is gone."""
    process.kill()
    process.wait()
