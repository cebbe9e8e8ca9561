"""What a command may ask of a job, and what is done about it: done at once, queued for the daemon, or refused.

The command line gives these its options, and prints what they return. They know neither.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from backup_agent.config import Config
from backup_agent.errors import AgentDown, Refused
from backup_agent.repository import agreement
from backup_agent.repository import snapshot as snapshots
from backup_agent.repository.restic import Restic, cache_of
from backup_agent.source.connections import SourceSet
from backup_agent.state.records import Operation, Params, Snapshot
from backup_agent.state.store import Store, daemon_alive, other_operation
from backup_agent.sync import preflight
from backup_agent.values import Record

DAY_SECONDS = 86400


@dataclass(frozen=True)
class Asked:
    """Who asks, and why; both are shown to everybody else."""

    owner: str
    reason: str


@dataclass(frozen=True, slots=True)
class Queued(Record):
    """An operation that was asked for: queued now, or the open one that is the same."""

    changed: bool
    attached: bool
    operation: Operation


@dataclass(frozen=True, slots=True)
class Resync(Record):
    """A resync that was asked for: whether and why it is needed, and the operation, or the plan of a dry run."""

    changed: bool = False
    needed: bool = False
    why: str = ""
    attached: bool = False
    operation: Operation | None = None
    plan: preflight.Plan | None = None


@dataclass(frozen=True, slots=True)
class Kept(Record):
    """A snapshot that was asked for, or for which something was; and the operation, where that takes one."""

    changed: bool
    snapshot: Snapshot | None = None
    operation: Operation | None = None


def require_daemon(config: Config) -> None:
    """Raise AgentDown unless the daemon of the job runs: nobody else would do what is queued."""
    if not daemon_alive(config):
        raise AgentDown(
            f"expected the agent of job {config.job} to run, it does not; start its service, then try again"
        )


def queue(config: Config, store: Store, kind: str, asked: Asked, params: Params | None = None) -> Queued:
    """Queue an operation; an open one that is the same is attached to. Raises AgentDown, OperationOpen."""
    require_daemon(config)
    operation, new = store.start_operation(kind, asked.owner, asked.reason, params)
    return Queued(new, not new, operation)


@dataclass(frozen=True, slots=True)
class Repository(Record):
    """What the repository has of what the state lists; `forgotten` are the snapshots that were taken off the list."""

    changed: bool
    id: str
    missing: tuple[str, ...]
    forgotten: tuple[str, ...] = ()


def repository(config: Config, store: Store, accept: bool) -> Repository:
    """Compare the repository with the state; with `accept` take it as it is.

    Raises Replaced where it is another one and is not accepted, OperationOpen, and what restic's errors mean.
    """
    with cache_of(config.directory) as cache:
        restic = Restic(config.repository, cache)
        if not accept:
            agreement.compare(store, restic, config.job, lambda: None)
            missing = tuple(s.name for s in store.snapshots() if s.state == agreement.MISSING)
            return Repository(False, restic.identity(), missing)
        found = store.open_operation()
        if found is not None:
            raise other_operation(found)
        forgotten = agreement.accept(store, restic, config.job, lambda: None)
        return Repository(bool(forgotten), restic.identity(), (), tuple(forgotten))


# A resync ------------------------------------------------------------------------------------------------------------------


def resync_needed(store: Store, policy: str, older_than_days: float) -> tuple[bool, str]:
    """Say whether a policy (`always`, `required` or `older_than`) asks for a resync now, and why."""
    if policy == "always":
        return True, "the policy is always"
    causes = store.stopped_by()
    if causes:
        return True, f"Resync Required: {', '.join(causes)}"
    if store.number("current") is None:
        return True, "the job has no backup"
    if policy == "required":
        return False, "the backup is in sync"
    last = store.newest_operation("resync", "initial_sync", state="done")
    if last is None:
        return True, "no resync is known"
    days = last.age_seconds / DAY_SECONDS
    if days < 0:
        raise Refused(
            f"expected a last resync that has ended, found {last.id}, which ends in the future, at {last.finished_at}; "
            "set the clock of this machine right"
        )
    if days > older_than_days:
        return True, f"the last resync is {days:.1f} days old"
    return False, f"the last resync is {days:.1f} days old, at most {older_than_days:g} are allowed"


def resync(config: Config, store: Store, asked: Asked, needed: tuple[bool, str], dry_run: bool) -> Resync:
    """Plan a resync, or queue it, when it is `needed`. An open one of the same owner is attached to, whatever the policy says.

    Raises AgentDown, OperationOpen, or PreflightFailed when a plan says that it would not succeed.
    """
    wanted, why = needed
    found = store.open_operation()
    if found is not None and (found.kind, found.owner) == ("resync", asked.owner):
        return Resync(needed=wanted, why="your operation is open", attached=True, operation=found)
    if not wanted:
        return Resync(why=why)
    if not dry_run:
        queued = queue(config, store, "resync", asked)
        return Resync(queued.changed, wanted, why, queued.attached, queued.operation)
    require_daemon(config)
    if found is not None:
        raise other_operation(found)
    plan = preflight.plan(config, SourceSet(config), config.directory, lambda: None)
    plan.require_passed(plan=plan)
    return Resync(changed=True, needed=wanted, why=why, plan=plan)


# Snapshots -----------------------------------------------------------------------------------------------------------------


def snapshot(config: Config, store: Store, name: str, state: str, prove: bool, asked: Asked) -> Kept:
    """Bring a snapshot to a state: `present`, `proven`, `held`, `released` or `absent`. What is so already is no change.

    Raises NotFound, Refused for one that is bad or while snapshots are paused, AgentDown, OperationOpen.
    """
    if state == "absent":
        return Kept(snapshots.remove(config, store, name))
    if state in ("held", "released"):
        return _hold(store, name, state == "held")
    found = store.snapshot(name)
    if found is not None and (state == "present" or found.proven_at):
        return Kept(changed=False, snapshot=found)
    if found is not None and found.state != "good":
        raise Refused(f"snapshot {name} is {found.state}: it was not what was stored; take another one")
    require_daemon(config)
    if found is None:
        if name.startswith(snapshots.SCHEDULED):
            raise Refused(f"expected a name that the schedule does not use, found {name}; choose another")
        _require_no_lease(store)
    kind, params = "snapshot" if found is None else "proof", Params(name=name, prove=prove or state == "proven")
    operation, new = store.start_operation(kind, asked.owner, asked.reason, params)
    return Kept(new, found, operation)


def _hold(store: Store, name: str, held: bool) -> Kept:
    before = snapshots.known(store, name)
    store.update_snapshot(name, held=int(held))
    after = snapshots.known(store, name)  # it may have been removed meanwhile
    return Kept(before.held != after.held, after)


def _require_no_lease(store: Store) -> None:
    leases = store.leases()
    if leases:
        owners = ", ".join(f"{lease.owner} ({lease.reason})" for lease in leases)
        raise Refused(f"snapshots are paused by {owners}; wait, or let the owner resume them")


# A restore -----------------------------------------------------------------------------------------------------------------


def own_restore(config: Config, owner: str, params: Params) -> Operation | None:
    """Return the open operation that does exactly this, or None. Raises OperationOpen for any other one.

    Who asks for the newest optime finds the one that was begun so: it goes on to what was the newest then.
    """
    with contextlib.closing(Store(config.state_file)) as store:
        found = store.open_operation()
    if found is None:
        return None
    newest = params.snapshot is None and params.at is None and found.kind == "restore"
    held = replace(found.params, at=None) if newest else found.params
    if (found.kind, found.owner, held) == ("restore", owner, params):
        return found
    raise other_operation(found)
