"""Snapshots and archives as a repository holds them, for tests of what is worked out from them."""

from __future__ import annotations

from bson.timestamp import Timestamp

from backup_agent.repository.inventory import Archive, Snapshot
from backup_agent.times import LAST_INCREMENT


def whole_second(seconds: int) -> Timestamp:
    """Return the timestamp that stands for the end of a second."""
    return Timestamp(seconds, LAST_INCREMENT)


def ts(seconds: int, increment: int = 1) -> Timestamp:
    """Return a timestamp."""
    return Timestamp(seconds, increment)


def snapshot(name: str, at: int, generation: int = 1, reads_from: int | None = None, replica_set: str = "") -> Snapshot:
    """Return a snapshot at a second."""
    since = at if reads_from is None else reads_from
    when = "2026-01-01T00:00:00Z"
    return Snapshot(f"id-{name}", generation, name, ts(at), ts(since), when, replica_set=replica_set)


def archive(name: str, first: int, through: int, generation: int = 1, replica_set: str = "") -> Archive:
    """Return an archive of a stretch of seconds."""
    return Archive(name, generation, ts(first), ts(through), replica_set=replica_set)
