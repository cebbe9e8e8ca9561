"""What `status` shows: the daemon's last observation, the store, and a verdict over both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from backup_agent.capture.capture import View
from backup_agent.config import Config
from backup_agent.daemon.alerts import CERTIFICATE, REFUSED_INDEX
from backup_agent.errors import AgentDown
from backup_agent.repository.inventory import Archived
from backup_agent.repository.verification import Verified
from backup_agent.source import tested
from backup_agent.source.certificates import Certificate, Certificates
from backup_agent.state import room
from backup_agent.state.maintenance import LATE_SECONDS, Maintenance, down
from backup_agent.state.records import Agent, Alert, Lease, Live, Operation, Snapshot
from backup_agent.state.store import Store, daemon_alive
from backup_agent.times import OpTime, age_seconds, lately
from backup_agent.values import Json, Record

SILENT_SECONDS = 120
"""A daemon that has written nothing for this long hangs, whatever it wrote last."""

STALE_SECONDS = 30
"""An answer of the source that is older than this says nothing about now."""


SYNCS = ("resync", "initial_sync")
ORDER = ("critical", "unknown", "warning")
NOT_CRITICAL = (REFUSED_INDEX,)
"""Alerts about a backup that has all data."""
VERDICT_EXIT = {"ok": 0, "warning": 0, "critical": 1, "unknown": 5}


def live(agent: Agent, generation: int | None, view: View, applied: OpTime | None) -> Live:
    """Return what the daemon observes at this moment."""
    fresh = view.seen_at is not None and time.monotonic() - view.seen_at < STALE_SECONDS
    return Live(
        agent=agent,
        generation=generation,
        source=view.member,
        source_version=view.version,
        warnings=tested.warnings(view.version),
        waiting=view.problem.message if view.problem else None,
        captured=view.captured,
        applied=applied.ts if applied else None,
        majority=view.majority if fresh else None,
        primary_last_write=view.primary_last_write if fresh else None,
        oldest=view.oldest if fresh else None,
    )


@dataclass(frozen=True, slots=True)
class Ended(Record):
    """An operation that has ended; `equal` is what a validation found."""

    SPARSE: ClassVar = True

    operation: str
    finished_at: str
    age_seconds: int
    equal: bool | None = None


@dataclass(frozen=True, slots=True)
class Status(Record):
    """The state of a job, as far as it can be known now (see docs/agent-cli.md)."""

    job: str
    alive: bool
    state: str
    live: Live
    generation: int | None
    alerts: tuple[Alert, ...]
    leases: tuple[Lease, ...]
    maintenance: Maintenance | None
    snapshots_paused: bool
    operation: Operation | None
    last_sync_failed: str | None
    last_snapshot: Snapshot | None
    last_proven_snapshot: Snapshot | None
    last_resync: Ended | None
    last_validation: Ended | None
    archive: Archived | None
    last_verification: Verified | None
    certificates: tuple[Certificate, ...]
    verdict: str = "ok"
    reasons: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return the contract's form."""
        found = Record.to_json(self)
        observed = found.pop("live")
        agent = {"alive": found.pop("alive"), **observed.pop("agent")}
        first = {"job": found.pop("job"), "agent": agent, "state": found.pop("state")}
        maintenance = self.maintenance.shown() if self.maintenance else None
        return {**first, **observed, **found, "maintenance": maintenance}

    @property
    def silence(self) -> str | None:
        """How long the daemon has given no sign of life; None while that is usual."""
        seen = self.live.agent.cycle_at
        age = 0 if seen is None else age_seconds(seen)
        if abs(age) <= SILENT_SECONDS:
            return None
        return f"gave no sign of life for {age} s" if age > 0 else f"gave one {-age} s from now: the clock was set back"

    @property
    def apply_waits(self) -> str | None:
        """Why nothing is applied at this moment: the reason of the last cycle, if it ended without an applier."""
        word, _, reason = str(self.live.agent.cycle).partition(": ")
        tails = self.alive and self.state == "tailing"
        return reason if tails and word == "waiting" and self.live.applied is None else None

    @property
    def exit_code(self) -> int:
        """What the command returns: 4 while the daemon is down, but 1 when maintenance leaves it no more time."""
        if self.alive:
            return VERDICT_EXIT[self.verdict]
        late = self.maintenance is not None and self.maintenance.late
        return VERDICT_EXIT["critical"] if late else AgentDown.exit_code


def _state(store: Store, alive: bool, operation: Operation | None) -> str:
    kinds = {alert.kind for alert in store.alerts()}
    if operation is not None and operation.kind in SYNCS:
        return "initial_sync" if operation.kind == "initial_sync" else "resyncing"
    if "resync_required" in kinds:
        return "resync_required"
    if not alive or "stopped" in kinds:
        return "stopped"
    return "new" if store.number("current") is None else "tailing"


def _ended(operation: Operation | None, equal: bool | None = None) -> Ended | None:
    if operation is None or operation.finished_at is None:
        return None
    return Ended(operation.id, operation.finished_at, age_seconds(operation.finished_at), equal)


def _failure(operation: Operation | None) -> str | None:
    if operation is None or not operation.gave_up:
        return None
    return f"{operation.id} {operation.state}: {operation.error.message if operation.error else None}"


def _last_validation(store: Store) -> Ended | None:
    operation = store.newest_validation()
    return None if operation is None else _ended(operation, operation.equal)


