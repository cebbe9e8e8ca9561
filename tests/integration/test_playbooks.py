"""The playbooks' promises, with real processes: two jobs of one machine, provisioned and resynced from this checkout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp

from backup_agent.machine import limits, resources
from lab import Member, ReplicaSet
from lab.binaries import find_mongod
from tests.integration.agent.harness import contents, started
from tests.integration.site import HOLDS, ROOT, Site, flat, recap, replica_sets

JOBS = ("orders", "items")
STAGES = (
    "Pause snapshots",
    "Copy from a secondary",
    "Validate the copy",
    "Switch to the copy",
    "Take a snapshot and prove",
)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ReplicaSet]]:
    """Give a small set for each job: a primary and a secondary."""
    members = {job: [Member(priority=2), Member(priority=0)] for job in JOBS}
    with replica_sets(tmp_path_factory, members, oplog_mb=8, megabytes=2) as found:
        yield found


@pytest.fixture(scope="module")
def site(sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a machine with both jobs provisioned, whose operations can be held at some points."""
    found = Site(tmp_path_factory.mktemp("s"), sets)
    points = ",".join(f"{point}=run:{found.holder(point)}" for point in HOLDS)
    try:
        printed = found.run("provision", "-e", "backup_wait_for_initial_sync=true", BACKUP_AGENT_FAILPOINTS=points)
        assert 0 == recap(printed, "orders")["failed"]
        yield found
    finally:
        found.close()


def test_a_second_provision_changes_nothing(site: Site) -> None:
    """Everything is as it should be after the first run."""
    printed = site.run("provision")
    assert [0, 0, 0] == [recap(printed, host)["changed"] for host in ("here", *JOBS)]
    assert all(site.agent(job, "status")["last_proven_snapshot"] for job in JOBS)


def test_a_resync_that_is_not_needed_changes_nothing(site: Site) -> None:
    """A run over jobs that are in sync ends well and without a change."""
    printed = site.run("resync", "-e", "backup_confirm=yes")
    assert [0, 0] == [recap(printed, job)["changed"] for job in JOBS]
    assert "needs no resync" in printed


def test_without_a_yes_nothing_is_changed(site: Site) -> None:
    """The plan is printed, the return code is 2, and no operation was started."""
    before = [site.agent(job, "operation") for job in JOBS]
    arguments = ("-e", "backup_policy=always", "-e", "backup_fleet_confirm=2")
    printed = site.run("resync", *arguments, "-e", "backup_confirm=no", rc=2)
    assert "orders will be resynced" in printed
    assert "nothing was changed" in printed
    printed = site.run("resync", *arguments, "--check")
    assert "orders will be resynced" in printed
    assert before == [site.agent(job, "operation") for job in JOBS]


def test_the_whole_fleet_needs_its_number(site: Site) -> None:
    """`always` without --limit and without the number of jobs is refused before anything is changed."""
    printed = site.run("resync", "-e", "backup_policy=always", "-e", "backup_confirm=yes", rc=2)
    assert "backup_fleet_confirm=2" in printed


def test_one_job_that_fails_does_not_stop_the_other(site: Site) -> None:
    """A job without an eligible secondary is refused in one line; the other is resynced; the return code is not 0."""
    site.lose("items")
    items = site.operations("items")
    site.sets["orders"].kill_member(1)
    try:
        arguments = ("-e", "backup_policy=always", "-e", "backup_fleet_confirm=2", "-e", "backup_confirm=yes")
        printed = site.run("resync", *arguments, rc=2)
    finally:
        site.sets["orders"].restart_member(1)
    site.sets["orders"].wait_healthy()
    assert "orders cannot be resynced" in printed
    assert recap(printed, "orders")["failed"] == 1
    assert recap(printed, "items")["failed"] == 0
    assert "tailing" == site.agent("items", "status")["state"]
    assert len(items) + 1 == len(site.operations("items"))
    assert list((site.directory / "reports" / "items").glob("resync-*.html"))
    site.wait("orders", lambda status: status["verdict"] == "ok")


def test_two_at_once_are_one_operation(site: Site) -> None:
    """Of two playbooks with different owners one resyncs; the other is told whose operation it met."""
    before = site.operations("orders")
    arguments = ("--limit", "orders", "-e", "backup_policy=always", "-e", "backup_confirm=yes")
    site.hold("copy.done")
    processes = [site.start("resync", *arguments, "-e", f"backup_owner={owner}") for owner in ("anna", "ben")]
    deadline = time.monotonic() + 120
    while all(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.2)
    site.release("copy.done")
    printed = [process.communicate(timeout=400)[0] for process in processes]
    assert [0, 2] == sorted(process.returncode for process in processes), printed
    refused, owner = (printed[0], "ben") if processes[0].returncode else (printed[1], "anna")
    assert f"of {owner}" in refused
    assert len(before) + 1 == len(site.operations("orders"))


