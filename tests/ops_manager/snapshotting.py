"""How snapshots come about, and the stretches of oplog history between which there are gaps."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from tests.ops_manager.agenda import later
from tests.ops_manager.records import Job, Project, Snapshot, Stretch
from tests.ops_manager.world import World


def interrupt(world: World, job: Job, at: datetime) -> None:
    """Give up the snapshot in progress, and end the stretch of oplog history."""
    world.agenda.drop((job.cluster.id, "snapshot"))
    job.snapshots = [snapshot for snapshot in job.snapshots if snapshot.complete]
    for stretch in job.stretches:
        stretch.end = stretch.end or at


def halt(world: World, job: Job, at: datetime) -> None:
    """Give up the sync as well."""
    for part in job.parts:
        world.agenda.drop((job.cluster.id, "sync", part.id))
    job.sync = None
    interrupt(world, job, at)


def begin(world: World, project: Project, job: Job, at: datetime) -> Snapshot:
    """Begin a snapshot, which is complete some time later."""
    days = job.schedule.get("snapshotRetentionDays", 2)
    snapshot = Snapshot(job.cluster.id, at, complete=False, expires=at + timedelta(days=days))
    job.snapshots.append(snapshot)
    key = (job.cluster.id, "snapshot")
    world.agenda.plan(later(at, world.timing.snapshot), key, partial(_complete, world, project, job, snapshot))
    return snapshot


def _complete(world: World, project: Project, job: Job, snapshot: Snapshot, at: datetime) -> None:
    snapshot.complete = True
    if not any(stretch.end is None for stretch in job.stretches):
        job.stretches.append(Stretch(snapshot.created, None, snapshot.id))
    if world.timing.snapshot_interval is not None:
        due = max(later(snapshot.created, world.timing.snapshot_interval), at)
        key = (job.cluster.id, "snapshot")
        world.agenda.plan(due, key, partial(_begin_by_schedule, world, project, job))


def _begin_by_schedule(world: World, project: Project, job: Job, at: datetime) -> None:
    begin(world, project, job, at)
