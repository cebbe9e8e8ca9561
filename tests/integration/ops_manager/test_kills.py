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
from tests.integration.ops_manager.office import Office, waits_for_the_button
from tests.integration.site import flat
from tests.ops_manager import Emulator, Timing
from tests.ops_manager.faults import When

KILLS: dict[str, tuple[str, Write | None, When]] = {
    "preflight": ("restart", WINDOW, "after"),
    "hold": ("hand_off", HOLD, "after"),
    "button": ("hand_off", None, "after"),
    "pause": ("restart", STOP, "after"),
    "loss": ("terminate", TERMINATE, "after"),
    "sync": ("restart", START, "before"),
    "release": ("restart", RELEASE, "after"),
    "resume": ("terminate", END, "before"),
}
"""The jobs of one run: method, and the request whose answer each waits for when the run is killed; None is the button."""


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """In whichever step kill -9 hits it, the next run finds the resync, says so, ends it, and leaves nothing."""
    with contextlib.ExitStack() as stack:
        office, desks = Office(tmp_path, backup_confirm_snapshot_loss=True), {}
        hanging = []
        for name, (method, write, when) in KILLS.items():
            om = stack.enter_context(Emulator(Timing(sync=0.3)))
            cluster = om.add_replica_set(name)
            om.add_snapshot(cluster)
            om.raise_alert("RESYNC_REQUIRED", cluster)
            office.add(name, om, method)
            desks[name] = Desk(om, cluster, method)
            if write is not None:
                verb, path, before = place(method, WRITES[method].index(write))
                hanging.append(om.hang(verb, path, when=when, skip=before))
        running = office.start("resync", "-e", "backup_confirm=yes")
        until(lambda: all(fault.happened for fault in hanging), "every job waits for an answer", 120)
        until(lambda: waits_for_the_button(desks["button"].om), "one waits for its button")
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        for desk in desks.values():
            assert "windows" in desk.nothing_left()
            desk.om.clear_faults()
        for name in ("hold", "button"):
            press_button(desks[name].om, desks[name].cluster)
        printed = office.run("resync", "-e", "backup_confirm=yes")
        assert len(KILLS) == flat(printed).count("is being resynced – operation resync-")
        for name, desk in desks.items():
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
