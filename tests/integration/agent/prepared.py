"""A job that was synced once, and is copied for every test that begins with one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from harness import Agent, an_agent
from matrix.disks import copy_tree

from lab import ReplicaSet

PARTS = ("job", "repo")


class Prepared:
    """The job at rest. It is synced at its first use, and again after its source's oplog has rolled over."""

    def __init__(self, replica_set: ReplicaSet, directory: Path) -> None:
        self._set, self._directory = replica_set, directory
        self._syncs = 0
        self._captured = Timestamp(0, 0)

    @contextlib.contextmanager
    def agent(self, where: Path, **changes: Any) -> Iterator[Agent]:
        """Give an agent of a copy, which is stopped at the end; it is not started yet."""
        template = self._template()
        for part in PARTS:
            copy_tree(template / part, where / part)
        with an_agent(where, self._set, **changes) as agent:
            yield agent

    def _template(self) -> Path:
        oldest = [self._set.oplog_window(number).oldest for number in range(len(self._set.members))]
        if self._captured < max(oldest):
            self._syncs += 1
            self._sync()
        return self._directory / str(self._syncs)

    def _sync(self) -> None:
        with an_agent(self._directory / str(self._syncs), self._set) as agent:
            agent.start()
            agent.wait_operation()
            captured = agent.wait_state("tailing")["captured"]
            self._captured = Timestamp(captured["time"], captured["increment"])
            agent.stop()
