"""The built artifact, installed far from this checkout: it provisions a machine with two jobs, and restores one of them."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
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
from tests.integration.site import ROOT, Site, flat, recap, replica_sets

JOBS = ("orders", "items")
Json = dict[str, Any]


class Installed(Site):
    """A site whose operator has the artifact of this collection and nothing else of it."""

    quick = False

    def start(self, playbook: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a playbook of the artifact."""
        where = {"ANSIBLE_COLLECTIONS_PATH": f"{self.checkout}/collections", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
        return super().start(playbook, *arguments, **where, **environment)

    def install(self, artifacts: Path) -> None:
        """Build the artifact and install it."""
        build = ["ansible-galaxy", "collection", "build", "--output-path", str(artifacts)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (built,) = artifacts.glob("*.tar.gz")
        assert built.stat().st_size < 2_000_000
        collections = f"{self.checkout}/collections"
        subprocess.run(
            ["ansible-galaxy", "collection", "install", str(built), "-p", collections, "--no-deps"],
            cwd=self.checkout,
            check=True,
            capture_output=True,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections},
        )


class Crowded(Site):
    """A machine on which nothing is yet, not even the command of the agent."""

    quick = False


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ReplicaSet]]:
    """Give a small set for each job: a primary and a secondary."""
    members = {job: [Member(priority=2), Member(priority=0)] for job in JOBS}
    with replica_sets(tmp_path_factory, members, oplog_mb=8, megabytes=2) as found:
        yield found


@pytest.fixture(scope="module")
def site(sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a machine with both jobs provisioned by the artifact, which makes their repositories too."""
    away = tmp_path_factory.mktemp("away")
    (away / "ansible.cfg").write_text("[defaults]\ninject_facts_as_vars = false\n")
    found = Installed(away, sets, checkout=away)
    found.install(tmp_path_factory.mktemp("dist"))
    try:
        printed = found.run("provision", "-e", "backup_wait_for_initial_sync=true")
        assert 0 == recap(printed, "orders")["failed"]
        yield found
    finally:
        found.close()


def test_a_second_provision_changes_nothing(site: Site) -> None:
    """Everything is as it should be after the first run."""
    printed = site.run("provision")
    assert [0, 0, 0] == [recap(printed, host)["changed"] for host in ("here", *JOBS)]
    assert all(site.agent(job, "status")["last_proven_snapshot"] for job in JOBS)


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
    assert "--port" not in printed
    assert f"--bind_ip={target}/.socket/mongod.sock" in printed or "--bind_ip=/tmp/restored-" in printed
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
    password.touch(0o600)
    password.write_text("correct horse")
    given = {
        "restore_host": "here",
        "restore_repository": f"{site.directory}/repository/orders",
        "restore_password_file": password,
        "restore_mongod": find_mongod(),
        "restore_to": target,
        "restore_time": mistake.time,
        "restore_as": getpass.getuser(),
        "restore_owner": "nobody" if os.geteuid() == 0 else getpass.getuser(),
        "restore_confirm": "yes",
    }
    printed = flat(site.run("restore", *(part for name, value in given.items() for part in ("-e", f"{name}={value}"))))
    assert "orders as it was at" in printed
    assert f"(su -s /bin/sh {given['restore_owner']})" in printed
    assert {given["restore_owner"]} == {path.owner() for path in (target, *target.rglob("*"))}
    with started(target, tmp_path) as client:
        assert mistake.found == contents(client)


@pytest.mark.release  # the sums are unit tests; without systemd and packages from afar, it installs an agent of its own
def test_two_jobs_that_only_together_are_too_much(
    sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each would fit, both do not: no agent is started, what is missing is named, also in a run for one of them."""
    crowded = Crowded(tmp_path_factory.mktemp("c"), sets)
    have = limits.memory_bytes()
    cache = int((0.6 * have - resources.AGENT_BYTES - resources.RESTIC_BYTES) / 2 - resources.MONGOD_BYTES) // 2**20
    too_large = ("-e", f"backup_head_cache_mb={cache}")
    state = crowded.directory / "state"
    try:
        assert "are not checked" in flat(crowded.run("provision", "--check", "--limit", "here,orders"))
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
