"""Where the planted secrets are, and what the agent's database user may not do."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from lab.machines import client, playbook, run, scenario_directory, secrets

UNAUTHORIZED = 13
ALLOWED = {
    "/etc/backup-agent/source/orders/password",
    "/etc/backup-agent/repository/orders/password",
    "/etc/backup-agent/repository/orders/environment.json",
    "/etc/backup-agent/repository/invoices/password",
}
Json = dict[str, Any]


@contextmanager
def _arguments_of_all_processes() -> Iterator[list[str]]:
    """Collect the command lines and of whatever runs on the agents' machine, over and over."""
    look = "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo; sleep 0.05; done"
    process = subprocess.Popen(["podman", "exec", "agent1", "sh", "-c", look], stdout=subprocess.PIPE, text=True)
    seen: list[str] = []

    def read() -> None:
        assert process.stdout
        seen.extend(process.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        run("agent1", "pkill", "-f", "while :; do cat /proc", check=False)
        process.kill()
        reader.join()


def test_secrets_are_in_no_output_and_no_argument() -> None:
    """Provisioning with new secrets, as loud as it gets and with differences shown, and a proven snapshot tell none of them."""
    words = secrets()
    run("agent1", "rm", "-r", "/etc/backup-agent/source/orders", "/etc/backup-agent/repository/orders")
    with _arguments_of_all_processes() as arguments:
        printed = playbook("provision", "-vvv", "--diff")
        printed += playbook("check", "-vvv", "--diff", "-e", "check_fail_on=never")
        options = "maintenance_hosts=agent1 maintenance_minutes=5 maintenance_reason=x maintenance_force=true"
        printed += playbook("maintenance_begin", "-vvv", "-e", options)
        printed += playbook("maintenance_end", "-vvv", "-e", options)

    assert len(arguments) > 100
    assert any("backup-agent" in line for line in arguments)
    assert "PRIVATE KEY" not in printed
    for name, word in words.items():
        assert word not in printed, name
        assert not any(word in line for line in arguments), name


def test_secrets_are_in_no_file_but_their_own() -> None:
    """Machine, journal and reports hold no secret but in the files that only the agent reads."""
    found = run(
        "agent1",
        "grep",
        "--recursive",
        "--files-with-matches",
        "--binary-files=text",
        "planted",
        "/etc",
        "/opt",
        "/root",
        "/srv",
        "/tmp",
        "/var",
        check=False,
    )
    assert set(found.split()) == ALLOWED
    assert "planted" not in run("agent1", "journalctl", "--no-pager", "--output=export")
    reports = [path for path in (scenario_directory() / "reports").rglob("*") if path.is_file()]
    assert reports
    assert not any(b"planted" in path.read_bytes() for path in reports)


def test_other_users_reach_no_secret() -> None:
    """An account without rights can neither read the secrets nor look into the agent's process."""
    run("agent1", "useradd", "nosy", check=False)
    pid = run("agent1", "systemctl", "show", "--property", "MainPID", "--value", "backup-agent@orders").strip()
    for path in (*sorted(ALLOWED), f"/proc/{pid}/environ", "/var/lib/backup-agent/orders/state.sqlite"):
        assert run("agent1", "su", "nosy", "-s", "/bin/sh", "-c", f"cat {path} 2>/dev/null | wc -c").strip() == "0", (
            path
        )


FORBIDDEN: dict[str, tuple[str, Json]] = {
    "insert": ("shop", {"insert": "orders", "documents": [{"_id": "x"}]}),
    "update": ("shop", {"update": "orders", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]}),
    "delete": ("shop", {"delete": "orders", "deletes": [{"q": {}, "limit": 1}]}),
    "drop": ("shop", {"drop": "orders"}),
    "drop a database": ("shop", {"dropDatabase": 1}),
    "create an index": ("shop", {"createIndexes": "orders", "indexes": [{"key": {"y": 1}, "name": "y"}]}),
    "create a user": ("admin", {"createUser": "friend", "pwd": "x", "roles": ["root"]}),
    "give itself a role": ("admin", {"grantRolesToUser": "backup", "roles": ["root"]}),
    "shut down": ("admin", {"shutdown": 1}),
    "step down": ("admin", {"replSetStepDown": 1}),
    "reconfigure": ("admin", {"replSetReconfig": {"_id": "orders", "version": 99, "members": []}}),
    "set a parameter": ("admin", {"setParameter": 1, "logLevel": 5}),
    "resize the oplog": ("admin", {"replSetResizeOplog": 1, "size": 990.0}),
    "write into the oplog": ("local", {"insert": "oplog.rs", "documents": [{"x": 1}]}),
    "apply operations": ("admin", {"applyOps": [{"op": "i", "ns": "shop.orders", "o": {"_id": "x"}}]}),
    "kill operations": ("admin", {"killOp": 1, "op": 1}),
    "lock the server": ("admin", {"fsync": 1, "lock": True}),
}


@pytest.mark.parametrize("wish", FORBIDDEN)
def test_the_database_user_is_denied_what_it_does_not_need(wish: str) -> None:
    """It reads everything and changes nothing."""
    database, command = FORBIDDEN[wish]

    with client("orders", username="backup", password=secrets()["orders"]) as found:
        assert found.shop.orders.estimated_document_count() > 0
        with pytest.raises(OperationFailure) as refused:
            found[database].command(command)

    assert refused.value.code == UNAUTHORIZED


def test_facts_that_are_gathered_have_no_secret() -> None:
    """Ansible's own facts of the machine know none either."""
    facts = subprocess.run(
        ["ansible", "-i", str(scenario_directory() / "inventory"), "agent1", "-m", "ansible.builtin.setup"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "ansible_hostname" in facts
    assert "planted" not in facts
