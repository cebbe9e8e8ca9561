"""The file of the state: how it is opened by whom, its schema, and its transactions.

Every change is one transaction with `synchronous=FULL`, so a crash leaves the state before it or after it. "One operation at a
time" and "one lease per owner" are constraints of the schema, not promises of the code.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from backup_agent.errors import AgentDown, BadConfiguration, NoRoom
from backup_agent.values import Record, to_json

SCHEMA_VERSION = 1

LOCKED_SECONDS = 30
"""So long one process waits for another one that writes."""

WRITTEN = ("steps", "params", "progress", "result", "error", "optime", "detail", "sync")
"""Columns of JSON."""

FLAGS = ("cancel_requested", "held")
R = TypeVar("R", bound=Record)

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


class Database:
    """The state file, opened by the daemon and by every command."""

    def __init__(self, path: Path, reading: bool = False) -> None:
        """Open or create the file (mode 0600); with `reading`, only look at one that is there.

        Raises BadConfiguration when the directory cannot be written, or the file is locked for long or of a newer version.
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
            self._connect(path)
            self._use_log(path)
            self._db.execute("PRAGMA synchronous=FULL")
        except (OSError, sqlite3.OperationalError) as error:
            raise BadConfiguration(
                f"directory: expected a directory that user {os.geteuid()} may write, found {path.parent}: {error}; "
                "create it and give it to the user of the agent"
            ) from error
        self._prepare(path)

    def _open_to_read(self, path: Path) -> None:
        """Open a file that is there so that no file is made or changed, as root either.

        Without a write-ahead log nobody has the file open, and SQLite is kept from making one (`immutable`). With one, its
        index may be made again after a crash; SQLite gives that to the owner of the file.
        """
        how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
        self._connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        self._require_known(path)

    def _connect(self, database: Path | str, uri: bool = False) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            database, timeout=LOCKED_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
        )
        self._db.row_factory = sqlite3.Row
        self._seen = 0

    def _use_log(self, path: Path) -> None:
        """Let the file have a write-ahead log. SQLite itself does not wait here for another one that does the same."""
        deadline = time.monotonic() + LOCKED_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the rest of the code says why
                if not busy:
                    raise
                if time.monotonic() > deadline:
                    found = f"expected to open the state within {LOCKED_SECONDS} s, found it locked by another process"
                    raise BadConfiguration(f"{path}: {found}; end that process, or try again") from error
                time.sleep(0.02)

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
    def _transaction(self) -> Iterator[None]:
        """Carry out what is inside as a whole, or nothing of it; one inside of another is a part of that. Raises NoRoom."""
        with self._lock:
            inside = self._db.in_transaction
            if inside:
                yield
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:  # a COMMIT that found the disk full leaves it open
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise NoRoom(f"the state could not be written: {error}; make room", "directory") from error
                raise

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Read what is inside as it was at one moment, whatever is written meanwhile. Nothing is written inside."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:  # SQLite ends it by itself after some errors, which are to be seen then
                    self._db.execute("ROLLBACK")

    def changed(self) -> bool:
        """Whether somebody else has written since this was asked the last time. Costs no read."""
        with self._lock:
            seen, self._seen = self._seen, int(self._db.execute("PRAGMA data_version").fetchone()[0])
        return seen != self._seen

    def _write(self, query: str, *values: Any) -> int:
        """Carry out one statement; returns how many rows it changed. What is neither text nor number is written as JSON."""
        columns = [v if v is None or isinstance(v, (str, int)) else json.dumps(to_json(v)) for v in values]
        with self._transaction():
            return self._db.execute(query, columns).rowcount

    def _insert(self, table: str, row: Mapping[str, Any], otherwise: str = "ABORT") -> int:
        """Write a row; `otherwise` says what happens to one that breaks a constraint. Returns how many were written."""
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        return self._write(f"INSERT OR {otherwise} INTO {table} ({names}) VALUES ({marks})", *row.values())

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _records(self, kind: type[R], query: str, *values: Any) -> list[R]:
        return [kind.from_json({n: _value(n, v) for n, v in dict(row).items()}) for row in self._rows(query, *values)]

    def _record(self, kind: type[R], query: str, *values: Any) -> R | None:
        return next(iter(self._records(kind, query, *values)), None)


def _value(name: str, column: Any) -> Any:
    if name in FLAGS:
        return bool(column)
    return json.loads(column) if name in WRITTEN and column is not None else column


def _require_owner(path: Path) -> None:
    """Refuse to make the state of another user: the agent could not open a file of root. Raises AgentDown.

    A directory that is not there is made by the owner of the one above it.
    """
    nearest = next(above for above in path.parents if above.exists())
    owner = nearest.stat().st_uid
    if owner not in (os.geteuid(), 0):
        raise AgentDown(
            f"expected the state of the job in {path}, found none: its agent has never run; start it, "
            f"for only user {owner} makes the file"
        )
