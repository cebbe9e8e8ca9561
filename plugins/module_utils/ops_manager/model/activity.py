# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of what goes on in a project: agents, alerts, events, maintenance windows, snapshots, measurements. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.reading import (
    Resource,
    either,
    mapping,
    mappings,
    texts,
    time_of,
    whole_number,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Record

#: Stands for a moment that the product does not tell.
EVER = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Agent(Resource):
    """An agent of one of the three types."""

    type: str | None
    hostname: str | None
    #: ACTIVE, STANDBY, NO_PROCESSES, or what another version says.
    state: str | None
    #: When it last asked for its configuration, which is the only sign of life of a backup agent.
    last_conf: datetime | None
    last_ping: datetime | None
    conf_count: int | None
    managed: bool | None
    tag: str | None


def agent_of(answer: Record) -> Agent:
    """Read an agent."""
    return Agent(
        raw=answer,
        type=either(answer, "typeName"),
        hostname=either(answer, "hostname"),
        state=either(answer, "stateName"),
        last_conf=time_of(either(answer, "lastConf")),
        last_ping=time_of(either(answer, "lastPing")),
        conf_count=either(answer, "confCount"),
        managed=either(answer, "isManaged"),
        tag=either(answer, "tag", "tagName"),
    )


@dataclass(frozen=True)
class Alert(Resource):
    """An alert that was raised."""

    id: str
    event_type: str | None
    status: str | None
    created: datetime | None
    updated: datetime | None
    resolved: datetime | None
    acknowledged_until: datetime | None
    source_type: str | None
    cluster_id: str | None
    cluster: str | None
    replica_set: str | None
    shard: str | None
    host: str | None
    metric: str | None
    value: float | None
    units: str | None


def alert_of(answer: Record) -> Alert:
    """Read an alert."""
    current = mapping(either(answer, "currentValue"))
    return Alert(
        raw=answer,
        id=str(either(answer, "id") or ""),
        event_type=either(answer, "eventTypeName", "eventType"),
        status=either(answer, "status"),
        created=time_of(either(answer, "created")),
        updated=time_of(either(answer, "updated")),
        resolved=time_of(either(answer, "resolved")),
        acknowledged_until=time_of(either(answer, "acknowledgedUntil")),
        source_type=either(answer, "sourceTypeName"),
        cluster_id=either(answer, "clusterId"),
        cluster=either(answer, "clusterName"),
        replica_set=either(answer, "replicaSetName"),
        shard=either(answer, "shardName"),
        host=either(answer, "hostnameAndPort"),
        metric=either(answer, "metricName"),
        value=either(current, "number"),
        units=either(current, "units"),
    )


@dataclass(frozen=True)
class Event(Resource):
    """Something that has happened."""

    id: str
    type: str | None
    created: datetime | None
    cluster_id: str | None
    cluster: str | None
    replica_set: str | None
    shard: str | None
    hostname: str | None
    port: int | None
    alert_id: str | None
    #: Who has done it: a person, or the public half of a key.
    by: str | None


def event_of(answer: Record) -> Event:
    """Read an event."""
    return Event(
        raw=answer,
        id=str(either(answer, "id") or ""),
        type=either(answer, "eventTypeName", "eventType"),
        created=time_of(either(answer, "created")),
        cluster_id=either(answer, "clusterId"),
        cluster=either(answer, "clusterName"),
        replica_set=either(answer, "replicaSetName"),
        shard=either(answer, "shardName"),
        hostname=either(answer, "hostname"),
        port=either(answer, "port", "Port"),
        alert_id=either(answer, "alertId"),
        by=either(answer, "username", "publicKey"),
    )


@dataclass(frozen=True)
class MaintenanceWindow(Resource):
    """A maintenance window, in which alerts of some types are not sent."""

    id: str
    alert_types: tuple[str, ...] | None
    start: datetime | None
    end: datetime | None
    description: str | None
    created: datetime | None


