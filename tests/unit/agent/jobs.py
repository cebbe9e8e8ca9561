"""A job without a source: its configuration, its state, and a restic that writes down how it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp

from backup_agent.config import Config
from backup_agent.state.records import Snapshot
from backup_agent.state.store import Store

RESTIC = """#!/bin/sh
echo "$*" >> {here}/restic-calls
"""


def configured(here: Path, **changes: Any) -> Config:
    """Return the configuration of a job below a directory; no member of its source answers."""
    program = here / "restic"
    program.write_text(RESTIC.format(here=here))
    program.chmod(0o755)
    (here / "job").mkdir(exist_ok=True)
    return Config.model_validate(
        {
            "job": "orders",
            "directory": str(here / "job"),
            "source": {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0", "connect_timeout_seconds": 0.1},
            "head": {"mongod": "/usr/bin/mongod"},
            "repository": {"location": str(here / "r"), "password_file": str(here / "p"), "restic": str(program)},
            **changes,
        }
    )


def restic_calls(here: Path) -> list[str]:
    """Return how restic was called."""
    written = here / "restic-calls"
    return written.read_text().splitlines() if written.exists() else []


def add_snapshot(store: Store, name: str, created_at: str = "2026-01-01T00:00:00Z", **changes: Any) -> None:
    """Record a snapshot."""
    taken = Snapshot(name, name, 1, Timestamp(40, 1), created_at, "good", False, None, 1, 1, f"id-{name}")
    store.add_snapshot(replace(taken, **changes))
