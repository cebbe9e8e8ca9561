"""The schedule by which snapshots are made and kept."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tests.ops_manager.call import Call, Result, one_of, route
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Json

ALLOWED: dict[str, tuple[Collection[int], str]] = {
    "snapshotIntervalHours": ((6, 8, 12, 24), "INVALID_SNAPSHOT_INTERVAL"),
    "snapshotRetentionDays": (range(1, 6), "INVALID_SNAPSHOT_RETENTION_PERIOD"),
    "dailySnapshotRetentionDays": (range(366), "INVALID_DAILY_SNAPSHOT_RETENTION_PERIOD"),
    "weeklySnapshotRetentionWeeks": (range(53), "INVALID_WEEKLY_SNAPSHOT_RETENTION_PERIOD"),
    "monthlySnapshotRetentionMonths": (range(37), "INVALID_MONTHLY_SNAPSHOT_RETENTION_PERIOD"),
    "pointInTimeWindowHours": (range(1, 10000), "CANNOT_SET_POINT_IN_TIME_WINDOW"),
    "clusterCheckpointIntervalMin": ((15, 30, 60), "INVALID_CLUSTER_CHECKPOINT_INTERVAL"),
    "referenceHourOfDay": (range(24), "INVALID_REFERENCE_HOUR_OF_DAY"),
    "referenceMinuteOfHour": (range(60), "INVALID_REFERENCE_MINUTE_OF_HOUR"),
}
DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
FIELDS: dict[str, Any] = {
    **dict.fromkeys(ALLOWED, int),
    "fullIncrementalDayOfWeek": str,
    "referenceTimeZoneOffset": str,
    "clusterId": str,
    "groupId": str,
}
PATH = "/groups/<gid>/backupConfigs/<cid>/snapshotSchedule"


@route("GET", PATH)
def schedule(call: Call) -> Result:
    if not call.job.schedule:
        raise Problem("SNAPSHOT_SCHEDULE_NOT_FOUND", f"No snapshot schedule exists for cluster {call.cluster.id}.")
    return _show(call)


@route("PATCH", PATH, needs="backup", access_list=True)
def change(call: Call) -> Result:
    job = call.job
    body = call.fields(FIELDS)
    if call.cluster.parent is not None:
        detail = f"Cannot modify backup configuration for individual shard; use cluster ID {call.cluster.parent}."
        raise Problem("CANNOT_MODIFY_SHARD_BACKUP_CONFIG", detail)
    if job.status == "INACTIVE":
        raise Problem("CANNOT_MODIFY_SNAPSHOT_SCHEDULE_INVALID_STATE", "The backup is inactive.")
    _check(call, body)
    job.schedule.update({name: value for name, value in body.items() if name not in ("clusterId", "groupId")})
    kind = f"{'CLUSTER' if job.cluster.sharded else 'RS'}_SNAPSHOT_SCHEDULE_UPDATED_AUDIT"
    call.world.event_of(call.project, job.cluster, kind, call.now)
    return _show(call)


def _check(call: Call, body: Json) -> None:
    for name, (allowed, code) in ALLOWED.items():
        if name in body and body[name] not in allowed:
            raise Problem(code, f"An invalid value {body[name]} was specified for {name}.")
    if "clusterCheckpointIntervalMin" in body and not call.cluster.sharded:
        code = "CANNOT_SET_CLUSTER_CHECKPOINT_INTERVAL_FOR_REPLICA_SET"
        raise Problem(code, "A checkpoint interval can only be set for a sharded cluster.")
    if "fullIncrementalDayOfWeek" in body:
        one_of("fullIncrementalDayOfWeek", body["fullIncrementalDayOfWeek"], DAYS)
    if not re.fullmatch(r"[+-]\d{4}", body.get("referenceTimeZoneOffset", "+0000")):
        raise Problem("INVALID_REFERENCE_TIMEZONE_OFFSET", "An invalid time zone offset was specified.")


def _show(call: Call) -> Json:
    return {
        "clusterId": call.cluster.id,
        "groupId": call.project.id,
        **call.job.schedule,
        "links": call.links("backupConfigs", call.cluster.id, "snapshotSchedule"),
    }
