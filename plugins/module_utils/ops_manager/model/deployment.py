# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of a project: what is deployed, and how its backup is set up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..api.reading import Resource, said, text, texts, time_of


@dataclass(frozen=True)
class Cluster(Resource):
    """A replica set, a whole sharded cluster, or a part of one."""

    id: str = said("id", "clusterId", read=text)
    name: str | None = said("clusterName", "replicaSetName", "name")
    #: REPLICA_SET, SHARDED_REPLICA_SET, CONFIG_SERVER_REPLICA_SET, or what another version says.
    type: str | None = said("typeName", "type")
    replica_set: str | None = said("replicaSetName")
    shard: str | None = said("shardName")
    last_heartbeat: datetime | None = said("lastHeartbeat", read=time_of)

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


@dataclass(frozen=True)
class BackupConfig(Resource):
    """How one cluster is backed up, and whether it is."""

    cluster_id: str = said("clusterId", "id", read=text)
    project_id: str | None = said("groupId", "projectId")
    #: INACTIVE, PROVISIONING, STARTED, STOPPED, TERMINATING, or what another version says.
    status: str | None = said("statusName", "status")
    storage_engine: str | None = said("storageEngineName", "storageEngine")
    authentication: str | None = said("authMechanismName", "authMechanism")
    tls: bool | None = said("sslEnabled", "SSLEnabled", "tlsEnabled")
    encryption: bool | None = said("encryptionEnabled")
    provisioned: bool | None = said("provisioned")
    excluded_namespaces: tuple[str, ...] | None = said("excludedNamespaces", read=texts)
    included_namespaces: tuple[str, ...] | None = said("includedNamespaces", read=texts)
    preferred_member: str | None = said("preferredMember")


@dataclass(frozen=True)
class Schedule(Resource):
    """When snapshots are taken and how long they are kept."""

    cluster_id: str | None = said("clusterId")
    interval_hours: int | None = said("snapshotIntervalHours")
    retention_days: int | None = said("snapshotRetentionDays")
    daily_retention_days: int | None = said("dailySnapshotRetentionDays")
    weekly_retention_weeks: int | None = said("weeklySnapshotRetentionWeeks")
    monthly_retention_months: int | None = said("monthlySnapshotRetentionMonths")
    point_in_time_hours: int | None = said("pointInTimeWindowHours")
    checkpoint_minutes: int | None = said("clusterCheckpointIntervalMin")


@dataclass(frozen=True)
class Host(Resource):
    """A process that is monitored."""

    id: str = said("id", read=text)
    #: Those that are no member of a replica set, for example a mongos, have none.
    cluster_id: str | None = said("clusterId")
    hostname: str | None = said("hostname")
    port: int | None = said("port", "Port")
    aliases: tuple[str, ...] | None = said("aliases", read=texts)
    type: str | None = said("typeName")
    replica_set: str | None = said("replicaSetName")
    #: PRIMARY, SECONDARY, ARBITER and so on.
    state: str | None = said("replicaStateName")
    shard: str | None = said("shardName")
    version: str | None = said("version")
    last_ping: datetime | None = said("lastPing", read=time_of)
    data_bytes: int | None = said("lastDataSizeBytes")
    index_bytes: int | None = said("lastIndexSizeBytes")
    #: Hidden in the replica set. What the API calls `hidden` is something of the web page.
    hidden: bool | None = said("hiddenSecondary")
    delay_seconds: int | None = said("secondaryDelaySecs", "slaveDelaySec")
    uptime_milliseconds: int | None = said("uptimeMsec")
    last_restart: datetime | None = said("lastRestart", read=time_of)
    deactivated: bool | None = said("deactivated")

    @property
    def address(self) -> str:
        """The host and its port."""
        return f"{self.hostname}:{self.port}"