def kill_in(site: Site, stage: str, arguments: tuple[str, ...]) -> None:
    """Start the playbook and kill it, with all its children, when it reaches a stage."""
    process = site.start("resync", *arguments)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("TASK") and stage in line:
            break
    else:
        raise AssertionError(f"{stage} was never reached: {''.join(seen)[-3000:]}")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_playbook_changes_nothing(site: Site) -> None:
    """Killed in each stage: the operation goes on by itself, the next run attaches to it, and the last one reports."""
    before = site.operations("orders")
    arguments = ("--limit", "orders", "-e", "backup_policy=always", "-e", "backup_confirm=yes")
    site.hold(*HOLDS)
    kill_in(site, STAGES[0], arguments)
    operation = site.agent("orders", "operation")["operation"]
    assert operation["state"] in ("queued", "running")
    kill_in(site, STAGES[1], arguments)
    for stage, point in zip(STAGES[2:], HOLDS, strict=False):
        site.release(point)
        kill_in(site, stage, arguments)
        assert operation["id"] == site.agent("orders", "operation")["operation"]["id"]
    last = site.start("resync", *arguments)
    assert last.stdout is not None
    seen = []
    for line in last.stdout:
        seen.append(line)
        if line.startswith("TASK") and STAGES[4] in line:
            site.release(*HOLDS)
    assert 0 == last.wait(timeout=60)
    printed = "".join(seen)
    assert operation["id"] in printed
    assert "attached" in printed or "being resynced" in printed
    assert "done" == site.agent("orders", "operation", operation["id"])["operation"]["state"]
    assert [*before, operation["id"]] == site.operations("orders")
    assert [] == site.agent("orders", "status")["leases"]
    taken = site.agent("orders", "snapshot", "--name", "afterwards", "--owner", "tests")
    assert taken["ok"], taken
    site.wait("orders", lambda status: (status["last_snapshot"] or {}).get("name") == "afterwards")


def test_an_unreachable_host_is_waited_for(site: Site, tmp_path: Path) -> None:
    """The agent's host does not answer for a minute while it is followed: the same run goes on and ends well."""
    switch = tmp_path / "cut"
    arguments = (
        "--limit",
        "orders",
        "-e",
        "backup_policy=always",
        "-e",
        "backup_confirm=yes",
        "-e",
        "ansible_connection=cut",
    )
    plugins = str(Path(__file__).parent / "connection_plugins")
    process = site.start("resync", *arguments, CUT_FILE=str(switch), ANSIBLE_CONNECTION_PLUGINS=plugins)
    assert process.stdout is not None
    seen = []
    try:
        for line in process.stdout:
            seen.append(line)
            if line.startswith("TASK") and STAGES[1] in line:
                switch.touch()
                time.sleep(60)
                switch.unlink()
        process.wait(timeout=60)
    finally:
        switch.unlink(missing_ok=True)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    printed = "".join(seen)
    assert 0 == process.returncode, printed[-4000:]
    assert "no answer, and the operation goes on meanwhile" in printed
    assert "answers again" in printed
    assert "done" == site.agent("orders", "operation")["operation"]["state"]


