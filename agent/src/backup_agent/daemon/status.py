"""What `status` shows: the daemon's last observation, the store, and a verdict over both."""

from __future__ import annotations

import time

from bson.timestamp import Timestamp

from backup_agent.capture.capture import View
from backup_agent.config import Config
from backup_agent.source import tested
from backup_agent.state import maintenance, room
from backup_agent.state.store import Store, daemon_alive
from backup_agent.times import OpTime, age_seconds, seconds_between, timestamp_json
from backup_agent.values import Json

SILENT_SECONDS = 120
"""A daemon that wrote nothing for this long hangs, whatever it wrote last."""

STALE_SECONDS = 30
"""An answer of the source that is older than this says nothing about now."""


def _ts(optime: OpTime | None) -> Timestamp | None:
    return optime.ts if optime else None


def live(generation: int | None, view: View | None, applied: OpTime | None) -> Json:
    """Return the part of the status that only the daemon knows."""
    view = view or View()
    fresh = view.seen_at is not None and time.monotonic() - view.seen_at < STALE_SECONDS
    majority = _ts(view.majority) if fresh else None
    last_write = _ts(view.primary_last_write) if fresh else None
    oldest = _ts(view.oldest) if fresh else None
    captured, applied_ts = _ts(view.captured), _ts(applied)
    return {
        "generation": generation,
        "source": view.member,
        "source_version": view.version,
        "warnings": _warnings(view),
        "waiting": view.problem.message if view.problem else None,
        "captured": timestamp_json(captured),
        "applied": timestamp_json(applied_ts),
        "majority": timestamp_json(majority),
        "primary_last_write": timestamp_json(last_write),
        "oldest": timestamp_json(oldest),
        "backup_lag_seconds": seconds_between(majority, captured),
        "backup_lag_primary_seconds": seconds_between(last_write, captured),
        "apply_lag_seconds": seconds_between(captured, applied_ts),
        "headroom_seconds": seconds_between(captured, oldest),
    }


def _warnings(view: View) -> list[str]:
    text = tested.warning(view.version) if view.version else None
    return [text] if text else []


def _state(store: Store, alive: bool, operation: Json | None) -> str:
    kinds = {alert["kind"] for alert in store.alerts()}
    if operation is not None and operation["kind"] in ("initial_sync", "resync"):
        return "initial_sync" if operation["kind"] == "initial_sync" else "resyncing"
    if "resync_required" in kinds:
        return "resync_required"
    if not alive or "stopped" in kinds:
        return "stopped"
    return "tailing" if store.generation("current") else "new"


def _finished(operation: Json | None) -> Json | None:
    if operation is None or operation["finished_at"] is None:
        return None
    return {
        "operation": operation["id"],
        "finished_at": operation["finished_at"],
        "age_seconds": age_seconds(operation["finished_at"]),
    }


def _failure(operation: Json | None) -> str | None:
    if operation is None or operation["state"] not in ("failed", "canceled"):
        return None
    return f"{operation['id']} {operation['state']}: {(operation['error'] or {}).get('message')}"


def _last_validation(store: Store) -> Json | None:
    for kinds in (("validation", "resync", "initial_sync"),):
        operation = store.newest_operation(*kinds)
        validation = (operation or {}).get("result", {}).get("validation")
        found = _finished(operation)
        if found is not None and validation is not None:
            return {**found, "equal": validation["equal"]}
    return None


def collect(config: Config, store: Store) -> Json:
    """Return the whole status."""
    alive = daemon_alive(config)
    observed = store.observed(
        "live", {"agent": {"pid": None, "version": None, "started_at": None, "cycle_at": None, "cycle": None}}
    )
    agent = {"alive": alive, **observed.pop("agent")}
    if not alive:
        agent["pid"] = None
    operation = store.open_operation()
    snapshots = [s for s in store.snapshots() if s["state"] == "good"]
    current, worked_on = store.generation("current"), store.generation("current", "syncing")
    alerts = store.alerts()
    alerts += room.unrecorded(config, worked_on["number"] if worked_on else None, alerts)
    status = {
        "job": config.job,
        "agent": agent,
        "state": _state(store, alive, operation),
        **live(None, None, None),
        **observed,
        "generation": current["number"] if current else None,
        "alerts": alerts,
        "leases": store.leases(),
        "maintenance": maintenance.shown(store.maintenance()),
        "snapshots_paused": bool(store.leases()) or operation is not None,
        "operation": operation,
        "last_sync_failed": _failure(store.newest_operation("resync", "initial_sync")),
        "last_snapshot": snapshots[0] if snapshots else None,
        "last_proven_snapshot": next((s for s in snapshots if s["proven_at"]), None),
        "last_resync": _finished(store.newest_operation("resync", "initial_sync", state="done")),
        "last_validation": _last_validation(store),
        "archive": store.observed("archive"),
        "last_verification": store.observed("verification"),
    }
    if not alive or _silence(status) is not None:
        for name in (
            "waiting",
            "majority",
            "primary_last_write",
            "oldest",
            "backup_lag_seconds",
            "backup_lag_primary_seconds",
            "headroom_seconds",
        ):
            status[name] = None  # seen by a daemon that is gone or hangs: it says nothing about now
    judged = verdict(config, status)
    status["waiting"] = status["waiting"] or _apply_waits(status)
    return status | judged


