"""A run that is killed at any of its requests, and runs of others beside it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.integration.ops_manager.deaths import (
    END,
    HOLD,
    RELEASE,
    START,
    STOP,
    TERMINATE,
    WINDOW,
    WRITES,
    Write,
    place,
)
from tests.integration.ops_manager.desk import Desk, press_button, until
from tests.integration.ops_manager.office import Office
from tests.integration.site import flat
from tests.ops_manager import Emulator, Timing
from tests.ops_manager.faults import Fault, When

KILLS: dict[str, tuple[str, Write, When, str]] = {
    "begun": ("restart", WINDOW, "after", "start"),
    "kept": ("hand_off", HOLD, "after", "start"),
    "stopping": ("restart", STOP, "before", "start"),
    "ending": ("terminate", TERMINATE, "after", "pause"),
    "starting": ("restart", START, "before", "sync"),
    "released": ("restart", RELEASE, "after", "resume"),
    "closing": ("terminate", END, "before", "resume"),
}
"""The jobs by method, the request whose answer each waits for when its run is killed, and the task that sends it."""


class Killed:
    """Jobs of which each hangs once, in an emulator of its own, and the runs that are killed then."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.office = Office(directory, backup_confirm_snapshot_loss=True)
        self.desks: dict[str, Desk] = {}
        self._hanging: dict[str, Fault] = {}
        for name, (method, write, when, _task) in KILLS.items():
            om = stack.enter_context(Emulator(Timing(sync=0.3)))
            cluster = om.add_replica_set(name)
            om.add_snapshot(cluster)
            om.raise_alert("RESYNC_REQUIRED", cluster)
            self.office.add(name, om, method, patience=200)
            self.desks[name] = Desk(om, cluster, method)
            verb, path, before = place(method, WRITES[method].index(write))
            self._hanging[name] = om.hang(verb, path, when=when, skip=before)

    def kill_in(self, task: str) -> None:
        """Run the playbook until all jobs hang that hang in this task, and kill it with everything that it has started."""
        names = [name for name, kill in KILLS.items() if kill[3] == task]
        running = self.office.start("resync", "-e", "backup_confirm=yes")
        try:
            until(lambda: all(self._hanging[name].happened for name in names), f"{names} wait for an answer", 150)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
        for name in names:
            assert "windows" in self.desks[name].nothing_left()
            self.desks[name].om.clear_faults()


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """In whichever step kill -9 hits it, the next run finds the resync, says so, and ends it; nothing is left behind."""
    with contextlib.ExitStack() as stack:
        killed = Killed(tmp_path, stack)
        killed.kill_in("start")
        press_button(killed.desks["kept"].om, killed.desks["kept"].cluster)
        for task in ("pause", "sync", "resume"):
            killed.kill_in(task)
        printed = killed.office.run("resync", "-e", "backup_confirm=yes")
        for name in ("released", "closing"):
            assert f"{name} is being resynced – operation resync-" in flat(printed)
        for name, desk in killed.desks.items():
            assert {} == desk.nothing_left(), name
            assert desk.before == desk.expiry() or "terminate" == KILLS[name][0]


def test_two_runs_of_one_job_do_not_meet(tmp_path: Path) -> None:
    """Of two owners that begin at once one resyncs and the other is refused by name; the first one's second run attaches."""
    with Emulator() as om:
        cluster = om.add_replica_set("orders")
        om.add_snapshot(cluster)
        om.raise_alert("RESYNC_REQUIRED", cluster)
        om.never_finish_sync = True
        desk, office = Desk(om, cluster, "restart"), Office(tmp_path)
        office.add("orders", om, "restart")
        runs = {
            owner: office.start("resync", "-e", "backup_confirm=yes", "-e", f"backup_owner={owner}") for owner in "ab"
        }
        until(
            lambda: om.syncing(cluster) and any(run.poll() is not None for run in runs.values()),
            "one goes on alone",
            120,
        )
        (loser,) = (owner for owner, run in runs.items() if run.poll() is not None)
        (winner,) = set(runs) - {loser}
        printed, _ = runs[loser].communicate()
        assert 2 == runs[loser].returncode, printed
        assert "expected no " in flat(printed).lower()
        third = office.start("resync", "-e", "backup_confirm=yes", "-e", f"backup_owner={winner}")
        asked = len(om.requests)
        until(lambda: len(om.requests) > asked + 30, "the third asks as well", 60)
        om.never_finish_sync = False
        for run in (runs[winner], third):
            printed, _ = run.communicate(timeout=120)
            assert 0 == run.returncode, printed[-4000:]
        assert "is being resynced – operation resync-" in flat(printed)
        assert ({}, desk.before) == (desk.nothing_left(), desk.expiry())
        assert [("PATCH", "STOPPED"), ("PATCH", "STARTED")] == [write for write in desk.writes if write[1].isupper()]
