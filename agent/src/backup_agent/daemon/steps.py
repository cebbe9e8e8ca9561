"""The steps of operations. Each can be begun again after a crash and returns one sentence for the step's note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backup_agent import failpoints
from backup_agent.compare import validation
from backup_agent.compare.validation import Validation
from backup_agent.errors import AgentError, OperationFailed, PreflightFailed, ResyncRequired, Transient
from backup_agent.repository import inventory, proof, snapshot, verification
from backup_agent.restore import restorer as restore
from backup_agent.restore import target as restore_target
from backup_agent.state.records import Generation, Operation
from backup_agent.sync import preflight
from backup_agent.sync.initial_sync import InitialSync, SyncWork
from backup_agent.times import lately

FIRST_SYNC_PATIENCE_SECONDS = 600
"""How long a job's first sync waits for its preflight to pass: a set that was just loaded has a short window for a while."""

LEASE_SECONDS = 7 * 24 * 3600
"""Longer than any resync. An operation removes its lease when it ends; this only bounds an operation that never ends."""

NOT_ASKED_FOR = "not asked for"


def _preflight(work: SyncWork, operation: Operation) -> str:
    if own_generation(work, operation) is not None:
        return "passed before the restart"
    plan = preflight.plan(work.config, work.sources, data_directory=work.config.directory, tick=work.alive)
    work.note(plan=plan)
    try:
        plan.require_passed()
    except PreflightFailed as error:
        if operation.kind == "initial_sync" and lately(operation.created_at, FIRST_SYNC_PATIENCE_SECONDS):
            # Nobody asked for it and nothing depends on it yet, so it may wait for the set to be ready.
            raise Transient(error.message) from error
        raise
    return f"all {len(plan.checks)} checks passed; {plan.why_source}"


def _pause(work: SyncWork, operation: Operation) -> str:
    work.store.add_lease(operation.id, operation.reason, LEASE_SECONDS)
    return "snapshots are paused until the new backup has been validated"


def own_generation(work: SyncWork, operation: Operation) -> Generation | None:
    """Return the generation that this operation is syncing, or None."""
    syncing = work.store.generation("syncing")
    return syncing if syncing is not None and syncing.sync.operation == operation.id else None


def _sync(work: SyncWork, operation: Operation) -> str:
    syncing = own_generation(work, operation)
    if syncing is None:
        left = work.store.number("syncing")
        if left is not None:
            work.store.retire_generation(left)
        work.stop_runtime()
        work.remove_retired()  # makes room; the current one stays until the new one has been validated
        syncing = work.store.new_generation(operation.id)
    work.use_generation(syncing.number)
    InitialSync(work, syncing.sync).run()
    found = syncing.sync
    work.note(**found.result())
    return f"read {found.documents} documents, {found.bytes} bytes from {', '.join(found.sources)}"


def _validate(work: SyncWork, operation: Operation) -> str:
    if operation.kind == "validation":
        work.use_current()
    else:
        _resume_sync(work, operation)
    report = validation.validate(work, operation.params.level)
    work.note(validation=report)
    if not report.equal:
        raise _mismatch(operation, report)
    return f"{report.compared} collections equal at level {report.level}"


def _mismatch(operation: Operation, report: Validation) -> AgentError:
    text, details = "; ".join(report.differences[:5]), {"differences": report.differences}
    if operation.kind == "validation":
        return ResyncRequired("corruption", f"the backup is not equal to its source: {text}", **details)
    return OperationFailed(f"the new copy is not equal to its source, the old backup is kept: {text}", **details)


def _resume_sync(work: SyncWork, operation: Operation) -> None:
    """Bring the syncing generation up again, when the daemon was restarted after its sync."""
    syncing = own_generation(work, operation)
    if syncing is None:
        raise OperationFailed("expected the generation that was synced, found none; start the resync again")
    work.use_generation(syncing.number)
    if work.applied() is None:
        snapshot.ensure_unlocked(work.head.client)
        InitialSync(work, syncing.sync).run()


def _switch(work: SyncWork, operation: Operation) -> str:
    syncing = own_generation(work, operation)
    if syncing is not None:
        failpoints.reach("switch.before")
        work.store.switch_generation(syncing.number)
        failpoints.reach("switch.after")
    work.store.close_alerts("resync_required", "stopped")
    work.remove_retired()
    return f"generation {work.store.number('current')} is the backup now; snapshots of earlier ones stay"


def _resume(work: SyncWork, operation: Operation) -> str:
    work.store.remove_lease(operation.id)
    others = ", ".join(lease.owner for lease in work.store.leases())
    return f"snapshots stay paused by {others}" if others else "snapshots are no longer paused"


def _snapshot(work: SyncWork, operation: Operation) -> str:
    work.use_current()
    name = operation.params.name or f"after-{operation.id}"
    prove = _wants_proof(operation)
    taken = snapshot.take(work, name, prove)
    work.note(snapshot=taken)
    wanted = work.config.snapshots
    begun = work.store.removals()
    old_ones = snapshot.retention(work.store.snapshots(), wanted.keep_last, by_schedule=wanted.interval_hours > 0)
    for old in (*begun, *old_ones):
        if old != name:
            snapshot.remove(work.config, work.store, old, operation.id, work.alive)
    return f"snapshot {name}, {taken.bytes_added} bytes added"


def _wants_proof(operation: Operation) -> bool:
    return operation.kind != "snapshot" or operation.params.prove


def _prove(work: SyncWork, operation: Operation) -> str:
    if not _wants_proof(operation):
        return NOT_ASKED_FOR
    if operation.kind != "proof":
        work.use_current()
    found = proof.prove(work, operation.snapshot)
    work.note(proof=found, snapshot=work.store.snapshot(found.snapshot))
    return f"snapshot {found.snapshot} was restored: {found.collections} collections, {found.documents} documents equal"


def _restore(work: SyncWork, operation: Operation) -> str:
    """Restore while the job goes on, if it runs. A backup that is out of sync can be restored too."""
    work.begin_beside()
    params = operation.params
    target = restore_target.Target(Path(params.target or ""))
    restorer = restore.Restorer(
        snapshot.repository(work), work.config.head.mongod, target, work.tick, work.go_on_beside
    )

    def look() -> inventory.Inventory:
        return inventory.restorable(restorer.restic, work.config.job, work.go_on_beside, work.store, params.snapshot)

    found, changed = restore.restore(restorer, look, params.snapshot, params.at)
    work.note(restore={"changed": changed, **found.to_json()})
    return f"{found.snapshot} and {found.entries} operations after it are in {found.target}"


def _verify(work: SyncWork, _operation: Operation) -> str:
    work.use_current()
    found = verification.verify(work, work.config.verify_parts)
    return f"{found.slices} slices and part {found.part} of {found.parts} of the repository can be read"


STEPS: dict[str, Callable[[SyncWork, Operation], str]] = {
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
