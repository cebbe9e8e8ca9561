# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of one job in the words of this collection, with a verdict over what the product shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...values import Answer, iso_of, iso_or_none
from ...verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding, reasons, worst
from ..job import view as views
from ..job.job import REQUIRE_RESYNC, Job
from ..model.activity import Agent, Alert, Snapshot
from . import upkeep

#: The product raises OPLOG_BEHIND at this age of its newest oplog; without that alert the backup is behind by less.
OPLOG_BEHIND_SECONDS = 75 * 60
#: The product calls an agent down after this time without a word of it, and a snapshot late after one and a half intervals.
AGENT_SILENT = timedelta(hours=1)
LATE_INTERVALS = 1.5
LEAST_WINDOW_SECONDS = 24 * 3600

#: Alerts with which the backup can't be relied on; others of its kind are warnings.
_SEVERE = {
    "RESYNC_REQUIRED",
    "OPLOG_BEHIND",
    "BACKUP_AGENT_DOWN",
    "BACKUP_IN_UNEXPECTED_STATE",
    "BACKUP_TOO_MANY_RETRIES",
    "RS_BIND_ERROR",
}
_STATES = {
    views.INACTIVE: "new",
    views.PROVISIONING: "new",
    views.STOPPED: "stopped",
    views.TERMINATING: "stopped",
}


def record(job: Job, operation: Answer | None) -> Answer:
    """Return the state, the alerts, the newest snapshot and sync, and the verdict.

    What the product has no number for is null: the lags, and what is captured. The headroom is the least that it can be:
    the primary's oplog window without the time by which the backup may be behind before the product raises an alert.
    """
    findings = list(_findings(job, operation))
    snapshot, synced, window = job.newest, job.last_sync(), job.measures.window_seconds
    return {
        "job": job.name,
        "state": _state(job, operation),
        "asked_at": iso_of(job.now),
        "backup_status": job.status,
        "agent": _agent(job),
        "agents": [_agent_record(agent) for agent in job.agents],
        "source": None,
        "waiting": None,
        "backup_lag_seconds": None,
        "backup_lag_primary_seconds": None,
        "apply_lag_seconds": None,
        "headroom_seconds": headroom_seconds(job),
        "oplog_window_seconds": window,
        "replication_lag_seconds": job.measures.replication_lag_seconds,
        "alerts": [alert_record(alert) for alert in job.alerts],
        "leases": [],
        "maintenance": upkeep.shown(job),
        "muted_by": upkeep.muted_by_others(job),
        "syncing": job.syncing_in_project,
        "snapshots_paused": job.status != views.ACTIVE,
        "snapshot_interval_hours": _interval(job),
        "operation": operation,
        "last_snapshot": None if snapshot is None else _snapshot_record(snapshot),
        "last_proven_snapshot": None,
        "last_resync": None
        if synced is None
        else {
            "operation": job.newest_resync_id,
            "finished_at": iso_of(synced),
            "age_seconds": (job.now - synced).total_seconds(),
        },
        "last_validation": None,
        "verdict": worst([OK, *(finding.verdict for finding in findings)]),
        "reasons": reasons(findings),
    }


def headroom_seconds(job: Job) -> float | None:
    """Return the least headroom, in seconds; None where it is not known, as while the product says that the oplog is behind."""
    window = job.measures.window_seconds
    if window is None or any(alert.event_type == "OPLOG_BEHIND" for alert in job.alerts):
        return None
    return max(0.0, window - OPLOG_BEHIND_SECONDS)


def is_heard(agent: Agent, now: datetime) -> bool:
    """Whether an agent has asked for its configuration lately, which is the only sign of life that a backup agent gives."""
    return agent.last_conf is not None and now - agent.last_conf <= AGENT_SILENT


def alert_record(alert: Alert) -> Answer:
    """Return an alert in the words of this collection. Which of its causes an alert has, the product does not say."""
    detail = {"status": alert.status, "replica_set": alert.replica_set, "cluster": alert.cluster}
    return {
        "kind": "resync_required" if alert.event_type in REQUIRE_RESYNC else (alert.event_type or "unknown").lower(),
        "cause": None,
        "since": iso_or_none(alert.created),
        "detail": {key: value for key, value in detail.items() if value is not None},
    }


def _state(job: Job, operation: Answer | None) -> str:
    if job.status != views.ACTIVE:
        return _STATES.get(job.status, "new")
    if operation is not None and operation["method"] != "hand_off":
        return "resyncing"
    if job.syncing:
        return "resyncing"
    return "resync_required" if job.required is not None else "tailing"


