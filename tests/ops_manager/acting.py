"""The part of the controls by which things happen: alerts, the button of the web page, agents, snapshots."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tests.ops_manager import snapshotting, syncing
from tests.ops_manager.building import Building
from tests.ops_manager.records import Agent, Alert, Project, Snapshot, Stretch
from tests.ops_manager.world import World, naming

FAMILY_BY_BEGINNING = {
    "BACKUP_AGENT": "AGENT",
    "MONITORING_AGENT": "AGENT",
    "AUTOMATION_AGENT": "AGENT",
    "HOST": "HOST",
}
CODE = "271828"


class Acting(Building):
    """Lets happen what people, agents and time do to Ops Manager."""

    world: World
    _verified = False

    def raise_alert(
        self,
        kind: str,
        cluster_id: str | None = None,
        *,
        status: str = "OPEN",
        created: datetime | None = None,
        project: str | None = None,
        **fields: Any,
    ) -> str:
        """Raise an alert, and write its event; the fields are shown as they are. Return its id."""
        with self.world.lock:
            now = created or self.world.look()
            found = self._project(project) if cluster_id is None else self._project_of(cluster_id)
            extra = dict(fields)
            if cluster_id is not None:
                cluster = found.clusters[cluster_id]
                extra = {**naming(cluster), "sourceTypeName": _source_type(cluster.type_name), **fields}
            family = next((name for start, name in FAMILY_BY_BEGINNING.items() if kind.startswith(start)), "BACKUP")
            alert = Alert(kind, family, now, status, _config_of(found, kind), cluster_id, extra=extra)
            found.alerts[alert.id] = alert
            self.world.event(found, kind, now, alertId=alert.id, **extra)
            return alert.id

    def close_alert(self, alert_id: str) -> None:
        """Close an alert, as when its condition is gone."""
        with self.world.lock:
            now = self.world.look()
            for project in self.world.projects.values():
                if alert_id in project.alerts:
                    syncing.close(project.alerts[alert_id], now)

    def press_resync(self, cluster_id: str, code: str | None = None) -> Literal["code asked for", "started"]:
        """Press the button of the web page; it may ask for a code, and has to be pressed again after that."""
        with self.world.lock:
            now = self.world.look()
            job = self.job(cluster_id)
            if job.status != "STARTED":
                raise RuntimeError(f"a backup that is {job.status} has no button for a resync")
            if not job.syncs_initially:
                raise RuntimeError("a backup with a feature compatibility version from 4.2 on has no resync")
            if code is not None:
                self.verify(code)
            if self.world.switches.two_factor and not self._verified:
                return "code asked for"
            self._verified = False
            parts = [part for part in job.parts if cluster_id in (part.id, job.cluster.id)]
            syncing.begin(self.world, self._project_of(cluster_id), job, parts, now)
            return "started"

    def verify(self, code: str = CODE) -> None:
        """Enter the code; it counts for the next press."""
        if code != CODE:
            raise ValueError("the code is wrong")
        self._verified = True

    @property
    def never_finish_sync(self) -> bool:
        """Whether syncs stop short of their end."""
        return self.world.sync_stalled

    @never_finish_sync.setter
    def never_finish_sync(self, stalled: bool) -> None:
        with self.world.lock:
            self.world.look()
            self.world.sync_stalled = stalled

    def syncing(self, cluster_id: str) -> bool:
        """Return whether an initial sync runs."""
        with self.world.lock:
            self.world.look()
            return self.job(cluster_id).sync is not None

    def restart_agent(self, hostname: str, kind: str = "BACKUP", project: str | None = None) -> None:
        """Restart an agent: it calls in again after a moment; a sync that the working one serves starts over."""
        with self.world.lock:
            now = self.world.look()
            found = self._project(project)
            agent = self._agent(found, hostname, kind)
            agent.running = True
            agent.since = now + timedelta(seconds=self.world.timing.agent_restart)
            if kind == "BACKUP" and agent.state == "ACTIVE":
                syncing.start_over(self.world, found, now)

    def stop_agent(self, hostname: str, kind: str = "BACKUP", project: str | None = None) -> None:
        """Stop an agent; a running standby takes its place, and a sync waits for one and starts over."""
        with self.world.lock:
            now = self.world.look()
            found = self._project(project)
            agent = self._agent(found, hostname, kind)
            agent.running = False
            spares = [one for one in found.agents if one.type_name == kind and one.running and one.state == "STANDBY"]
            if agent.state == "ACTIVE" and spares:
                agent.state, spares[0].state = "STANDBY", "ACTIVE"
            if kind == "BACKUP":
                syncing.start_over(self.world, found, now)

    def start_agent(self, hostname: str, kind: str = "BACKUP", project: str | None = None) -> None:
        """Start an agent that was stopped."""
        self.restart_agent(hostname, kind, project)

    def add_snapshot(
        self,
        cluster_id: str,
        *,
        age_hours: float = 1.0,
        complete: bool = True,
        expires_in_hours: float = 240.0,
        held: bool = False,
    ) -> str:
        """Add a snapshot that was made some hours ago; return its id."""
        with self.world.lock:
            now = self.world.look()
            job = self.job(cluster_id)
            expires = None if held else now + timedelta(hours=expires_in_hours)
            created = now - timedelta(hours=age_hours)
            snapshot = Snapshot(job.cluster.id, created, complete, expires, held)
            job.snapshots.append(snapshot)
            if complete and not job.stretches:
                job.stretches.append(Stretch(created, None if job.status == "STARTED" else now, snapshot.id))
            return snapshot.id

    def begin_snapshot(self, cluster_id: str) -> str:
        """Begin a snapshot, as by schedule: first it is not complete. None begins while a sync runs."""
        with self.world.lock:
            now = self.world.look()
            job = self.job(cluster_id)
            if job.status != "STARTED" or job.sync is not None:
                raise RuntimeError("no snapshot is made while the backup is stopped or syncs")
            return snapshotting.begin(self.world, self._project_of(cluster_id), job, now).id

    def snapshots(self, cluster_id: str) -> list[Snapshot]:
        """Return the records of all snapshots of a cluster, to be read or changed."""
        with self.world.lock:
            self.world.look()
            return list(self.job(cluster_id).snapshots)

    def snapshot_archive(self, snapshot_id: str, path: Path, part_id: str | None = None) -> None:
        """Put down the file that a restore of a snapshot delivers, of one replica set or of all."""
        with self.world.lock:
            jobs = (job for project in self.world.projects.values() for job in project.jobs.values())
            job = next(job for job in jobs if any(snapshot.id == snapshot_id for snapshot in job.snapshots))
            parts = [part.id for part in job.parts if part_id in (None, part.id)]
            self.world.archives |= {(snapshot_id, part): path for part in parts}

    def _agent(self, project: Project, hostname: str, kind: str) -> Agent:
        return next(one for one in project.agents if (one.hostname, one.type_name) == (hostname, kind))


def _source_type(type_name: str) -> str:
    if type_name == "SHARDED_REPLICA_SET":
        return "SHARDED_CLUSTER"
    return "CONFIG_SERVER" if type_name.startswith("CONFIG") else "REPLICA_SET"


def _config_of(project: Project, kind: str) -> str:
    """Return the id of the configuration that raises alerts of a kind, or of any."""
    found = (one["id"] for one in project.alert_configs.values() if one["eventTypeName"] == kind)
    return next(found, next(iter(project.alert_configs), ""))
