"""The job's state: one SQLite file that holds what is desired and what was observed.

The command line writes what is desired (operations, leases), the daemon carries it out and writes what it saw. Every change is
one transaction with `synchronous=FULL`, so a crash leaves the state before it or after it. "One operation at a time" and
"one lease per owner" are constraints of the schema, not promises of the code.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from backup_agent import failpoints, maintenance
from backup_agent.errors import AgentDown, BadConfiguration, NoRoom, NotFound, OperationOpen
from backup_agent.times import age_seconds, iso_in, now_iso

SCHEMA_VERSION = 1

STEPS: dict[str, tuple[str, ...]] = {
    "initial_sync": ("preflight", "sync", "validate", "switch", "snapshot", "prove"),
    "resync": ("preflight", "pause", "sync", "validate", "switch", "resume", "snapshot", "prove"),
    "snapshot": ("snapshot", "prove"),
    "proof": ("prove",),
    "validation": ("validate",),
    "restore": ("restore",),
    "verification": ("verify",),
}
"""The steps of each kind of operation, in order. Every step can be begun again after a crash."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS observed (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, owner TEXT NOT NULL,
    reason TEXT NOT NULL, state TEXT NOT NULL, cancel INTEGER NOT NULL DEFAULT 0, steps TEXT NOT NULL,
    params TEXT NOT NULL, progress TEXT, result TEXT NOT NULL, error TEXT, created_at TEXT NOT NULL, finished_at TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS one_open ON operations ((1)) WHERE state IN ('queued', 'running');