def _findings(job: Job, operation: Answer | None) -> Iterator[Finding]:
    yield from (_alert_finding(alert) for alert in job.alerts)
    yield from _status_findings(job, operation)
    yield from _agent_findings(job)
    yield from _snapshot_findings(job, operation)
    window = job.measures.window_seconds
    if window is None:
        yield Finding(
            WARNING, "the product measures no oplog window of this job's primaries: give login_uri to measure it here"
        )
    elif window < LEAST_WINDOW_SECONDS:
        yield Finding(CRITICAL, f"the oplog window of the primary is {window / 3600:.1f} h, less than 24 h")
    if job.muted_by_others:
        muted = ", ".join(job.muted_by_others)
        yield Finding(WARNING, f"a maintenance window of somebody else mutes the alerts of backups: {muted}")


def _alert_finding(alert: Alert) -> Finding:
    since = f" since {iso_of(alert.created)}" if alert.created else ""
    severe = alert.event_type in _SEVERE
    what = "Resync Required" if alert.event_type == "RESYNC_REQUIRED" else alert.event_type
    return Finding(CRITICAL if severe else WARNING, f"alert {what}{since}")


def _status_findings(job: Job, operation: Answer | None) -> Iterator[Finding]:
    if operation is not None:
        yield Finding(WARNING, f"resync {operation['id']} of {operation['owner']} is open, in step {operation['step']}")
    elif job.status != views.ACTIVE:
        yield Finding(CRITICAL, f"the backup is {job.status}: no snapshots are made and no oplog is read")
    elif job.syncing:
        yield Finding(WARNING, "an initial sync runs: no snapshots are made until it has ended")


def _agent_findings(job: Job) -> Iterator[Finding]:
    active = [agent for agent in job.agents if agent.state == "ACTIVE"]
    if not job.agents:
        yield Finding(UNKNOWN, "the product knows no backup agent of this project")
    elif not active:
        states = ", ".join(f"{agent.hostname} {agent.state}" for agent in job.agents)
        yield Finding(CRITICAL, f"no backup agent is ACTIVE: {states}")
    elif not any(is_heard(agent, job.now) for agent in active):
        yield Finding(
            CRITICAL,
            f"the active backup agent {active[0].hostname} has not asked for its configuration for over an hour",
        )


def _snapshot_findings(job: Job, operation: Answer | None) -> Iterator[Finding]:
    found, interval = job.newest, _interval(job)
    latest = next((snapshot for snapshot in job.snapshots if snapshot.finished), None)
    if latest is not None and not latest.whole:
        flaw = f"misses {', '.join(latest.missing_shards)}" if latest.missing_shards else "may be inconsistent"
        yield Finding(WARNING, f"the newest snapshot {latest.id} {flaw}, so it is not counted")
    if job.status != views.ACTIVE:
        return
    if found is None:
        yield Finding(WARNING if operation or job.syncing else CRITICAL, "there is no complete snapshot")
        return
    if interval is None:
        yield Finding(
            WARNING, "the snapshot schedule could not be read, so it is not known whether the newest one is late"
        )
        return
    age = (job.now - found.made).total_seconds() / 3600
    if age > LATE_INTERVALS * interval:
        verdict = WARNING if operation or job.syncing else CRITICAL
        yield Finding(
            verdict,
            f"the newest complete snapshot is {age:.1f} h old, more than 1.5 times its interval of {interval:g} h",
        )


def _interval(job: Job) -> int | None:
    return None if job.schedule is None else job.schedule.interval_hours


def _agent(job: Job) -> Answer:
    """Return the active agent in the form that an agent of our own has."""
    active = [agent for agent in job.agents if agent.state == "ACTIVE" and is_heard(agent, job.now)]
    last = max((agent.last_conf for agent in active if agent.last_conf is not None), default=None)
    return {
        "alive": bool(active),
        "pid": None,
        "version": None,
        "started_at": None,
        "cycle_at": iso_or_none(last),
        "cycle": None,
    }


def _agent_record(agent: Agent) -> Answer:
    return {"host": agent.hostname, "state": agent.state, "last_conf": iso_or_none(agent.last_conf)}


def _snapshot_record(found: Snapshot) -> Answer:
    return {"name": found.id, "created_at": iso_of(found.made), "proven_at": None, "held": found.held}
