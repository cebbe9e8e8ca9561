"""The check of a fleet in one task for all jobs, against a task for each job with community.mongodb."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.errors import Unequal
from benchmarks.options import Options, scratch, timed
from benchmarks.printing import Ratio, measured
from benchmarks.rivals import community_mongodb
from lab import Member, ReplicaSet
from lab.data import load

TITLE = "check.yml over a fleet, against mongodb_info and mongodb_status of community.mongodb, task by task"
ROOT = Path(__file__).resolve().parents[1]
SETS = 3
FEW = 20
"""So many jobs are enough to know what a job costs the rival; and the memory that they take shows whether it grows."""
FORKS = "10"


@contextlib.contextmanager
def fleet(directory: Path) -> Iterator[list[ReplicaSet]]:
    """Start the real sets that all jobs point at."""
    with contextlib.ExitStack() as stack:
        sets = []
        for number in range(SETS):
            members = [Member(priority=2), Member(), Member()]
            where = directory / f"rs{number}"
            replica_set = ReplicaSet(f"rs{number}", members, oplog_mb=990, cache_gb=0.25, directory=where)
            sets.append(stack.enter_context(replica_set))
            load(replica_set.uri, megabytes=10)
        yield sets


def inventory(directory: Path, sets: list[ReplicaSet], count: int) -> Path:
    """Write an inventory of so many jobs, for both sides."""
    hosts: dict[str, Any] = {}
    for number in range(count):
        chosen = sets[number % len(sets)]
        host, port = chosen.addresses[0].split(":")
        own = {"backup_source_uri": chosen.bare_uri, "seed_host": host, "seed_port": int(port), "set_name": chosen.name}
        hosts[f"job{number:03}"] = own
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "check_min_window_hours": 0}
    path = directory / f"inventory-{count}.json"
    path.write_text(json.dumps({"backup_jobs": {"vars": common, "hosts": hosts}}))
    return path


def theirs(directory: Path) -> Path:
    """Write the rival's playbook: the facts that it has about a server and about its set."""
    login = {"login_host": "{{ seed_host }}", "login_port": "{{ seed_port }}"}
    tasks = [
        {"community.mongodb.mongodb_info": login},
        {"community.mongodb.mongodb_status": {**login, "replica_set": "{{ set_name }}", "poll": 1, "interval": 1}},
    ]
    path = directory / "rival.json"
    path.write_text(json.dumps([{"hosts": "backup_jobs", "gather_facts": False, "tasks": tasks}]))
    return path


def play(collections: Path, *arguments: str) -> None:
    """Run a playbook to its end; `collections` has the rival's. Raises Unequal when a host failed."""
    paths = f"{ROOT}/.ansible/collections:{collections}"
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_FORKS": FORKS}
    command = ["ansible-playbook", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unequal(f"expected every job to be checked, found: {done.stdout[-1500:]}{done.stderr[-500:]}")


def run(options: Options) -> list[Ratio]:
    """Measure both; returns how many times as fast a job is checked."""
    with scratch() as directory, fleet(directory) as sets:
        collections = community_mongodb(directory)
        ours = {count: _ours(collections, directory, sets, count) for count in (FEW, options.jobs)}
        where = inventory(directory, sets, FEW)
        seconds = timed(lambda: play(collections, "-i", str(where), str(theirs(directory))))
        measured(f"community.mongodb, {FEW} jobs, two tasks each", seconds, f"{seconds / FEW:.2f} s a job")
    return [Ratio("fleet_check", (seconds / FEW) / (ours[options.jobs] / options.jobs), 5.0)]


def _ours(collections: Path, directory: Path, sets: list[ReplicaSet], count: int) -> float:
    reports = directory / f"reports-{count}"
    where = str(inventory(directory, sets, count))
    arguments = ("-i", where, "-e", f"check_report_directory={reports}", "mongodb_ops.backup.check")
    seconds = timed(lambda: play(collections, *arguments))
    found = json.loads((reports / "check.json").read_text())["jobs"]
    if len(found) != count or any(job["oplog"]["write_rate"] is None for job in found):
        raise Unequal(f"expected the window and the rate of {count} jobs, found {len(found)} jobs and not all of that")
    # Of the largest process so far: the few jobs are checked first, so that one sees what the many add.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    measured(f"check.yml, {count} jobs, with reports", seconds, f"{seconds / count:.2f} s a job, {peak:.0f} MB")
    return seconds
