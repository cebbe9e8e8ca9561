"""The job's state: records of what is desired and of what was observed, in one file.

The command line writes what is desired (operations, leases), the daemon carries it out and writes what it saw.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any

from backup_agent import failpoints
from backup_agent.config import Config
from backup_agent.errors import AgentError, NotFound, OperationOpen, Refused
from backup_agent.state.database import Database, R
from backup_agent.state.maintenance import Begin, Begun, Maintenance
from backup_agent.state.records import (
    STEPS,
    Alert,
    Generation,
    Identity,
    Lease,
    Live,
    Operation,
    Params,
    Snapshot,
    Step,
    Sync,
)
from backup_agent.times import age_seconds, iso_in, now_iso
from backup_agent.values import Json, Record

OPERATION = "SELECT *, cancel AS cancel_requested FROM operations"
OPEN = f"{OPERATION} WHERE state IN ('queued', 'running')"
REMOVING = "removing"
"""State of a snapshot whose removal was begun: whether restic still has it is not known."""


class Store(Database):
    """The records of one job."""

    # What was observed ------------------------------------------------------------------------------------------------

    def observe(self, name: str, value: Record) -> None:
        """Write what was observed last of something."""
        self._insert("observed", {"name": name, "value": value}, otherwise="REPLACE")

    def observed(self, name: str, kind: type[R]) -> R | None:
        """Return what was observed last of something, or None."""
        rows = self._rows("SELECT value FROM observed WHERE name = ?", name)
        return kind.from_json(json.loads(rows[0]["value"])) if rows else None

    @property
    def identity(self) -> str:
        """The name of this state in the repository: that of its agent, for as long as the state lives."""
        self._insert("observed", {"name": "identity", "value": Identity(uuid.uuid4().hex[:12])}, otherwise="IGNORE")
        found = self.observed("identity", Identity)
        assert found is not None
        return found.id

    def live(self) -> Live:
        """Return what the daemon observed last; nothing when it has never run."""
        return self.observed("live", Live) or Live()

    # Operations -------------------------------------------------------------------------------------------------------

    def start_operation(
        self, kind: str, owner: str, reason: str, params: Params | None = None
    ) -> tuple[Operation, bool]:
        """Queue an operation, or attach to the open one of the same kind, owner and parameters.

        Returns the operation and whether it is new. Raises OperationOpen, naming whose it is, otherwise, and NotFound for one
        that is to use a snapshot that is being removed.
        """
        asked = params or Params()
        with self._transaction():
            found = self.open_operation()
            if found is not None:
                if (found.kind, found.owner, found.params) == (kind, owner, asked):
                    return found, False
                raise other_operation(found)
            if kind != "snapshot" and not {asked.name, asked.snapshot}.isdisjoint(self.removals()):
                removed = asked.name or asked.snapshot
                raise NotFound(f"expected a snapshot that stays, found {removed} being removed; name another one")
            identifier = f"{kind.replace('_', '-')}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
            asking = {"id": identifier, "kind": kind, "owner": owner, "reason": reason, "state": "queued"}
            noted = {"steps": [Step(name) for name in STEPS[kind]], "params": asked.of(kind), "result": {}}
            self._insert("operations", {**asking, **noted, "created_at": now_iso()})
        return self.operation(identifier), True

    def operation(self, identifier: str) -> Operation:
        """Return one operation. Raises NotFound."""
        found = self._record(Operation, f"{OPERATION} WHERE id = ?", identifier)
        if found is None:
            raise NotFound(
                f"expected the id of an operation, found {identifier!r}; `backup-agent operation` shows the newest"
            )
        return found

    def open_operation(self) -> Operation | None:
        """Return the operation that is queued or running, or None."""
        return self._record(Operation, OPEN)

    def newest_operation(self, *kinds: str, state: str | None = None) -> Operation | None:
        """Return the newest operation of these kinds (of any, when none is named) and of this state, or None."""
        wanted = kinds or tuple(STEPS)
        marks = ", ".join("?" * len(wanted))
        query = f"{OPERATION} WHERE kind IN ({marks}) AND (? IS NULL OR state = ?) ORDER BY number DESC LIMIT 1"
        return self._record(Operation, query, *wanted, state, state)

    def old_operations(self, before: str, keep: int) -> list[str]:
        """Return the ids of operations that ended before a time, but the newest `keep` of them, and the newest of each kind.

        Of a kind the newest that was done is kept too, and of those that compared something the newest.
        """
        newest = "SELECT max(number) AS number FROM operations WHERE finished_at IS NOT NULL"
        compared = "json_extract(result, '$.validation.equal') IS NOT NULL"
        kept = (
            f"{newest} GROUP BY kind UNION {newest} AND state = 'done' GROUP BY kind UNION {newest} AND {compared} "
            "UNION SELECT * FROM (SELECT number FROM operations ORDER BY number DESC LIMIT ?)"
        )
        known = f"SELECT number FROM ({kept}) WHERE number IS NOT NULL"  # nothing is NOT IN a list with a NULL
        rows = self._rows(f"SELECT id FROM operations WHERE finished_at < ? AND number NOT IN ({known})", before, keep)
        return [str(row["id"]) for row in rows]

    def forget_operations(self, identifiers: list[str]) -> None:
        """Forget operations that have ended."""
        with self._transaction():
            for identifier in identifiers:
                self._write("DELETE FROM operations WHERE finished_at IS NOT NULL AND id = ?", identifier)

    def forget_alerts(self, before: str, keep: int) -> None:
        """Forget alerts that were closed before a time, but the newest `keep` of all."""
        newest = "SELECT number FROM alerts ORDER BY number DESC LIMIT ?"
        old = self._rows(f"SELECT number FROM alerts WHERE closed_at < ? AND number NOT IN ({newest})", before, keep)
        for row in old:
            self._write("DELETE FROM alerts WHERE number = ?", row["number"])

    def newest_validation(self) -> Operation | None:
        """Return the newest operation that has ended and has compared the backup with its source, or None."""
        compared = "finished_at IS NOT NULL AND json_extract(result, '$.validation.equal') IS NOT NULL"
        return self._record(Operation, f"{OPERATION} WHERE {compared} ORDER BY number DESC LIMIT 1")

    def update_operation(self, identifier: str, **fields: Any) -> None:
        """Write fields of an operation."""
        names = ", ".join(f"{name} = ?" for name in fields)
        with self._transaction():
            self._write(f"UPDATE operations SET {names} WHERE id = ?", *fields.values(), identifier)
            failpoints.reach("state.write")

    def finish_operation(self, identifier: str, state: str, error: AgentError | None = None) -> None:
        """End an operation: `done`, `failed` or `canceled`."""
        found = error.to_json() if error else None
        self.update_operation(identifier, state=state, error=found, finished_at=now_iso())

    def cancel_operation(self, identifier: str) -> bool:
        """Ask for the end of an operation; returns whether that was new. Raises NotFound."""
        found = self.operation(identifier)
        if found.finished_at is not None or found.cancel_requested:
            return False
        self.update_operation(identifier, cancel=1)
        return True

    # Leases -----------------------------------------------------------------------------------------------------------

    def add_lease(self, owner: str, reason: str, seconds: int) -> bool:
        """Pause snapshots for an owner; returns whether the lease is new. An owner's own lease is renewed."""
        new = owner not in {lease.owner for lease in self.leases()}
        self._insert("leases", Lease(owner, reason, iso_in(seconds)).to_json(), otherwise="REPLACE")
        return new

    def remove_lease(self, owner: str) -> bool:
        """Remove an owner's lease; returns whether there was one."""
        return self._write("DELETE FROM leases WHERE owner = ?", owner) > 0

    def leases(self) -> list[Lease]:
        """Return the leases that are valid now."""
        return self._records(Lease, "SELECT * FROM leases WHERE expires_at > ? ORDER BY owner", now_iso())

    # Maintenance ------------------------------------------------------------------------------------------------------

    def plan_maintenance(self, begin: Begin) -> Begun:
        """Return what `begin_maintenance` would answer and raise, and write nothing: a store that only reads can do it."""
        return begin.answer(self.maintenance(), self.leases(), self.live())

    def begin_maintenance(self, begin: Begin) -> Begun:
        """Write an owner's record and lease in one step, or renew both. Raises Refused while another owner's is valid."""
        with self._transaction():
            begun = self.plan_maintenance(begin)
            self.observe("maintenance", begun.maintenance)
            lease = Lease(begin.owner, begin.reason, begun.maintenance.until)
            self._insert("leases", lease.to_json(), otherwise="REPLACE")
        return begun

    def end_maintenance(self, owner: str) -> bool:
        """Remove an owner's record and lease, and nobody else's; returns whether there was one."""
        with self._transaction():
            found = self.maintenance()
            mine = found is not None and found.owner == owner
            if mine:
                self._write("DELETE FROM observed WHERE name = 'maintenance'")
            return self.remove_lease(owner) or mine

    def maintenance(self) -> Maintenance | None:
        """Return the record of maintenance that was not ended, or None."""
        return self.observed("maintenance", Maintenance)

    # Alerts -----------------------------------------------------------------------------------------------------------

    def raise_alert(self, kind: str, cause: str, detail: Json) -> bool:
        """Open an alert; returns whether it is new. One that is open already keeps its time and its detail."""
        alert = Alert(kind, cause, now_iso(), detail)
        return self._insert("alerts", alert.to_json(), otherwise="IGNORE") > 0

    def retell_alert(self, kind: str, cause: str, detail: Json) -> None:
        """Give an open alert another detail; it keeps its time."""
        query = "UPDATE alerts SET detail = ? WHERE kind = ? AND cause = ? AND closed_at IS NULL"
        self._write(query, detail, kind, cause)

    def close_alerts(self, *kinds: str, cause: str | None = None) -> None:
        """Close the open alerts of these kinds, or those of one cause."""
        marks = ", ".join("?" * len(kinds))
        which = f"kind IN ({marks}) AND (? IS NULL OR cause = ?)"
        self._write(
            f"UPDATE alerts SET closed_at = ? WHERE closed_at IS NULL AND {which}", now_iso(), *kinds, cause, cause
        )

    def alerts(self) -> list[Alert]:
        """Return the open alerts, oldest first."""
        return self._records(Alert, "SELECT * FROM alerts WHERE closed_at IS NULL ORDER BY number")

    def stopped_by(self) -> list[str]:
        """Return the causes for which the job has stopped, oldest first: it waits for a resync."""
        return [alert.cause for alert in self.alerts() if alert.kind in ("resync_required", "stopped")]

    # Generations ------------------------------------------------------------------------------------------------------

    def generation(self, *states: str) -> Generation | None:
        """Return the newest generation in one of these states (`syncing`, `current`, `retired`), or None."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT * FROM generations WHERE state IN ({marks}) ORDER BY number DESC LIMIT 1"
        return self._record(Generation, query, *states)

    def number(self, state: str) -> int | None:
        """Return the number of the newest generation in a state, or None, without reading what it knows of every collection."""
        found: int | None = self._rows("SELECT max(number) FROM generations WHERE state = ?", state)[0][0]
        return found

    def new_generation(self, operation: str | None = None) -> Generation:
        """Begin the next generation, in state `syncing`, for an operation."""
        with self._transaction():
            number = self._rows("SELECT coalesce(max(number), 0) + 1 FROM generations")[0][0]
            found = Generation(number, "syncing", now_iso(), Sync(operation))
            self._insert("generations", found.to_json())
        return found

    def replica_set(self, number: int) -> str | None:
        """Return the id of the replica set that a generation is a copy of; None where its sync did not look."""
        rows = self._rows("SELECT json_extract(sync, '$.replica_set') FROM generations WHERE number = ?", number)
        return rows[0][0] if rows else None

    def save_sync(self, number: int, sync: Sync) -> None:
        """Write how far the initial sync of a generation is."""
        self._write("UPDATE generations SET sync = ? WHERE number = ?", sync, number)

    def switch_generation(self, number: int) -> None:
        """Make a generation the current one and retire the one before, in one step."""
        with self._transaction():
            self._write("UPDATE generations SET state = 'retired' WHERE state = 'current' AND number <> ?", number)
            self._write("UPDATE generations SET state = 'current' WHERE number = ?", number)

    def retire_generation(self, number: int) -> None:
        """Give a generation up (a sync that failed or was canceled)."""
        self._write("UPDATE generations SET state = 'retired' WHERE number = ?", number)

    def retired_generations(self) -> list[int]:
        """Return the numbers of the generations whose files are no longer needed."""
        return [row["number"] for row in self._rows("SELECT number FROM generations WHERE state = 'retired'")]

    # Snapshots --------------------------------------------------------------------------------------------------------

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Record a snapshot that restic has stored."""
        self._insert("snapshots", snapshot.to_json(), otherwise="REPLACE")

    def update_snapshot(self, name: str, **fields: Any) -> bool:
        """Write fields of a snapshot (`held`, `proven_at`, `state`); returns whether there is one of that name."""
        names = ", ".join(f"{field} = ?" for field in fields)
        query = f"UPDATE snapshots SET {names} WHERE name = ? AND state <> '{REMOVING}'"
        return self._write(query, *fields.values(), name) > 0

    def begin_removal(self, name: str, within: str | None = None) -> Snapshot | None:
        """Take a snapshot out of the list before it leaves the repository, and return it; None when there is none.

        In one transaction, so that no operation that could use it begins meanwhile. One whose removal was begun before is
        returned again. Raises OperationOpen while an operation is open (but that of the id `within`), also where the removal was
        begun before: it would keep the operation from the repository. Raises Refused when it is held.
        """
        with self._transaction():
            snapshot = self._record(Snapshot, "SELECT * FROM snapshots WHERE name = ?", name)
            if snapshot is None:
                return None
            found = self.open_operation()
            if found is not None and found.id != within:
                raise other_operation(found)
            if snapshot.held:
                raise Refused(f"expected a snapshot that may be removed, found {name} held; release it first")
            self.update_snapshot(name, state=REMOVING)
        return snapshot

    def undo_removal(self, snapshot: Snapshot) -> None:
        """Put a snapshot back into the list, as `begin_removal` returned it, because restic still has it."""
        query = "UPDATE snapshots SET state = ? WHERE restic_id = ? AND state = ?"
        self._write(query, snapshot.state, snapshot.restic_id, REMOVING)

    def end_removal(self, restic_id: str) -> None:
        """Forget a snapshot whose removal was begun and that restic no longer has."""
        self._write("DELETE FROM snapshots WHERE restic_id = ? AND state = ?", restic_id, REMOVING)

    def forget_snapshot(self, name: str) -> None:
        """Take a snapshot out of the list that the repository does not have."""
        self._write("DELETE FROM snapshots WHERE name = ?", name)

    def removals(self) -> list[str]:
        """Return the names of the snapshots whose removal was begun and has not ended."""
        return [str(row["name"]) for row in self._rows("SELECT name FROM snapshots WHERE state = ?", REMOVING)]

    def stored_snapshots(self) -> bool:
        """Say whether the repository has, or had, snapshots of this job, also one that is being removed."""
        return bool(self._rows("SELECT 1 FROM snapshots LIMIT 1"))

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, newest first, without those that are being removed: they may be gone already."""
        query = "SELECT * FROM snapshots WHERE state <> ? ORDER BY created_at DESC, rowid DESC"
        return self._records(Snapshot, query, REMOVING)

    def snapshot(self, name: str) -> Snapshot | None:
        """Return a snapshot by its name, or None."""
        return next((s for s in self.snapshots() if s.name == name), None)


def daemon_alive(config: Config) -> bool:
    """Say whether a daemon holds the job's lock (a process that ended, however, holds none)."""
    try:
        descriptor = os.open(config.lock_file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared: two that look at the same moment must not take each other for a daemon.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def other_operation(found: Operation) -> OperationOpen:
    """Return the refusal that names an open operation, its owner and its age."""
    return OperationOpen(
        f"expected no open operation, found {found.kind} {found.id} of {found.owner}, "
        f"{age_seconds(found.created_at)} seconds old ({found.reason}), at step {found.step}; "
        f"wait for it, or cancel it: backup-agent resync --cancel {found.id}",
        operation=found,
    )