def collect(config: Config, store: Store) -> Status:
    """Return the whole status, as it was at one moment: state, alerts and operation never contradict each other."""
    with store.at_one_moment():
        status = _recorded(config, store)
    # What a daemon saw that is gone or hangs says nothing about now.
    if not status.alive or status.silence is not None:
        seen = replace(status.live, waiting=None, majority=None, primary_last_write=None, oldest=None)
        status = replace(status, live=seen)
    level, reasons = verdict(config, status)
    seen = replace(status.live, waiting=status.live.waiting or status.apply_waits)
    return replace(status, live=seen, verdict=level, reasons=tuple(reasons))


def _recorded(config: Config, store: Store) -> Status:
    """Return what is recorded, not judged yet."""
    alive, observed, operation = daemon_alive(config), store.live(), store.open_operation()
    snapshots = [s for s in store.snapshots() if s.state == "good"]
    current, syncing = store.number("current"), store.number("syncing")
    alerts = store.alerts()
    alerts += room.unrecorded(config, syncing or current, alerts)
    return Status(
        job=config.job,
        alive=alive,
        state=_state(store, alive, operation),
        live=observed if alive else replace(observed, agent=replace(observed.agent, pid=None)),
        generation=current,
        alerts=tuple(alerts),
        leases=tuple(store.leases()),
        maintenance=store.maintenance(),
        snapshots_paused=bool(store.leases()) or operation is not None,
        operation=operation,
        last_sync_failed=_failure(store.newest_operation(*SYNCS)),
        last_snapshot=snapshots[0] if snapshots else None,
        last_proven_snapshot=next((s for s in snapshots if s.proven_at), None),
        last_resync=_ended(store.newest_operation(*SYNCS, state="done")),
        last_validation=_last_validation(store),
        archive=_archive(store),
        last_verification=store.observed("verification", Verified),
        certificates=(store.observed(CERTIFICATE, Certificates) or Certificates()).files,
    )


def _archive(store: Store) -> Archived | None:
    found = store.observed("archive", Archived)
    return replace(found, ids=None) if found else None  # the ids are the agent's own affair


def verdict(config: Config, status: Status) -> tuple[str, list[str]]:
    """Return the verdict and its reasons. What is not known is never `ok`."""
    found = [(_level(alert), f"{alert.kind} since {alert.since}: {alert.cause}") for alert in status.alerts]
    found += _judged(config, status) if status.alive else [_down_verdict(config, status)]
    if status.alive and status.maintenance is not None and status.maintenance.overdue:
        found.append(("warning", status.maintenance.never_ended()))
    found.sort(key=lambda one: ORDER.index(one[0]))
    return found[0][0] if found else "ok", [reason for _, reason in found]


def _level(alert: Alert) -> str:
    return "warning" if alert.kind in NOT_CRITICAL or alert.detail.get("level") == "warning" else "critical"


def _judged(config: Config, status: Status) -> list[tuple[str, str]]:
    """Judge a job whose agent runs."""
    if status.silence is not None:
        return [("unknown", f"the agent runs, but {status.silence}")]
    if status.state == "new" and status.last_sync_failed:
        return [("critical", f"there is no backup: {status.last_sync_failed}")]
    if status.state == "tailing":
        return [*_unknown(status.live), *_lags(config, status.live), *_overdue(config, status)]
    if status.alerts:
        return []
    return [("warning", f"the job is in state {status.state}: no new snapshot is taken")]


def _down_verdict(config: Config, status: Status) -> tuple[str, str]:
    """Judge an agent that is down. It is less than critical only under a maintenance that has time left."""
    record = status.maintenance
    if record is None:
        return "critical", "the agent is not running"
    return down(config.job, record, record.latest_safe_restart, record.seconds_left, LATE_SECONDS)


def _unknown(live: Live) -> Iterator[tuple[str, str]]:
    if live.waiting is not None:
        yield "unknown", f"nothing is captured at this moment: {live.waiting}"
    if live.backup_lag_seconds is None:
        yield "unknown", "the backup lag is not known: the source has not answered lately"
    elif live.backup_lag_primary_seconds is None:
        yield "unknown", "how far the backup is behind the primary is not known: the set has no primary"
    if live.apply_lag_seconds is None:
        cycle = live.agent.cycle
        yield "unknown", f"how far the head is behind what was captured is not known; the agent says: {cycle}"


def _lags(config: Config, live: Live) -> Iterator[tuple[str, str]]:
    lags = {
        "the backup is {} s behind what a majority has": live.backup_lag_seconds,
        "the backup is {} s behind the primary's last write": live.backup_lag_primary_seconds,
        "the head is {} s behind what was captured": live.apply_lag_seconds,
    }
    limits = {"critical": config.lag_critical_seconds, "warning": config.lag_warning_seconds}
    for text, lag in lags.items():
        level = next((level for level, limit in limits.items() if lag is not None and lag >= limit), None)
        if level is not None:
            yield level, f"{text.format(lag)}, the limit is {limits[level]} s"


def _overdue(config: Config, status: Status) -> Iterator[tuple[str, str]]:
    newest, interval = status.last_snapshot, config.snapshots.interval_hours * 3600
    if not interval or status.snapshots_paused or (newest and lately(newest.created_at, 2 * interval)):
        return
    age = "there is none" if newest is None else f"the newest is of {newest.created_at}"
    yield "warning", f"a good snapshot is overdue: {age}, one is due every {config.snapshots.interval_hours:g} h"