MODULES = """
- name: Use every module that the playbooks do not
  hosts: orders
  gather_facts: false
  module_defaults:
    group/mongodb_ops.backup.backup:
      agent_command: "{{ backup_agent_directory }}/venv/bin/backup-agent"
      agent_config: "{{ backup_agent_config_directory }}/orders.yml"
  tasks:
    - name: Choose a source
      mongodb_ops.backup.sync_source_info:
      register: source
    - name: Pause snapshots
      mongodb_ops.backup.snapshot_schedule: {state: paused, owner: tests, reason: a test, for_seconds: 600}
      register: paused
    - name: Be refused a snapshot meanwhile
      mongodb_ops.backup.snapshot: {name: refused, owner: tests}
      register: refused
      ignore_errors: true
    - name: Resume snapshots
      mongodb_ops.backup.snapshot_schedule: {state: running, owner: tests}
      register: resumed
    - name: Resume them again
      mongodb_ops.backup.snapshot_schedule: {state: running, owner: tests}
      register: resumed_again
    - name: Begin maintenance
      mongodb_ops.backup.maintenance:
        {state: begun, owner: tests, reason: a test, for_seconds: 600, latest_safe_restart: "2030-01-01T00:00:00Z"}
      register: begun
    - name: See that another owner would be refused
      mongodb_ops.backup.maintenance: {state: begun, owner: others, reason: a test, for_seconds: 600}
      check_mode: true
      register: begun_by_others
      ignore_errors: true
    - name: End maintenance
      mongodb_ops.backup.maintenance: {state: ended, owner: tests}
      register: ended
    - name: End it again
      mongodb_ops.backup.maintenance: {state: ended, owner: tests}
      register: ended_again
    - name: Take a snapshot
      mongodb_ops.backup.snapshot: {name: by-module, owner: tests, prove: true}
      register: taken
    - name: Follow it
      mongodb_ops.backup.operation_info: {operation: "{{ taken.operation.id }}", follow: true}
    - name: Take it again
      mongodb_ops.backup.snapshot: {name: by-module, owner: tests}
      register: taken_again
    - name: Hold it
      mongodb_ops.backup.snapshot: {name: by-module, owner: tests, state: held}
      register: held
    - name: List it
      mongodb_ops.backup.snapshot_info: {name: by-module}
      register: listed
    - name: Validate
      mongodb_ops.backup.validation: {owner: tests, level: counts}
      register: validating
    - name: Follow the validation
      mongodb_ops.backup.operation_info: {operation: "{{ validating.operation.id }}", follow: true}
      register: validated
    - name: Write down what was seen
      ansible.builtin.copy:
        dest: "{{ found }}"
        content: >-
          {{ {'chosen': source.chosen, 'paused': paused.changed, 'refused': refused.msg, 'resumed': resumed.changed,
              'resumed_again': resumed_again.changed, 'taken_again': taken_again.changed, 'held': held.changed,
              'begun': begun.changed, 'by_others': begun_by_others.msg, 'record': begun.maintenance, 'ended': ended.changed,
              'ended_again': ended_again.changed, 'left': ended.maintenance,
              'snapshots': listed.snapshots, 'validated': validated.operation.result.validation} | to_json }}
        mode: "0600"
"""


