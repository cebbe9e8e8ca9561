"""Jobs the way AWX runs them: by ansible-runner, with the collection installed, extra variables of AWX, artifacts and events."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Member, ReplicaSet
from lab.data import load
from tests.integration.agent.harness import wait_until
from tests.integration.site import HOLDS, ROOT, Site, kill
from tests.ops_manager.emulator import Emulator

STAGES = (
    "Pause snapshots",
    "Copy from a secondary",
    "Validate the copy",
    "Switch to the copy",
    "Take a snapshot and prove",
)
Json = dict[str, Any]


class Secured(Site):
    """A site whose databases want a login."""

    def _inventory(self) -> Json:
        inventory = super()._inventory()
        for name, job in inventory["backup_jobs"]["hosts"].items():
            user = self.sets[name].backup
            assert user is not None
            job["backup_source_username"], job["backup_source_password"] = user.name, user.password
        return inventory


@dataclass
class Awx:
    """A private data directory, laid out as AWX does it, and what was run in it."""

    site: Site
    directory: Path
    secrets: dict[str, str]
    runs: int = field(default=0)

    def start(self, playbook: str, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        """Start a job; its number is new each time, its user the same."""
        self.runs += 1
        meta = {
            "job_id": self.runs,
            "user_name": "anna",
            "job_template_name": f"Backup {playbook}",
            "job_launch_type": "manual",
        }
        given = {f"{name}_{key}": value for name in ("awx", "tower") for key, value in meta.items()}
        kept = dict.fromkeys(("backup_report_directory", "check_report_directory"), f"{self.directory}/reports")
        self._write("env/extravars", {**given, **kept, **variables})
        return subprocess.Popen(
            [
                *("ansible-runner", "run", str(self.directory), "--ident", str(self.runs)),
                *("--playbook", f"mongodb_ops.backup.{playbook}", "-vvv"),
                "--cmdline=" + " ".join(("-e", f"@{self.directory}/env/injected", *arguments)),
            ],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *arguments: str, rc: int = 0, **variables: Any) -> None:
        """Run a job to its end and require its return code."""
        self.end(self.start(playbook, *arguments, **variables), rc)

    def end(self, process: subprocess.Popen[str], rc: int = 0) -> None:
        """Wait for the end of a job and require its return code, as the command and as the artifact say it."""
        try:
            printed, _ = process.communicate(timeout=400)
        except BaseException:
            kill(process.pid)
            process.wait()
            raise
        assert rc == process.returncode, printed[-6000:]
        assert str(rc) == (self.artifacts / "rc").read_text()
        assert ("failed" if rc else "successful") == (self.artifacts / "status").read_text()

    def prepare(self) -> None:
        """Install the built collection, and write what AWX writes for every job."""
        for folder in ("project", "inventory", "env"):
            (self.directory / folder).mkdir()
        ansible = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": f"{self.directory}/requirements_collections"}
        build = ["ansible-galaxy", "collection", "build", "--output-path", str(self.directory / "dist")]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (built,) = (self.directory / "dist").glob("*.tar.gz")
        install = ["ansible-galaxy", "collection", "install", str(built), "--no-deps", "-p", "requirements_collections"]
        subprocess.run(install, cwd=self.directory, check=True, capture_output=True, env=ansible)
        self._write("inventory/hosts.yml", yaml.safe_load(self.site.inventory.read_text()))
        # The last is what the execution environment has.
        wanted = {"ANSIBLE_NOCOWS": "1", "ANSIBLE_INJECT_FACT_VARS": "false"}
        self._write("env/envvars", {"ANSIBLE_COLLECTIONS_PATH": ansible["ANSIBLE_COLLECTIONS_PATH"], **wanted})
        self._write("env/injected", self.secrets)

    def _write(self, name: str, content: Json) -> None:
        (self.directory / name).write_text(yaml.safe_dump(content))

    @property
    def artifacts(self) -> Path:
        """Where the last job left what is to be known of it."""
        return self.directory / "artifacts" / str(self.runs)

    def events(self, kind: str) -> list[Json]:
        """Return the data of the events of that kind of the last job, in order."""
        files = sorted((self.artifacts / "job_events").glob("*.json"), key=lambda file: int(file.name.split("-")[0]))
        found = (json.loads(file.read_text()) for file in files)
        return [event["event_data"] for event in found if kind == event["event"]]

    def statistics(self) -> Json:
        """Return the event that a job ends with."""
        (found,) = self.events("playbook_on_stats")
        return found


@pytest.fixture(scope="module")
def awx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Awx]:
    """Give a job of an agent, whose operations can be held, and one of Ops Manager."""
    members = [Member(priority=2), Member(priority=0)]
    directory = tmp_path_factory.mktemp("orders")
    with ReplicaSet("rs0", members, oplog_mb=8, directory=directory, auth=True) as orders, Emulator() as manager:
        load(orders.uri, megabytes=2)
        manager.add_snapshot(manager.add_replica_set("archive"))
        site = Secured(tmp_path_factory.mktemp("s"), {"orders": orders})
        points = ",".join(f"{point}=run:{site.holder(point)}" for point in HOLDS)
        try:
            site.run("provision", "-e", "backup_wait_for_initial_sync=true", BACKUP_AGENT_FAILPOINTS=points)
            assert orders.backup is not None
            yield prepared(site, tmp_path_factory.mktemp("awx"), manager, orders.backup.password)
        finally:
            site.close()


def prepared(site: Site, directory: Path, manager: Emulator, password: str) -> Awx:
    """Move the secrets out of the inventory, into what the credentials of AWX inject, and add the job of Ops Manager."""
    inventory = yaml.safe_load(site.inventory.read_text())
    for job in inventory["backup_jobs"]["hosts"].values():
        del job["backup_source_password"], job["backup_repository_password"]
    inventory["backup_jobs"]["hosts"]["archive"] = {
        "backup_provider": "ops_manager",
        "backup_ops_manager_project": manager.project_id,
        "ansible_become": False,
    }
    del inventory["all"]["vars"]["backup_agent_host"]
    inventory["backup_jobs"]["hosts"]["orders"]["backup_agent_host"] = "here"
    site.inventory.write_text(yaml.safe_dump(inventory))
    injected = {
        "backup_source_password": password,
        "backup_repository_password": "correct horse",
        "backup_ops_manager_url": manager.url,
        "backup_ops_manager_public_key": manager.public_key,
        "backup_ops_manager_private_key": manager.private_key,
    }
    awx = Awx(site, directory, injected)
    awx.prepare()
    return awx


def test_a_check(awx: Awx) -> None:
    """Runs from the installed collection; both jobs are judged, which the statistics say and pass on to a workflow."""
    awx.run("check", check_fail_on="never")
    assert all(
        event["task_path"].startswith(f"{awx.directory}/requirements_collections/")
        for event in awx.events("playbook_on_task_start")
    )
    statistics = awx.statistics()
    assert {"orders", "archive"} == set(statistics["artifact_data"]["backup_check"])
    read = [job for event in awx.events("runner_on_ok") for job in event["res"].get("jobs", [])]
    assert {"orders", "archive"} == {job["job"] for job in read}
    assert [] == [job["reasons"] for job in read if "could not be" in str(job["reasons"])]
    assert {} == statistics["failures"]
    assert list((awx.directory / "reports").glob("*.html"))


def test_a_check_that_finds_something(awx: Awx) -> None:
    """The job that is not in order fails, and no other: rc 2, one failure in the statistics, the reason in an event."""
    awx.run("check", "--limit", "orders", rc=2, check_min_window_hours=100_000, check_fail_on="warning")
    assert {"orders": 1} == awx.statistics()["failures"]
    (failed,) = awx.events("runner_on_failed")
    assert "orders" == failed["host"]
    assert "less than 100000" in failed["res"]["msg"]


def reach(process: subprocess.Popen[str], stage: str) -> None:
    """Read what a job prints until it reaches a stage."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("TASK") and stage in line:
            return
    raise AssertionError(f"{stage} was never reached: {''.join(seen)[-3000:]}")


