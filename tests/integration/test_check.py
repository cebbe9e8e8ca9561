"""Checks and the gate against a real replica set with a real agent."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Member, ReplicaSet
from lab.data import load
from tests.integration import task
from tests.integration.agent.harness import Agent, an_agent, wait_until


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Return a replica set with logins and a little data, whose oplogs are young."""
    with ReplicaSet("orders", [Member(priority=2), Member()], oplog_mb=990, auth=True) as replica_set:
        load(replica_set.uri, megabytes=1)
        yield replica_set


@pytest.fixture(scope="module")
def agent(orders: ReplicaSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """Return an agent that has finished its first copy."""
    with an_agent(tmp_path_factory.mktemp("agent"), orders) as agent:
        agent.start()
        agent.wait_operation()
        wait_until("the agent tails", lambda: "ok" == agent.status()["verdict"])
        yield agent


def jobs(replica_set: ReplicaSet, agent: Agent) -> list[dict[str, Any]]:
    """Return the job with its agent, the set alone, and one whose server is gone."""
    command = shlex.join([sys.executable, "-m", "backup_agent"])
    with_agent = {"agent_command": command, "agent_config": str(agent.file)}
    limits = {"thresholds": {"headroom_hours": {"warning": 5}}}
    return [
        {"name": "orders", "login_uri": replica_set.uri, "min_hours": 0, **with_agent, **limits},
        {"name": "alone", "login_uri": replica_set.uri, "min_hours": 0},
        {"name": "gone", "login_host": "127.0.0.1", "login_port": 1, "connect_timeout_seconds": 1},
    ]


def test_jobs_are_checked_beside_each_other(orders: ReplicaSet, agent: Agent, tmp_path: Path) -> None:
    """The worst comes first, and a server that is gone hides neither the backup nor the window of the others."""
    succeeded, result = task.play("mongodb_ops.backup.backup_check_info", tmp_path, {"jobs": jobs(orders, agent)})
    assert (True, "unknown", ["gone", "orders", "alone"]) == (
        succeeded,
        result["verdict"],
        [record["job"] for record in result["jobs"]],
    )
    gone, both, alone = result["jobs"]
    assert "found no server that listens there" in gone["oplog_error"]
    assert ("warning", "tailing", "orders") == (both["verdict"], both["backup"]["state"], both["oplog"]["replica_set"])
    assert ("ok", None, 2) == (alone["verdict"], alone["backup"], len(alone["oplog"]["members"]))
    assert orders.root is not None
    assert orders.root.password not in str(result)


def test_the_agent_is_asked_for_all_measures(orders: ReplicaSet, agent: Agent, tmp_path: Path) -> None:
    """Every measure that a limit can be set for is there, or is known not to be there."""
    options = {"agent_command": jobs(orders, agent)[0]["agent_command"], "agent_config": str(agent.file)}
    limits = {
        "proven_age_hours": {"warning": 1},
        "apply_lag_seconds": {"critical": 600},
        "resync_age_days": {"warning": 1},
    }
    succeeded, result = task.play("mongodb_ops.backup.backup_lag_info", tmp_path, {**options, "thresholds": limits})
    assert (True, "ok", []) == (succeeded, result["verdict"], result["reasons"])
    assert result["last_proven_snapshot"]["age_hours"] < 1
    assert 0 <= result["backup_lag_primary_seconds"] < 60
    assert result["last_validation"]["equal"]


def test_the_gate_lets_nobody_pass_who_is_silent(orders: ReplicaSet, agent: Agent, tmp_path: Path) -> None:
    """Over several jobs the one that gives no answer decides."""
    options = {"jobs": jobs(orders, agent), "planned_downtime_minutes": 1, "margin_minutes": 0}
    succeeded, result = task.play("mongodb_ops.backup.maintenance_gate", tmp_path, options)
    assert (False, "unsafe") == (succeeded, result["error"]["code"])
    answers = {found["job"]: found for found in result["error"]["details"]["jobs"]}
    assert {"orders", "alone", "gone"} == set(answers)
    assert {"orders": True, "alone": True, "gone": False} == {job: found["safe"] for job, found in answers.items()}
    assert "oplog not read" in answers["gone"]["arithmetic"]


def inventory(folder: Path, replica_set: ReplicaSet, agent: Agent) -> Path:
    """Write an inventory of one machine with an agent, one that is not there, and jobs that have none."""
    assert replica_set.root is not None
    login = {
        "backup_source_uri": replica_set.bare_uri,
        "backup_source_username": replica_set.root.name,
        "backup_source_password": replica_set.root.password,
    }
    command = jobs(replica_set, agent)[0]["agent_command"]
    here = {"backup_agent_host": "here", "backup_agent_command": command, "backup_agent_config": str(agent.file)}
    away = {"backup_agent_host": "away", "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = {
        "alone": {**login, "backup_agent_config": "/nowhere.yml"},
        # The first of its machine, which reads for the others.
        "broken": {**login, **here, "backup_source_tls": {"ca_file": "{{ backup_agent_config_directory }}/ca.pem"}},
        "orders": {**login, **here, "check_thresholds": {"slack_minutes": {"warning": 0, "critical": 0}}},
        "strict": {**login, "check_min_window_hours": 240_000},
        "gone": {"backup_source_uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500"},
        "lost": {**login, **away},
    }
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "check_min_window_hours": 0}
    path = folder / "inventory.yml"
    path.write_text(
        yaml.safe_dump({"backup_jobs": {"vars": local, "hosts": hosts}, "mongod_hosts": {"hosts": {"db1": {}}}})
    )
    return path


