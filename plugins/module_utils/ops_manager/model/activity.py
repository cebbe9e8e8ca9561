# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of what goes on in a project: agents, alerts, events, maintenance windows, snapshots, measurements. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..api.reading import Resource, either, inside, mappings, said, text, texts, time_of, whole_number

#: Stands for a moment that the product does not tell.
EVER = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Agent(Resource):
    """An agent of one of the three types."""

    type: str | None = said("typeName")
    hostname: str | None = said("hostname")
    #: ACTIVE, STANDBY, NO_PROCESSES, or what another version says.
    state: str | None = said("stateName")
    #: When it last asked for its configuration, which is the only sign of life of a backup agent.
    last_conf: datetime | None = said("lastConf", read=time_of)
    last_ping: datetime | None = said("lastPing", read=time_of)
    conf_count: int | None = said("confCount")
    managed: bool | None = said("isManaged")
    tag: str | None = said("tag", "tagName")


@dataclass(frozen=True)
class Alert(Resource):
    """An alert that was raised."""

    id: str = said("id", read=text)
    event_type: str | None = said("eventTypeName", "eventType")
    status: str | None = said("status")
    created: datetime | None = said("created", read=time_of)
    updated: datetime | None = said("updated", read=time_of)
    resolved: datetime | None = said("resolved", read=time_of)
    acknowledged_until: datetime | None = said("acknowledgedUntil", read=time_of)
    source_type: str | None = said("sourceTypeName")
    cluster_id: str | None = said("clusterId")
    cluster: str | None = said("clusterName")
    replica_set: str | None = said("replicaSetName")
    shard: str | None = said("shardName")
    host: str | None = said("hostnameAndPort")
    metric: str | None = said("metricName")
    value: float | None = said("currentValue", read=inside("number"))
    units: str | None = said("currentValue", read=inside("units"))


@dataclass(frozen=True)
class Event(Resource):
    """Something that has happened."""

    id: str = said("id", read=text)
    type: str | None = said("eventTypeName", "eventType")
    created: datetime | None = said("created", read=time_of)
    cluster_id: str | None = said("clusterId")
    cluster: str | None = said("clusterName")
    replica_set: str | None = said("replicaSetName")
    shard: str | None = said("shardName")
    hostname: str | None = said("hostname")
    port: int | None = said("port", "Port")
    alert_id: str | None = said("alertId")
    #: Who has done it: a person, or the public half of a key.
    by: str | None = said("username", "publicKey")


@dataclass(frozen=True)
class MaintenanceWindow(Resource):
    """A maintenance window, in which alerts of some types are not sent."""

    id: str = said("id", read=text)
    alert_types: tuple[str, ...] | None = said("alertTypeNames", read=texts)
    start: datetime | None = said("startDate", read=time_of)
    end: datetime | None = said("endDate", read=time_of)
    description: str | None = said("description")
    created: datetime | None = said("created", read=time_of)


@dataclass(frozen=True)
class Part(Resource):
    """The part of a snapshot that is of one replica set."""

    cluster_id: str | None = said("clusterId")
    type: str | None = said("typeName")
    replica_set: str | None = said("replicaSetName")
    version: str | None = said("mongodVersion")
    #: Of the documents, and of the archive as it is stored.
    data_bytes: int | None = said("dataSizeBytes", read=whole_number)
    stored_bytes: int | None = said("storageSizeBytes", read=whole_number)

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


def _parts(value: Any) -> tuple[Part, ...]:
    return tuple(Part.of(part) for part in mappings(value))


def _shards(value: Any) -> tuple[str, ...]:
    names = (either(shard, "shardName", "replicaSetName", "id") for shard in mappings(value))
    return tuple(str(name or "unnamed") for name in names)


@dataclass(frozen=True)
class Snapshot(Resource):
    """A snapshot, or one that is being made."""

    id: str = said("id", read=text)
    cluster_id: str | None = said("clusterId")
    complete: bool | None = said("complete")
    created: datetime | None = said("created", read=time_of)
    #: The point of the oplog whose data it holds.
    oplog_time: datetime | None = said("lastOplogAppliedTimestamp", read=time_of)
    oplog_increment: int | None = said("lastOplogAppliedTimestamp", read=inside("increment"))
    do_not_delete: bool | None = said("doNotDelete")
    expires: datetime | None = said("expires", read=time_of)
    possibly_inconsistent: bool | None = said("isPossiblyInconsistent")
    #: The shards that are not in it.
    missing_shards: tuple[str, ...] = said("missingShards", read=_shards)
    parts: tuple[Part, ...] = said("parts", read=_parts)

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


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _points(value: Any) -> tuple[tuple[datetime | None, float | None], ...]:
    return tuple((time_of(point.get("timestamp")), _number(point.get("value"))) for point in mappings(value))


@dataclass(frozen=True)
class Measurement(Resource):
    """A metric of a host over time."""

    name: str | None = said("name")
    units: str | None = said("units")
    points: tuple[tuple[datetime | None, float | None], ...] = said("dataPoints", read=_points)

    @property
    def latest(self) -> float | None:
        """The newest value; the API leaves gaps."""
        return next((value for _time, value in reversed(self.points) if value is not None), None)
