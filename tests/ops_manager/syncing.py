"""An initial sync: its phases for each replica set, what starts it over, and which alerts it closes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from tests.ops_manager import snapshotting
from tests.ops_manager.agenda import AGAIN, later
from tests.ops_manager.records import Alert, Cluster, Job, Project, Sync
from tests.ops_manager.world import World, naming


def begin(
    world: World, project: Project, job: Job, parts: Sequence[Cluster], at: datetime, clears_alert: bool = True
) -> None:
    """Begin an initial sync of replica sets of a job; syncs of its other replica sets go on. No snapshot is made meanwhile."""
    sync = job.sync or Sync([], at, clears_alert)
    snapshotting.interrupt(world, job, at)
    sync.parts = [part for part in sync.parts if part not in parts] + list(parts)
    sync.remaining |= {part.id for part in parts}
    job.sync = sync
    timing = world.timing
    for number, part in enumerate(parts):
        world.agenda.drop((job.cluster.id, "sync", part.id))
        moment = later(at, number * timing.sync_stagger)
        _plan(world, job, part, moment, partial(_tell, world, project, part, "SYNC_PENDING_AUDIT"))
        moment = later(moment, timing.sync_pending)
        _plan(world, job, part, moment, partial(_tell, world, project, part, "SYNC_REQUIRED_AUDIT"))
        moment = later(moment, timing.sync_start)
        _plan(world, job, part, moment, partial(_tell, world, project, part, "INITIAL_SYNC_STARTED_AUDIT"))
        moment = later(moment, timing.sync)
        _plan(world, job, part, moment, partial(_finish, world, project, job, sync, part))


def start_over(world: World, project: Project, at: datetime) -> None:
    """Start every sync of the project over, as a restart of the agent does."""
    for job in project.jobs.values():
        if job.sync is not None:
            begin(world, project, job, job.sync.parts, at, job.sync.clears_alert)


def _plan(world: World, job: Job, part: Cluster, moment: datetime, action: partial[None]) -> None:
    world.agenda.plan(moment, (job.cluster.id, "sync", part.id), action)


def _tell(world: World, project: Project, part: Cluster, kind: str, at: datetime) -> None:
    world.event_of(project, part, kind, at)


def _finish(world: World, project: Project, job: Job, sync: Sync, part: Cluster, at: datetime) -> None:
    if world.sync_stalled or world.working_agent(project) is None:
        again = max(at, world.clock.now()) + AGAIN
        _plan(world, job, part, again, partial(_finish, world, project, job, sync, part))
        return
    world.event_of(project, part, "INITIAL_SYNC_FINISHED_AUDIT", at)
    _plan(world, job, part, later(at, world.timing.sync_state), partial(_change_state, world, project, job, sync, part))


def _change_state(world: World, project: Project, job: Job, sync: Sync, part: Cluster, at: datetime) -> None:
    world.event_of(project, part, "RS_STATE_CHANGED_AUDIT", at)
    sync.remaining.discard(part.id)
    if sync.remaining:
        return
    job.sync = None
    if job.cluster.sharded:
        world.event_of(project, job.cluster, "CLUSTER_STATE_CHANGED_AUDIT", at)
    if sync.clears_alert:
        _clear_alerts(world, project, job, sync, at)
    snapshotting.begin(world, project, job, at)


def _clear_alerts(world: World, project: Project, job: Job, sync: Sync, at: datetime) -> None:
    synced = {part.id for part in sync.parts}
    if synced == {part.id for part in job.parts}:
        synced.add(job.cluster.id)
    for alert in project.alerts.values():
        if alert.kind == "RESYNC_REQUIRED" and alert.cluster_id in synced and alert.status in ("OPEN", "TRACKING"):
            cluster = project.clusters[alert.cluster_id]
            world.event(project, "RESYNC_PERFORMED", at, alertId=alert.id, **naming(cluster))
            close(alert, at)


def close(alert: Alert, at: datetime) -> None:
    alert.status = "CLOSED"
    alert.resolved = alert.updated = at
