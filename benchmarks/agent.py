"""The agent's process, and how long the steps of its operations take."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import yaml
from pymongo import MongoClient

from backup_agent.config import Config, load
from backup_agent.state.records import Params
from backup_agent.state.store import Store
from benchmarks.errors import Unequal
from benchmarks.options import wait_for
from lab import ReplicaSet, processes
from lab.binaries import find_mongod

Json = dict[str, Any]


def configured(directory: Path, replica_set: ReplicaSet) -> Config:
    """Write the configuration of a job for a set and read it as the agent does: everything else keeps its default."""
    directory.mkdir()
    (directory / "password").touch(0o600)
    (directory / "password").write_text("a password of a benchmark\n", encoding="utf-8")
    settings = {
        "job": "bench",
        "directory": str(directory / "job"),
        "source": {"uri": replica_set.bare_uri, "replica_set": replica_set.name},
        "head": {"mongod": str(find_mongod())},
        "repository": {"location": str(directory / "repository"), "password_file": str(directory / "password")},
        "snapshots": {"interval_hours": 0},
    }
    (directory / "job.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load(directory / "job.yml")


class Agent:
    """The daemon of a job."""

    def __init__(self, directory: Path, replica_set: ReplicaSet) -> None:
        """Nothing is started yet."""
        self._file, self._log = directory / "job.yml", directory / "agent.log"
        self.config = configured(directory, replica_set)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. A job that has no backup yet begins its initial sync by itself."""
        argv = [sys.executable, "-m", "backup_agent", "--config", str(self._file), "run"]
        self._process = processes.spawn(argv, self._log)

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop it, and its head with it."""
        if self._process is not None:
            processes.stop(self._process, timeout_seconds=60)

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Yield the job's state."""
        with contextlib.closing(Store(self.config.state_file)) as store:
            yield store

    def step_seconds(self, kind: str, name: str, identifier: str | None = None) -> float:
        """Wait for a step of an operation; returns how long it took, to some hundredths of a second."""
        with self.store() as store:

            def state() -> str:
                found = store.operation(identifier) if identifier else store.newest_operation(kind)
                if found is not None and found.state == "failed":
                    raise Unequal(f"{kind} failed: {found.error}")
                steps = found.steps if found is not None else ()
                return next((step.state for step in steps if step.name == name), "")

            wait_for(f"the step {name} of {kind} to begin", lambda: state() in ("running", "done"))
            began = time.monotonic()
            wait_for(f"the step {name} of {kind} to end", lambda: state() == "done")
            return time.monotonic() - began

    def end_after_the_switch(self) -> None:
        """Let the first sync end with the switch to its copy: its snapshot and proof are not measured."""
        self.step_seconds("initial_sync", "switch")
        with self.store() as store:
            operation = store.newest_operation("initial_sync")
            assert operation is not None
            store.cancel_operation(operation.id)
            wait_for("the operation to end", lambda: store.open_operation() is None)

    def validation_seconds(self) -> tuple[float, Json]:
        """Compare the backup with its source; returns how long that took, and the report."""
        with self.store() as store:
            operation, _ = store.start_operation("validation", "bench", "to be measured", Params(level="digest"))
            seconds = self.step_seconds("validation", "validate", operation.id)
            wait_for("the operation to end", lambda: store.open_operation() is None)
            report: Json = store.operation(operation.id).result["validation"]
        return seconds, report

    def head(self, generation: int) -> MongoClient[Json]:
        """Return a client of the running head."""
        return head_client(self.config.socket_directory / f"g{generation:06d}.sock")


def head_client(socket: Path) -> MongoClient[Json]:
    """Return a client of a mongod on a socket."""
    return MongoClient(f"mongodb://{quote_plus(str(socket))}/?directConnection=true")


@contextlib.contextmanager
def an_agent(directory: Path, replica_set: ReplicaSet) -> Iterator[Agent]:
    """Yield an agent that is stopped at the end; it is not started yet."""
    agent = Agent(directory, replica_set)
    try:
        yield agent
    finally:
        agent.stop()
