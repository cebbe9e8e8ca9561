"""The records of the state: what 0.1.0 has written is read, and what is written is what 0.1.0 reads."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from backup_agent.config import Config
from backup_agent.daemon.status import collect
from backup_agent.repository import inventory, verification
from backup_agent.state.maintenance import Maintenance
from backup_agent.state.records import Copied, Generation, Live, Operation, Sync
from backup_agent.state.store import Store
from backup_agent.values import Json, to_json
from tests.unit.agent.jobs import configured

WRITTEN = Path(__file__).with_name("state-0.1.0.sql")
JSON_COLUMNS = ("value", "steps", "params", "progress", "result", "error", "detail", "sync", "optime")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give a job whose state 0.1.0 has written."""
    found = configured(tmp_path)
    with sqlite3.connect(found.state_file) as db:
        db.executescript(WRITTEN.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def store(config: Config) -> Store:
    """Give that state."""
    return Store(config.state_file)


def rows(store: Store, table: str, order: str = "1") -> list[Json]:
    """Return the rows of a table as they are, but for columns of JSON, which are read."""
    found = [dict(row) for row in store._rows(f"SELECT * FROM {table} ORDER BY {order}")]
    return [{n: json.loads(v) if n in JSON_COLUMNS and v is not None else v for n, v in row.items()} for row in found]


def operations(store: Store) -> list[Operation]:
    """Return all operations, oldest first."""
    return [store.operation(row["id"]) for row in rows(store, "operations")]


def test_operations_are_shown_as_they_were_written(store: Store) -> None:
    """With the step that counts, and whether the end was asked for; the number is nobody's business."""
    written = rows(store, "operations")
    for row in written:
        del row["number"]
        row["cancel_requested"] = bool(row.pop("cancel"))
    steps = ["prove", "prove", "validate", "restore"]
    assert [{**row, "step": step} for row, step in zip(written, steps, strict=True)] == to_json(operations(store))


def test_snapshots_leases_and_alerts_are_shown_as_they_were_written(store: Store) -> None:
    """Newest snapshots, oldest alerts and leases by their owners come first."""
    snapshots = [{**row, "held": bool(row["held"])} for row in rows(store, "snapshots", "created_at DESC")]
    assert snapshots == to_json(store.snapshots())
    assert rows(store, "leases") == to_json(store.leases())
    alerts = [{n: row[n] for n in ("kind", "cause", "since", "detail")} for row in rows(store, "alerts")]
    assert alerts == to_json(store.alerts())


def test_the_status_shows_what_was_observed(config: Config, store: Store) -> None:
    """What a daemon that is gone saw of the source is not shown; what it stored is, and how far the head is behind."""
    written = {row["name"]: row["value"] for row in rows(store, "observed")}
    shown = collect(config, store).to_json()
    gone = (
        "majority",
        "primary_last_write",
        "oldest",
        "backup_lag_seconds",
        "backup_lag_primary_seconds",
        "headroom_seconds",
    )
    agent = written["live"].pop("agent")
    assert {**agent, "alive": False, "pid": None} == shown["agent"]
    assert {**written["live"], **dict.fromkeys(gone)}.items() <= shown.items()
    assert (written["archive"], written["verification"]) == (shown["archive"], shown["last_verification"])
    assert written["maintenance"].items() <= shown["maintenance"].items()
    assert {"overdue", "seconds_left"} == shown["maintenance"].keys() - written["maintenance"].keys()
    last = "initial-sync-20260101T000100-0001"  # the validation after it was canceled and has compared nothing
    assert [last, last] == [shown[name]["operation"] for name in ("last_resync", "last_validation")]
    assert shown["last_validation"]["equal"]


def test_everything_is_written_as_it_was(store: Store, tmp_path: Path) -> None:
    """Records that are read and written again are the same rows, so that 0.1.0 can go on with them."""
    again = Store(tmp_path / "again.sqlite")
    kinds: dict[str, Any] = {
        "live": Live,
        "maintenance": Maintenance,
        "archive": inventory.Archived,
        "verification": verification.Verified,
    }
    for name, kind in kinds.items():
        again.observe(name, store.observed(name, kind) or pytest.fail(name))
    for old in operations(store):
        new, _ = again.start_operation(old.kind, old.owner, old.reason, old.params)
        fields = {
            name: getattr(old, name) for name in ("steps", "progress", "result", "error", "finished_at", "created_at")
        }
        again.update_operation(new.id, id=old.id, state=old.state, cancel=int(old.cancel_requested), **fields)
    for snapshot in store.snapshots():
        again.add_snapshot(snapshot)
    for alert in store.alerts():
        again.raise_alert(alert.kind, alert.cause, alert.detail)
    for table in ("observed", "operations", "snapshots"):
        assert rows(store, table) == rows(again, table)
    assert [row["detail"] for row in rows(store, "alerts")] == [row["detail"] for row in rows(again, "alerts")]


def test_how_far_a_sync_is_is_written_as_it_was(store: Store) -> None:
    """0.1.0 tells by what is missing where to go on: what has not been reached is not written."""
    current, (before, _) = store.generation("current"), rows(store, "generations")
    assert isinstance(current, Generation)
    store.save_sync(current.number, current.sync)
    assert before == rows(store, "generations")[0]
    store.save_sync(2, Sync("resync-1", collections=(Copied("shop.orders", "00", view=False, bytes=1),)))
    (_, begun) = rows(store, "generations")
    assert not {"start", "tc", "consistency_point"} & begun["sync"].keys()
    assert not begun["sync"]["indexes_built"]
    assert not begun["sync"]["collections"][0]["done"]