CREATE TABLE IF NOT EXISTS leases (owner TEXT PRIMARY KEY, reason TEXT NOT NULL, expires_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, cause TEXT NOT NULL, since TEXT NOT NULL,
    detail TEXT NOT NULL, closed_at TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS one_alert ON alerts (kind, cause) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS generations (
    number INTEGER PRIMARY KEY, state TEXT NOT NULL, created_at TEXT NOT NULL, sync TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (
    name TEXT PRIMARY KEY, id TEXT NOT NULL, generation INTEGER NOT NULL, optime TEXT NOT NULL, created_at TEXT NOT NULL,
    state TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0, proven_at TEXT, bytes_added INTEGER NOT NULL,
    bytes_total INTEGER NOT NULL, restic_id TEXT NOT NULL);
"""

Json = dict[str, Any]


class Store:
    """The state file, opened by the daemon and by every command."""

    def __init__(self, path: Path, reading: bool = False) -> None:
        """Open or create the file (mode 0600); with `reading`, only look at one that is there.

        Raises BadConfiguration when the directory cannot be written or the file is of a newer version.
        """
        if reading:
            self._open_to_read(path)
            return
        if not path.exists():
            _require_owner(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                # Never open a file that exists but through SQLite: closing it would drop the locks of this process on it.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._open(path)
        except (OSError, sqlite3.OperationalError) as error:
            raise BadConfiguration(
                f"directory: expected a directory that user {os.geteuid()} may write, found {path.parent}: {error}; "
                "create it and give it to the user of the agent"
            ) from error
        self._prepare(path)

    def _open_to_read(self, path: Path) -> None:
        """Open a file that is there so that no file is made or changed, whoever looks.

        Without a write-ahead log nobody has the file open, and SQLite is kept from making one (`immutable`). With one, its
        index may be made anew after a crash; SQLite gives that to the owner of the file.
        """
        how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
        self._connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        self._require_known(path)

    def _connect(self, database: Path | str, uri: bool = False) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(database, timeout=30, isolation_level=None, check_same_thread=False, uri=uri)
        self._db.row_factory = sqlite3.Row

    def _open(self, path: Path) -> None:
        self._connect(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")

    def _require_known(self, path: Path) -> int:
        found = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if found > SCHEMA_VERSION:
            raise BadConfiguration(
                f"{path}: expected state of schema {SCHEMA_VERSION} or older, found {found}; upgrade the agent"
            )
        return found

    def _prepare(self, path: Path) -> None:
        found = self._require_known(path)
        if found < SCHEMA_VERSION:
            with self._transaction():
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:  # a COMMIT that found the disk full leaves it open
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise NoRoom(f"the state could not be written: {error}; make room", "directory") from error
                raise

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # What was observed ------------------------------------------------------------------------------------------------

    def observe(self, name: str, value: Any) -> None:
        """Write one observed value (JSON)."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO observed VALUES (?, ?)", (name, json.dumps(value)))

    def observed(self, name: str, default: Any = None) -> Any:
        """Read one observed value."""
        rows = self._rows("SELECT value FROM observed WHERE name = ?", name)
        return json.loads(rows[0]["value"]) if rows else default

    # Operations -------------------------------------------------------------------------------------------------------

    def start_operation(self, kind: str, owner: str, reason: str, params: Json | None = None) -> tuple[Json, bool]:
        """Queue an operation, or attach to the open one of the same kind and owner.

        Returns the operation and whether it is new. Raises OperationOpen, naming whose it is, otherwise.
        """
        with self._transaction() as db:
            row = db.execute("SELECT * FROM operations WHERE state IN ('queued', 'running')").fetchone()
            if row is not None:
                found = _operation(row)
                if (found["kind"], found["owner"], found["params"]) == (kind, owner, params or {}):
                    return found, False
                raise other_operation(found)
            steps = [
                {"name": n, "state": "pending", "started_at": None, "finished_at": None, "note": None}
                for n in STEPS[kind]
            ]
            identifier = f"{kind.replace('_', '-')}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
            db.execute(
                "INSERT INTO operations (id, kind, owner, reason, state, steps, params, result, created_at) "
                "VALUES (?, ?, ?, ?, 'queued', ?, ?, '{}', ?)",
                (identifier, kind, owner, reason, json.dumps(steps), json.dumps(params or {}), now_iso()),
            )
        return self.operation(identifier), True

    def operation(self, identifier: str) -> Json:
        """Return one operation. Raises NotFound."""
        rows = self._rows("SELECT * FROM operations WHERE id = ?", identifier)
        if not rows:
            raise NotFound(
                f"expected the id of an operation, found {identifier!r}; `backup-agent operation` shows the newest"
            )
        return _operation(rows[0])

    def open_operation(self) -> Json | None:
        """Return the operation that is queued or running, or None."""
        rows = self._rows("SELECT * FROM operations WHERE state IN ('queued', 'running')")
        return _operation(rows[0]) if rows else None

    def newest_operation(self, *kinds: str, state: str | None = None) -> Json | None:
        """Return the newest operation of these kinds (of any, when none is named) and of this state, or None."""
        wanted = kinds or tuple(STEPS)
        marks = ", ".join("?" * len(wanted))
        rows = self._rows(
            f"SELECT * FROM operations WHERE kind IN ({marks}) AND (? IS NULL OR state = ?) ORDER BY number DESC LIMIT 1",
            *wanted,
            state,
            state,
        )
        return _operation(rows[0]) if rows else None

    def update_operation(self, identifier: str, **fields: Any) -> None:
        """Write fields of an operation; those that are not text are stored as JSON."""
        names = ", ".join(f"{name} = ?" for name in fields)
        values = [v if v is None or isinstance(v, (str, int)) else json.dumps(v) for v in fields.values()]
        with self._transaction() as db:
            db.execute(f"UPDATE operations SET {names} WHERE id = ?", (*values, identifier))
            failpoints.reach("state.write")

    def finish_operation(self, identifier: str, state: str, error: Json | None = None) -> None:
        """End an operation: `done`, `failed` or `canceled`."""
        self.update_operation(identifier, state=state, error=error, finished_at=now_iso())

    def cancel_operation(self, identifier: str) -> bool:
        """Ask for the end of an operation; returns whether that was new. Raises NotFound."""
        found = self.operation(identifier)
        if found["state"] not in ("queued", "running") or found["cancel_requested"]:
            return False
        self.update_operation(identifier, cancel=1)
        return True

    # Leases -----------------------------------------------------------------------------------------------------------

    def add_lease(self, owner: str, reason: str, seconds: int) -> bool:
        """Pause snapshots for an owner; returns whether the lease is new. An owner's own lease is renewed."""
        expires = iso_in(seconds)
        new = owner not in {lease["owner"] for lease in self.leases()}
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (owner, reason, expires))
        return new

    def remove_lease(self, owner: str) -> bool:
        """Take an owner's lease back; returns whether there was one."""
        with self._transaction() as db:
            return db.execute("DELETE FROM leases WHERE owner = ?", (owner,)).rowcount > 0

    def leases(self) -> list[Json]:
        """Return the leases that are valid now."""
        rows = self._rows("SELECT * FROM leases WHERE expires_at > ? ORDER BY owner", now_iso())
        return [dict(row) for row in rows]

    # Maintenance ------------------------------------------------------------------------------------------------------

    def plan_maintenance(self, owner: str, reason: str, seconds: int, latest: str | None, alive: bool = False) -> Json:
        """Return what `begin_maintenance` would answer and raise, and write nothing: a store that only reads can do it.

        `alive`: whether the agent runs, which ends a maintenance whose time is over.
        """
        begin = maintenance.Begin(owner, reason, seconds, latest, alive)
        return begin.answer(self.maintenance(), self.leases(), self.observed("live", {}))

    def begin_maintenance(self, owner: str, reason: str, seconds: int, latest: str | None, alive: bool = False) -> Json:
        """Write an owner's record and lease in one step, or renew both; returns `maintenance.Begin.answer`.

        Raises Refused while another owner's maintenance is valid.
        """
        with self._transaction() as db:
            answer = self.plan_maintenance(owner, reason, seconds, latest, alive)
            record = answer["maintenance"]
            db.execute("INSERT OR REPLACE INTO observed VALUES ('maintenance', ?)", (json.dumps(record),))
            db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (owner, reason, record["until"]))
        return answer

    def end_maintenance(self, owner: str) -> bool:
        """Remove an owner's record and lease, and nobody else's; returns whether there was one."""
        with self._transaction() as db:
            found = self.maintenance()
            mine = found is not None and found["owner"] == owner
            if mine:
                db.execute("DELETE FROM observed WHERE name = 'maintenance'")
            return db.execute("DELETE FROM leases WHERE owner = ?", (owner,)).rowcount > 0 or mine

    def maintenance(self) -> Json | None:
        """Return the record of maintenance that was not ended, or None."""
        return cast("Json | None", self.observed("maintenance"))

    # Alerts -----------------------------------------------------------------------------------------------------------

    def raise_alert(self, kind: str, cause: str, detail: Json) -> bool:
        """Open an alert; returns whether it is new. One that is open already keeps its time and its detail."""
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO alerts (kind, cause, since, detail) VALUES (?, ?, ?, ?)",
                (kind, cause, now_iso(), json.dumps(detail)),
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

    def alerts(self) -> list[Json]:
        """Return the open alerts, oldest first."""
        rows = self._rows("SELECT kind, cause, since, detail FROM alerts WHERE closed_at IS NULL ORDER BY number")
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def alert_kinds(self) -> set[str]:
        """Return the kinds of all alerts that were ever raised, closed ones too."""
        return {str(row["kind"]) for row in self._rows("SELECT DISTINCT kind FROM alerts")}

    # Generations ------------------------------------------------------------------------------------------------------

    def generation(self, *states: str) -> Json | None:
        """Return the newest generation in one of these states (`syncing`, `current`, `retired`), or None."""
        marks = ", ".join("?" * len(states))
        rows = self._rows(f"SELECT * FROM generations WHERE state IN ({marks}) ORDER BY number DESC LIMIT 1", *states)
        return {**dict(rows[0]), "sync": json.loads(rows[0]["sync"])} if rows else None

    def new_generation(self) -> Json:
        """Begin the next generation, in state `syncing`."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO generations SELECT coalesce(max(number), 0) + 1, 'syncing', ?, '{}' FROM generations",
                (now_iso(),),
            )
        return cast(Json, self.generation("syncing"))

    def save_sync(self, number: int, sync: Json) -> None:
        """Write how far the initial sync of a generation is."""
        with self._transaction() as db:
            db.execute("UPDATE generations SET sync = ? WHERE number = ?", (json.dumps(sync), number))

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

    def add_snapshot(self, snapshot: Json) -> None:
        """Record a snapshot that restic has stored."""
        fields = {**snapshot, "optime": json.dumps(snapshot["optime"])}
        names, marks = ", ".join(fields), ", ".join("?" * len(fields))
        with self._transaction() as db:
            db.execute(f"INSERT OR REPLACE INTO snapshots ({names}) VALUES ({marks})", tuple(fields.values()))

    def update_snapshot(self, name: str, **fields: Any) -> None:
        """Write fields of a snapshot (`held`, `proven_at`, `state`)."""
        names = ", ".join(f"{field} = ?" for field in fields)
        with self._transaction() as db:
            db.execute(f"UPDATE snapshots SET {names} WHERE name = ?", (*fields.values(), name))

    def remove_snapshot(self, name: str) -> None:
        """Forget a snapshot that restic no longer has."""
        with self._transaction() as db:
            db.execute("DELETE FROM snapshots WHERE name = ?", (name,))

    def snapshots(self) -> list[Json]:
        """Return the snapshots, newest first."""
        rows = self._rows("SELECT * FROM snapshots ORDER BY created_at DESC, rowid DESC")
        return [{**dict(row), "optime": json.loads(row["optime"]), "held": bool(row["held"])} for row in rows]

    def snapshot(self, name: str) -> Json | None:
        """Return a snapshot by its name, or None."""
        return next((s for s in self.snapshots() if s["name"] == name), None)


def _require_owner(path: Path) -> None:
    """Make no state for somebody else: the agent could not open what root made. Raises AgentDown.

    A directory that is not there is made by whoever owns the one above it.
    """
    nearest = next(above for above in path.parents if above.exists())
    owner = nearest.stat().st_uid
    if owner not in (os.geteuid(), 0):
        raise AgentDown(
            f"expected the state of the job in {path}, found none: its agent has never run; start it, "
            f"for only user {owner} makes the file"
        )


def other_operation(found: Json) -> OperationOpen:
    """Return the refusal that names an open operation, its owner and its age."""
    return OperationOpen(
        f"expected no open operation, found {found['kind']} {found['id']} of {found['owner']}, "
        f"{age_seconds(found['created_at'])} seconds old ({found['reason']}), at step {found['step']}; "
        f"wait for it, or cancel it: backup-agent resync --cancel {found['id']}",
        operation=found,
    )


def _operation(row: sqlite3.Row) -> Json:
    steps = json.loads(row["steps"])
    current = next((s["name"] for s in steps if s["state"] in ("running", "failed")), None)
    pending = next((s["name"] for s in steps if s["state"] == "pending"), None)
    return {
        "id": row["id"],
        "kind": row["kind"],
        "owner": row["owner"],
        "reason": row["reason"],
        "state": row["state"],
        "cancel_requested": bool(row["cancel"]),
        "step": current or pending or steps[-1]["name"],
        "steps": steps,
        "params": json.loads(row["params"]),
        "progress": json.loads(row["progress"]) if row["progress"] else None,
        "result": json.loads(row["result"]),
        "error": json.loads(row["error"]) if row["error"] else None,
        "created_at": row["created_at"],
        "finished_at": row["finished_at"],
    }
