"""One version of the agent after another on one machine: upgrades, refusals, and the way back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.machines import AGENT, agent, playbook, run, wait
from lab.wheels import FOLLOWS_NOTHING, NEVER_UP, NEXT_SCHEMA, speaks, variant

LINK = "/opt/backup-agent/venv"
Json = dict[str, Any]
Variant = Callable[..., Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Variant:
    """Return a function that makes a wheelhouse with another agent."""
    directory = tmp_path_factory.mktemp("wheelhouses")
    wheelhouse = Path(os.environ["MOLECULE_WHEELHOUSE"])

    def make(version: str, **edits: tuple[str, str]) -> Path:
        return variant(wheelhouse, directory / version, version, edits)

    return make


def provision(wheelhouse: Path | None = None, *arguments: str, rc: int = 0) -> str:
    """Provision with the agent of a wheelhouse, by default with that of this checkout."""
    other = ["-e", f"backup_agent_wheelhouse={wheelhouse}"] if wheelhouse else []
    return playbook("provision", *other, *arguments, rc=rc)


def version() -> str:
    """Return the version of the agent that runs, as it says itself."""
    found = agent("orders", "status")["agent"]
    assert found["alive"]
    return str(found["version"])


def schema() -> int:
    """Return the version of the state's schema."""
    state = "/var/lib/backup-agent/orders/state.sqlite"
    look = f"import sqlite3; print(sqlite3.connect({state!r}).execute('PRAGMA user_version').fetchone()[0])"
    return int(run("agent1", f"{LINK}/bin/python", "-c", look))


def test_the_collection_works_with_an_older_agent(made: Variant) -> None:
    """An agent whose interface is one version behind is provisioned, asked and told."""
    old = made("0.0.9", **speaks(0))

    provision(old)

    assert version() == "0.0.9"
    assert wait("orders", lambda status: status["verdict"] == "ok")["state"] == "tailing"
    assert json.loads(run("agent1", AGENT, "version", "--json"))["api"] == 0
    assert "not needed" in playbook("resync", "-e", "backup_confirm=yes")


def test_an_upgrade_waits_for_an_open_operation(made: Variant) -> None:
    """Nothing is changed while an operation is open; it is named, with what to do."""
    agent("orders", "snapshot", "--name", "before", "--owner", "test", "--prove")
    run("agent1", "systemctl", "stop", "backup-agent@orders")  # so that it stays open for as long as the playbook takes
    try:
        printed = provision(rc=2)
    finally:
        run("agent1", "systemctl", "start", "backup-agent@orders")

    assert "of test at step" in printed
    assert "backup_agent_upgrade_force" in printed
    assert wait("orders", lambda status: status["operation"] is None)["agent"]["version"] == "0.0.9"


def test_an_upgrade_keeps_what_the_agent_knows() -> None:
    """The new version runs, with the snapshots and the generation of the old one; again changes nothing."""
    before = agent("orders", "status")

    provision()

    status = agent("orders", "status")
    assert status["agent"]["version"] != "0.0.9"
    assert status["agent"]["pid"] != before["agent"]["pid"]
    assert (status["generation"], status["state"]) == (before["generation"], "tailing")
    assert agent("orders", "snapshots")["snapshots"]
    assert run("agent1", "sh", "-c", "ls /var/lib/backup-agent/orders/state.before-*.sqlite").split()
    again = provision()
    assert "changed=0" in again
    assert not [line for line in again.splitlines() if "changed=" in line and "changed=0" not in line]


def test_an_agent_is_restarted() -> None:
    """It is another process afterwards, and in sync."""
    before = agent("orders", "status")["agent"]["pid"]

    playbook("restart_agents", "-e", "maintenance_hosts=agent1")

    status = agent("orders", "status")
    assert (status["state"], status["agent"]["alive"]) == ("tailing", True)
    assert before != status["agent"]["pid"]


