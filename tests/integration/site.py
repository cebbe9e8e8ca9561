"""A site of one machine with jobs, provisioned and asked as an operator would, everything below one directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from bson.timestamp import Timestamp

from lab import Member, ReplicaSet, roll_over
from lab.binaries import find_mongod
from lab.data import load
from lab.repository import make_repository
from tests.integration.agent.harness import PASSWORD, command
from tests.integration.forked import write_command

ROOT = Path(__file__).parents[2]
HOLDS = ("copy.done", "validation.range", "switch.before", "proof.restored")
"""The points at which the operations of a site can be held."""

Json = dict[str, Any]


class Site:
    """An inventory of one machine with two jobs, everything below one directory."""

    shared: ClassVar[Path | None] = None
    """Where the versions of the agent are kept that sites of this process have installed; nothing changes a version."""

    quick = True
    """Whether it finds what an earlier site has installed, repositories whose passwords are cheap to check, and a command of
    the agent that need not import it."""

    def __init__(self, directory: Path, sets: dict[str, ReplicaSet], checkout: Path = ROOT) -> None:
        """Nothing is provisioned yet."""
        self.directory, self.sets, self.checkout = directory, sets, checkout
        self.inventory = directory / "inventory.yml"
        inventory = self._inventory()
        if self.quick:
            for job in sets:
                make_repository(directory / "repository" / job, PASSWORD)
            self._find_version()
            quick_command = directory / "backup-agent"
            write_command(quick_command, directory / "agent/venv/bin/backup-agent")
            beside = directory / "python"  # roles find the agent's Python beside its command
            beside.write_text(f'#!/bin/sh\nexec {directory}/agent/venv/bin/python "$@"\n')
            beside.chmod(0o755)
            inventory["all"]["vars"]["backup_agent_command"] = str(quick_command)
        self.inventory.write_text(yaml.safe_dump(inventory))

    def _find_version(self) -> None:
        versions = self.directory / "agent" / "versions"
        versions.mkdir(parents=True)
        for kept in Site.shared.iterdir() if Site.shared else ():
            (versions / kept.name).symlink_to(kept)

    def _keep_version(self) -> None:
        """Copy what was installed to where later sites find it: the directory of this one goes with its tests."""
        for complete in (self.directory / "agent" / "versions").glob("*/complete"):
            found = complete.parent
            kept = Site.shared / found.name if Site.shared else None
            if kept is None or found.is_symlink() or kept.exists():
                continue
            shutil.copytree(found, kept, symlinks=True)
            for program in (kept / "bin").iterdir():  # what pip installs begins with the path of its interpreter
                if not program.is_symlink():
                    program.write_bytes(program.read_bytes().replace(bytes(found), bytes(kept)))

    def _inventory(self) -> Json:
        here = str(self.directory)
        machine = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "backup_agent_manage_user": False,
            "backup_agent_manage_packages": False,
            "backup_agent_service_manager": "supervisor",
            "backup_agent_python_candidates": [sys.executable],
            "backup_agent_directory": f"{here}/agent",
            "backup_agent_config_directory": f"{here}/config",
            "backup_agent_state_directory": f"{here}/state",
            "backup_report_directory": f"{here}/reports",
            "backup_agent_host": "here",
        }
        jobs = {
            name: {
                "backup_source_uri": found.bare_uri,
                "backup_replica_set": found.name,
                "backup_mongod": str(find_mongod()),
                "backup_repository": f"{here}/repository/{name}",
                "backup_repository_password": PASSWORD,
                "backup_head_cache_mb": 256,
                "backup_snapshot_interval_hours": 0,
            }
            for name, found in self.sets.items()
        }
        return {
            "all": {"vars": machine},
            "backup_agent_hosts": {"hosts": {"here": {}}},
            "backup_jobs": {"hosts": jobs},
        }

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """Return the command line of a playbook of this collection."""
        return ["ansible-playbook", "-i", str(self.inventory), f"mongodb_ops.backup.{playbook}", *arguments]

    def start(self, playbook: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a playbook in a session of its own, so that it can be killed with everything it started."""
        return subprocess.Popen(
            self.command(playbook, *arguments),
            cwd=self.checkout,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *arguments: str, rc: int = 0, **environment: str) -> str:
        """Run a playbook and require its return code; returns what it printed."""
        process = self.start(playbook, *arguments, **environment)
        try:
            printed, _ = process.communicate(timeout=400)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert rc == process.returncode, printed[-6000:]
        self._keep_version()
        return printed

    def agent(self, job: str, *arguments: str) -> Json:
        """Ask a job's agent, by the command line of this checkout."""
        _code, found = command("--config", f"{self.directory}/config/{job}.yml", *arguments)
        return found

    def supervisor(self, *arguments: str) -> None:
        """Stop or start agents the way an operator does."""
        control = f"{self.directory}/agent/venv/bin/supervisorctl"
        configuration = f"{self.directory}/agent/supervisor/supervisord.conf"
        subprocess.run([control, "-c", configuration, *arguments], check=False, capture_output=True, timeout=150)

    def lose(self, job: str) -> None:
        """Let a job's oplog roll over while its agent is down, and wait for the alert."""
        captured = self.agent(job, "status")["captured"]
        self.supervisor("stop", job)
        roll_over(self.sets[job].uri, past=Timestamp(captured["time"] + 1, 0))
        self.supervisor("start", job)
        self.wait(job, lambda status: status["state"] == "resync_required")

    def wait(self, job: str, condition: Any, seconds: float = 300) -> Json:
        """Wait until a job's status fulfils a condition."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.agent(job, "status")
            if condition(status):
                return status
            time.sleep(0.2)
        raise AssertionError(f"not within {seconds} s: {status}")

    def operations(self, job: str) -> list[str]:
        """Return the ids of the ended operations, oldest first, as their reports say."""
        reports = (self.directory / "state" / job / "reports").glob("*.json")
        return sorted((p.stem for p in reports), key=lambda stem: stem.rsplit("-", 2)[1])

    def holder(self, point: str) -> Path:
        """Write the program that an agent runs at a failure point: it waits as long as the point is held and its agent lives."""
        program = self.directory / f"{point}.sh"
        held = f"[ -e {self.directory}/{point}.held ] && kill -0 $PPID"
        program.write_text(f"#!/bin/sh\nwhile {held}; do sleep 0.1; done\n")
        program.chmod(0o755)
        return program

    def hold(self, *points: str) -> None:
        """Let operations wait at these points until they are released."""
        for point in points:
            (self.directory / f"{point}.held").touch()

    def release(self, *points: str) -> None:
        """Let operations go on."""
        for point in points:
            (self.directory / f"{point}.held").unlink(missing_ok=True)

    def close(self) -> None:
        """End the supervisor with all agents at once; their heads die with them."""
        with contextlib.suppress(FileNotFoundError):
            kill(int((self.directory / "agent/supervisor/run/supervisord.pid").read_text()))


def kill(number: int) -> None:
    """Kill a process and all that it has started, however they are grouped."""
    for one in [number, *descendants(number)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def descendants(number: int) -> list[int]:
    """Return the processes below one."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [*children.get(number, [])]
    for child in found:
        found += children.get(child, [])
    return found


def recap(printed: str, host: str) -> dict[str, int]:
    """Return a host's counters of the recap."""
    line = next(line for line in reversed(printed.splitlines()) if line.startswith(f"{host} "))
    return {name: int(value) for name, value in (part.split("=") for part in line.split(":", 1)[1].split())}


def flat(printed: str) -> str:
    """Return what was printed without the line breaks that the width of a terminal asks for."""
    return " ".join(printed.split())


@contextlib.contextmanager
def replica_sets(
    factory: pytest.TempPathFactory, members: Mapping[str, list[Member]], oplog_mb: int, megabytes: float
) -> Iterator[dict[str, ReplicaSet]]:
    """Yield a replica set for each job, with so much in it."""
    with contextlib.ExitStack() as stack:
        found = {}
        for number, (job, its) in enumerate(members.items()):
            made = ReplicaSet(f"rs{number}", its, oplog_mb=oplog_mb, directory=factory.mktemp(job))
            found[job] = stack.enter_context(made)
            load(found[job].uri, megabytes=megabytes)
        yield found
