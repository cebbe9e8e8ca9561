"""oplog_size and its playbook against a real replica set with an arbiter and logins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.decision import plan
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.facts import Step, Wish
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.run import Wire, carry_out
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.connection import Login
from ansible_collections.mongodb_ops.backup.plugins.module_utils.window_check import Asked, read_replica_set
from lab import Member, ReplicaSet
from tests.integration import task

MIB = 1024 * 1024
SMALL, LARGE, LARGER = 990 * MIB, 1100 * MIB, 1200 * MIB


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Return a replica set of three members and an arbiter, with a user who may look but not resize."""
    members = [Member(priority=2), Member(), Member(hidden=True), Member(arbiter=True)]
    directory = tmp_path_factory.mktemp("orders")
    with ReplicaSet("orders", members, oplog_mb=990, directory=directory, auth=True) as replica_set:
        yield replica_set


def play(orders: ReplicaSet, folder: Path, *arguments: str, **options: Any) -> tuple[bool, dict[str, Any]]:
    """Play one task; return whether it succeeded, and its result."""
    given = {"login_uri": orders.uri, "connect_timeout_seconds": 2, **options}
    return task.play("mongodb_ops.backup.oplog_size", folder, given, sys.executable, *arguments)


def sizes(orders: ReplicaSet) -> list[int]:
    """Return the size of the oplog of each of the three members, as the server has it."""
    return [_stats(orders, number) for number in range(3)]


def _stats(orders: ReplicaSet, number: int) -> int:
    with orders.member_client(number) as client:
        stats = next(iter(client.local["oplog.rs"].aggregate([{"$collStats": {"storageStats": {}}}])))
        return int(stats["storageStats"]["maxSize"])


