"""The built execution environment, run by ansible-runner as AWX does: a check of a real replica set, inside the container."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Member, ReplicaSet
from lab.data import load

IMAGE = os.environ.get("BACKUP_EXECUTION_ENVIRONMENT", "localhost/mongodb-ops-backup")
INSTALLED = "/usr/share/ansible/collections/ansible_collections/mongodb_ops/backup"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def orders() -> Iterator[ReplicaSet]:
    """Give a set that wants a login."""
    with ReplicaSet("rs0", [Member(priority=2), Member(priority=0)], oplog_mb=64, auth=True) as found:
        load(found.uri, megabytes=2)
        yield found


@pytest.fixture
def private(orders: ReplicaSet, tmp_path: Path) -> Path:
    """Give a private data directory whose inventory names the set; the password comes as AWX injects it."""
    assert orders.backup is not None
    job = {"backup_source_uri": orders.bare_uri, "backup_source_username": orders.backup.name}
    files = {
        "inventory/hosts.yml": {"backup_jobs": {"hosts": {"orders": job}}},
        "env/extravars": {"awx_job_id": 1, "awx_user_name": "anna"},
        "env/injected": {"backup_source_password": orders.backup.password},
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(yaml.safe_dump(content))
    (tmp_path / "project").mkdir()
    return tmp_path


def run(private: Path, rc: int, *cmdline: str) -> list[Json]:
    """Run the check in the image, require its return code and return the events."""
    arguments = ["--ident", "1", "--playbook", "mongodb_ops.backup.check", "-vvv"]
    isolation = ["--process-isolation", "--process-isolation-executable", "podman", "--container-image", IMAGE]
    # Options begin with dashes, and so have to be written with an equals sign.
    options = ["--container-option=--network=host", "--container-option=--user=root", "--container-option=--pull=never"]
    given = " ".join(("-e", "@/runner/env/injected", *cmdline))
    command = ["ansible-runner", "run", str(private), *arguments, *isolation, *options, f"--cmdline={given}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert rc == done.returncode, (done.stdout + done.stderr)[-6000:]
    events = (private / "artifacts/1/job_events").glob("*.json")
    return [json.loads(event.read_text()) for event in events]


def read_members(events: list[Json]) -> list[str]:
    """Return the members whose oplog was read."""
    (result,) = (event["event_data"]["res"] for event in events if "jobs" in event.get("event_data", {}).get("res", {}))
    return [member["member"] for job in result["jobs"] for member in (job["oplog"] or {}).get("members", [])]


def test_it_brings_what_the_collection_needs() -> None:
    """The collection is installed in it, with pymongo, and the versions are those that are written down."""
    program = "import pymongo, ansible.release; print(ansible.release.__version__, pymongo.version_tuple >= (4, 9))"
    command = ["podman", "run", "--rm", "--network", "host", IMAGE]
    found = subprocess.run([*command, "python3", "-c", program], capture_output=True, text=True, check=True)
    wanted = yaml.safe_load(Path("execution-environment.yml").read_text())["dependencies"]["ansible_core"][
        "package_pip"
    ]
    assert f"{wanted.partition('==')[2]} True" == found.stdout.strip()
    listed = subprocess.run(
        [*command, "ansible-galaxy", "collection", "list"], capture_output=True, text=True, check=True
    )
    assert f"mongodb_ops.backup {yaml.safe_load(Path('galaxy.yml').read_text())['version']}" in " ".join(
        listed.stdout.split()
    )


def test_it_checks_a_replica_set(private: Path, orders: ReplicaSet) -> None:
    """The set is read from inside the container, by the installed collection; its password is in nothing that is left."""
    events = run(private, 0, "-e", "check_fail_on=never")
    (statistics,) = (event["event_data"] for event in events if event["event"] == "playbook_on_stats")
    assert {"orders"} == set(statistics["artifact_data"]["backup_check"])
    assert sorted(orders.addresses) == sorted(read_members(events))
    paths = {event["event_data"]["task_path"] for event in events if event["event"] == "playbook_on_task_start"}
    assert [] == [path for path in paths if not path.startswith(INSTALLED)]
    assert orders.backup is not None
    secret = orders.backup.password.encode()
    left = [path for path in (private / "artifacts").rglob("*") if path.is_file()]
    assert left
    assert [] == [path for path in left if secret in path.read_bytes()]


def test_what_it_cannot_read_is_unknown(private: Path) -> None:
    """With a wrong password nothing is known of the set, which fails its job."""
    events = run(private, 2, "-e", "backup_source_password=wrong", "-e", "check_fail_on=critical")
    (statistics,) = (event["event_data"] for event in events if event["event"] == "playbook_on_stats")
    assert {"orders": "unknown"} == statistics["artifact_data"]["backup_check"]
    assert [] == read_members(events)
    assert {"orders": 1} == statistics["failures"]
