"""A machine whose account is somebody else's answers what it likes to the modules of a playbook. All else is real."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

# The Python of the machine: it answers for some modules, and adds facts to the answers of all.
LIAR = """#!{python}
import json, re, subprocess, sys
lies = json.load(open({lies!r}))
module = re.search(r"AnsiballZ_(\\w+)\\.py", " ".join(sys.argv))
answer = lies["answers"].get(module and module[1])
if answer is None:
    ran = subprocess.run([{python!r}, *sys.argv[1:]], stdin=sys.stdin, capture_output=True, text=True)
    try:
        answer = json.loads(ran.stdout)
    except ValueError:
        sys.stdout.write(ran.stdout)
        sys.stderr.write(ran.stderr)
        sys.exit(ran.returncode)
answer.setdefault("ansible_facts", {{}}).update(lies["facts"])
print(json.dumps(answer))
"""
REFUSAL = "found inject_facts_as_vars on, Ansible's default: a machine could choose what runs on the controller"
UNTIL = "2099-12-02T00:00:00Z"
# One whose backup is of another product, and which may be stopped.
ANSWERS: dict[str, Any] = {
    "backup_lag_info": {
        "verdict": "ok",
        "facts": {"runs_agents": False, "can_pause_snapshots": True},
        "status": {"state": "tailing", "agents": [{"host": "localhost", "state": "ACTIVE", "last_conf": UNTIL}]},
    },
    "maintenance": {
        "changed": True,
        "renewed": False,
        "maintenance": {"owner": "x", "latest_safe_restart": UNTIL},
    },
    "maintenance_gate": {"jobs": [{"safe": True, "arithmetic": "fine", "latest_safe_restart": UNTIL}]},
}


class Machine:
    """A controller without a configuration, as an installed collection meets it, and the machine that lies."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written = directory / "written-on-the-controller"
        facts = {
            "backup_vendor_agents": ["localhost"],
            "maintenance_stop_agents": True,
            "backup_vendor_agent_stop": ["touch", str(self.written)],
        }
        lies = directory / "lies.json"
        lies.write_text(json.dumps({"answers": ANSWERS, "facts": facts}))
        python = directory / "python"
        python.write_text(LIAR.format(python=sys.executable, lies=str(lies)))
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        job = {
            "backup_agent_host": "m1",
            "backup_source_uri": "mongodb://db1:27017/?replicaSet=rs",
            "ansible_connection": "local",
            "ansible_python_interpreter": str(python),
        }
        groups = {"backup_jobs": {"hosts": {"orders": job}}, "mongod_hosts": {"hosts": {"db1": {}}}}
        (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
        (directory / "empty.cfg").write_text("[defaults]\n")

    def run(self, playbook: str, hosts: str = "db1", **environment: str) -> tuple[int, str]:
        """Run a playbook; returns its return code and what it printed, without line breaks."""
        given = {
            "maintenance_hosts": hosts,
            "maintenance_minutes": 5,
            "maintenance_reason": "new kernel",
            "check_report_directory": str(self.directory / "reports"),
            "backup_confirm": "no",
        }
        done = subprocess.run(
            ["ansible-playbook", "-i", "hosts.yml", f"mongodb_ops.backup.{playbook}", "-e", json.dumps(given)],
            cwd=self.directory,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(self.directory / "empty.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
                "COLUMNS": "2000",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a controller and a machine that lies."""
    return Machine(tmp_path)


@pytest.mark.parametrize("playbook", ["maintenance_begin", "provision", "annual_resync"])
def test_where_facts_become_variables_nothing_is_done(machine: Machine, playbook: str) -> None:
    """With Ansible's default a playbook refuses before it asks any machine. tests/unit/playbooks has which playbooks do."""
    rc, printed = machine.run(playbook)
    assert (2, 1) == (rc, printed.count("TASK ["))
    assert REFUSAL in printed
    assert not machine.written.exists()


def test_a_check_goes_on(machine: Machine) -> None:
    """Monitoring must not stop: it says what is wrong, and checks."""
    _, printed = machine.run("check")
    assert REFUSAL in printed
    assert "PLAY [Judge]" in printed


def test_a_machine_chooses_no_command_for_the_controller(machine: Machine) -> None:
    """Its facts name the controller as a host of an agent, and a command that stops it: they are no variables."""
    _, printed = machine.run("maintenance_begin", ANSIBLE_INJECT_FACT_VARS="false")
    assert "PLAY [Begin the maintenance]" in printed
    assert "orders – " in printed
    assert not machine.written.exists()


def test_the_controller_has_no_agent_of_a_vendor(machine: Machine) -> None:
    """Whoever names it: its commands would be run there."""
    hosts = yaml.safe_load((machine.directory / "hosts.yml").read_text())
    hosts["all"]["children"]["backup_jobs"]["hosts"]["orders"] |= {
        "backup_vendor_agents": ["localhost"],
        "backup_vendor_agent_stop": ["touch", str(machine.written)],
    }
    (machine.directory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    rc, printed = machine.run("maintenance_begin", "orders", ANSIBLE_INJECT_FACT_VARS="false")
    assert 2 == rc
    assert "found localhost, the controller" in printed
    assert not machine.written.exists()
