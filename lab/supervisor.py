"""A replica set that a process of its own keeps up, and how others find it and stop it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.data import load
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from lab.background import Writer
    from lab.replica_set import ReplicaSet

STATE = "lab.json"
_LOCK = "lab.lock"


@dataclass(frozen=True)
class Plan:
    """What to keep up."""

    replica_set: ReplicaSet
    seed_mb: float = 0
    make_writer: Callable[[ReplicaSet], Writer] | None = None


def keep_up(plan: Plan) -> None:
    """Start everything, say so in `lab.json`, and stop everything at SIGTERM or SIGINT."""
    directory = plan.replica_set.directory
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_once)
    with _only_one(directory), contextlib.suppress(_Stopped), contextlib.ExitStack() as stack:
        stack.callback((directory / STATE).unlink, missing_ok=True)
        replica_set = stack.enter_context(plan.replica_set)
        if plan.seed_mb:
            load(replica_set.uri, plan.seed_mb)
        writer = stack.enter_context(plan.make_writer(replica_set)) if plan.make_writer else None
        _save(directory, describe(replica_set, writer))
        print(f"{replica_set.name} is up: {replica_set.bare_uri}", flush=True)
        while True:
            time.sleep(3600)


class _Stopped(BaseException):
    """Unwinds from wherever the supervisor is when it is told to stop."""


def _stop_once(signal_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped(signal_number)


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"expected no lab in {directory}; found one; stop it first: python -m lab down") from None
        yield


def describe(replica_set: ReplicaSet, writer: Writer | None) -> dict[str, Any]:
    """Return what `lab.json` holds."""
    members = zip(replica_set.members, replica_set.mongods, strict=True)
    return {
        "name": replica_set.name,
        "uri": replica_set.uri,
        "bare_uri": replica_set.bare_uri,
        "directory": str(replica_set.directory),
        "pid": os.getpid(),
        "mongod": str(replica_set.binary),
        "members": [
            {"address": m.address, "port": m.port, "pid": m.pid, "hidden": member.hidden, "log": str(m.log)}
            for member, m in members
        ],
        "users": {
            user.name: {"password": user.password, "roles": user.roles}
            for user in (replica_set.root, replica_set.backup)
            if user
        },
        "writer": {"pid": writer.pid, "state": str(writer.state_file)} if writer else None,
    }


def _save(directory: Path, state: dict[str, Any]) -> None:
    partial = directory / f"{STATE}.partial"
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(state, indent=2) + "\n")
    partial.replace(directory / STATE)


def read(directory: Path) -> dict[str, Any]:
    """Return what `lab.json` in this directory says."""
    try:
        state: dict[str, Any] = json.loads((directory / STATE).read_text())
    except FileNotFoundError:
        raise LabError(
            f"expected a running lab in {directory}; found no {STATE}; start one: python -m lab up"
        ) from None
    return state


def take_down(directory: Path, timeout_seconds: float = 30) -> bool:
    """Stop the lab in this directory and wait until it is gone; tell whether there was one."""
    if not _held(directory):
        return False
    os.kill(read(directory)["pid"], signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while _held(directory):
        if time.monotonic() > deadline:
            raise LabError(f"the lab in {directory} did not stop in {timeout_seconds:.0f} s; see its output")
        time.sleep(0.1)
    return True


def _held(directory: Path) -> bool:
    """Tell whether a supervisor holds the directory's lock: unlike a process id, a lock cannot be somebody else's."""
    try:
        with (directory / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
