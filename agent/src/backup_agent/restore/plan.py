"""What a restore is going to do: which snapshot, which stored oplog, up to which optime. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from bson.timestamp import Timestamp

from backup_agent.errors import NotFound, Refused
from backup_agent.repository.inventory import Archive, Inventory, Snapshot, chain
from backup_agent.times import LAST_INCREMENT, show
from backup_agent.values import Record


@dataclass(frozen=True, slots=True)
class Restore(Record):
    """A restore: what it takes, and when it has been done what came of it."""

    SPARSE: ClassVar = True

    job: str | None
    snapshot: str
    snapshot_optime: Timestamp
    until: Timestamp
    generation: int
    replayed_seconds: int
    target: str = ""
    server_version: str = ""
    collections: int = 0
    documents: int = 0
    data_bytes: int = 0
    oplog_bytes: int = 0
    entries: int | None = None
    missing_indexes: tuple[str, ...] | None = None
    """A sentence for each index that the source has and the restored data have not."""
    restored_at: str | None = None
    checkpoint: str | None = None
    """Of the engine when it was done: unchanged, no server has been started on the directory."""


@dataclass(frozen=True)
class Plan:
    """What is going to be restored: a snapshot, and the oplog that is replayed on it up to `until`."""

    job: str | None
    snapshot: Snapshot
    archives: tuple[Archive, ...]
    until: Timestamp

    @property
    def oplog_ids(self) -> tuple[str, ...]:
        """The archives in the order in which they are read.

        A slice that grew between two of them is in both: the later one, which has more of it, comes later.
        """
        return tuple(archive.id for archive in self.archives)

    @property
    def ids(self) -> tuple[str, ...]:
        """What is read from the repository, in this order: an archive is soon replaced by a newer one, so they come first."""
        return (*self.oplog_ids, self.snapshot.id)

    @property
    def restore(self) -> Restore:
        """The restore, of which it is not known yet what it takes."""
        taken, until = self.snapshot, self.until
        seconds = max(0, until.time - taken.optime.time)
        return Restore(self.job, taken.name, taken.optime, until, taken.generation, seconds)


def plan(found: Inventory, name: str | None, at: Timestamp | None) -> Plan:
    """Choose what to restore: a snapshot by name, an optime, or with neither the newest optime that can be restored.

    A whole second in which a range ends stands for that end. Raises Refused, with the ranges that can be restored, and NotFound
    for a snapshot or a job that is not there.
    """
    if name is not None and at is not None:
        raise Refused("expected a snapshot or a point in time, found both; name one of them")
    ranges = found.ranges()
    if not ranges:
        raise _nothing(found)
    if name is not None:
        wanted = found.snapshot(name)
        return Plan(found.job, wanted, (), wanted.optime)
    until = max(ranges, key=lambda r: (r.generation, r.until)).until if at is None else _within(found, at)
    for snapshot in sorted(found.snapshots, key=lambda s: (s.generation, s.optime), reverse=True):
        if snapshot.optime > until:
            continue
        if snapshot.optime == until:
            return Plan(found.job, snapshot, (), until)
        archives = chain(found.archives, snapshot.line, snapshot.reads_from, until)
        if archives is not None:
            return Plan(found.job, snapshot, tuple(archives), until)
    text = "; ".join(str(r) for r in ranges)
    raise Refused(
        f"expected an optime that can be restored, found {show(until)}; what can be restored is: {text}",
        ranges=ranges,
    )


def renewed(found: Inventory, chosen: Plan) -> Plan:
    """Return the same plan with the archives that are there now: an agent that runs replaces older ones by newer ones.

    Raises NotFound when the snapshot, Refused when the oplog after it is there no more.
    """
    snapshot = found.snapshot(chosen.snapshot.name)
    if not chosen.archives:
        return replace(chosen, snapshot=snapshot)
    archives = chain(found.archives, snapshot.line, snapshot.reads_from, chosen.until)
    if archives is None:
        raise Refused(
            f"expected the oplog from snapshot {snapshot.name} to {show(chosen.until)}, it was removed meanwhile; choose again"
        )
    return replace(chosen, snapshot=snapshot, archives=tuple(archives))


def _within(found: Inventory, at: Timestamp) -> Timestamp:
    """Return the end of the newest range that ends in a whole second that is asked for, else what is asked for."""
    if at.inc != LAST_INCREMENT:
        return at
    ends = [r.until for r in found.ranges() if r.until.time == at.time]
    return ends[-1] if ends else at


def _nothing(found: Inventory) -> Refused:
    if found.job is not None and found.jobs and found.job not in found.jobs:
        return NotFound(
            f"expected job {found.job} in the repository, found {', '.join(found.jobs)}; name one of them, or another repository"
        )
    whose = f"of job {found.job} " if found.job else ""
    return Refused(f"expected a snapshot {whose}in the repository, found none; see its location")
