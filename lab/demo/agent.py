"""The demo's view of the backup agent: its command line, and its service under supervisor."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.demo.screen import say
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Status = dict[str, Any]


@dataclass(frozen=True)
class Agent:
    """The agent of one job, installed below one directory (see inventories/local)."""

    job: str
    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "config" / f"{self.job}.yml"

    @property
    def command(self) -> Path:
        return self.directory / "agent" / "venv" / "bin" / "backup-agent"

    @property
    def supervisorctl(self) -> list[str]:
        agent = self.directory / "agent"
        return [str(agent / "venv/bin/supervisorctl"), "-c", str(agent / "supervisor/supervisord.conf")]

    def call(self, *arguments: str) -> dict[str, Any]:
        """Run one command of the agent and return its answer, also when it is an error."""
        argv = [str(self.command), "--config", str(self.config), *arguments, "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            said = (done.stderr or done.stdout).strip()[-500:]
            raise LabError(f"expected JSON from: {' '.join(argv)}; found (exit {done.returncode}): {said}") from None
        return answer

    def status(self) -> Status:
        """Return what `status` says; empty while the daemon does not answer."""
        answer = self.call("status")
        return answer if "state" in answer else {}

    def operation(self, number: str) -> dict[str, Any]:
        """Return one operation."""
        operation = self.call("operation", number).get("operation")
        if not isinstance(operation, dict):
            raise LabError(f"expected operation {number} of {self.job}; the agent does not know it")
        return operation

    def wait(self, what: str, condition: Callable[[Status], bool], timeout_seconds: float) -> Status:
        """Wait for a condition, showing what the agent says it is doing."""
        deadline = time.monotonic() + timeout_seconds
        shown = None
        while True:
            status = self.status()
            sentence = str(
                (status.get("agent") or {}).get("cycle") or status.get("state") or "the agent does not answer"
            )
            if sentence != shown:
                say(f"  {time.strftime('%H:%M:%S')}  {sentence}")
                shown = sentence
            if status and condition(status):
                return status
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout_seconds:.0f} s for {what}; the agent last said: {sentence}")
            time.sleep(1)

    def service(self, verb: str) -> None:
        """Start or stop the agent's service, the way an operator does on a machine without systemd."""
        argv = [*self.supervisorctl, verb, self.job]
        say(f"  $ supervisorctl {verb} {self.job}")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode:
            raise LabError(f"supervisorctl {verb} {self.job} failed: {(done.stdout + done.stderr).strip()}")

    def shut_down(self) -> None:
        """Stop supervisor and with it the agent; nothing happens where they do not run."""
        if (self.directory / "agent/supervisor/supervisord.conf").exists():
            for verb in (["stop", "all"], ["shutdown"]):  # shutdown alone does not wait for the agent
                subprocess.run([*self.supervisorctl, *verb], capture_output=True, timeout=180, check=False)
