"""The job's state: records of what is desired and of what was observed, in one file.

The command line writes what is desired (operations, leases), the daemon carries it out and writes what it saw.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import uuid
from datetime import UTC, datetime
from typing import Any, TypeVar

from backup_agent import failpoints
from backup_agent.config import Config
from backup_agent.errors import AgentError, NotFound, OperationOpen, Refused
from backup_agent.state.database import Database
from backup_agent.state.maintenance import Begin, Begun, Maintenance
from backup_agent.state.records import (
    STEPS,
    STOPPING,
    Alert,
    Generation,
    Lease,
    Live,
    Operation,
    Params,
    Snapshot,
    Step,
    Sync,
)
from backup_agent.times import age_seconds, iso_in, now_iso
from backup_agent.values import Json, Record, to_json

R = TypeVar("R", bound=Record)
OPEN = "SELECT * FROM operations WHERE state IN ('queued', 'running')"
REMOVING = "removing"
"""State of a snapshot whose removal was begun: whether restic still has it is not known."""


def _column(value: Any) -> Any:
    """Return a value as a row has it: text and numbers as they are, everything else as JSON."""
    return value if value is None or isinstance(value, (str, int)) else json.dumps(to_json(value))


class Store(Database):
    """The records of one job."""

    # What was observed ------------------------------------------------------------------------------------------------

    def observe(self, name: str, value: Record) -> None:
        """Write what was observed last of something."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO observed VALUES (?, ?)", (name, _column(value)))

    def observed(self, name: str, kind: type[R]) -> R | None:
        """Return what was observed last of something, or None."""
        rows = self._rows("SELECT value FROM observed WHERE name = ?", name)
        return kind.from_json(json.loads(rows[0]["value"])) if rows else None

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
        with self._transaction() as db:
            row = db.execute(OPEN).fetchone()
            if row is not None:
                found = Operation.from_row(row)
                if (found.kind, found.owner, found.params) == (kind, owner, asked):
                    return found, False
                raise other_operation(found)
            if kind != "snapshot":
                _require_not_removed(db, asked)
            identifier = f"{kind.replace('_', '-')}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
            steps = [Step(name) for name in STEPS[kind]]
            db.execute(
                "INSERT INTO operations (id, kind, owner, reason, state, steps, params, result, created_at) "
                "VALUES (?, ?, ?, ?, 'queued', ?, ?, '{}', ?)",
                (identifier, kind, owner, reason, _column(steps), _column(asked.of(kind)), now_iso()),
            )
        return self.operation(identifier), True

    def operation(self, identifier: str) -> Operation:
        """Return one operation. Raises NotFound."""
        rows = self._rows("SELECT * FROM operations WHERE id = ?", identifier)
        if not rows:
            raise NotFound(
                f"expected the id of an operation, found {identifier!r}; `backup-agent operation` shows the newest"
            )
        return Operation.from_row(rows[0])

    def open_operation(self) -> Operation | None:
        """Return the operation that is queued or running, or None."""
        rows = self._rows(OPEN)
        return Operation.from_row(rows[0]) if rows else None

    def newest_operation(self, *kinds: str, state: str | None = None) -> Operation | None:
        """Return the newest operation of these kinds (of any, when none is named) and of this state, or None."""
        wanted = kinds or tuple(STEPS)
        marks = ", ".join("?" * len(wanted))
        rows = self._rows(
            f"SELECT * FROM operations WHERE kind IN ({marks}) AND (? IS NULL OR state = ?) ORDER BY number DESC LIMIT 1",
            *wanted,
            state,
            state,
        )
        return Operation.from_row(rows[0]) if rows else None

    def update_operation(self, identifier: str, **fields: Any) -> None:
        """Write fields of an operation."""
        names = ", ".join(f"{name} = ?" for name in fields)
        with self._transaction() as db:
            db.execute(f"UPDATE operations SET {names} WHERE id = ?", (*map(_column, fields.values()), identifier))
            failpoints.reach("state.write")

    def finish_operation(self, identifier: str, state: str, error: AgentError | None = None) -> None:
        """End an operation: `done`, `failed` or `canceled`."""
        found = error.to_json() if error else None
        self.update_operation(identifier, state=state, error=found, finished_at=now_iso())

    def cancel_operation(self, identifier: str) -> bool:
        """Ask for the end of an operation; returns whether that was new. Raises NotFound."""
        found = self.operation(identifier)
        if not found.is_open or found.cancel_requested:
            return False
        self.update_operation(identifier, cancel=1)
        return True

    # Leases -----------------------------------------------------------------------------------------------------------

    def add_lease(self, owner: str, reason: str, seconds: int) -> bool:
        """Pause snapshots for an owner; returns whether the lease is new. An owner's own lease is renewed."""
        expires = iso_in(seconds)
        new = owner not in {lease.owner for lease in self.leases()}
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (owner, reason, expires))
        return new

    def remove_lease(self, owner: str) -> bool:
        """Take an owner's lease back; returns whether there was one."""
        with self._transaction() as db:
            return db.execute("DELETE FROM leases WHERE owner = ?", (owner,)).rowcount > 0

    def leases(self) -> list[Lease]:
        """Return the leases that are valid now."""
        rows = self._rows("SELECT * FROM leases WHERE expires_at > ? ORDER BY owner", now_iso())
        return [Lease(*row) for row in rows]

    # Maintenance ------------------------------------------------------------------------------------------------------

    def plan_maintenance(self, begin: Begin) -> Begun:
        """Return what `begin_maintenance` would answer and raise, and write nothing: a store that only reads can do it."""
        return begin.answer(self.maintenance(), self.leases(), self.live())

    def begin_maintenance(self, begin: Begin) -> Begun:
        """Write an owner's record and lease in one step, or renew both. Raises Refused while another owner's is valid."""
        with self._transaction() as db:
            begun = self.plan_maintenance(begin)
            record = begun.maintenance
            db.execute("INSERT OR REPLACE INTO observed VALUES ('maintenance', ?)", (_column(record),))
            lease = (record.owner, record.reason, record.until)
            db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", lease)
        return begun

    def end_maintenance(self, owner: str) -> bool:
        """Remove an owner's record and lease, and nobody else's; returns whether there was one."""
        with self._transaction() as db:
            found = self.maintenance()
            mine = found is not None and found.owner == owner
            if mine:
                db.execute("DELETE FROM observed WHERE name = 'maintenance'")
            return db.execute("DELETE FROM leases WHERE owner = ?", (owner,)).rowcount > 0 or mine

    def maintenance(self) -> Maintenance | None:
        """Return the record of maintenance that was not ended, or None."""
        return self.observed("maintenance", Maintenance)

    # Alerts -----------------------------------------------------------------------------------------------------------

    def raise_alert(self, kind: str, cause: str, detail: Json) -> bool:
        """Open an alert; returns whether it is new. One that is open already keeps its time and its detail."""
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO alerts (kind, cause, since, detail) VALUES (?, ?, ?, ?)",
                (kind, cause, now_iso(), _column(detail)),
            )
            return cursor.rowcount > 0

    def close_alerts(self, *kinds: str) -> None:
        """Close the open alerts of these kinds."""
        marks = ", ".join("?" * len(kinds))
        with self._transaction() as db:
            db.execute(
                f"UPDATE alerts SET closed_at = ? WHERE closed_at IS NULL AND kind IN ({marks})", (now_iso(), *kinds)
            )

    def close_alert(self, kind: str, cause: str) -> None:
        """Close an alert, if it is open."""
        with self._transaction() as db:
            query = "UPDATE alerts SET closed_at = ? WHERE closed_at IS NULL AND kind = ? AND cause = ?"
            db.execute(query, (now_iso(), kind, cause))

    def alerts(self) -> list[Alert]:
        """Return the open alerts, oldest first."""
        rows = self._rows("SELECT kind, cause, since, detail FROM alerts WHERE closed_at IS NULL ORDER BY number")
        return [Alert.from_row(row) for row in rows]

    def stopped_by(self) -> list[str]:
        """Return the causes for which the job has stopped, oldest first: it waits for a resync."""
        return [alert.cause for alert in self.alerts() if alert.kind in STOPPING]

    # Generations ------------------------------------------------------------------------------------------------------

    def generation(self, *states: str) -> Generation | None:
        """Return the newest generation in one of these states (`syncing`, `current`, `retired`), or None."""
        marks = ", ".join("?" * len(states))
        rows = self._rows(f"SELECT * FROM generations WHERE state IN ({marks}) ORDER BY number DESC LIMIT 1", *states)
        return Generation.from_row(rows[0]) if rows else None

    def new_generation(self, operation: str | None = None) -> Generation:
        """Begin the next generation, in state `syncing`, for an operation."""
        with self._transaction() as db:
            number = db.execute("SELECT coalesce(max(number), 0) + 1 FROM generations").fetchone()[0]
            found = Generation(number, "syncing", now_iso(), Sync(operation))
            row = (found.number, found.state, found.created_at, _column(found.sync))
            db.execute("INSERT INTO generations VALUES (?, ?, ?, ?)", row)
        return found

    def save_sync(self, number: int, sync: Sync) -> None:
        """Write how far the initial sync of a generation is."""
        with self._transaction() as db:
            db.execute("UPDATE generations SET sync = ? WHERE number = ?", (_column(sync), number))

    def switch_generation(self, number: int) -> None:
        """Make a generation the current one and retire the one before, in one step."""
        with self._transaction() as db:
            db.execute("UPDATE generations SET state = 'retired' WHERE state = 'current' AND number <> ?", (number,))
            db.execute("UPDATE generations SET state = 'current' WHERE number = ?", (number,))

    def retire_generation(self, number: int) -> None:
        """Give a generation up (a sync that failed or was canceled)."""
        with self._transaction() as db:
            db.execute("UPDATE generations SET state = 'retired' WHERE number = ?", (number,))

    def retired_generations(self) -> list[int]:
        """Return the numbers of the generations whose files are no longer needed."""
        return [row["number"] for row in self._rows("SELECT number FROM generations WHERE state = 'retired'")]

    # Snapshots --------------------------------------------------------------------------------------------------------

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Record a snapshot that restic has stored."""
        fields = snapshot.to_json()
        names, marks = ", ".join(fields), ", ".join("?" * len(fields))
        with self._transaction() as db:
            query = f"INSERT OR REPLACE INTO snapshots ({names}) VALUES ({marks})"
            db.execute(query, tuple(map(_column, fields.values())))

    def update_snapshot(self, name: str, **fields: Any) -> bool:
        """Write fields of a snapshot (`held`, `proven_at`, `state`); returns whether there is one of that name."""
        names = ", ".join(f"{field} = ?" for field in fields)
        with self._transaction() as db:
            query = f"UPDATE snapshots SET {names} WHERE name = ? AND state <> '{REMOVING}'"
            return db.execute(query, (*fields.values(), name)).rowcount > 0

    def begin_removal(self, name: str, within: str | None = None) -> Snapshot | None:
        """Take a snapshot out of the list before it leaves the repository, and return it; None when there is none.

        In one transaction, so that no operation that could use it begins meanwhile. One whose removal was begun before is
        returned again. Raises OperationOpen while an operation is open (but that of the id `within`), Refused when it is held.
        """
        with self._transaction() as db:
            row = db.execute("SELECT * FROM snapshots WHERE name = ?", (name,)).fetchone()
            snapshot = Snapshot.from_row(row) if row else None
            if snapshot is None or snapshot.state == REMOVING:
                return snapshot
            found = db.execute(OPEN).fetchone()
            if found is not None and found["id"] != within:
                raise other_operation(Operation.from_row(found))
            if snapshot.held:
                raise Refused(f"expected a snapshot that may be removed, found {name} held; release it first")
            db.execute("UPDATE snapshots SET state = ? WHERE name = ?", (REMOVING, name))
        return snapshot

    def end_removal(self, restic_id: str) -> None:
        """Forget a snapshot whose removal was begun and that restic no longer has."""
        with self._transaction() as db:
            db.execute("DELETE FROM snapshots WHERE restic_id = ? AND state = ?", (restic_id, REMOVING))

    def removals(self) -> list[str]:
        """Return the names of the snapshots whose removal was begun and has not ended."""
        return [str(row["name"]) for row in self._rows("SELECT name FROM snapshots WHERE state = ?", REMOVING)]

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, newest first, without those that are being removed: they may be gone already."""
        rows = self._rows("SELECT * FROM snapshots WHERE state <> ? ORDER BY created_at DESC, rowid DESC", REMOVING)
        return [Snapshot.from_row(row) for row in rows]

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


def _require_not_removed(db: sqlite3.Connection, params: Params) -> None:
    query = "SELECT name FROM snapshots WHERE name IN (?, ?) AND state = ?"
    row = db.execute(query, (params.name, params.snapshot, REMOVING)).fetchone()
    if row is not None:
        raise NotFound(f"expected a snapshot that stays, found {row['name']} being removed; name another one")


def other_operation(found: Operation) -> OperationOpen:
    """Return the refusal that names an open operation, its owner and its age."""
    return OperationOpen(
        f"expected no open operation, found {found.kind} {found.id} of {found.owner}, "
        f"{age_seconds(found.created_at)} seconds old ({found.reason}), at step {found.step}; "
        f"wait for it, or cancel it: backup-agent resync --cancel {found.id}",
        operation=found,
    )
