"""A run that is killed at any of its requests, and runs of others beside it."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from tests.integration.ops_manager.deaths import (
    HOLD,
    RELEASE,
    START,
    TERMINATE,
    WRITES,
    Write,
    place,
)
from tests.integration.ops_manager.desk import Desk
from tests.integration.ops_manager.office import Office, kill
from tests.integration.ops_manager.persons import press_button, until
from tests.integration.site import flat
from tests.ops_manager import Emulator, Timing
from tests.ops_manager.faults import Fault, When

KILLS: dict[str, tuple[str, Write, When]] = {
    "kept": ("hand_off", HOLD, "after"),
    "ending": ("terminate", TERMINATE, "after"),
    "starting": ("restart", START, "before"),
    "released": ("restart", RELEASE, "after"),
}
"""The jobs by method, and the request whose answer each waits for when its run is killed: one of each task of the role."""


class Killed:
    """Jobs of which each hangs once, in an emulator of its own, and the runs that are killed then."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.office = Office(directory, backup_confirm_snapshot_loss=True)
        self.desks: dict[str, Desk] = {}
        for name in KILLS:
            method = KILLS[name][0]
            om = stack.enter_context(Emulator(Timing(sync=0.3)))
            cluster = om.add_replica_set(name)
            om.add_snapshot(cluster)
            om.raise_alert("RESYNC_REQUIRED", cluster)
            self.office.add(name, om, method, patience=200)
            self.desks[name] = Desk(om, cluster, method)

    def _hang(self, name: str) -> Fault:
        method, write, when = KILLS[name]
        verb, path, before = place(method, WRITES[method].index(write))
        return self.desks[name].om.hang(verb, path, when=when, skip=before)

    def kill(self, name: str) -> None:
        """Resync a job that hangs in its task, and kill the run once it does."""
        hanging = self._hang(name)
        running = self.office.start("resync", "--limit", name, "-e", "backup_confirm=yes")
        try:
            until(lambda: hanging.happened, f"{name} waits for an answer")
        finally:
            kill(running)
        assert "windows" in self.desks[name].nothing_left()
        self.desks[name].om.clear_faults()


# Without a playbook, every request is tried in test_deaths.py.
@pytest.mark.release
def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """In whichever step kill -9 hits it, the next run finds the resync, says so, and ends it; nothing is left behind."""
    with contextlib.ExitStack() as stack:
        killed = Killed(tmp_path, stack)
        for name in KILLS:
            killed.kill(name)
        press_button(killed.desks["kept"].om, killed.desks["kept"].cluster)
        printed = killed.office.run("resync", "-e", "backup_confirm=yes")
        for name in KILLS:
            assert f"{name} is being resynced – operation resync-" in flat(printed)
        for name, desk in killed.desks.items():
            assert {} == desk.nothing_left(), name
            assert desk.before == desk.expiry() or "terminate" == KILLS[name][0]


def test_two_runs_of_one_job_do_not_meet(tmp_path: Path) -> None:
    """Of two owners that begin at once one resyncs and the other is refused; the first one's second run attaches."""
    with Emulator() as om, contextlib.ExitStack() as started:
        cluster = om.add_replica_set("orders")
        om.add_snapshot(cluster)
        om.raise_alert("RESYNC_REQUIRED", cluster)
        om.never_finish_sync = True
        desk, office = Desk(om, cluster, "restart"), Office(tmp_path)
        office.add("orders", om, "restart")

        def start(owner: str) -> subprocess.Popen[str]:
            running = office.start("resync", "-e", "backup_confirm=yes", "-e", f"backup_owner={owner}")
            started.callback(kill, running)
            return running

        runs = {owner: start(owner) for owner in ("alice", "bob")}
        until(lambda: om.syncing(cluster) and any(run.poll() is not None for run in runs.values()), "one is alone", 120)
        (loser,) = (owner for owner, run in runs.items() if run.poll() is not None)
        (winner,) = set(runs) - {loser}
        refused = flat(_end_of(runs[loser], rc=2))
        assert f"of {winner}" in refused
        before = len(om.requests)
        third = start(winner)
        until(lambda: len(om.requests) > before + 30, "the third asks as well", 120)
        om.never_finish_sync = False
        _end_of(runs[winner], rc=0)
        assert "is being resynced – operation resync-" in flat(_end_of(third, rc=0))
        assert ({}, desk.before) == (desk.nothing_left(), desk.expiry())
        assert [("PATCH", "STOPPED"), ("PATCH", "STARTED")] == [write for write in desk.writes if write[1].isupper()]


def _end_of(running: subprocess.Popen[str], rc: int) -> str:
    printed, _ = running.communicate(timeout=200)
    assert rc == running.returncode, printed[-4000:]
    return printed
