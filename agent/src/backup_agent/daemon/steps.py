"""The steps of operations. Each can be begun again after a crash and returns one sentence for the step's note."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog

from backup_agent import failpoints
from backup_agent.compare import validation
from backup_agent.errors import AgentError, OperationFailed, PreflightFailed, ResyncRequired, Transient
from backup_agent.repository import inventory, proof, snapshot, verification
from backup_agent.restore import restorer as restore
from backup_agent.restore import target as restore_target
from backup_agent.sync import preflight
from backup_agent.sync.initial_sync import InitialSync
from backup_agent.times import age_seconds, now_iso, timestamp_from_json
from backup_agent.values import Json

if TYPE_CHECKING:
    from backup_agent.daemon.job import Job

log = structlog.get_logger(__name__)

FIRST_SYNC_PATIENCE_SECONDS = 600
"""How long a job's first sync waits for its preflight to pass: a set that was just loaded has a short window for a while."""

LEASE_SECONDS = 7 * 24 * 3600
"""Longer than any resync; an operation that ends takes its lease back, this only bounds one that never does."""

SNAPSHOT_ALERT = "snapshot_failed"
NOT_ASKED_FOR = "not asked for"


def _preflight(job: Job, operation: Json) -> str:
    if _own_generation(job, operation) is not None:
        return "passed before the restart"
    plan = preflight.plan(job.config, job.sources, data_directory=job.config.directory, tick=job.alive)
    job.note(plan=plan)
    failed = [check for check in plan["checks"] if not check["ok"]]
    if failed:
        text = "; ".join(f"{c['name']}: {c['detail']}; {c['remedy']}" for c in failed)
        if operation["kind"] == "initial_sync" and age_seconds(operation["created_at"]) < FIRST_SYNC_PATIENCE_SECONDS:
            # Nobody asked for it and nothing depends on it yet, so it may wait for the set to be ready.
            raise Transient(text)
        raise PreflightFailed(text, checks=failed)
    return f"all {len(plan['checks'])} checks passed; {plan['why_source']}"


def _pause(job: Job, operation: Json) -> str:
    job.store.add_lease(operation["id"], operation["reason"], LEASE_SECONDS)
    return "snapshots are paused until the new backup has been validated"


def _own_generation(job: Job, operation: Json) -> Json | None:
    syncing = job.store.generation("syncing")
    return syncing if syncing is not None and syncing["sync"].get("operation") == operation["id"] else None


def _sync(job: Job, operation: Json) -> str:
    syncing = _own_generation(job, operation)
    if syncing is None:
        left = job.store.generation("syncing")
        if left is not None:
            job.store.retire_generation(left["number"])
        job.stop_runtime()
        _remove_leftovers(job)
        syncing = job.store.new_generation()
        syncing["sync"]["operation"] = operation["id"]
        job.store.save_sync(syncing["number"], syncing["sync"])
    job.use_generation(syncing["number"])
    run = InitialSync(job, syncing["sync"])
    run.run()
    result = run.result()
    job.note(**result)
    return f"read {result['documents_copied']} documents, {result['bytes_copied']} bytes from {', '.join(result['sources'])}"


def _remove_leftovers(job: Job) -> None:
    """Make room: generations that were given up. The current one stays until the new one has been validated."""
    job.remove_retired()


def _validate(job: Job, operation: Json) -> str:
    if operation["kind"] == "validation":
        job.use_current()
    else:
        _resume_sync(job, operation)
    level = operation["params"].get("level", "digest")
    report = validation.validate(job, level)
    job.note(validation=report)
    if not report["equal"]:
        raise _mismatch(operation, report)
    return f"{report['compared']} collections equal at level {level}"


def _mismatch(operation: Json, report: Json) -> AgentError:
    text = "; ".join(report["differences"][:5])
    if operation["kind"] == "validation":
        return ResyncRequired(
            "corruption", f"the backup is not equal to its source: {text}", differences=report["differences"]
        )
    return OperationFailed(
        f"the new copy is not equal to its source, the old backup is kept: {text}", differences=report["differences"]
    )


def _resume_sync(job: Job, operation: Json) -> None:
    """Bring the syncing generation up again, when the daemon was restarted after its sync."""
    syncing = _own_generation(job, operation)
    if syncing is None:
        raise OperationFailed("expected the generation that was synced, found none; start the resync again")
    job.use_generation(syncing["number"])
    if job.applied() is None:
        snapshot.ensure_unlocked(job.head.client)
        InitialSync(job, syncing["sync"]).run()


def _switch(job: Job, operation: Json) -> str:
    syncing = _own_generation(job, operation)
    if syncing is not None:
        failpoints.reach("switch.before")
        job.store.switch_generation(syncing["number"])
        failpoints.reach("switch.after")
    job.store.close_alerts("resync_required", "stopped")
    job.remove_retired()
    current = job.store.generation("current")
    return f"generation {current['number'] if current else None} is the backup now; snapshots of earlier ones stay"


def _resume(job: Job, operation: Json) -> str:
    job.store.remove_lease(operation["id"])
    others = ", ".join(lease["owner"] for lease in job.store.leases())
    return f"snapshots stay paused by {others}" if others else "snapshots are no longer paused"


