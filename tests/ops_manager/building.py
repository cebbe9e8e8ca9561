"""The part of the controls that adds projects, clusters, hosts and agents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tests.ops_manager.life import DEFAULT_SCHEDULE
from tests.ops_manager.records import Agent, Cluster, Host, Job, Measurement, Project, new_id
from tests.ops_manager.world import World

HOUR = timedelta(hours=1)


class Building:
    """Adds projects and what is in them. The default project is the first."""

    world: World
    project_id: str

    def add_project(self, name: str, agents: bool = True) -> str:
        """Add a project, with two backup agents, one active and one standby, a monitoring agent and an automation agent."""
        with self.world.lock:
            project = Project(name, self.world.org_id)
            self.world.projects[project.id] = project
            project.alert_configs = {
                one["id"]: one for one in (_alert_config(project, kind) for kind in ("RESYNC_REQUIRED", "OPLOG_BEHIND"))
            }
            if agents:
                self.add_agent("BACKUP", "agent-0.example.com", project=project.id)
                self.add_agent("BACKUP", "agent-1.example.com", "STANDBY", project=project.id)
                self.add_agent("MONITORING", "agent-0.example.com", project=project.id)
                self.add_agent("AUTOMATION", "agent-0.example.com", project=project.id)
            return project.id

    def add_agent(self, kind: str, hostname: str, state: str = "ACTIVE", project: str | None = None) -> Agent:
        """Add an agent that runs."""
        with self.world.lock:
            agent = Agent(kind, hostname, state, self.world.clock.now())
            self._project(project).agents.append(agent)
            return agent

    def add_replica_set(
        self,
        name: str = "rs0",
        *,
        members: int = 3,
        fcv: str = "4.0",
        version: str | None = None,
        status: str = "STARTED",
        project: str | None = None,
    ) -> str:
        """Add a replica set and its backup; return its id."""
        with self.world.lock:
            found = self._project(project)
            cluster = Cluster(found.id, None, "REPLICA_SET", replica_set_name=name)
            found.clusters[cluster.id] = cluster
            self._add_members(found, cluster, members, version or f"{fcv}.28")
            self._add_job(found, cluster, [cluster], fcv, status)
            return cluster.id

    def add_sharded_cluster(
        self,
        name: str = "shop",
        *,
        shards: int = 2,
        members: int = 3,
        fcv: str = "4.0",
        version: str | None = None,
        status: str = "STARTED",
        project: str | None = None,
    ) -> str:
        """Add a sharded cluster: the whole, its shards, its config servers, a mongos; return the id of the whole."""
        with self.world.lock:
            found = self._project(project)
            whole = Cluster(found.id, name, "SHARDED_REPLICA_SET", shard_name=f"{name}-0")
            parts = [
                Cluster(found.id, name, "REPLICA_SET", f"{name}-{number}", f"{name}-{number}", whole.id)
                for number in range(shards)
            ]
            parts.append(Cluster(found.id, name, "CONFIG_SERVER_REPLICA_SET", f"{name}-config", None, whole.id))
            found.clusters.update({cluster.id: cluster for cluster in (whole, *parts)})
            shown = version or f"{fcv}.28"
            for part in parts:
                self._add_members(found, part, members, shown)
            self.add_host(f"{name}-mongos.example.com", "SHARD_MONGOS", version=shown, project=found.id)
            self._add_job(found, whole, parts, fcv, status)
            return whole.id

    def parts(self, cluster_id: str) -> list[str]:
        """Return the ids of the replica sets of a job: the shards, then the config servers."""
        return [part.id for part in self.job(cluster_id).parts]

    def add_host(
        self,
        hostname: str,
        type_name: str,
        *,
        port: int = 27017,
        cluster_id: str | None = None,
        project: str | None = None,
        **fields: Any,
    ) -> Host:
        """Add a host; the fields are those of the record."""
        with self.world.lock:
            found = self._project(project)
            created = self.world.clock.now() - 1000 * HOUR
            host = Host(found.id, hostname, port, type_name, created, cluster_id, **fields)
            host.measurements = _measurements(type_name)
            found.hosts[host.id] = host
            return host

    def host(self, hostname: str, port: int = 27017) -> Host:
        """Return a host's record, to be changed."""
        for project in self.world.projects.values():
            for host in project.hosts.values():
                if (host.hostname, host.port) == (hostname, port):
                    return host
        raise KeyError(hostname)

    def measure(self, hostname: str, metric: str, values: Iterable[float | None], units: str = "SECONDS") -> None:
        """Set the values of a metric, the newest last; None is a point without a value."""
        with self.world.lock:
            self.host(hostname).measurements[metric] = Measurement(units, list(values))

    def job(self, cluster_id: str) -> Job:
        """Return the record of the backup of a cluster or of a part of one."""
        found = self._project_of(cluster_id).job_of(cluster_id)
        if found is None:
            raise KeyError(cluster_id)
        return found

    def _project(self, project_id: str | None) -> Project:
        return self.world.projects[project_id or self.project_id]

    def _project_of(self, cluster_id: str) -> Project:
        return next(one for one in self.world.projects.values() if cluster_id in one.clusters)

    def _add_job(self, project: Project, cluster: Cluster, parts: list[Cluster], fcv: str, status: str) -> None:
        job = Job(cluster, parts, fcv, status, status)
        if status != "INACTIVE":
            job.settings["storageEngineName"] = "WIRED_TIGER"
            job.schedule = dict(DEFAULT_SCHEDULE)
        project.jobs[cluster.id] = job

    def _add_members(self, project: Project, cluster: Cluster, members: int, version: str) -> None:
        prefix = "SHARD" if cluster.shard_name else "REPLICA"
        for number in range(members):
            state = "PRIMARY" if number == 0 else "SECONDARY"
            type_name = "SHARD_CONFIG" if cluster.type_name.startswith("CONFIG") else f"{prefix}_{state}"
            host = self.add_host(
                f"{cluster.replica_set_name}-{number}.example.com",
                type_name,
                cluster_id=cluster.id,
                project=project.id,
                replica_set_name=cluster.replica_set_name,
                replica_state_name=state,
                shard_name=cluster.shard_name,
                version=version,
            )
            host.measurements = _measurements(state)


def _measurements(state: str) -> dict[str, Measurement]:
    """Return what is measured on a member in a state: a window of two days, a lag of two seconds."""
    if state == "PRIMARY":
        return {
            "OPLOG_MASTER_TIME": Measurement("SECONDS", [None, 172800.0, 172860.0]),
            "OPLOG_RATE_GB_PER_HOUR": Measurement("GIGABYTES_PER_HOUR", [0.5, 0.5, 0.5]),
        }
    if state == "SECONDARY":
        return {
            "OPLOG_REPLICATION_LAG_TIME": Measurement("SECONDS", [2.0, 2.75, 2.0]),
            "OPLOG_MASTER_LAG_TIME_DIFF": Measurement("SECONDS", [172798.0, 172858.0, None]),
        }
    return {"CONNECTIONS": Measurement("SCALAR", [5.0])}


def _alert_config(project: Project, kind: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "groupId": project.id,
        "eventTypeName": kind,
        "enabled": True,
        "created": "2020-01-01T00:00:00Z",
        "updated": "2020-01-01T00:00:00Z",
        "notifications": [{"typeName": "GROUP", "intervalMin": 60, "delayMin": 0, "emailEnabled": True}],
    }
