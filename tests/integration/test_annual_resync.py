"""The annual run, with real processes: two jobs of one machine, of which one or both are due by their age."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Member, ReplicaSet
from tests.integration.site import Site, flat, recap, replica_sets

JOBS = ("orders", "items")
NIGHT = "2026-11-28T23:00"
AT_NIGHT = ("-e", f"annual_resync_now={NIGHT}")
COPY = "Copy from a secondary"
YES = ("-e", "backup_confirm=yes")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ReplicaSet]]:
    """Give a small set for each job: a primary and a secondary."""
    members = {job: [Member(priority=2), Member(priority=0)] for job in JOBS}
    with replica_sets(tmp_path_factory, members, oplog_mb=8, megabytes=1) as found:
        yield found


@pytest.fixture(scope="module")
def site(sets: dict[str, ReplicaSet], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a machine with both jobs provisioned: `orders` may be no day old, `items` as old as the policy says."""
    found = Site(tmp_path_factory.mktemp("s"), sets)
    point = f"copy.done=run:{found.holder('copy.done')}"
    variables = found.directory / "host_vars"
    variables.mkdir()
    (variables / "orders.yml").write_text("backup_resync_max_age_days: 0\n")
    try:
        found.run("provision", "-e", "backup_wait_for_initial_sync=true", BACKUP_AGENT_FAILPOINTS=point)
        yield found
    finally:
        found.close()


def operations(site: Site) -> list[list[str]]:
    """Return the ended operations of each job."""
    return [site.operations(job) for job in JOBS]


def turn(printed: str, job: str) -> str:
    """Return what the last table of turns says of a job, as far as it fits into a line."""
    row = re.compile(rf"- {job} +[\d.]+ days +\d+ days .*")
    return flat([line for line in map(str.strip, printed.splitlines()) if row.fullmatch(line)][-1])


def run_and(site: Site, task: str, act: Callable[[], object], *arguments: str) -> str:
    """Run the playbook to its end, and do something when it begins a task; returns what it printed."""
    process = site.start("annual_resync", *arguments)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("TASK") and task in line:
            act()
    printed = "".join(seen)
    assert 0 == process.wait(timeout=60), printed[-6000:]
    return printed


def require_plan(printed: str) -> None:
    """Require that the job that is due has its turn at once, and the other one a year after its sync."""
    assert "orders will be resynced" in printed
    assert "in this run" in turn(printed, "orders")
    assert "365 days 2027-11-28" in turn(printed, "items")
    assert "night of 2027-11-29" in turn(printed, "items")


@pytest.mark.release  # the next test sees the plan too, and test_playbooks.py the check mode
def test_a_plan_says_whose_turn_it_is(site: Site) -> None:
    """In check mode nothing is changed and nobody is asked."""
    before = operations(site)
    require_plan(site.run("annual_resync", "--check", *AT_NIGHT))
    assert before == operations(site)


def test_without_a_yes_nothing_is_changed(site: Site) -> None:
    """The plan is shown, as in the playbook resync; and its policy cannot be made another one."""
    before = operations(site)
    printed = site.run("annual_resync", *AT_NIGHT, rc=2)
    require_plan(printed)
    assert "nothing was changed" in flat(printed)
    printed = site.run("annual_resync", *AT_NIGHT, *YES, "-e", "backup_policy=required", rc=2)
    assert "expected the policy older_than" in flat(printed)
    assert before == operations(site)


def test_nothing_is_started_by_day(site: Site) -> None:
    """A run with a yes ends well, says why, and when the job has its turn. Other wrong times are those of the unit tests."""
    before = operations(site)
    printed = site.run("annual_resync", *YES, "-e", "annual_resync_now=2026-11-28T12:00")
    assert "12:00 is outside of the allowed hours 22:00-05:00" in flat(printed)
    assert "orders waits for its turn" in printed
    assert "night of 2026-11-2" in turn(printed, "orders")
    assert before == operations(site)


def start_and_kill(site: Site, task: str, *arguments: str) -> None:
    """Start the playbook and kill it, with all its children, in a task."""
    process = site.start("annual_resync", *arguments)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("TASK") and task in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert task in seen[-1], "".join(seen)[-3000:]


def test_a_run_that_is_cut_off_is_picked_up(site: Site) -> None:
    """Killed while it copies; the next run attaches to the operation, also by day, ends it and reports."""
    orders, items = operations(site)
    site.hold("copy.done")
    start_and_kill(site, COPY, *YES, *AT_NIGHT)
    operation = site.agent("orders", "operation")["operation"]
    assert "running" == operation["state"]
    by_day = (*YES, "-e", "annual_resync_now=2026-11-29T12:00")
    printed = run_and(site, COPY, lambda: site.release("copy.done"), *by_day)
    assert f"operation {operation['id']} of {operation['owner']} is open and will be followed" in flat(printed)
    assert [[*orders, operation["id"]], items] == operations(site)
    assert (site.directory / "reports" / "orders" / f"{operation['id']}.html").exists()
    # It is due again at once, because it may be no day old.
    assert "night of 2026-11-29" in turn(printed, "orders")


def test_no_batch_is_begun_when_the_night_is_over(site: Site, tmp_path: Path) -> None:
    """Both jobs are due: the morning comes while the first is copied, so the second waits for the next night."""
    orders, items = operations(site)
    clock = tmp_path / "clock"
    clock.write_text(NIGHT)
    now = "{{ lookup('ansible.builtin.file', '" + str(clock) + "') }}"
    both = ("-e", "backup_resync_max_age_days=0", "-e", f'{{"annual_resync_now": "{now}"}}')
    site.hold("copy.done")

    def morning_comes() -> None:
        clock.write_text("2026-11-29T05:00")
        site.release("copy.done")

    printed = run_and(site, COPY, morning_comes, *YES, *both)
    assert "05:00 is outside of the allowed hours" in flat(printed)
    after = operations(site)
    # The older one has come first.
    assert [orders, 1] == [after[0], len(after[1]) - len(items)]
    assert "night of 2026-11-29" in turn(printed, "orders")


def test_when_all_is_young_there_is_nothing_to_do(site: Site) -> None:
    """A run with the policy for both ends well and without a change: running it every night converges."""
    before = operations(site)
    printed = site.run("annual_resync", *YES, *AT_NIGHT, "-e", "backup_resync_max_age_days=1")
    assert [0, 0] == [recap(printed, job)["changed"] for job in JOBS]
    assert "in this run" not in printed
    assert before == operations(site)
