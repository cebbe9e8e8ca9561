"""The playbooks' promises, with real processes: two jobs of one machine, provisioned and resynced from this checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Member, ReplicaSet
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


# In which stage a runner is killed is also tried in test_runner.py.
@pytest.mark.release
@pytest.mark.parametrize("stages", [pytest.param(2, id="two"), pytest.param(len(STAGES), id="each")])
def test_a_killed_playbook_changes_nothing(site: Site, stages: int) -> None:
    """Killed in its stages: the operation goes on by itself, the next run attaches to it, and the last one reports."""
    before = site.operations("orders")
    arguments = ("--limit", "orders", "-e", "backup_policy=always", "-e", "backup_confirm=yes")
    site.hold(*HOLDS)
    kill_in(site, STAGES[0], arguments)
    operation = site.agent("orders", "operation")["operation"]
    assert operation["state"] in ("queued", "running")
    kill_in(site, STAGES[1], arguments)
    for stage, point in zip(STAGES[2:], HOLDS, strict=False):
        site.release(point)
        if stage in STAGES[:stages]:
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
    taken = site.agent("orders", "snapshot", "--name", f"after-{stages}", "--owner", "tests")
    assert taken["ok"], taken
    status = site.wait("orders", lambda status: status["operation"] is None)  # the next test counts what has ended
    assert f"after-{stages}" == status["last_snapshot"]["name"]


def test_an_unreachable_host_is_waited_for(site: Site, tmp_path: Path) -> None:
    """The agent's host does not answer for a while when it is followed: the same run says so, goes on and ends well."""
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
            elif "no answer, and the operation goes on meanwhile" in line:
                switch.unlink()
        process.wait(timeout=60)
    finally:
        switch.unlink(missing_ok=True)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    printed = "".join(seen)
    assert 0 == process.returncode, printed[-4000:]
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


def test_a_report_follows_no_link_of_the_agent(site: Site) -> None:
    """The agent's account puts links where its reports are: root's files there are neither written nor read.

    The review's attack: root's own file was overwritten by the page, and its secret was fetched as the report. What is here says
    the same as the agent's report.
    """
    operation = site.agent("orders", "status")["last_resync"]["operation"]
    reports = site.directory / "state/orders/reports"
    agents = json.loads((reports / f"{operation}.json").read_text())
    victim, kept = site.directory / "state/victim", reports.rename(reports.with_name("kept"))
    victim.mkdir()
    for kind in ("json", "html"):
        (victim / f"{operation}.{kind}").write_text("the secret of root")
    reports.symlink_to(victim)
    try:
        printed = site.run("resync", "--limit", "orders", "--tags", "report")
    finally:
        reports.unlink()
        kept.rename(reports)
    here = site.directory / "reports/orders" / operation
    assert f"reports/orders/{operation}.html" in flat(printed)
    assert agents == json.loads(here.with_suffix(".json").read_text())
    assert operation in here.with_suffix(".html").read_text()
    assert [0o640, 0o640] == [here.with_suffix(end).stat().st_mode & 0o777 for end in (".json", ".html")]
    assert {"the secret of root"} == {path.read_text() for path in victim.iterdir()}
    assert 2 == len(list(victim.iterdir()))


LIAR = """#!{python}
import json, subprocess, sys
asked = [word for word in sys.argv[1:] if word != {operation!r}]  # then the newest one is shown
ran = subprocess.run([{program!r}, *asked], stdin=sys.stdin, stdout=subprocess.PIPE, text=True)

def spoiled(value, key=""):
    if isinstance(value, dict):
        return {{name: spoiled(item, name) for name, item in value.items()}}
    if isinstance(value, list):
        return [spoiled(item) for item in value]
    if not isinstance(value, str):
        return value
    if key in ("id", "operation"):
        return {operation!r}
    if key == "report":
        return {report!r}
    return value + {text!r} if key in ("note", "reason", "message", "source", "msg", "name", "state") else value

try:
    said = json.dumps(spoiled(json.loads(ran.stdout)))
except ValueError:
    said = ran.stdout
print(said)
sys.exit(ran.returncode)
"""


@pytest.mark.parametrize(
    "liar", ["backup_agent_command", pytest.param("ansible_python_interpreter", marks=pytest.mark.release)]
)
def test_a_machine_that_lies_reaches_nothing_here(site: Site, liar: str) -> None:
    """The agent's every answer is altered, or even every module's: nothing is written here but reports.

    The review's attack: the id of an operation put a file of the machine's into the controller's inventory, where the next run
    executed what was in it. What an agent says acts on no terminal; what a module says Ansible itself shows as it is.
    """
    inventory = yaml.safe_load(site.inventory.read_text())
    program = inventory["all"]["vars"][liar]
    operation, report = "../../evil", f"{site.directory}/state/orders/reports/../../evil.json"
    (site.directory / "state/evil.json").write_text("{}")
    text = "\x1b[2J\x1b]0;owned\x07\nverdict: ok"
    lying = site.directory / "liar"
    lying.write_text(LIAR.format(python=sys.executable, program=program, operation=operation, report=report, text=text))
    lying.chmod(0o755)
    inventory["backup_jobs"]["hosts"]["orders"][liar] = str(lying)
    hosts = site.directory / "lying.yml"
    hosts.write_text(yaml.safe_dump(inventory))
    before = everything_beside_the_state(site)
    for playbook, *arguments in (
        ("check",),
        ("resync", "--tags", "report"),
        ("restore", "--check", "-e", "restore_job=orders", "-e", f"restore_target={site.directory}/restored"),
    ):
        command = [
            "ansible-playbook",
            "-i",
            str(hosts),
            f"mongodb_ops.backup.{playbook}",
            "--limit",
            "orders",
            *arguments,
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert "orders" in done.stdout
        if liar == "backup_agent_command":
            assert not set("\x1b\x07") & set(done.stdout + done.stderr), (playbook, done.stdout[-3000:])
            assert "\nverdict: ok" not in done.stdout
    assert set() == everything_beside_the_state(site) - before
    assert [] == [str(path) for path in site.directory.glob("evil*")]


def everything_beside_the_state(site: Site) -> set[str]:
    """Return the files of a site that only a playbook writes; those of check.yml are meant to be there."""
    own = ("state", "agent", "repository")
    found = (path for path in site.directory.rglob("*") if path.relative_to(site.directory).parts[0] not in own)
    return {str(path) for path in found if not path.name.startswith("check")}