def set_sizes(orders: ReplicaSet, wanted: list[int]) -> None:
    """Give each of the three members an oplog of this size."""
    for number, size in enumerate(wanted):
        with orders.member_client(number) as client:
            client.admin.command("replSetResizeOplog", 1, size=float(size // MIB))


def test_grows_secondaries_first_and_only_once(orders: ReplicaSet, tmp_path: Path) -> None:
    """Check mode only tells; then the primary comes last; then there is nothing to do."""
    set_sizes(orders, [SMALL] * 3)
    primary = orders.addresses[orders.primary()]
    _, told = play(orders, tmp_path, "--check", size_bytes=LARGE)
    assert (True, [SMALL] * 3) == (told["changed"], sizes(orders))
    succeeded, result = play(orders, tmp_path, size_bytes=LARGE)
    assert (True, True, [LARGE] * 3) == (succeeded, result["changed"], sizes(orders))
    assert told["steps"] == result["steps"]
    assert (3, primary) == (len(result["steps"]), result["steps"][-1])
    assert "invalidate the tail of an old backup agent" in result["warnings"][0]
    assert SMALL == result["diff"]["before"][primary]["size_bytes"]
    assert LARGE == result["diff"]["after"][primary]["size_bytes"]
    _, again = play(orders, tmp_path, size_bytes=LARGE)
    assert (False, [], False) == (again["changed"], again["steps"], "warnings" in again)


def test_derives_the_size_from_what_is_written(orders: ReplicaSet, tmp_path: Path) -> None:
    """A young oplog is not believed unless told to; then all members get the size that holds the hours."""
    set_sizes(orders, [SMALL] * 3)
    hours = 3e6
    _, refused = play(orders, tmp_path, min_hours=hours)
    assert "too_young" == refused["error"]["code"]
    _, result = play(orders, tmp_path, "--check", min_hours=hours, min_history_hours=0, assume_room=True)
    assert 3 == len(result["steps"])
    assert all(member["after"]["size_bytes"] >= result["recommended_oplog_bytes"] for member in result["members"])


def test_shrinks_only_when_told(orders: ReplicaSet, tmp_path: Path) -> None:
    """What would have to shrink is left and named; with leave it shrinks, and what it takes stays until compact."""
    set_sizes(orders, [LARGE, LARGER, LARGE])
    _, left = play(orders, tmp_path, size_bytes=LARGE)
    assert (False, [LARGE, LARGER, LARGE]) == (left["changed"], sizes(orders))
    reasons = {member["member"]: member["reason"] for member in left["members"]}
    assert "only allow_shrink allows" in reasons[orders.addresses[1]]
    _, shrunk = play(orders, tmp_path, size_bytes=LARGE, allow_shrink=True)
    assert ([orders.addresses[1]], [LARGE] * 3) == (shrunk["steps"], sizes(orders))
    assert any("compact" in warning for warning in shrunk["warnings"])


def test_no_room_changes_nobody(orders: ReplicaSet, tmp_path: Path) -> None:
    """An oplog larger than the disk is refused before the first member is touched; so is a retention that needs as much."""
    set_sizes(orders, [SMALL] * 3)
    succeeded, refused = play(orders, tmp_path, size_bytes=1024**5)
    assert (False, "no_room", [SMALL] * 3) == (succeeded, refused["error"]["code"], sizes(orders))
    assert "nothing was changed on any member" in refused["msg"]
    _, refused = play(orders, tmp_path, size_bytes=SMALL, min_retention_hours=1e12)
    assert "no_room" == refused["error"]["code"]


def test_minimum_retention(orders: ReplicaSet, tmp_path: Path) -> None:
    """It is set on every member, is no change the second time, and is only lowered when that is allowed."""
    set_sizes(orders, [SMALL] * 3)
    _, result = play(orders, tmp_path, size_bytes=SMALL, min_retention_hours=1.5)
    assert (3, [1.5] * 3) == (len(result["steps"]), [m["after"]["min_retention_hours"] for m in result["members"]])
    _, left = play(orders, tmp_path, size_bytes=SMALL, min_retention_hours=0)
    assert (False, [1.5] * 3) == (left["changed"], [m["before"]["min_retention_hours"] for m in left["members"]])
    _, off = play(orders, tmp_path, size_bytes=SMALL, min_retention_hours=0, allow_shrink=True)
    assert 3 == len(off["steps"])


def test_who_may_only_look_is_refused(orders: ReplicaSet, tmp_path: Path) -> None:
    """The refusal comes before anything is changed, even in check mode, and names the role."""
    assert orders.backup is not None
    login = {"login_uri": orders.bare_uri, "login_user": "backup", "login_password": orders.backup.password}
    set_sizes(orders, [SMALL] * 3)
    _, refused = play(orders, tmp_path, "--check", size_bytes=LARGE, **login)
    assert "unauthorized" == refused["error"]["code"]
    assert "hostManager" in refused["msg"]


def test_goes_on_after_a_member_was_down(orders: ReplicaSet, tmp_path: Path) -> None:
    """With a dead member nobody is changed; where some are done already, the next run does the others."""
    set_sizes(orders, [SMALL, LARGE, SMALL])
    orders.kill_member(2)
    try:
        _, refused = play(orders, tmp_path, size_bytes=LARGE, connect_timeout_seconds=1)
        assert "unhealthy" == refused["error"]["code"]
        assert orders.addresses[2] in refused["msg"]
        assert [SMALL, LARGE] == [_stats(orders, number) for number in (0, 1)]
    finally:
        orders.restart_member(2)
    _, result = play(orders, tmp_path, size_bytes=LARGE)
    assert [orders.addresses[2], orders.addresses[0]] == result["steps"]
    assert [LARGE] * 3 == sizes(orders)


class KillsTheNext(Wire):
    """The real commands, and after the first resizing another secondary dies."""

    def __init__(self, login: Login, orders: ReplicaSet) -> None:
        super().__init__(login)
        self.orders = orders

    def resize(self, step: Step) -> None:
        super().resize(step)
        self.orders.kill_member(2)


def test_goes_on_after_a_member_died_between(orders: ReplicaSet, tmp_path: Path) -> None:
    """It stops before the primary and says how far it came; the next run does the others and leaves the first alone."""
    set_sizes(orders, [SMALL] * 3)
    login = Login({"login_uri": orders.uri, "connect_timeout_seconds": 1})
    servers = KillsTheNext(login, orders)
    wish = Wish(size_bytes=LARGE, health_timeout_seconds=3)
    record = read_replica_set(login, Asked())
    known = [servers.facts(member) for member in record["members"] if member["verdict"] is not None]
    steps = plan(known, None, wish)
    try:
        with pytest.raises(BackupError) as caught:
            carry_out(servers, steps, wish)
        first, second, last = orders.addresses[1], orders.addresses[2], orders.addresses[0]
        assert [first] == caught.value.details["steps"]
        assert {second, last} == set(caught.value.details["not_done"])
        assert [SMALL, LARGE] == [_stats(orders, number) for number in (0, 1)]
    finally:
        orders.restart_member(2)
    _, result = play(orders, tmp_path, size_bytes=LARGE)
    assert ([second, last], [LARGE] * 3) == (result["steps"], sizes(orders))


def run_playbook(orders: ReplicaSet, folder: Path, *arguments: str) -> str:
    """Run playbooks/oplog.yml for one job and return what it printed."""
    job = {"backup_source_uri": orders.uri, "backup_oplog_size_bytes": LARGE, "backup_oplog_runs_on": "localhost"}
    hosts = folder / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"backup_jobs": {"hosts": {"shop": json.loads(json.dumps(job))}}}))
    command = ["ansible-playbook", "-i", str(hosts), "mongodb_ops.backup.oplog", *arguments]
    environment = {**os.environ, "ANSIBLE_HOME": str(folder)}
    ran = subprocess.run(
        command, cwd=task.ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert orders.root is not None
    assert orders.root.password not in ran.stdout
    return ran.stdout


def test_playbook(orders: ReplicaSet, tmp_path: Path) -> None:
    """It prints a plan, changes nothing with --check --diff, and resizes without."""
    set_sizes(orders, [SMALL] * 3)
    printed = run_playbook(orders, tmp_path, "--check", "--diff")
    assert [SMALL] * 3 == sizes(orders)
    assert f"{orders.addresses[2]} (SECONDARY): 0.9668 GiB, then 1.074 GiB" in printed
    removed = [line for line in printed.splitlines() if line.startswith("-")]
    assert 3 == sum(str(SMALL) in line for line in removed), printed
    run_playbook(orders, tmp_path)
    assert [LARGE] * 3 == sizes(orders)
