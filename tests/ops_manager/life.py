"""The life of a backup: what each state entails."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from tests.ops_manager import snapshotting, syncing
from tests.ops_manager.agenda import later
from tests.ops_manager.records import Job, Project
from tests.ops_manager.world import World

DEFAULT_SCHEDULE = {
    "snapshotIntervalHours": 24,
    "snapshotRetentionDays": 2,
    "dailySnapshotRetentionDays": 0,
    "weeklySnapshotRetentionWeeks": 2,
    "monthlySnapshotRetentionMonths": 1,
    "pointInTimeWindowHours": 24,
    "fullIncrementalDayOfWeek": "SUNDAY",
    "referenceHourOfDay": 0,
    "referenceMinuteOfHour": 0,
    "referenceTimeZoneOffset": "+0000",
}


def start(world: World, project: Project, job: Job, at: datetime) -> None:
    """Enter STARTED; from a head database that is out of date, an initial sync follows."""
    before = job.status
    if world.switches.provisioning and before == "INACTIVE":
        _enter(world, project, job, "PROVISIONING", at)
        world.agenda.plan(
            later(at, world.timing.provision), (job.cluster.id, "change"), partial(_started, world, project, job, True)
        )
        return
    resumes = before == "STOPPED" and world.switches.restart_resumes
    _started(world, project, job, job.syncs_initially and not resumes, at)


def _started(world: World, project: Project, job: Job, syncs: bool, at: datetime) -> None:
    _enter(world, project, job, "STARTED", at)
    if not job.schedule:
        job.schedule = dict(DEFAULT_SCHEDULE)
    if syncs and job.syncs_initially:
        syncing.begin(world, project, job, job.parts, at, clears_alert=world.switches.restart_clears_alert)
    else:
        snapshotting.begin(world, project, job, at)


def stop(world: World, project: Project, job: Job, at: datetime) -> None:
    """Enter STOPPED: snapshots stay until they expire, and running work is given up."""
    _enter(world, project, job, "STOPPED", at)
    snapshotting.halt(world, job, at)


def terminate(world: World, project: Project, job: Job, at: datetime) -> None:
    """Enter TERMINATING, which deletes all snapshots, and INACTIVE some time later."""
    _enter(world, project, job, "TERMINATING", at)
    snapshotting.halt(world, job, at)
    for snapshot in list(job.snapshots):
        if not (snapshot.held and world.switches.terminate_spares_held):
            world.delete_snapshot(project, job, snapshot.id, at)
    world.agenda.plan(
        later(at, world.timing.terminate), (job.cluster.id, "change"), partial(_inactive, world, project, job)
    )


def _inactive(world: World, project: Project, job: Job, at: datetime) -> None:
    job.accepted = "INACTIVE"
    job.schedule = {}
    _enter(world, project, job, "INACTIVE", at)


def _enter(world: World, project: Project, job: Job, status: str, at: datetime) -> None:
    job.status = status
    for part in job.parts:
        world.event_of(project, part, "RS_STATE_CHANGED_AUDIT", at)
    if job.cluster.sharded:
        world.event_of(project, job.cluster, "CLUSTER_STATE_CHANGED_AUDIT", at)
