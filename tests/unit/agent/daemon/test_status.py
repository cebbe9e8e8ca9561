"""The verdict of a status: what is not known is never ok."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp

from backup_agent.capture.capture import View
from backup_agent.config import Config
from backup_agent.daemon.loop import hold_lock
from backup_agent.daemon.operations import Progress
from backup_agent.daemon.status import Status, collect, live, verdict
from backup_agent.errors import Refused
from backup_agent.state.maintenance import Maintenance
from backup_agent.state.records import Agent, Alert, Live, Snapshot
from backup_agent.state.store import Store, daemon_alive
from backup_agent.times import OpTime, now_iso


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give a configuration in a temporary directory."""
    return Config.model_validate(
        {
            "job": "orders",
            "directory": str(tmp_path),
            "source": {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0"},
            "head": {"mongod": "/usr/bin/mongod"},
            "repository": {"location": str(tmp_path / "repo"), "password_file": str(tmp_path / "pw")},
        }
    )


def status(**changes: Any) -> Status:
    """Return a healthy status with changes, some of which are of what the daemon observed."""
    at = Timestamp(10_000, 1)
    live = Live(Agent(cycle_at=now_iso()), captured=at, applied=at, majority=at, primary_last_write=at)
    observed = {name: changes.pop(name) for name in Live.__slots__ if name in changes}
    healthy = Status(
        job="orders",
        alive=True,
        state="tailing",
        live=replace(live, **observed),
        generation=1,
        alerts=(),
        leases=(),
        maintenance=None,
        snapshots_paused=False,
        operation=None,
        last_sync_failed=None,
        last_snapshot=taken(now_iso()),
        last_proven_snapshot=None,
        last_resync=None,
        last_validation=None,
        archive=None,
        last_verification=None,
        certificates=(),
    )
    return replace(healthy, **changes)


def test_a_status_is_of_one_moment(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that stops while its status is read is shown with its alert or without, and not as stopped for no reason."""
    store, daemon = Store(config.state_file), Store(config.state_file)
    usual = Store.number

    def stops_meanwhile(self: Store, state: str) -> int | None:
        daemon.raise_alert("resync_required", "corruption", {})
        return usual(self, state)

    monkeypatch.setattr(Store, "number", stops_meanwhile)
    for alerts in (0, 1):
        found = collect(config, store)
        assert alerts == len(found.alerts)
        assert (found.state == "resync_required") == bool(alerts)


def taken(created_at: str) -> Snapshot:
    """Return a snapshot of some time."""
    return Snapshot("a", "a", 1, Timestamp(1, 1), created_at, "good", False, None, 1, 1, "r")


def after(seconds: int) -> Timestamp:
    """Return a time so long after what was captured."""
    return Timestamp(10_000 + seconds, 1)


PAST, FUTURE = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
ALERT = Alert("resync_required", "corruption", "then", {})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ok"),
        ({"majority": after(299)}, "ok"),
        ({"majority": after(300)}, "warning"),
        ({"majority": after(3600)}, "critical"),
        ({"majority": None}, "unknown"),
        ({"primary_last_write": None}, "unknown"),
        ({"waiting": "a member that has the anchor"}, "unknown"),
        ({"waiting": "a member that has the anchor", "primary_last_write": after(3600)}, "critical"),
        ({"alive": False}, "critical"),
        ({"alerts": (ALERT,), "state": "resync_required"}, "critical"),
        ({"state": "resyncing"}, "warning"),
        ({"applied": after(-3600)}, "critical"),
        ({"applied": None}, "unknown"),
        ({"applied": None, "state": "initial_sync"}, "warning"),
        ({"primary_last_write": after(300)}, "warning"),
        ({"agent": Agent(cycle_at="2020-01-01T00:00:00Z")}, "unknown"),
        ({"agent": Agent(cycle_at="2999-01-01T00:00:00Z")}, "unknown"),
        ({"state": "new", "last_sync_failed": "resync-1 failed: no room"}, "critical"),
        ({"last_snapshot": None}, "warning"),
        ({"last_snapshot": taken("2020-01-01T00:00:00Z")}, "warning"),
    ],
)
def test_each_condition_has_its_verdict(config: Config, changes: dict[str, Any], expected: str) -> None:
    """Limits belong to the worse side, silence is unknown, a dead agent is critical."""
    level, reasons = verdict(config, status(**changes))
    assert expected == level
    assert bool(reasons) == (expected != "ok")


@pytest.mark.parametrize(("overdue", "expected"), [(False, "ok"), (True, "warning")])
def test_maintenance_that_nobody_ended_is_a_warning(config: Config, overdue: bool, expected: str) -> None:
    """While the agent runs, a record is worth a word only when its time is past."""
    record = Maintenance("me", "r", PAST, PAST if overdue else FUTURE)
    said = f"the maintenance of me ended at {PAST} and was never ended; run maintenance_end"
    assert (expected, [said] if overdue else []) == verdict(config, status(maintenance=record))


def test_an_alert_is_critical_whatever_is_recorded(config: Config) -> None:
    """Maintenance excuses an agent that is down, and nothing else."""
    down = status(maintenance=Maintenance("me", "r", PAST, FUTURE, FUTURE), alive=False)
    assert "warning" == verdict(config, down)[0]
    assert "critical" == verdict(config, replace(down, alerts=(ALERT,)))[0]


@pytest.mark.parametrize(
    ("alive", "level", "record", "code"),
    [
        (True, "ok", None, 0),
        (True, "warning", None, 0),
        (True, "critical", None, 1),
        (True, "unknown", None, 5),
        (False, "critical", None, 4),
        (False, "warning", Maintenance("me", "r", PAST, FUTURE, FUTURE), 4),
        (False, "critical", Maintenance("me", "r", PAST, FUTURE, PAST), 1),
        (False, "critical", Maintenance("me", "r", PAST, PAST), 1),
    ],
)
def test_a_status_has_an_exit_code(alive: bool, level: str, record: Maintenance | None, code: int) -> None:
    """Down is 4, unless maintenance leaves it no more time; otherwise the verdict counts."""
    assert code == status(alive=alive, verdict=level, maintenance=record).exit_code


def test_those_who_look_at_once_do_not_see_each_other(config: Config) -> None:
    """Two commands that ask at the same moment whether the daemon runs are none."""
    os.close(hold_lock(config))
    with config.lock_file.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not daemon_alive(config)


def test_one_that_looks_does_not_keep_a_daemon_from_starting(config: Config) -> None:
    """A timer looks every minute: a daemon that starts at that very moment waits for it, and for no other daemon."""
    lock = hold_lock(config)
    with pytest.raises(Refused, match="expected no other daemon of job orders"):
        hold_lock(config)
    os.close(lock)
    with config.lock_file.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.1, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        timer.start()
        os.close(hold_lock(config))
        timer.join()


def test_a_job_that_never_ran_is_critical(config: Config) -> None:
    """No daemon, no state: every number is null, and the verdict says so."""
    found = collect(config, Store(config.state_file))
    assert (False, "critical", None) == (found.alive, found.verdict, found.live.backup_lag_seconds)
    assert not daemon_alive(config)


def seen_of(config: Config, applied: OpTime | None, cycle_at: str, cycle: str) -> Status:
    """Return the status of a job that tails, whose daemon holds its lock and wrote this of its last cycle."""
    at = Timestamp(100, 1)
    view = View("a:1", at, at, at, at, time.monotonic())
    store = Store(config.state_file)
    store.switch_generation(store.new_generation().number)
    agent = Agent(1, "1", now_iso(), cycle_at, cycle)
    store.observe("live", live(agent, 1, view, applied))
    lock = hold_lock(config)
    try:
        return collect(config, store)
    finally:
        os.close(lock)


@pytest.mark.parametrize("applied", [None, OpTime(Timestamp(100, 1), 1)])
def test_a_head_that_takes_nothing_is_never_ok(config: Config, applied: OpTime | None) -> None:
    """While nothing can be applied the verdict is unknown, and the reason of the last cycle is what the job waits for."""
    found = seen_of(config, applied, now_iso(), "waiting: no such luck")
    assert "tailing" == found.state
    assert ("no such luck" if applied is None else None) == found.live.waiting
    assert ("no such luck" in "; ".join(found.reasons)) == (applied is None)
    assert ("unknown" if applied is None else "warning") == found.verdict  # there is no snapshot


def test_what_a_hung_daemon_saw_says_nothing_about_now(config: Config) -> None:
    """It holds its lock and writes nothing: a headroom of long ago must not let maintenance pass."""
    found = seen_of(config, OpTime(Timestamp(100, 1), 1), "2026-01-01T00:00:00Z", "applied")
    assert ("unknown", True) == (found.verdict, found.alive)
    assert "gave no sign of life" in found.reasons[0]
    assert [None] * 3 == [found.live.headroom_seconds, found.live.backup_lag_seconds, found.live.oldest]


def test_progress_never_goes_back_inside_a_phase(config: Config) -> None:
    """A total that grows while documents are copied does not make the percentage fall; a new phase begins at its own."""
    store = Store(config.state_file)
    operation, _ = store.start_operation("resync", "me", "why")
    progress = Progress(store, operation.id, "sync")
    seen = []
    for phase, done, total in (("copy", 50, 100), ("copy", 60, 200), ("copy", 190, 200), ("replay", 1, 100)):
        progress._written = 0.0
        progress.report(phase, done, total, "bytes")
        reached = store.operation(operation.id).progress
        seen.append(reached.percent if reached else None)
    assert [50.0, 50.0, 95.0, 1.0] == seen