def test_the_other_modules_do_what_they_say(site: Site, tmp_path: Path) -> None:
    """Against a live agent: changed when they change something, refused when paused or while another has maintenance."""
    playbook = tmp_path / "modules.yml"
    playbook.write_text(MODULES)
    found = tmp_path / "found.json"
    command = ["ansible-playbook", "-i", str(site.inventory), str(playbook), "-e", f"found={found}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == done.returncode, done.stdout[-6000:]
    seen = json.loads(found.read_text())
    assert site.sets["orders"].addresses[1] == seen["chosen"]
    assert [True, True, False, False, True] == [
        seen[name] for name in ("paused", "resumed", "resumed_again", "taken_again", "held")
    ]
    assert "paused by tests" in seen["refused"]
    assert [True, True, False, None] == [seen[name] for name in ("begun", "ended", "ended_again", "left")]
    assert ("tests", "2030-01-01T00:00:00Z") == (seen["record"]["owner"], seen["record"]["latest_safe_restart"])
    assert seen["record"]["captured"]
    assert "that of tests (a test)" in seen["by_others"]
    assert 1 == len(seen["snapshots"])
    assert seen["snapshots"][0]["held"]
    assert seen["snapshots"][0]["proven_at"]
    assert seen["validated"]["equal"]


@dataclass
class Mistake:
    """A document that was there for a while, and the moment before it was deleted; the repository has both."""

    at: Timestamp
    found: Json

    @property
    def time(self) -> str:
        """The moment as a playbook takes it."""
        return f"{self.at.time}:{self.at.inc}"


@pytest.fixture(scope="module")
def mistake(site: Site) -> Mistake:
    """Let somebody delete a document of orders, and wait until that is stored."""
    with site.sets["orders"].client(w="majority") as client:
        client.restored.c.insert_one({"_id": 1, "precious": True})
        note = client.admin.command("appendOplogNote", 1, data={"msg": "before"}, writeConcern={"w": "majority"})
        found = contents(client)
        client.restored.c.delete_one({"_id": 1})
    site.agent("orders", "snapshot", "--name", "too-late", "--owner", "tests")
    at: Timestamp = note["operationTime"]

    def stored(status: Json) -> bool:
        through = (status["archive"] or {}).get("through") or {"time": 0, "increment": 0}
        taken = (status["last_snapshot"] or {}).get("name") == "too-late"
        return taken and (through["time"], through["increment"]) >= (at.time, at.inc)

    site.wait("orders", stored)
    return Mistake(at, found)


def test_a_job_is_restored_by_its_own_agent(site: Site, mistake: Mistake, tmp_path: Path) -> None:
    """Nothing without a yes; with one, the data of the moment before; then nothing again."""
    target = tmp_path / "restored"
    asked = ("-e", "restore_job=orders", "-e", f"restore_to={target}", "-e", f"restore_time={mistake.time}")
    printed = flat(site.run("restore", *asked, "-e", "restore_confirm=no", rc=2))
    assert f"orders will be restored into {target}" in printed
    assert "nothing was changed" in printed
    assert not target.exists()
    printed = flat(site.run("restore", *asked, "-e", "restore_confirm=yes"))
    assert f"--dbpath={target} " in printed
    assert f"{target} holds exactly this restore already" in flat(site.run("restore", *asked))
    with started(target, tmp_path) as client:
        assert mistake.found == contents(client)


def test_what_cannot_be_restored_is_refused_with_the_reason(site: Site, tmp_path: Path) -> None:
    """A part of a sharded cluster, several jobs at once, and a time that is not stored."""
    asked = ("-e", f"restore_to={tmp_path / 'restored'}", "-e", "restore_confirm=yes")
    printed = flat(
        site.run(
            "restore",
            *asked,
            "-e",
            "restore_job=orders",
            "-e",
            "restore_time=latest",
            "-e",
            "backup_cluster=shop",
            rc=2,
        )
    )
    assert "found a part of the sharded cluster shop" in printed
    assert "expected one job, found items, orders" in flat(
        site.run("restore", *asked, "-e", "restore_time=latest", rc=2)
    )
    printed = flat(
        site.run("restore", *asked, "-e", "restore_job=orders", "-e", "restore_time=2020-01-01T00:00:00Z", rc=2)
    )
    assert "found 2020-01-01T00:00:00Z; what can be restored is" in printed
    assert not (tmp_path / "restored").exists()


def test_a_job_is_restored_from_its_repository_when_all_else_is_lost(
    site: Site, mistake: Mistake, tmp_path: Path
) -> None:
    """State and configuration of the agent are gone: another host needs the repository and the password, nothing more."""
    site.supervisor("stop", "orders")
    shutil.rmtree(site.directory / "state" / "orders")
    (site.directory / "config" / "orders.yml").unlink()
    password, target = tmp_path / "password", tmp_path / "restored"
    password.write_text("correct horse")
    given = {
        "restore_host": "here",
        "restore_repository": f"{site.directory}/repository/orders",
        "restore_password_file": password,
        "restore_mongod": find_mongod(),
        "restore_to": target,
        "restore_time": mistake.time,
        "restore_confirm": "yes",
    }
    printed = flat(site.run("restore", *(part for name, value in given.items() for part in ("-e", f"{name}={value}"))))
    assert "orders as it was at" in printed
    with started(target, tmp_path) as client:
        assert mistake.found == contents(client)


def test_two_jobs_that_only_together_are_too_much(
    sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each would fit, both do not: no agent is started, what is missing is named, also in a run for one of them."""
    crowded = Site(tmp_path_factory.mktemp("c"), sets)
    have = limits.memory_bytes()
    cache = int((0.6 * have - resources.AGENT_BYTES - resources.RESTIC_BYTES) / 2 - resources.MONGOD_BYTES) // 2**20
    too_large = ("-e", f"backup_head_cache_mb={cache}")
    state = crowded.directory / "state"
    try:
        assert "are not checked" in flat(crowded.run("provision", "--check"))
        printed = crowded.run("provision", *too_large, rc=2)
        assert [1, 1] == [recap(printed, job)["failed"] for job in JOBS]
        printed = flat(printed)
        assert 2 <= printed.count(f"GB there, {resources.size(0.2 * have)} missing")
        assert "the agent was not restarted" in (crowded.directory / "config" / "orders.yml").read_text()
        printed = flat(crowded.run("provision", *too_large, "--limit", "orders", rc=2))
        assert f"{resources.size(0.2 * have)} missing" in printed
        assert "jobs counted: items, orders" in printed
        assert [] == list(state.glob("*/agent.lock"))
    finally:
        crowded.close()


def test_an_installed_artifact_provisions_too(
    sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The built artifact, installed far from this checkout, has all that provisioning an agent needs."""
    away = tmp_path_factory.mktemp("away")
    artifact = tmp_path_factory.mktemp("dist")
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--output-path", str(artifact)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = artifact.glob("*.tar.gz")
    assert built.stat().st_size < 2_000_000
    collections = away / "collections"
    subprocess.run(
        ["ansible-galaxy", "collection", "install", str(built), "-p", str(collections), "--no-deps"],
        cwd=away,
        check=True,
        capture_output=True,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections)},
    )
    elsewhere = Site(away, {"orders": sets["orders"]}, checkout=away)
    try:
        printed = elsewhere.run("provision", ANSIBLE_COLLECTIONS_PATH=str(collections))
        assert 0 == recap(printed, "orders")["failed"]
        elsewhere.wait("orders", lambda status: status["agent"]["alive"])
    finally:
        elsewhere.close()
