"""Everything the server knows, and how it moves on with the clock."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.ops_manager.agenda import Agenda, Clock
from tests.ops_manager.records import Agent, Cluster, Event, Job, Project, new_id
from tests.ops_manager.settings import Switches, Timing

SYNC_EVENTS = ("SYNC_PENDING_AUDIT", "SYNC_REQUIRED_AUDIT", "INITIAL_SYNC_STARTED_AUDIT", "INITIAL_SYNC_FINISHED_AUDIT")

EVENT_FIELDS = ("alertId", "hostname", "Port", "metricName", "currentValue", "replicaSetName", "shardName")
"""What an event says about its object; according to the documentation it does not name the cluster."""


class World:
    """The state behind the API. To read or change it, hold the lock and call `look` first."""

    def __init__(self, timing: Timing, switches: Switches) -> None:
        self.timing = timing
        self.switches = switches
        self.clock = Clock(switches)
        self.agenda = Agenda()
        self.lock = threading.RLock()
        self.org_id = new_id()
        self.projects: dict[str, Project] = {}
        self.archives: dict[tuple[str, str], Path] = {}
        """Files to deliver, by the ids of the snapshot and of the replica set."""
        self.sync_stalled = False
        self.base_url = ""

    def look(self) -> datetime:
        """Let everything happen that is due, and return the server's time."""
        now = self.clock.now()
        self.agenda.advance(now)
        self._delete_expired(now)
        for project in self.projects.values():
            for agent in project.agents:
                self._call_in(agent, now)
        return now

    def event(self, project: Project, kind: str, at: datetime, **extra: Any) -> None:
        """Write an event, unless this version keeps the events of a sync to itself."""
        if kind in SYNC_EVENTS and not self.switches.sync_events:
            return
        documented = (
            EVENT_FIELDS if not self.switches.events_name_clusters else (*EVENT_FIELDS, "clusterId", "clusterName")
        )
        shown = {name: extra[name] for name in documented if extra.get(name) is not None}
        project.events.append(Event(kind, at, shown))

    def event_of(self, project: Project, cluster: Cluster, kind: str, at: datetime) -> None:
        """Write an event of a cluster; of a whole sharded cluster it names no shard."""
        self.event(
            project, kind, at, **{**naming(cluster), "shardName": None if cluster.sharded else cluster.shard_name}
        )

    def working_agent(self, project: Project) -> Agent | None:
        """Return the backup agent that does the work, if one does."""
        working = (agent for agent in project.agents if agent.type_name == "BACKUP" and agent.running)
        return next((agent for agent in working if agent.state == "ACTIVE"), None)

    def _call_in(self, agent: Agent, now: datetime) -> None:
        if agent.running and now >= agent.since:
            calls = int((now - agent.since).total_seconds() / self.timing.conf)
            if calls or agent.last_conf is None:
                agent.since += timedelta(seconds=calls * self.timing.conf)
                agent.last_conf = agent.since
                agent.conf_count += max(calls, 1)

    def _delete_expired(self, now: datetime) -> None:
        grace = timedelta(seconds=self.timing.snapshot_deletion)
        for project in self.projects.values():
            for job in project.jobs.values():
                gone = [one for one in job.snapshots if one.expires is not None and one.expires + grace < now]
                for snapshot in gone:
                    self.delete_snapshot(project, job, snapshot.id, now)

    def delete_snapshot(self, project: Project, job: Job, snapshot_id: str, at: datetime) -> None:
        job.snapshots = [one for one in job.snapshots if one.id != snapshot_id]
        job.stretches = [one for one in job.stretches if one.snapshot_id != snapshot_id]
        kind = "CLUSTERSHOT_DELETED_AUDIT" if job.cluster.sharded else "SNAPSHOT_DELETED_AUDIT"
        self.event_of(project, job.cluster, kind, at)


def naming(cluster: Cluster) -> dict[str, str | None]:
    """Return how an event or alert names a cluster."""
    return {
        "clusterId": cluster.id,
        "clusterName": cluster.name,
        "replicaSetName": cluster.replica_set_name,
        "shardName": cluster.shard_name,
    }
