"""Maintenance with real processes: agents that come back in time or too late, and a replica set that is restarted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from bson.timestamp import Timestamp

from lab import Member, ReplicaSet, roll_over
from tests.integration.site import Site, flat, recap, replica_sets

Json = dict[str, Any]
ELECTABLE = {"orders": 3, "items": 1}
HOLD = "proof.restored"


def asked(jobs: str, minutes: float = 0.2, **more: object) -> tuple[str, ...]:
    """Return the arguments of a short maintenance, which the oplog of the laboratory can bear."""
    given = {
        "maintenance_hosts": jobs,
        "maintenance_minutes": minutes,
        "maintenance_margin_minutes": 0.2,
        "maintenance_reason": "'new kernel'",
        "maintenance_restart_minutes": 0.2,
        "maintenance_poll_seconds": 1,
        **more,
    }
    return tuple(part for name, value in given.items() for part in ("-e", f"{name}={value}"))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ReplicaSet]]:
    """Give a set of three electable members, and one of a primary and a secondary."""
    members = {
        job: [Member(priority=int(n < electable)) for n in range(max(2, electable))]
        for job, electable in ELECTABLE.items()
    }
    with replica_sets(tmp_path_factory, members, oplog_mb=24, megabytes=1) as found:
        yield found


@pytest.fixture(scope="module")
def site(sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a machine with both jobs provisioned and in sync, and the database hosts of orders beside it."""
    found = Site(tmp_path_factory.mktemp("s"), sets)
    inventory = yaml.safe_load(found.inventory.read_text())
    inventory["mongod_hosts"] = {
        "hosts": {
            f"db{number}": {"ansible_host": "127.0.0.1", "rolling_mongod_port": mongod.port}
            for number, mongod in enumerate(sets["orders"].mongods)
        }
    }
    found.inventory.write_text(yaml.safe_dump(inventory))
    try:
        found.run("provision", BACKUP_AGENT_FAILPOINTS=f"{HOLD}=run:{found.holder(HOLD)}")
        for job in ELECTABLE:
            found.wait(job, lambda status: status["state"] == "tailing" and not status["operation"])
        yield found
    finally:
        found.close()


def together(*runs: Callable[[], str]) -> list[str]:
    """Run playbooks that get in nobody's way at the same time, and return what each printed."""
    with ThreadPoolExecutor() as pool:
        return [started.result() for started in [pool.submit(run) for run in runs]]


def states(site: Site) -> list[tuple[bool, str | None]]:
    """Return for each job whether its agent runs, and whose maintenance is recorded."""
    found = [site.agent(job, "status") for job in ELECTABLE]
    return [(status["agent"]["alive"], (status["maintenance"] or {}).get("owner")) for status in found]


def test_nothing_is_changed_by_a_plan_or_a_refusal(site: Site) -> None:
    """A plan in check mode, too long a downtime, an unknown host, and an operation that is open change nothing."""
    plan, too_long, unknown = together(
        lambda: site.run("maintenance_begin", *asked("here"), "--check"),
        lambda: site.run("maintenance_begin", *asked("here", 100_000), rc=2),
        lambda: site.run("maintenance_begin", *asked("nobody"), rc=2),
    )
    assert "orders – the agent will be stopped" in flat(plan)
    assert [0, 0] == [recap(plan, job)["changed"] for job in ELECTABLE]
    assert "until the cursor falls off" in flat(too_long)
    assert "nothing was changed. Plan less time or wait; or say -e maintenance_force=true" in flat(too_long)
    assert "found none; nothing was changed" in flat(unknown)
    site.hold(HOLD)
    operation = site.agent("orders", "snapshot", "--name", "held", "--owner", "anna", "--prove")["operation"]["id"]
    printed = flat(site.run("maintenance_begin", *asked("backup_jobs"), rc=2))
    site.release(HOLD)
    assert f"expected no open operation, found snapshot {operation} of anna" in printed
    assert [(True, None)] * 2 == states(site)
    site.wait("orders", lambda status: not status["operation"])


@pytest.mark.release  # molecule restarts agents in every run, by the same playbooks
def test_restarting_agents_ends_at_the_first_that_does_not_come_back(site: Site) -> None:
    """One has a new process; then it cannot be started, and the next is left alone. An end without a begin repairs it."""
    before = {job: site.agent(job, "status")["agent"]["pid"] for job in ELECTABLE}
    site.run("restart_agents", *asked("items"))
    assert before["items"] != site.agent("items", "status")["agent"]["pid"]
    program = site.directory / "agent/supervisor/conf.d/items.conf"
    right = program.read_text()
    program.write_text(right.replace("command=", "command=/bin/false "))
    site.supervisor("update")
    try:
        printed = flat(site.run("restart_agents", *asked("backup_jobs"), rc=2))
    finally:
        program.write_text(right)
        site.supervisor("update")
    assert "items failed" in printed
    assert "orders not done was not restarted, because a job before it did not come back" in printed
    assert before["orders"] == site.agent("orders", "status")["agent"]["pid"]
    assert "items running lag" in flat(site.run("maintenance_end", *asked("items")))


