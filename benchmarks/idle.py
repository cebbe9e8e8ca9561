"""A source at rest: what the daemon of a job costs then, beside the mongod of its head, and how often it commits its state."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from benchmarks import data, printing
from benchmarks.agent import Agent, an_agent
from benchmarks.errors import Unequal
from benchmarks.members import source
from benchmarks.options import POLL_SECONDS, Options, scratch
from benchmarks.printing import Ratio
from lab import ReplicaSet

TITLE = "a daemon whose source is at rest, against the mongod of its head"
DATABASES = 20
SETTLE_SECONDS = 10
SECONDS = 60
ALLOWED_SHARE = 0.003
"""Of one processor."""
ALLOWED_COMMITS = 1.0
"""A second."""


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _head_of(pid: int) -> int:
    """Return the one mongod that a daemon has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    found = [
        int(child) for child in children if Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() == "mongod"
    ]
    if len(found) != 1:
        raise Unequal(f"expected one head below process {pid}, found {len(found)}")
    return found[0]


def _commits(state: Path, seconds: float) -> int:
    """Count the commits of others to a database: as many as can be told apart by looking often."""
    with contextlib.closing(sqlite3.connect(state)) as connection:
        count, last = 0, None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = connection.execute("PRAGMA data_version").fetchone()[0]
            count += last is not None and now != last
            last = now
            time.sleep(POLL_SECONDS)
    return count


def _load(replica_set: ReplicaSet) -> None:
    with replica_set.client() as client:
        for number in range(DATABASES):
            client[f"db{number:02d}"]["documents"].insert_one({"_id": 1})
        data.settle(client)


def _measure(agent: Agent) -> tuple[float, float, int]:
    daemon = agent.pid
    head = _head_of(daemon)
    before = _cpu_seconds(daemon), _cpu_seconds(head)
    commits = _commits(agent.config.state_file, SECONDS)
    return _cpu_seconds(daemon) - before[0], _cpu_seconds(head) - before[1], commits


def run(_options: Options) -> list[Ratio]:
    """Measure it."""
    with scratch() as directory, source(directory) as replica_set:
        _load(replica_set)
        with an_agent(directory / "agent", replica_set) as agent:
            agent.start()
            agent.end_after_the_switch()
            time.sleep(SETTLE_SECONDS)
            ours, theirs, commits = _measure(agent)
    for what, seconds in (("agent", ours), ("mongod of its head", theirs)):
        printing.measured(
            f"{what}: processor, of {SECONDS} s at rest", seconds, f"{100 * seconds / SECONDS:.2f} % of one"
        )
    printing.say(f"  commits of the agent: {commits / SECONDS:.2f} a second")
    return [
        Ratio("idle_of_mongod", theirs / ours),
        Ratio("idle_commits", ALLOWED_COMMITS * SECONDS / max(1, commits), 1.0),
        Ratio("idle", ALLOWED_SHARE * SECONDS / ours, 1.0),
    ]
