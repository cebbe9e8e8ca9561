"""What the demo runs in: its directory, its replica set, Ansible, and how all of that is stopped."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import processes, supervisor
from lab.background import read_counts
from lab.demo import leftovers
from lab.demo.agent import Agent
from lab.demo.screen import say
from lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "MONGODB_OPS_DEMO_DIR"
JOB = "shop"
WRITES_PER_SECOND = "120"
MIX = "insert=50,update=33,delete=10,transaction=7"
INVENTORY = "inventories/local"


@dataclass(frozen=True)
class Surroundings:
    """One run of the demo. Its directory has a short path, because Unix sockets allow no long ones."""

    directory: Path
    keep: bool = False

    @classmethod
    def create(cls, keep: bool) -> Surroundings:
        """Make the directory and what inventories/local expects in it."""
        directory = Path(tempfile.mkdtemp(prefix="mdbdemo-", dir="/tmp"))
        for name in ("rs", "logs"):
            (directory / name).mkdir()
        password = directory / "repository.password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        return cls(directory, keep)

    @property
    def replica_set(self) -> Path:
        return self.directory / "rs"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def agent(self) -> Agent:
        return Agent(JOB, self.directory)

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.directory), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PWD": str(ROOT)}

    def start_replica_set(self, timeout_seconds: float = 90) -> dict[str, Any]:
        """Start the replica set and its writer; unless the demo is kept, they cannot outlive this process."""
        argv = [sys.executable, "-m", "lab", "up", "--directory", str(self.replica_set), "--oplog-mb", "16"]
        argv += ["--seed-mb", "30", "--writer", WRITES_PER_SECOND, "--mix", MIX, "--election-timeout-ms", "10000"]
        output = self.logs / "lab.log"
        process = _detached(argv, output) if self.keep else processes.spawn(argv, output, env={"PYTHONPATH": str(ROOT)})
        deadline = time.monotonic() + timeout_seconds
        while not (self.replica_set / supervisor.STATE).exists():
            if process.poll() is not None:
                raise LabError(f"the replica set did not start: {output.read_text().strip()[-1000:]}")
            if time.monotonic() > deadline:
                raise LabError(f"the replica set was not up in {timeout_seconds:.0f} s; see {output}")
            time.sleep(0.2)
        return supervisor.read(self.replica_set)

    def writes(self) -> dict[str, Any]:
        """Return what the writer has done until now."""
        return read_counts(self.replica_set / "writer.json")

    def play(self, playbook: str, *arguments: str) -> None:
        """Run a playbook of this repository; its output goes straight to the terminal."""
        argv = ["ansible-playbook", "-i", INVENTORY, f"playbooks/{playbook}.yml", *arguments]
        say(f"$ {' '.join(argv)}\n")
        argv[0] = str(Path(sys.executable).with_name(argv[0]))
        log = self.logs / f"{playbook}.log"
        env = {**os.environ, **self.environment, "ANSIBLE_LOG_PATH": str(log)}
        code = subprocess.run(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        if code:
            raise LabError(f"playbooks/{playbook}.yml ended with code {code}; its output is in {log}")

    def stop(self) -> None:
        """Stop everything that was started here, and whatever of it is left."""
        self.agent.shut_down()
        supervisor.take_down(self.replica_set)
        asked = leftovers.stop_all(self.directory)
        if asked:
            say(f"  stopped what was left: process {', '.join(map(str, asked))}")
        left = leftovers.belonging_to(self.directory)
        if left:
            raise LabError(f"expected no process of the demo to be left; found {left}; stop them by hand")


def _detached(argv: list[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("ab") as log:
        return subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