@pytest.mark.release  # molecule maintains machines of agents in every run, by the same playbooks
def test_maintenance_of_a_machine_that_one_job_bears_and_one_does_not(site: Site) -> None:
    """Nobody else ends it. One oplog rolls over meanwhile: that job says Resync Required and the command to run.

    The other job runs and catches up, and no lease is left in the way of the resync.
    """
    printed = flat(site.run("maintenance_begin", *asked("here", backup_owner="anna")))
    assert "orders stopped has to run again by 20" in printed
    assert [(False, "anna")] * 2 == states(site)
    before = site.agent("orders", "status")["maintenance"]
    assert "new kernel" == before["reason"]
    assert before["latest_safe_restart"] > before["began_at"]
    site.run("maintenance_begin", *asked("orders", 10, backup_owner="anna", maintenance_force=True))
    after = site.agent("orders", "status")["maintenance"]
    assert before["began_at"] == after["began_at"]
    assert before["latest_safe_restart"] == after["latest_safe_restart"]
    begun, ended = together(
        lambda: site.run("maintenance_begin", *asked("orders", backup_owner="ben", maintenance_force=True), rc=2),
        lambda: site.run("maintenance_end", *asked("orders", backup_owner="ben"), rc=2),
    )
    assert "expected no maintenance, found that of anna" in flat(begun)
    assert "let the owner end it" in flat(ended)
    assert [(False, "anna")] * 2 == states(site)
    captured = site.agent("items", "status")["captured"]
    roll_over(site.sets["items"].uri, past=Timestamp(captured["time"] + 1, 0))
    printed = site.run("maintenance_end", *asked("here", backup_owner="anna"), rc=2)
    assert "items LOST Resync Required since" in flat(printed)
    assert "orders running lag" in flat(printed)
    command = f"ansible-playbook -i {site.inventory} mongodb_ops.backup.resync --limit items"
    assert f"items – next {command}" in flat(printed)
    assert [1, 0] == [recap(printed, job)["failed"] for job in ("items", "orders")]
    assert [(True, None)] * 2 == states(site)
    assert [[], []] == [site.agent(job, "status")["leases"] for job in ELECTABLE]


RESTART = """
- name: Ask the laboratory for a restart
  ansible.builtin.copy: {content: "", dest: "{{ asked }}/{{ rolling_mongod_port }}", mode: "0600"}
- name: Wait for it
  ansible.builtin.wait_for: {path: "{{ asked }}/{{ rolling_mongod_port }}", state: absent, sleep: 1, timeout: 60}
"""


class Restarter:
    """Restarts the member whose port somebody asks for, as the service manager of its host would."""

    def __init__(self, found: ReplicaSet, directory: Path) -> None:
        self._set, self._directory = found, directory
        self.seen: list[tuple[int, str]] = []
        """The number of each member and what it was when it was stopped."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(0.2):
            for number, mongod in enumerate(self._set.mongods):
                if (self._directory / str(mongod.port)).exists():
                    self.seen.append((number, self._set.states()[number]))
                    self._set.stop_member(number)
                    self._set.restart_member(number, wait=False)
                    (self._directory / str(mongod.port)).unlink()


@pytest.mark.release  # molecule maintains such hosts in every run, by the same playbook
def test_database_hosts_are_maintained_secondaries_first(site: Site, tmp_path: Path) -> None:
    """Each member is restarted as a secondary, the primary last; a plan does nothing, and a failure stops all."""
    tasks, requests = tmp_path / "restart.yml", tmp_path / "asked"
    tasks.write_text(RESTART)
    requests.mkdir()
    arguments = (*asked(""), "-e", f"rolling_tasks={tasks}", "-e", f"asked={requests}", "-e", "rolling_minutes=0.2")
    found = site.sets["orders"]
    primary = found.primary()
    failing = tmp_path / "fail.yml"
    failing.write_text("- name: Fail\n  ansible.builtin.fail: {msg: no room left}\n")
    with Restarter(found, requests) as restarter:
        plan, failed = together(
            lambda: site.run("rolling_maintenance", *arguments, "--check"),
            lambda: site.run("rolling_maintenance", *arguments, "-e", f"rolling_tasks={failing}", rc=2),
        )
        assert [] == restarter.seen
        site.run("rolling_maintenance", *arguments)
    assert f"db{primary} – {found.addresses[primary]}, PRIMARY now, will be stepped down" in flat(plan)
    assert "Fail: no room left. Nothing is done on db" in flat(failed)
    assert {0, 1, 2} == {number for number, _state in restarter.seen}
    assert (primary, "SECONDARY") == restarter.seen[-1]
    assert ["SECONDARY"] * 3 == [state for _number, state in restarter.seen]
    assert "tailing" == site.agent("orders", "status")["state"]
