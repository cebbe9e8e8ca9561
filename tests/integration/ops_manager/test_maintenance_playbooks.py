"""Maintenance of jobs of Ops Manager: their agents are processes on hosts of their own, of which the product hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ops_manager.vendor import AGENTS, Office

JOBS = "backup_jobs"
BOTH_STOPPED = ["agent-0 stop", "agent-1 stop"]
PREFIX = "mongodb_ops.backup "


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Give two jobs in one project with two agents, whose hosts the inventory of the jobs names."""
    with Office(tmp_path) as found:
        found.write(backup_vendor_agents=list(AGENTS))
        yield found


def records(office: Office) -> list[dict[str, Any]]:
    """Return what is recorded in the windows of this collection."""
    return [json.loads(text.removeprefix(PREFIX)) for text in office.windows if text.startswith(PREFIX)]


def end_window(office: Office, job: str) -> None:
    """Let the time of the maintenance window of a job be over."""
    em = office.emulator
    with em.world.lock:
        for window in em.world.projects[em.project_id].windows.values():
            record = json.loads(str(window.description).removeprefix(PREFIX))
            if record["cluster"] == office.clusters[job]:
                window.start -= timedelta(hours=1)
                window.end = window.start


def test_plans_and_refusals_change_nothing(office: Office) -> None:
    """A plan says which agents are stopped, or why none is; what cannot be or is not safe is refused for all jobs."""
    plan = office.run("maintenance_begin", "--check", maintenance_hosts=JOBS)
    assert "orders – the agents on agent-0, agent-1 will be stopped, alerts are muted, for 10 min" in plan
    assert "the product shows the record no more" in plan
    alone = office.run("maintenance_begin", rc=2, maintenance_hosts="orders")
    assert "expected agents of jobs that are maintained, found that items has them too; name it as well" in alone
    assert "say -e maintenance_force=true" in alone
    too_long = office.run("maintenance_begin", rc=2, maintenance_hosts=JOBS, maintenance_minutes=100_000)
    assert "orders: unsafe, 46." in too_long
    office.write(backup_vendor_agents=["agent-0", "gone", "other"])
    unknown = office.run(
        "maintenance_begin", rc=2, maintenance_hosts=JOBS, maintenance_force=True, maintenance_snapshot=True
    )
    assert "orders: the host of its agent gone could not be reached" in unknown
    assert "found gone; the product knows agent-0.example.com, agent-1.example.com" in unknown
    assert "expected maintenance_snapshot=false, found true" in unknown
    assert "maintenance_force" not in unknown.split("nothing was changed")[1]
    assert ([], [], [True, True]) == (office.windows, office.log, office.up)


def test_a_whole_maintenance(office: Office) -> None:
    """Agents are stopped with their hosts' rights, alerts are muted; again is a renewal; the end takes back only its own."""
    em = office.emulator
    others = office.add_window("works of the network")
    begun = office.run("maintenance_begin", maintenance_hosts="agents")
    assert "muted besides by the window works of the network until 20" in begun
    assert "orders stopped has to run again by 20" in begun
    assert (BOTH_STOPPED, [False, False]) == (sorted(office.log), office.up)
    assert any("ping" in line or "command" in line for line in office.with_rights)
    before = records(office)
    assert {"orders", "items"} == {office.job_of(one["cluster"]) for one in before}
    assert {("anna", "new kernel")} == {(one["owner"], one["reason"]) for one in before}
    assert all({"AGENT", "BACKUP"} <= set(types) for types in office.muted(PREFIX))
    again = office.run("maintenance_begin", maintenance_hosts=JOBS, maintenance_minutes=20)
    assert "for 20 min and a margin of 60 min (renewed)" in again
    after = records(office)
    assert [(one["began"], one["deadline"]) for one in before] == [(one["began"], one["deadline"]) for one in after]
    assert BOTH_STOPPED == sorted(office.log)
    ben = office.run("maintenance_end", rc=2, maintenance_hosts=JOBS, backup_owner="ben")
    assert "expected no maintenance but one of ben, found that of anna" in ben
    assert [False, False] == office.up
    ended = office.run("maintenance_end", maintenance_hosts="orders")
    assert "orders running no alert that it is behind, agent agent-" in ended
    still = ended.split("; alerts are still muted by ")[1]
    assert "the maintenance of anna (new kernel) until 20" in still
    assert "the window works of the network until 20" in still
    assert ([True, True], ["items"]) == (office.up, [office.job_of(one["cluster"]) for one in records(office)])
    office.run("maintenance_end", maintenance_hosts=JOBS)
    assert ["works of the network"] == office.windows
    assert others in set(em.world.projects[em.project_id].windows)