def _apply_waits(status: Json) -> str | None:
    """Return why nothing is applied at this moment: the reason of the last cycle, if it ended without an applier."""
    word, _, reason = str(status["agent"].get("cycle")).partition(": ")
    tails = status["agent"]["alive"] and status["state"] == "tailing"
    return reason if tails and word == "waiting" and status["applied"] is None else None


def _silence(status: Json) -> str | None:
    """Say how long the daemon has given no sign of life; None while that is usual."""
    seen = status["agent"].get("cycle_at")
    age = 0 if seen is None else age_seconds(seen)
    if abs(age) <= SILENT_SECONDS:
        return None
    return f"gave no sign of life for {age} s" if age > 0 else f"gave one {-age} s from now: the clock was set back"


def verdict(config: Config, status: Json) -> Json:
    """Return `verdict` and `reasons`. Pure. What is not known is never `ok`."""
    found = [("critical", f"{a['kind']} since {a['since']}: {a['cause']}") for a in status["alerts"]]
    if not status["agent"]["alive"]:
        found.append(_down_verdict(config, status))
    elif (silence := _silence(status)) is not None:
        found.append(("unknown", f"the agent runs, but {silence}"))
    elif status["state"] == "new" and status["last_sync_failed"]:
        found.append(("critical", f"there is no backup: {status['last_sync_failed']}"))
    elif status["state"] == "tailing":
        found += _lag_verdict(config, status) + _snapshot_verdict(config, status)
    elif not status["alerts"]:
        found.append(("warning", f"the job is in state {status['state']}: no new snapshot is taken"))
    found += _maintenance_verdict(status)
    order = ("critical", "unknown", "warning")
    worst = min((level for level, _ in found), key=order.index, default="ok")
    return {"verdict": worst, "reasons": [reason for _, reason in sorted(found, key=lambda f: order.index(f[0]))]}


def _down_verdict(config: Config, status: Json) -> tuple[str, str]:
    """Judge an agent that is down: only maintenance that goes on, and leaves time, makes that less than critical."""
    record = status.get("maintenance")
    if record is None:
        return "critical", "the agent is not running"
    left = record["seconds_left"]
    return maintenance.down(config.job, record, record["latest_safe_restart"], left, maintenance.LATE_SECONDS)


def _maintenance_verdict(status: Json) -> list[tuple[str, str]]:
    record = status.get("maintenance")
    if record is None or not record["overdue"] or not status["agent"]["alive"]:
        return []
    return [("warning", maintenance.never_ended(record))]


def _lag_verdict(config: Config, status: Json) -> list[tuple[str, str]]:
    found = []
    if status["waiting"] is not None:
        found.append(("unknown", f"nothing is captured at this moment: {status['waiting']}"))
    if status["backup_lag_seconds"] is None:
        found.append(("unknown", "the backup lag is not known: the source did not answer lately"))
    elif status["backup_lag_primary_seconds"] is None:
        found.append(("unknown", "how far the backup is behind the primary is not known: the set has no primary"))
    if status["apply_lag_seconds"] is None:
        cycle = status["agent"].get("cycle")
        found.append(("unknown", f"how far the head is behind what was captured is not known; the agent says: {cycle}"))
    lags = {
        "the backup is {} s behind what a majority has": status["backup_lag_seconds"],
        "the backup is {} s behind the primary's last write": status["backup_lag_primary_seconds"],
        "the head is {} s behind what was captured": status["apply_lag_seconds"],
    }
    for text, lag in lags.items():
        if lag is None:
            continue
        for level, limit in (("critical", config.lag_critical_seconds), ("warning", config.lag_warning_seconds)):
            if lag >= limit:
                found.append((level, f"{text.format(lag)}, the limit is {limit} s"))
                break
    return found


def _snapshot_verdict(config: Config, status: Json) -> list[tuple[str, str]]:
    newest, interval = status["last_snapshot"], config.snapshots.interval_hours * 3600
    if not interval or status["snapshots_paused"]:
        return []
    if newest is not None and age_seconds(newest["created_at"]) <= 2 * interval:
        return []
    age = "there is none" if newest is None else f"the newest is of {newest['created_at']}"
    return [("warning", f"a good snapshot is overdue: {age}, one is due every {config.snapshots.interval_hours:g} h")]