def window_of(answer: Record) -> MaintenanceWindow:
    """Read a maintenance window."""
    return MaintenanceWindow(
        raw=answer,
        id=str(either(answer, "id") or ""),
        alert_types=texts(either(answer, "alertTypeNames")),
        start=time_of(either(answer, "startDate")),
        end=time_of(either(answer, "endDate")),
        description=either(answer, "description"),
        created=time_of(either(answer, "created")),
    )


@dataclass(frozen=True)
class Part(Resource):
    """The part of a snapshot that is of one replica set."""

    cluster_id: str | None
    type: str | None
    replica_set: str | None
    version: str | None
    #: Of the documents, and of the archive as it is stored.
    data_bytes: int | None
    stored_bytes: int | None

    @property
    def name(self) -> str:
        """The name of its replica set; empty where the product does not tell it."""
        return str(self.replica_set or "")

    @property
    def file_bytes(self) -> int | None:
        """The size of the files once they are unpacked."""
        return whole_number(self.raw.get("fileSizeBytes"))

    @property
    def encrypted(self) -> bool:
        """Whether the files are encrypted."""
        return bool(self.raw.get("encryptionEnabled"))


def _part_of(answer: Record) -> Part:
    return Part(
        raw=answer,
        cluster_id=either(answer, "clusterId"),
        type=either(answer, "typeName"),
        replica_set=either(answer, "replicaSetName"),
        version=either(answer, "mongodVersion"),
        data_bytes=whole_number(answer.get("dataSizeBytes")),
        stored_bytes=whole_number(answer.get("storageSizeBytes")),
    )


@dataclass(frozen=True)
class Snapshot(Resource):
    """A snapshot, or one that is being made."""

    id: str
    cluster_id: str | None
    complete: bool | None
    created: datetime | None
    #: The point of the oplog whose data it holds.
    oplog_time: datetime | None
    oplog_increment: int | None
    do_not_delete: bool | None
    expires: datetime | None
    possibly_inconsistent: bool | None
    #: The shards that are not in it.
    missing_shards: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def made(self) -> datetime:
        """When it was made, for comparing."""
        return self.created or EVER

    @property
    def finished(self) -> bool:
        """Whether it is complete; a version that does not say so lists no others."""
        return self.complete is not False

    @property
    def whole(self) -> bool:
        """Whether everything can be restored from it, and its parts fit together."""
        return self.finished and not self.missing_shards and not self.possibly_inconsistent

    @property
    def held(self) -> bool:
        """Whether it is kept from expiring."""
        return bool(self.do_not_delete)


def snapshot_of(answer: Record) -> Snapshot:
    """Read a snapshot."""
    applied = either(answer, "lastOplogAppliedTimestamp")
    missing = (either(shard, "shardName", "replicaSetName", "id") for shard in mappings(answer.get("missingShards")))
    return Snapshot(
        raw=answer,
        id=str(either(answer, "id") or ""),
        cluster_id=either(answer, "clusterId"),
        complete=either(answer, "complete"),
        created=time_of(either(answer, "created")),
        oplog_time=time_of(applied),
        oplog_increment=either(mapping(applied), "increment"),
        do_not_delete=either(answer, "doNotDelete"),
        expires=time_of(either(answer, "expires")),
        possibly_inconsistent=either(answer, "isPossiblyInconsistent"),
        missing_shards=tuple(str(name or "unnamed") for name in missing),
        parts=tuple(_part_of(part) for part in mappings(answer.get("parts"))),
    )


@dataclass(frozen=True)
class Measurement(Resource):
    """A metric of a host over time."""

    name: str | None
    units: str | None
    points: tuple[tuple[datetime | None, float | None], ...]

    @property
    def latest(self) -> float | None:
        """The newest value; the API leaves gaps."""
        return next((value for _time, value in reversed(self.points) if value is not None), None)


def measurement_of(answer: Record) -> Measurement:
    """Read a measurement."""
    points = [
        (time_of(point.get("timestamp")), _number(point.get("value"))) for point in mappings(answer.get("dataPoints"))
    ]
    return Measurement(raw=answer, name=either(answer, "name"), units=either(answer, "units"), points=tuple(points))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