def test_a_version_that_does_not_work_is_taken_back(made: Variant) -> None:
    """The new agent does not come up: the old one runs again with its state, even after a change of the schema."""
    working, link = version(), run("agent1", "readlink", LINK)
    broken = made("9.9.9", **NEVER_UP, **NEXT_SCHEMA)

    printed = provision(broken, "-e", "backup_agent_start_seconds=15", rc=2)

    assert "The old version was started again" in printed
    assert run("agent1", "readlink", LINK) == link
    assert version() == working
    assert schema() == 1
    assert wait("orders", lambda status: status["verdict"] == "ok")["state"] == "tailing"


def test_a_version_that_does_not_back_up_is_taken_back(made: Variant) -> None:
    """The new agent comes up and says that it is alive, but follows nothing. That is not enough."""
    working, link = version(), run("agent1", "readlink", LINK)
    broken = made("9.9.8", **FOLLOWS_NOTHING)

    printed = provision(broken, "-e", "backup_agent_start_seconds=15", rc=2)

    assert "The old version was started again" in printed
    assert run("agent1", "readlink", LINK) == link
    assert wait("orders", lambda status: status["verdict"] == "ok")["agent"]["version"] == working


def test_an_upgrade_that_was_interrupted_is_finished() -> None:
    """A second run starts the agent that the first run stopped, although the link is already right."""
    link = run("agent1", "readlink", LINK).strip()
    change = {"old": link, "running": ["backup-agent@orders.service"], "label": link.rpartition("/")[2]}
    run("agent1", "systemctl", "stop", "backup-agent@orders")
    run("agent1", "sh", "-c", f"echo '{json.dumps(change)}' > /opt/backup-agent/changing.json")

    provision(None, "--limit", "agent1")

    assert agent("orders", "status")["agent"]["alive"]
    assert run("agent1", "ls", "/opt/backup-agent").split() == ["backup-job", "venv", "versions"]


def test_an_agent_that_is_too_new_is_not_misunderstood(made: Variant) -> None:
    """The collection says which side to upgrade; nothing is told to the agent."""
    new = made("9.0.0", **speaks(9))
    provision(new, "-e", "backup_wait_for_initial_sync=false")  # which would ask it

    printed = playbook("resync", "-e", "backup_confirm=yes", rc=2)

    assert "upgrade the collection" in printed
    assert version() == "9.0.0"


def test_the_way_back_to_the_version_before() -> None:
    """Provisioning with the older version again goes on where it stopped, and the job runs."""
    provision()

    assert version() not in ("9.0.0", "0.0.9")
    assert wait("orders", lambda status: status["verdict"] == "ok")["state"] == "tailing"
    assert len(run("agent1", "ls", "/opt/backup-agent/versions").split()) == 2


def test_removing_keeps_the_backups_unless_told() -> None:
    """Absent removes service, secrets and program; snapshots and state go only by the job's name."""
    playbook("provision", "--limit", "orders", "-e", "backup_agent_state=absent")

    assert run("agent1", "systemctl", "is-active", "backup-agent@orders", check=False).strip() == "inactive"
    assert run("agent1", "find", "/etc/backup-agent", "-mindepth", "2") == ""
    assert run("agent1", "find", "/etc/backup-agent", "-type", "f") == ""
    assert run("agent1", "ls", "/srv/backups/orders/snapshots").split()
    assert run("agent1", "ls", "/var/lib/backup-agent/orders/state.sqlite").split()

    playbook("provision", "--limit", "orders", "-e", "backup_agent_state=absent backup_agent_delete_backups=orders")
    playbook("provision", "--limit", "agent1", "-e", "backup_agent_state=absent")

    assert run("agent1", "ls", "/srv/backups", "/var/lib/backup-agent").split() == [
        "/srv/backups:",
        "/var/lib/backup-agent:",
    ]
    assert run("agent1", "ls", "/opt/backup-agent").split() == []
    assert run("agent1", "sh", "-c", "ls /etc/systemd/system/backup-agent* 2>/dev/null", check=False) == ""
