"""The jobs of Ops Manager as an operator has them in an inventory, and the playbooks run on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.integration.ops_manager.persons import press_button, until
from tests.integration.site import ROOT, Json, Site
from tests.integration.site import kill as kill_all
from tests.ops_manager import Emulator

OWNER = "alice@control"


class Office(Site):
    """An inventory of jobs, each of them in an emulator that it names; several may share one."""

    def __init__(self, directory: Path, **variables: Any) -> None:
        self.directory, self.checkout = directory, ROOT
        self.inventory = directory / "inventory.yml"
        self.jobs: dict[str, Json] = {}
        self.variables = variables

    def add(self, name: str, om: Emulator, method: str = "hand_off", patience: float = 1, **variables: Any) -> None:
        """Add a job; patience is how long a request may hang, in seconds."""
        self.jobs[name] = {
            "backup_method": method,
            "backup_ops_manager_project": om.project_id,
            "backup_ops_manager": {
                "url": om.url,
                "public_key": om.public_key,
                "private_key": om.private_key,
                "poll_seconds": 1,
                "patience_seconds": patience,
                "timeout_seconds": max(patience, 30),
            },
            **variables,
        }
        self.inventory.write_text(yaml.safe_dump(self._inventory()))

    def _inventory(self) -> Json:
        here = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "backup_provider": "ops_manager",
            "backup_owner": OWNER,
            "backup_feature_compatibility_version": "4.0",
            "backup_parallel_jobs": 20,
            "backup_unreachable_grace_seconds": 1,
            "backup_report_directory": str(self.directory / "reports"),
            "check_report_directory": str(self.directory / "reports"),
            **self.variables,
        }
        return {"backup_jobs": {"hosts": self.jobs, "vars": here}}

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """Return the command line of a playbook of this collection, with a process for each job."""
        return [*super().command(playbook, *arguments), "--forks", str(max(len(self.jobs), 5))]


def kill(running: subprocess.Popen[str]) -> None:
    """Kill a playbook and all that it has started; its workers are in sessions of their own, so its group is not enough."""
    kill_all(running.pid)
    if running.stdout is not None and not running.stdout.closed:
        running.communicate()


def has_written(om: Emulator) -> bool:
    """Tell whether a request that changes something has come in."""
    return any(asked.method != "GET" for asked in om.requests)


def waits_for_the_button(om: Emulator) -> bool:
    """Tell whether a resync has written down that it waits for somebody."""
    return any(asked.method == "PATCH" and "maintenanceWindows" in asked.path for asked in om.requests)


def press_when_asked(om: Emulator, *parts: str) -> None:
    """Press the button of each of these once a resync waits for it."""
    until(lambda: waits_for_the_button(om), "a resync waits for the button")
    for part in parts:
        press_button(om, part)


def said(printed: str, job: str) -> list[str]:
    """Return the lines that were printed about a job while it was followed."""
    return [line.strip().removeprefix(f"[{job}] ") for line in printed.splitlines() if line.startswith(f"[{job}] ")]
