"""The database user of the agent is created where nobody can read its password on the way, and nowhere else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lab import Member, ReplicaSet

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "roles" / "backup_agent" / "tasks" / "job" / "database_members.yml"


def looked(where: Path, replica_set: ReplicaSet, uri: str) -> subprocess.CompletedProcess[str]:
    """Run the tasks that come before the user is created, by a login of the set's root."""
    assert replica_set.root is not None
    environment = Path(sys.prefix)
    variables: dict[str, Any] = {
        "backup_source_uri": uri,
        "backup_admin_username": replica_set.root.name,
        "backup_admin_password": replica_set.root.password,
        "backup_admin_auth_source": "admin",
        "__backup_agent_venv": str(environment),
    }
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.include_tasks": str(TASKS)}],
        }
    ]
    (where / "play.yml").write_text(yaml.safe_dump(play))
    (where / "variables.yml").write_text(yaml.safe_dump(variables))
    command = ["ansible-playbook", str(where / "play.yml"), "-e", f"@{where}/variables.yml"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=180)


def test_the_password_does_not_go_to_a_primary_elsewhere_in_the_clear(tmp_path: Path) -> None:
    """The address that is named is on this machine; the members are not, by the names that the set has for them."""
    host = socket.gethostname()
    with ReplicaSet("rs0", [Member()], directory=tmp_path / "rs", auth=True, host=host) as replica_set:
        port = replica_set.addresses[0].rpartition(":")[2]
        ran = looked(tmp_path, replica_set, f"mongodb://127.0.0.1:{port}/?replicaSet=rs0")
    said = " ".join(ran.stdout.split())
    assert 0 != ran.returncode, said
    assert "expected members on this machine alone where there is no TLS, found " in said
    if socket.gethostbyname(host).startswith("127."):  # else it does not answer at the address that is named
        assert f"found {host}:{port}; set backup_source_tls" in said


def test_on_this_machine_alone_nobody_can_read_it(tmp_path: Path) -> None:
    """Nothing is asked of those who try it out."""
    with ReplicaSet("rs0", [Member()], directory=tmp_path / "rs", auth=True) as replica_set:
        ran = looked(tmp_path, replica_set, replica_set.bare_uri)
    assert 0 == ran.returncode, ran.stdout