def resync(awx: Awx) -> subprocess.Popen[str]:
    """Start the job that is killed and launched again."""
    return awx.start("resync", "--limit", "orders", backup_policy="always", backup_confirm="yes")


def kill_in(awx: Awx, stage: str) -> None:
    """Start a resync and kill the runner when the job reaches a stage, with all that it has started."""
    process = resync(awx)
    reach(process, stage)
    kill(process.pid)  # a container ends with everything in it
    process.wait()


# The stages in which a playbook is killed without a runner: test_playbooks.py.
@pytest.mark.release
def test_a_runner_that_is_killed(awx: Awx) -> None:
    """The operation goes on; each relaunch, with a new number, attaches to it as the same user, and the last one reports."""
    awx.site.hold(*HOLDS)
    kill_in(awx, STAGES[0])
    operation = awx.site.agent("orders", "operation")["operation"]
    assert "awx:anna" == operation["owner"]
    assert f"AWX job {awx.runs}" in operation["reason"]
    kill_in(awx, STAGES[1])
    for stage, point in zip(STAGES[2:], HOLDS, strict=False):
        awx.site.release(point)
        kill_in(awx, stage)
        assert operation["id"] == awx.site.agent("orders", "operation")["operation"]["id"]
    last = resync(awx)
    reach(last, STAGES[4])
    awx.site.release(*HOLDS)
    awx.end(last)
    assert {} == awx.statistics()["failures"]
    reported = awx.statistics()["artifact_data"]["backup_resync"]["orders"]
    assert ("done", operation["id"]) == (reported["result"], reported["operation"])
    assert (awx.directory / "reports/orders" / f"{operation['id']}.html").is_file()


def test_a_resync_that_nobody_follows_any_more(awx: Awx) -> None:
    """Killed while it copies, and not launched again: the operation ends by itself, and the job that reports finds it."""
    before = awx.site.agent("orders", "operation")["operation"]["id"]
    awx.site.hold("copy.done")
    kill_in(awx, STAGES[1])
    awx.site.release("copy.done")

    def ended() -> Json | None:
        found: Json = awx.site.agent("orders", "operation")["operation"]
        return found if found["state"] not in ("queued", "running") else None

    operation = wait_until("the operation has ended", ended, 120)
    assert "done" == operation["state"]
    assert before != operation["id"]
    awx.run("resync", "--limit", "orders", "--tags", "report", backup_confirm="no")
    assert operation["id"] == awx.statistics()["artifact_data"]["backup_resync"]["orders"]["operation"]


def test_no_secret_is_in_what_a_job_leaves(awx: Awx) -> None:
    """Events, output, and the command with its environment, of all jobs above and at the verbosity -vvv, hold none."""
    secrets = [value for name, value in awx.secrets.items() if name.endswith(("password", "private_key"))]
    files = [path for path in (awx.directory / "artifacts").rglob("*") if path.is_file()]
    assert 3 == len(secrets)
    assert 300 < sum(path.parent.name == "job_events" for path in files)
    # What is no secret is found, so the search finds.
    assert any(awx.secrets["backup_ops_manager_url"].encode() in path.read_bytes() for path in files)
    assert [] == [(path.name, secret) for path in files for secret in secrets if secret.encode() in path.read_bytes()]