def check(folder: Path, replica_set: ReplicaSet, agent: Agent, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook; its reports go into the folder."""
    where = ["-i", str(inventory(folder, replica_set, agent)), "-e", f"check_report_directory={folder}/reports"]
    command = ["ansible-playbook", "mongodb_ops.backup.check", *where, *arguments]
    return subprocess.run(command, cwd=task.ROOT, capture_output=True, text=True, timeout=300)


def test_the_playbook_checks_a_fleet(orders: ReplicaSet, agent: Agent, tmp_path: Path) -> None:
    """Every job has its line and its record, whatever became of the others; those that are not in order fail, and only those."""
    ran = check(tmp_path, orders, agent, "--check")
    assert 2 == ran.returncode, ran.stdout
    found = {record["job"]: record for record in json.loads((tmp_path / "reports/check.json").read_text())["jobs"]}
    verdicts = {name: record["verdict"] for name, record in found.items()}
    unknown = dict.fromkeys(("gone", "broken", "lost"), "unknown")
    assert {"strict": "critical", **unknown, "alone": "ok", "orders": "ok"} == verdicts
    assert ["strict", *unknown] == list(found)[:4]
    assert ("tailing", None) == (found["orders"]["backup"]["state"], found["alone"]["backup"])
    assert "away could not be reached" in found["lost"]["reasons"][0]
    assert "found 'backup_agent_config_directory' is undefined" in found["broken"]["reasons"][0]
    assert 4 == ran.stdout.count("FAILED!")
    for words in ("6 jobs: 1 critical, 3 unknown, 2 ok", *(f"fatal: [{job}]" for job in ("strict", *unknown))):
        assert words in ran.stdout
    assert orders.root is not None
    assert orders.root.password not in ran.stdout + (tmp_path / "reports/check.json").read_text()


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (0, "2 jobs: 2 ok", ["--limit", "orders,alone,localhost"]),
        (0, "6 jobs", ["-e", "check_fail_on=never"]),
        (2, "found none within the limit; nothing was checked", ["--limit", "db1"]),
        (2, "expected a backup_job of its own for each host, found same more than once", ["-e", "backup_job=same"]),
        (2, "expected never, warning or critical in check_fail_on, found sometimes", ["-e", "check_fail_on=sometimes"]),
    ],
)
def test_when_it_fails(
    code: int, words: str, arguments: list[str], orders: ReplicaSet, agent: Agent, tmp_path: Path
) -> None:
    """The limit of the run, and what is asked to fail on, decide about the return code."""
    ran = check(tmp_path, orders, agent, *arguments)
    assert code == ran.returncode, ran.stdout
    assert words in ran.stdout


def test_nothing_to_check_is_a_failure(tmp_path: Path) -> None:
    """An inventory without jobs must not look like a fleet in good order."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: {a: {}}}\n")
    command = ["ansible-playbook", "mongodb_ops.backup.check", "-i", str(tmp_path / "inventory.yml")]
    ran = subprocess.run(command, cwd=task.ROOT, capture_output=True, text=True, timeout=100)
    assert (2, True) == (ran.returncode, "expected jobs in the group backup_jobs, found none" in ran.stdout)