@pytest.mark.release  # what is judged has unit tests; the test above sees a whole maintenance
def test_a_maintenance_that_is_overrun_and_a_backup_that_was_lost(office: Office) -> None:
    """When its time is over the product shows no record: the end says so and starts the agents all the same.

    Resync Required is said with the command to run, and no record is left in its way. A second end changes nothing.
    """
    office.run("maintenance_begin", maintenance_hosts=JOBS)
    end_window(office, "orders")
    office.emulator.raise_alert("RESYNC_REQUIRED", office.clusters["items"])
    ended = office.run("maintenance_end", rc=2, maintenance_hosts=JOBS)
    assert "no maintenance is recorded, or its time is over: the product shows it no more then" in ended
    assert "orders running no alert" in ended
    assert "items LOST Resync Required since 20" in ended
    assert f"items – next ansible-playbook -i {office.inventory} mongodb_ops.backup.resync --limit items" in ended
    assert ([True, True], []) == (office.up, office.windows)
    log = office.log
    office.run("maintenance_end", rc=2, maintenance_hosts=JOBS)
    assert log == office.log


def test_an_initial_sync_is_never_started_over(office: Office) -> None:
    """While one runs anywhere in the project no agent of it is stopped, not by force either."""
    em = office.emulator
    em.verify()
    em.never_finish_sync = True
    em.press_resync(office.clusters["items"])
    for playbook, jobs in (("restart_agents", JOBS), ("maintenance_begin", "orders")):
        printed = office.run(playbook, rc=2, maintenance_hosts=jobs, maintenance_force=True)
        assert "expected no initial sync while the agents of its project are stopped, found one of items" in printed
    assert ([], [], [True, True]) == (office.windows, office.log, office.up)
    muted = office.run("maintenance_begin", maintenance_hosts="orders", maintenance_stop_agents=False)
    assert "orders muted the agent goes on" in muted
    assert [True, True] == office.up
    assert em.syncing(office.clusters["items"])


@pytest.mark.release  # molecule restarts our own agents in every run
def test_agents_are_restarted_one_after_another(office: Office) -> None:
    """Each once, although two jobs have it. Then one does not come back: no other is stopped, and the end repairs it."""
    office.run("restart_agents", maintenance_hosts=JOBS)
    first, second = office.log[0].split()[0], office.log[2].split()[0]
    assert set(AGENTS) == {first, second}
    assert [f"{first} stop", f"{first} start", f"{second} stop", f"{second} start"] == office.log
    office.services["agent-0"].deaf = True
    printed = office.run("restart_agents", rc=2, maintenance_hosts=JOBS, maintenance_catch_up_seconds=4)
    assert "the agent on agent-0 was heard of at 20" in printed
    assert "was not restarted, because a job before it did not come back" in printed
    assert ["agent-0 stop", "agent-0 start"] == office.log[4:]
    office.services["agent-0"].deaf = False
    office.emulator.start_agent(office.services["agent-0"].name)
    office.run("maintenance_end", maintenance_hosts=JOBS)
    assert ["agent-0 stop", "agent-0 start"] == office.log[4:]


def test_no_agent_is_touched_unless_it_is_named(office: Office) -> None:
    """By default maintenance only mutes alerts, a restart does nothing and says so, and the end starts nothing."""
    office.write()
    plan = office.run("maintenance_begin", maintenance_hosts="orders")
    assert "orders – no agent will be stopped, because backup_vendor_agents names none" in plan
    assert "orders muted the agent goes on" in plan
    ended = office.run("maintenance_end", maintenance_hosts="orders")
    assert "no agent is started, because backup_vendor_agents names none" in ended
    restarted = office.run("restart_agents", maintenance_hosts="orders")
    assert "orders not done backup_vendor_agents names no host of its agents" in restarted
    assert ([], [], [True, True]) == (office.windows, office.log, office.up)


def test_a_service_that_is_not_there(office: Office) -> None:
    """Without commands it is the service of the MongoDB Agent; that it fails is said with the way back, and the record stays."""
    office.write(backup_vendor_agents=["agent-0"], commands=False)
    printed = office.run("maintenance_begin", rc=2, maintenance_hosts=JOBS)
    assert "Bring the service of the agent into its state: " in printed
    assert "mongodb-mms-automation-agent" in printed
    assert "mongodb_ops.backup.maintenance_end -e maintenance_hosts=orders puts everything back" in printed
    assert 2 == len(records(office))
