"""What all cells share: the source, and a job that was synced once and is copied for every cell that begins with one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import Agent, assert_equal

from lab import Member, ReplicaSet
from matrix.traffic import Traffic

SOCKETS = "run"
RESTIC = """#!/bin/sh
# restic, unless the file beside this script says that it fails.
if [ -e "$0.fails" ]; then echo "Fatal: unable to save snapshot: the backend went away" >&2; exit 1; fi
exec {restic} "$@"
"""
RESERVE_MB = 64
STALE_WRITES = 1000
"""After so many writes the template catches up: every cell has to replay what came after it."""


@dataclass
class Bench:
    """The source and the template. One cell runs at a time: all heads have the same socket."""

    source: ReplicaSet
    where: Path
    sockets: Path
    writes: int = 0
    """Writes to the source since the template was at rest."""

    def agent(self, where: Path, repository: bool = False) -> Agent:
        """Give an agent that is not started: it does nothing by itself but tail, and its restic can be made to fail.

        Its repository is there already where the caller says so; a cell has that of the template, or makes its own.
        """
        where.mkdir(parents=True, exist_ok=True)
        script = where / "restic"
        script.write_text(RESTIC.format(restic=shutil.which("restic")))
        script.chmod(0o755)
        changes: dict[str, Any] = {
            "head__socket_directory": str(self.sockets),
            "repository__restic": str(script),
            "archive_interval_minutes": 0,
            "verify_interval_hours": 0,
            "disk_reserve_mb": RESERVE_MB,
        }
        return Agent(where, self.source, repository=repository, **changes)

    def refresh(self) -> None:
        """Let the template catch up with the source, when much was written since."""
        if self.writes < STALE_WRITES:
            return
        agent = self.agent(self.template)
        try:
            agent.start()
            assert_equal(agent, self.source)
        finally:
            agent.stop()
        self.writes = 0

    @property
    def template(self) -> Path:
        """The directory of the job that was synced once."""
        return self.where / "template"


@contextmanager
def a_bench(where: Path) -> Iterator[Bench]:
    """Start a source, sync a job from it, stop that job."""
    members = [Member(priority=2), Member(priority=0)]
    with (
        ReplicaSet("rs0", members, oplog_mb=256, directory=where / "source") as source,
        tempfile.TemporaryDirectory(prefix="matrix-") as sockets,
    ):
        bench = Bench(source, where, Path(sockets) / SOCKETS)
        with source.client() as client, Traffic(client, seed=1) as traffic:
            for number in range(4):
                documents = [{"_id": n, "n": n, "even": n % 2 == 0} for n in range(300)]
                client["shop"][f"orders{number}"].insert_many(documents)
                client["shop"][f"orders{number}"].create_index([("even", 1), ("n", -1)])
            traffic.wait_for(50)
        agent = bench.agent(bench.template, repository=True)
        try:
            agent.start()
            agent.wait_operation()
            agent.wait_state("tailing")
        finally:
            agent.stop()
        yield bench
