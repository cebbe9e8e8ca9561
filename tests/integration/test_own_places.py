"""What an inventory says of a job that cannot be: refused before anything is changed, and no secret is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.site import ROOT, flat

SECRET = "hunter2"


def provision(tmp_path: Path, *arguments: str, **orders: Any) -> tuple[int, str]:
    """Provision one of two jobs of a machine, as loud as it gets."""
    machine = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_agent_manage_user": False,
        "backup_agent_service_manager": "supervisor",
        "backup_agent_host": "here",
        "backup_source_uri": "mongodb://127.0.0.1:1",
        "backup_replica_set": "rs0",
        "backup_repository_password": SECRET,
        **{f"backup_agent_{name}_directory": f"{tmp_path}/{name}" for name in ("config", "state")},
        "backup_agent_directory": f"{tmp_path}/agent",
    }
    jobs = {"orders": orders, "invoices": {"backup_repository": f"{tmp_path}/invoices"}}
    inventory = {
        "all": {"vars": machine},
        "backup_jobs": {"hosts": jobs},
        "backup_agent_hosts": {"hosts": {"here": {}}},
    }
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    command = [
        "ansible-playbook",
        "-i",
        f"{tmp_path}/inventory.yml",
        "mongodb_ops.backup.provision",
        "--limit",
        "orders",
    ]
    done = subprocess.run(
        [*command, "-vvv", "--diff", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, flat(done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ({"backup_repository": "{place}/invoices"}, "/invoices of the job invoices"),
        ({"backup_repository": "{place}/invoices/deeper"}, "/invoices of the job invoices"),
        (
            {"backup_repository": "/srv/orders", "backup_directory": "{place}/state/invoices"},
            "/state/invoices of the job",
        ),
        ({"backup_repository": f"rest:https://orders:{SECRET}@store.example.com/"}, "set RESTIC_REST_USERNAME"),
        ({"backup_repository": f"sftp://orders:{SECRET}@store.example.com/"}, "set RESTIC_REST_USERNAME"),
    ],
)
def test_refused(tmp_path: Path, orders: dict[str, str], words: str) -> None:
    """Another job's repository or directory, one within it, and credentials in a location."""
    code, printed = provision(
        tmp_path, **{name: value.replace("{place}", str(tmp_path)) for name, value in orders.items()}
    )

    assert code == 2
    assert words in printed
    assert SECRET not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["inventory.yml"]


def test_a_repository_that_cannot_be_read_is_not_deleted(tmp_path: Path) -> None:
    """Whose snapshots are in it is not known: no agent is there that could look."""
    kept = tmp_path / "orders" / "data"
    kept.mkdir(parents=True)
    asked = ("-e", "backup_agent_state=absent backup_agent_delete_backups=orders")
    code, printed = provision(tmp_path, *asked, backup_repository=f"{tmp_path}/orders")

    assert code == 2
    assert f"expected to read that {tmp_path}/orders holds no snapshots but those of the job orders, found" in printed
    assert "nothing was stopped or removed" in printed
    assert kept.is_dir()


def test_a_shared_repository_is_not_deleted(tmp_path: Path) -> None:
    """The inventory alone says that another job has it, too."""
    asked = ("-e", "backup_agent_state=absent backup_agent_delete_backups=orders")
    code, printed = provision(tmp_path, *asked, backup_repository=f"{tmp_path}/invoices")

    assert code == 2
    assert "/invoices of the job invoices" in printed
