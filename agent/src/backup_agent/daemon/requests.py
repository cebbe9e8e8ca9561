"""What a command may ask of a job, and what is done about it: done at once, queued for the daemon, or refused.

The command line gives these its options, and prints what they return. They know neither.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from backup_agent.config import Config
from backup_agent.errors import AgentDown, Refused
from backup_agent.repository import snapshot as snapshots
from backup_agent.source.connections import SourceSet
from backup_agent.state import maintenance
from backup_agent.state.store import Store, daemon_alive, other_operation
from backup_agent.sync import preflight
from backup_agent.times import age_seconds
from backup_agent.values import Json

VERDICT_EXIT = {"ok": 0, "warning": 0, "critical": 1, "unknown": 5}
DAY_SECONDS = 86400


@dataclass(frozen=True)
class Asked:
    """Who asks, and why; both are shown to everybody else."""

    owner: str
    reason: str


def require_daemon(config: Config) -> None:
    """Raise AgentDown unless the daemon of the job runs: nobody else would do what is queued."""
    if not daemon_alive(config):
        raise AgentDown(
            f"expected the agent of job {config.job} to run, it does not; start its service, then try again"
        )


def status_exit(status: Json) -> int:
    """Return the exit code of a status: 4 while the daemon is down, but 1 when maintenance leaves it no more time."""
    if status["agent"]["alive"]:
        return VERDICT_EXIT[status["verdict"]]
    return VERDICT_EXIT["critical"] if maintenance.is_late(status["maintenance"]) else AgentDown.exit_code


def queue(config: Config, store: Store, kind: str, asked: Asked, params: Json | None = None) -> Json:
    """Queue an operation; an open one that is the same is attached to. Raises AgentDown, OperationOpen."""
    require_daemon(config)
    operation, new = store.start_operation(kind, asked.owner, asked.reason, params)
    return {"changed": new, "attached": not new, "operation": operation}


# A resync ------------------------------------------------------------------------------------------------------------------


def resync_needed(store: Store, policy: str, older_than_days: float) -> tuple[bool, str]:
    """Say whether a policy (`always`, `required` or `older_than`) asks for a resync now, and why."""
    if policy == "always":
        return True, "the policy is always"
    causes = store.stopped_by()
    if causes:
        return True, f"Resync Required: {', '.join(causes)}"
    if store.generation("current") is None:
        return True, "the job has no backup"
    if policy == "required":
        return False, "the backup is in sync"
    last = store.newest_operation("resync", "initial_sync", state="done")
    if last is None:
        return True, "no resync is known"
    days = age_seconds(last["finished_at"]) / DAY_SECONDS
    if days > older_than_days:
        return True, f"the last resync is {days:.1f} days old"
    return False, f"the last resync is {days:.1f} days old, at most {older_than_days:g} are allowed"


def resync(config: Config, store: Store, asked: Asked, needed: tuple[bool, str], dry_run: bool) -> Json:
    """Plan a resync, or queue it, when it is `needed`. An open one of the same owner is attached to, whatever the policy says.

    Raises AgentDown, OperationOpen, or PreflightFailed when a plan says that it would not succeed.
    """
    wanted, why = needed
    result: Json = {
        "changed": False,
        "needed": wanted,
        "why": why,
        "attached": False,
        "operation": None,
        "plan": None,
    }
    found = store.open_operation()
    if found is not None and (found["kind"], found["owner"]) == ("resync", asked.owner):
        return result | {"attached": True, "operation": found, "why": "your operation is open"}
    if not wanted:
        return result
    if not dry_run:
        return result | queue(config, store, "resync", asked)
    require_daemon(config)
    if found is not None:
        raise other_operation(found)
    return result | {"changed": True, "plan": _plan(config)}


def _plan(config: Config) -> Json:
    plan = preflight.plan(config, SourceSet(config), config.directory, lambda: None)
    preflight.require_passed(plan, plan=plan)
    return plan


# Snapshots -----------------------------------------------------------------------------------------------------------------


def snapshot(config: Config, store: Store, name: str, state: str, prove: bool, asked: Asked) -> Json:
    """Bring a snapshot to a state: `present`, `proven`, `held`, `released` or `absent`. What is so already is no change.

    Raises NotFound, Refused for one that is bad or while snapshots are paused, AgentDown, OperationOpen.
    """
    if state == "absent":
        return {"changed": snapshots.remove(config, store, name), "snapshot": None, "operation": None}
    if state in ("held", "released"):
        return _hold(store, name, state == "held")
    found = store.snapshot(name)
    if found is not None and (state == "present" or found["proven_at"]):
        return {"changed": False, "snapshot": found, "operation": None}
    if found is not None and found["state"] != "good":
        raise Refused(f"snapshot {name} is {found['state']}: it was not what was stored; take another one")
    require_daemon(config)
    if found is None:
        _require_no_lease(store)
    kind, params = "snapshot" if found is None else "proof", {"name": name, "prove": prove or state == "proven"}
    operation, new = store.start_operation(kind, asked.owner, asked.reason, params)
    return {"changed": new, "snapshot": found, "operation": operation}


def _hold(store: Store, name: str, held: bool) -> Json:
    before = snapshots.known(store, name)
    store.update_snapshot(name, held=int(held))
    after = snapshots.known(store, name)  # it may have been removed meanwhile
    return {"changed": before["held"] != after["held"], "snapshot": after, "operation": None}


def _require_no_lease(store: Store) -> None:
    leases = store.leases()
    if leases:
        owners = ", ".join(f"{lease['owner']} ({lease['reason']})" for lease in leases)
        raise Refused(f"snapshots are paused by {owners}; wait, or let the owner resume them")


# A restore -----------------------------------------------------------------------------------------------------------------


def own_restore(config: Config, owner: str, params: Json) -> Json | None:
    """Return the open operation that does exactly this, or None. Raises OperationOpen for any other one.

    Who asks for the newest optime finds the one that was begun so: it goes on to what was the newest then.
    """
    with contextlib.closing(Store(config.state_file)) as store:
        found = store.open_operation()
    if found is None:
        return None
    held = found["params"]
    if params["snapshot"] is None and params["at"] is None and found["kind"] == "restore":
        held = {**held, "at": None}
    if (found["kind"], found["owner"], held) == ("restore", owner, params):
        return found
    raise other_operation(found)
