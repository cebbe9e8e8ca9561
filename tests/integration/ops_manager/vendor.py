"""A project of Ops Manager with jobs, and the vendor's agents as real processes that the emulator hears of."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import yaml

from tests.ops_manager.emulator import Emulator
from tests.ops_manager.records import Window

ROOT = Path(__file__).parents[3]
AGENTS = ("agent-0", "agent-1")
"""The hosts of the agents by their names in the inventory; the product knows them with a domain. The first one works."""

START = """#!/bin/sh
# Leaves alone a process that runs.
[ -e {pid} ] && kill -0 "$(cat {pid})" 2>/dev/null && exit 0
echo {host} start >> {log}
nohup sleep 3600 > /dev/null 2>&1 &
echo $! > {pid}.new && mv {pid}.new {pid}
"""
STOP = """#!/bin/sh
[ -e {pid} ] || exit 0
echo {host} stop >> {log}
kill "$(cat {pid})" 2>/dev/null
rm -f {pid}
"""
BECOME = """#!/bin/sh
echo "$*" >> {log}
while [ "$1" != /bin/sh ]; do shift; done
exec "$@"
"""


class Service:
    """The agent of one host: a process that commands start and stop, and that the emulator hears of as long as it lives."""

    def __init__(self, host: str, directory: Path, emulator: Emulator) -> None:
        self.host, self._emulator = host, emulator
        self._pid = directory / f"{host}.pid"
        log = directory / "agents.log"
        self.start, self.stop = directory / f"{host}-start", directory / f"{host}-stop"
        for program, text in ((self.start, START), (self.stop, STOP)):
            program.write_text(text.format(pid=self._pid, log=log, host=host))
            program.chmod(0o755)
        self.deaf = False
        """Whether the emulator hears nothing of it any more, as when it cannot reach the product."""
        self._known: int | None = None
        subprocess.run([self.start], check=True, timeout=20)
        log.write_text("")
        self._known = self.pid

    @property
    def pid(self) -> int | None:
        """The process, None where there is none."""
        try:
            found = int(self._pid.read_text())
            os.kill(found, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        return found

    def look(self) -> None:
        """Tell the emulator what has happened to the process since the last look."""
        found = self.pid
        if found == self._known:
            return
        if self._known is not None:
            self._emulator.stop_agent(self.name)
        if found is not None and not self.deaf:
            self._emulator.start_agent(self.name)
        self._known = found

    @property
    def name(self) -> str:
        """What the product calls the host."""
        return f"{self.host}.example.com"

    def close(self) -> None:
        """Kill the process."""
        found = self.pid
        if found is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found, signal.SIGKILL)


class Office:
    """An emulated project with two jobs and two agents, and an inventory of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.emulator = Emulator()
        self.clusters = {job: self.emulator.add_replica_set(job) for job in ("orders", "items")}
        for cluster in self.clusters.values():
            self.emulator.add_snapshot(cluster)
        self.services = {host: Service(host, directory, self.emulator) for host in AGENTS}
        self.inventory = directory / "inventory.yml"
        self._become = directory / "become"
        self._become.write_text(BECOME.format(log=directory / "become.log"))
        self._become.chmod(0o755)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def write(self, commands: bool = True, **variables: Any) -> None:
        """Write the inventory; the variables are those of all jobs, and the hosts of the agents have commands or a service."""
        em = self.emulator
        common = {
            "backup_provider": "ops_manager",
            "backup_ops_manager_project": em.project_id,
            "backup_ops_manager": {
                "url": em.url,
                "public_key": em.public_key,
                "private_key": em.private_key,
                "poll_seconds": 0.5,
            },
            **variables,
        }
        agents: dict[str, Any] = {
            host: {
                "backup_vendor_agent_stop": [str(service.stop)],
                "backup_vendor_agent_start": [str(service.start)],
            }
            if commands
            else {}
            for host, service in self.services.items()
        }
        agents["agent-1"] |= {"ansible_become": True, "ansible_become_exe": str(self._become)}
        gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {
            "all": {"vars": here},
            "backup_jobs": {"hosts": {job: {} for job in self.clusters}, "vars": common},
            "agents": {"hosts": {**agents, "gone": gone}},
        }
        self.inventory.write_text(yaml.safe_dump(inventory))

    def run(self, playbook: str, *arguments: str, rc: int = 0, **variables: object) -> str:
        """Run a playbook and require its return code; returns what it printed without line breaks."""
        given = {
            "maintenance_minutes": 10,
            "maintenance_reason": "new kernel",
            "maintenance_poll_seconds": 0.5,
            "maintenance_catch_up_seconds": 20,
            "backup_owner": "anna",
            **variables,
        }
        done = subprocess.run(
            [
                *("ansible-playbook", "-i", str(self.inventory), f"mongodb_ops.backup.{playbook}"),
                *("-e", yaml.safe_dump(given, default_flow_style=True, width=10**6).strip()),
                *arguments,
            ],
            cwd=ROOT,
            # Where the tests are run by root, it changes to itself.
            env={**os.environ, "COLUMNS": "2000", "ANSIBLE_BECOME_ALLOW_SAME_USER": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert rc == done.returncode, done.stdout[-6000:]
        return " ".join(done.stdout.split())

    @property
    def log(self) -> list[str]:
        """What was done to the agents, in order."""
        return (self.directory / "agents.log").read_text().splitlines()

    @property
    def with_rights(self) -> list[str]:
        """What was run with the rights of another user."""
        log = self.directory / "become.log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def up(self) -> list[bool]:
        """Which agents run."""
        return [service.pid is not None for service in self.services.values()]

    @property
    def windows(self) -> list[str]:
        """The descriptions of the maintenance windows that are not over."""
        with self.emulator.world.lock:
            now = self.emulator.world.look()
            found = self.emulator.world.projects[self.emulator.project_id].windows.values()
            return [str(window.description) for window in found if window.end > now]

    def add_window(self, description: str) -> str:
        """Let somebody else mute the alerts of backups for a day; returns the id of the window."""
        with self.emulator.world.lock:
            now = self.emulator.world.look()
            made = Window(["BACKUP"], now, now + timedelta(days=1), now, now, description)
            self.emulator.world.projects[self.emulator.project_id].windows[made.id] = made
            return made.id

    def muted(self, beginning: str) -> list[list[str]]:
        """Return what the windows mute whose description begins so."""
        found = self.emulator.world.projects[self.emulator.project_id].windows.values()
        return [window.types for window in found if str(window.description).startswith(beginning)]

    def job_of(self, cluster: str) -> str:
        """Return the job of a cluster."""
        return next(job for job, its in self.clusters.items() if its == cluster)

    def _work(self) -> None:
        while not self._over.wait(0.05):
            for service in self.services.values():
                service.look()

    def __enter__(self) -> Self:
        self.emulator.__enter__()
        self.write()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        for service in self.services.values():
            service.close()
        self.emulator.__exit__(None, None, None)
