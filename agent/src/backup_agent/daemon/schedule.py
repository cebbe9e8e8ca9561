"""The schedule: which operations the agent queues by itself, and when."""

from __future__ import annotations

from datetime import UTC, datetime

from backup_agent.config import Config
from backup_agent.repository import snapshot, verification
from backup_agent.state.records import Params
from backup_agent.state.store import Store

RETRY_SECONDS = 900
"""A snapshot that failed is not tried again by the schedule before this."""

OWNER = "schedule"
REASON = "the interval has passed"


def first_sync(store: Store) -> str:
    """Queue the initial sync of a job that has no backup, and say so. One that failed or was canceled is not begun again."""
    last = store.newest_operation("initial_sync", "resync")
    if last is not None and last.gave_up:
        return f"no backup yet: {last.id} {last.state}; start a resync when its cause is gone"
    operation, _ = store.start_operation("initial_sync", "agent", "the job has no backup yet")
    return f"queued {operation.id}"


def begin_due(config: Config, store: Store) -> str | None:
    """Queue the snapshot or the verification that is due, and say so; None when nothing is."""
    if _snapshot_due(config, store):
        name = f"{snapshot.SCHEDULED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        params = Params(name=name, prove=config.snapshots.prove)
        operation, _ = store.start_operation("snapshot", OWNER, REASON, params)
    elif verification.due(store, config.verify_interval_hours):
        operation, _ = store.start_operation("verification", OWNER, REASON)
    else:
        return None
    return f"queued {operation.id}"


def _snapshot_due(config: Config, store: Store) -> bool:
    if store.leases() or not snapshot.due(store.snapshots(), config.snapshots.interval_hours, datetime.now(UTC)):
        return False
    failed = store.newest_operation("snapshot", state="failed")
    return failed is None or not failed.ended_lately(RETRY_SECONDS)
