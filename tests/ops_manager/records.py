"""What the server knows: projects, clusters, hosts, agents, alerts, events, windows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]
_COUNT = itertools.count(1)


def new_id() -> str:
    """Return an id of 24 hexadecimal digits that was never given out before."""
    return f"5f0000000000{next(_COUNT):012x}"


@dataclass
class Cluster:
    """One entry of the list of clusters: a replica set, a sharded cluster, or a part of one (then with a parent)."""

    project_id: str
    name: str | None
    type_name: str
    replica_set_name: str | None = None
    shard_name: str | None = None
    parent: str | None = None
    monitored: bool = True
    id: str = field(default_factory=new_id)

    @property
    def sharded(self) -> bool:
        return self.type_name == "SHARDED_REPLICA_SET"


@dataclass
class Measurement:
    """Values of one metric, oldest first, the newest of them now; a value may be missing."""

    units: str
    values: list[float | None]


@dataclass
class Host:
    """A mongod or mongos under monitoring; `last_ping` is set where it does not ping any more."""

    project_id: str
    hostname: str
    port: int
    type_name: str
    created: datetime
    cluster_id: str | None = None
    replica_set_name: str | None = None
    replica_state_name: str | None = None
    shard_name: str | None = None
    version: str | None = "4.0.28"
    aliases: list[str] = field(default_factory=list)
    last_ping: datetime | None = None
    hidden_secondary: bool = False
    delay_seconds: int = 0
    data_bytes: int = 633208918
    index_bytes: int = 101420524
    extra: Json = field(default_factory=dict)
    """Fields to show besides, or instead."""
    measurements: dict[str, Measurement] = field(default_factory=dict)
    id: str = field(default_factory=new_id)


@dataclass
class Agent:
    """An agent; while it runs, its last call moves on with the clock."""

    type_name: str
    hostname: str
    state: str
    since: datetime
    running: bool = True
    last_conf: datetime | None = None
    conf_count: int = 0
    version: str = "10.14.0.6304-1"
    tag: str | None = None
    managed: bool = False


@dataclass
class Alert:
    kind: str
    type_name: str
    created: datetime
    status: str
    config_id: str
    cluster_id: str | None = None
    updated: datetime | None = None
    resolved: datetime | None = None
    acknowledged: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    """Names of the cluster, replica set, shard and host, and the metric."""
    id: str = field(default_factory=new_id)


@dataclass
class Event:
    kind: str
    created: datetime
    extra: Json = field(default_factory=dict)
    id: str = field(default_factory=new_id)


@dataclass
class Window:
    types: list[str]
    start: datetime
    end: datetime
    created: datetime
    updated: datetime
    description: str | None = None
    id: str = field(default_factory=new_id)


@dataclass
class Snapshot:
    cluster_id: str
    created: datetime
    complete: bool
    expires: datetime | None
    held: bool = False
    possibly_inconsistent: bool = False
    missing_shards: list[str] = field(default_factory=list)
    id: str = field(default_factory=new_id)


@dataclass
class Stretch:
    """A stretch of oplog history without a gap; open at its end while the backup goes on."""

    start: datetime
    end: datetime | None
    snapshot_id: str


@dataclass
class Restore:
    cluster_id: str
    snapshot_id: str | None
    batch_id: str | None
    created: datetime
    method: str
    delivery: Json
    part_id: str
    """The replica set whose data are delivered."""
    status: str = "IN_PROGRESS"
    delivery_status: str = "NOT_STARTED"
    expires: datetime | None = None
    max_downloads: int = 2147483647
    downloads: int = 0
    token: str = ""
    auth: str = ""
    point_in_time: bool = False
    timestamp: datetime | None = None
    id: str = field(default_factory=new_id)


@dataclass
class Sync:
    """An initial sync that runs, of one or more replica sets of a job."""

    parts: list[Cluster]
    begun: datetime
    clears_alert: bool
    remaining: set[str] = field(default_factory=set)


@dataclass
class Job:
    """The backup of a replica set or of a sharded cluster: its configuration, and what it is doing."""

    cluster: Cluster
    parts: list[Cluster]
    fcv: str
    status: str = "INACTIVE"
    accepted: str = "INACTIVE"
    """The state the last accepted PATCH leads to; GET may still show the one before."""
    settings: Json = field(default_factory=dict)
    schedule: Json = field(default_factory=dict)
    sync: Sync | None = None
    sync_source: str | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    restores: list[Restore] = field(default_factory=list)
    checkpoints: list[Json] = field(default_factory=list)

    @property
    def syncs_initially(self) -> bool:
        """Whether this backup is by a head database that has to be synced first."""
        return tuple(int(part) for part in self.fcv.split(".")[:2]) <= (4, 0)


@dataclass
class Project:
    name: str
    org_id: str
    clusters: dict[str, Cluster] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    """By the id of the cluster, not of its parts."""
    hosts: dict[str, Host] = field(default_factory=dict)
    agents: list[Agent] = field(default_factory=list)
    agent_keys: list[Json] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    alert_configs: dict[str, Json] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    windows: dict[str, Window] = field(default_factory=dict)
    automation: Json = field(default_factory=dict)
    backup_agent_config: Json = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    def job_of(self, cluster_id: str) -> Job | None:
        """Return the job a cluster, or a part of one, belongs to."""
        cluster = self.clusters.get(cluster_id)
        return None if cluster is None else self.jobs.get(cluster.parent or cluster.id)
