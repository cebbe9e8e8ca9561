"""What a restore is going to do: which snapshot, which stored oplog, up to which optime. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson.timestamp import Timestamp

from backup_agent.errors import NotFound, Refused
from backup_agent.inventory import Archive, Inventory, Snapshot, chain
from backup_agent.times import show, timestamp_json

LAST_INCREMENT = 2**32 - 1

Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is going to be restored: a snapshot, and the oplog that is replayed on it up to `until`."""

    job: str | None
    snapshot: Snapshot
    archives: tuple[Archive, ...]
    until: Timestamp

    @property
    def ids(self) -> tuple[str, ...]:
        """What is read from the repository, in this order.

        A slice that grew between two archives is in both: the later one, which has more of it, comes later.
        """
        return (self.snapshot.id, *(archive.id for archive in self.archives))

    def as_json(self) -> Json:
        """Return the contract's form."""
        return {
            "job": self.job,
            "snapshot": self.snapshot.name,
            "snapshot_optime": timestamp_json(self.snapshot.optime),
            "until": timestamp_json(self.until),
            "generation": self.snapshot.generation,
            "replayed_seconds": max(0, self.until.time - self.snapshot.optime.time),
        }


def whole_second(time: int) -> Timestamp:
    """Return the timestamp that stands for the end of a second: later than every entry of it."""
    return Timestamp(time, LAST_INCREMENT)


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
        archives = chain(found.archives, snapshot.generation, snapshot.reads_from, until)
        if archives is not None:
            return Plan(found.job, snapshot, tuple(archives), until)
    text = "; ".join(str(r) for r in ranges)
    raise Refused(
        f"expected an optime that can be restored, found {_said(until)}; what can be restored is: {text}",
        ranges=[r.as_json() for r in ranges],
    )


def _within(found: Inventory, at: Timestamp) -> Timestamp:
    """Return the end of the newest range that ends in a whole second that is asked for, else what is asked for."""
    if at.inc != LAST_INCREMENT:
        return at
    ends = [r.until for r in found.ranges() if r.until.time == at.time]
    return ends[-1] if ends else at


def _said(at: Timestamp) -> str:
    return show(at).partition("#")[0] if at.inc == LAST_INCREMENT else show(at)


def _nothing(found: Inventory) -> Refused:
    if found.job is not None and found.jobs and found.job not in found.jobs:
        return NotFound(
            f"expected job {found.job} in the repository, found {', '.join(found.jobs)}; name one of them, or another repository"
        )
    whose = f"of job {found.job} " if found.job else ""
    return Refused(f"expected a snapshot {whose}in the repository, found none; see its location")
