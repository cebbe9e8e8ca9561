# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of a project: what is deployed, and how its backup is set up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.reading import (
    Resource,
    either,
    texts,
    time_of,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Record


@dataclass(frozen=True)
class Cluster(Resource):
    """A replica set, a whole sharded cluster, or a part of one."""

    id: str
    name: str | None
    #: REPLICA_SET, SHARDED_REPLICA_SET, CONFIG_SERVER_REPLICA_SET, or what another version says.
    type: str | None
    replica_set: str | None
    shard: str | None
    last_heartbeat: datetime | None

    @property
    def is_sharded(self) -> bool:
        """Whether it is a sharded cluster as a whole."""
        return self.type in ("SHARDED_REPLICA_SET", "SHARDED")

    @property
    def is_config_server(self) -> bool:
        """Whether it is the config servers of a sharded cluster."""
        return (self.type or "").startswith("CONFIG_SERVER")

    @property
    def is_part(self) -> bool:
        """Whether it belongs to a sharded cluster. A shard has the type of a plain replica set, and tells by its name."""
        return self.is_config_server or (not self.is_sharded and self.shard is not None)


def cluster_of(answer: Record) -> Cluster:
    """Read a cluster."""
    return Cluster(
        raw=answer,
        id=str(either(answer, "id", "clusterId") or ""),
        name=either(answer, "clusterName", "replicaSetName", "name"),
        type=either(answer, "typeName", "type"),
        replica_set=either(answer, "replicaSetName"),
        shard=either(answer, "shardName"),
        last_heartbeat=time_of(either(answer, "lastHeartbeat")),
    )


@dataclass(frozen=True)
class BackupConfig(Resource):
    """How one cluster is backed up, and whether it is."""

    cluster_id: str
    project_id: str | None
    #: INACTIVE, PROVISIONING, STARTED, STOPPED, TERMINATING, or what another version says.
    status: str | None
    storage_engine: str | None
    authentication: str | None
    tls: bool | None
    encryption: bool | None
    provisioned: bool | None
    excluded_namespaces: tuple[str, ...] | None
    included_namespaces: tuple[str, ...] | None
    preferred_member: str | None


def backup_config_of(answer: Record) -> BackupConfig:
    """Read a backup configuration."""
    return BackupConfig(
        raw=answer,
        cluster_id=str(either(answer, "clusterId", "id") or ""),
        project_id=either(answer, "groupId", "projectId"),
        status=either(answer, "statusName", "status"),
        storage_engine=either(answer, "storageEngineName", "storageEngine"),
        authentication=either(answer, "authMechanismName", "authMechanism"),
        tls=either(answer, "sslEnabled", "SSLEnabled", "tlsEnabled"),
        encryption=either(answer, "encryptionEnabled"),
        provisioned=either(answer, "provisioned"),
        excluded_namespaces=texts(either(answer, "excludedNamespaces")),
        included_namespaces=texts(either(answer, "includedNamespaces")),
        preferred_member=either(answer, "preferredMember"),
    )


@dataclass(frozen=True)
class Schedule(Resource):
    """When snapshots are taken and how long they are kept."""

    cluster_id: str | None
    interval_hours: int | None
    retention_days: int | None
    daily_retention_days: int | None
    weekly_retention_weeks: int | None
    monthly_retention_months: int | None
    point_in_time_hours: int | None
    checkpoint_minutes: int | None


def schedule_of(answer: Record) -> Schedule:
    """Read a snapshot schedule."""
    return Schedule(
        raw=answer,
        cluster_id=either(answer, "clusterId"),
        interval_hours=either(answer, "snapshotIntervalHours"),
        retention_days=either(answer, "snapshotRetentionDays"),
        daily_retention_days=either(answer, "dailySnapshotRetentionDays"),
        weekly_retention_weeks=either(answer, "weeklySnapshotRetentionWeeks"),
        monthly_retention_months=either(answer, "monthlySnapshotRetentionMonths"),
        point_in_time_hours=either(answer, "pointInTimeWindowHours"),
        checkpoint_minutes=either(answer, "clusterCheckpointIntervalMin"),
    )


@dataclass(frozen=True)
class Host(Resource):
    """A process that is monitored."""

    id: str
    #: Those that are no member of a replica set, for example a mongos, have none.
    cluster_id: str | None
    hostname: str | None
    port: int | None
    aliases: tuple[str, ...] | None
    type: str | None
    replica_set: str | None
    #: PRIMARY, SECONDARY, ARBITER and so on.
    state: str | None
    shard: str | None
    version: str | None
    last_ping: datetime | None
    data_bytes: int | None
    index_bytes: int | None
    #: Hidden in the replica set. What the API calls `hidden` is something of the web page.
    hidden: bool | None
    delay_seconds: int | None
    uptime_milliseconds: int | None
    last_restart: datetime | None
    deactivated: bool | None

    @property
    def address(self) -> str:
        """The host and its port."""
        return f"{self.hostname}:{self.port}"


def host_of(answer: Record) -> Host:
    """Read a host."""
    return Host(
        raw=answer,
        id=str(either(answer, "id") or ""),
        cluster_id=either(answer, "clusterId"),
        hostname=either(answer, "hostname"),
        port=either(answer, "port", "Port"),
        aliases=texts(either(answer, "aliases")),
        type=either(answer, "typeName"),
        replica_set=either(answer, "replicaSetName"),
        state=either(answer, "replicaStateName"),
        shard=either(answer, "shardName"),
        version=either(answer, "version"),
        last_ping=time_of(either(answer, "lastPing")),
        data_bytes=either(answer, "lastDataSizeBytes"),
        index_bytes=either(answer, "lastIndexSizeBytes"),
        hidden=either(answer, "hiddenSecondary"),
        delay_seconds=either(answer, "secondaryDelaySecs", "slaveDelaySec"),
        uptime_milliseconds=either(answer, "uptimeMsec"),
        last_restart=time_of(either(answer, "lastRestart")),
        deactivated=either(answer, "deactivated"),
    )