def _snapshot(job: Job, operation: Json) -> str:
    job.use_current()
    name = operation["params"].get("name") or f"after-{operation['id']}"
    prove = _wants_proof(operation)
    taken = job.store.snapshot(name) or snapshot.take(job, name, prove)
    job.note(snapshot=taken)
    for old in snapshot.retention(job.store.snapshots(), job.config.snapshots.keep_last):
        if old != name:
            snapshot.remove(job, old)
    return f"snapshot {name}, {taken['bytes_added']} bytes added"


def _wants_proof(operation: Json) -> bool:
    return operation["kind"] != "snapshot" or bool(operation["params"].get("prove", False))


def _prove(job: Job, operation: Json) -> str:
    if not _wants_proof(operation):
        return NOT_ASKED_FOR
    if operation["kind"] != "proof":
        job.use_current()
    name = operation["params"].get("name") or operation["result"]["snapshot"]["name"]
    found = proof.prove(job, name)
    job.note(proof=found, snapshot=job.store.snapshot(name))
    if not found["equal"]:
        raise OperationFailed(f"snapshot {name} is not what was stored: {'; '.join(found['differences'][:5])}")
    return f"snapshot {name} was restored: {found['collections']} collections, {found['documents']} documents equal"


def _restore(job: Job, operation: Json) -> str:
    """Restore beside the job, if it runs: a backup that has fallen out of sync can be restored all the same."""
    job.begin_beside()
    params = operation["params"]

    def report(phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        job.tick(phase, done, total, unit, text)

    target = restore_target.Target(Path(params["target"]))
    restorer = restore.Restorer(snapshot.repository(job), job.config.head.mongod, target, report, job.go_on_beside)
    bad = [s["name"] for s in job.store.snapshots() if s["state"] == "bad" and s["name"] != params.get("snapshot")]

    def look() -> inventory.Inventory:
        return inventory.without(inventory.inventory(restorer.restic, job.config.job, job.go_on_beside), bad)

    at = timestamp_from_json(params.get("at"))
    result = restore.restore(restorer, look, params.get("snapshot"), at)
    job.note(restore=result)
    return f"{result['snapshot']} and {result['entries']} operations after it are in {result['target']}"


def _verify(job: Job, _operation: Json) -> str:
    job.use_current()
    found = verification.verify(job, job.config.verify_parts)
    return f"{found['slices']} slices and part {found['part']} of {found['parts']} of the repository can be read"


STEPS: dict[str, Callable[[Job, Json], str]] = {
    "preflight": _preflight,
    "pause": _pause,
    "sync": _sync,
    "validate": _validate,
    "switch": _switch,
    "resume": _resume,
    "snapshot": _snapshot,
    "prove": _prove,
    "restore": _restore,
    "verify": _verify,
}


def put_back(job: Job, operation: Json, succeeded: bool) -> None:
    """Undo what an operation that ended must not leave behind: its lease, and a generation that did not become the backup."""
    job.store.remove_lease(operation["id"])
    syncing = _own_generation(job, operation)
    if syncing is not None and not succeeded:
        job.store.retire_generation(syncing["number"])
        job.remove_retired()


def note_snapshot(job: Job, operation: Json, state: str, error: AgentError | None) -> None:
    """Keep the alert about snapshots that fail: raised by a step that failed, closed by the next one that did not."""
    if state == "canceled":
        return
    for step in operation["steps"]:
        if step["name"] not in ("snapshot", "prove"):
            continue
        if step["state"] == "failed" and error is not None:
            job.store.raise_alert(
                SNAPSHOT_ALERT, step["name"], {"message": error.message, "operation": operation["id"]}
            )
        elif step["state"] == "done" and step["note"] != NOT_ASKED_FOR:
            job.store.close_alert(SNAPSHOT_ALERT, step["name"])


def note_verification(job: Job, operation: Json, state: str, error: AgentError | None) -> None:
    """Raise an alert about a verification that could not run; the next one that ran closes it. Damage has an alert of its own."""
    if operation["kind"] == "verification" and state == "failed" and not isinstance(error, verification.Damaged):
        detail = {"message": error.message if error else "", "operation": operation["id"]}
        job.store.raise_alert(verification.ALERT, verification.NOT_RUN, detail)


def write_report(job: Job, operation: Json, state: str, error: AgentError | None) -> None:
    """Write `reports/<id>.json`: the operation as it ended. Renamed into place, so that a reader never sees half of it."""
    path = job.config.reports / f"{operation['id']}.json"
    job.note(report=str(path))
    ended = {**job.store.operation(operation["id"]), "state": state, "finished_at": now_iso()}
    ended["error"] = error.as_json() if error else None
    content = json.dumps({"job": job.config.job, "operation": ended}, indent=2, default=str)
    try:
        job.config.reports.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".partial")
        with open(partial, "w", encoding="utf-8") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:  # an operation must end, also on a full disk; the state has all that the report says
        log.error("report not written", path=str(path), reason=str(error))


def is_open(operation: Json) -> bool:
    """Say whether an operation still runs or waits to."""
    return cast(str, operation["state"]) in ("queued", "running")
