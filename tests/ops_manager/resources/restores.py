"""Restore jobs, and the times that can be restored to."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.ops_manager.agenda import later
from tests.ops_manager.call import Call, Result, moment_of, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Cluster, Job, Json, Restore, Snapshot, new_id
from tests.ops_manager.resources.deliveries import file_name, sha1_of
from tests.ops_manager.world import World

PATH = "/groups/<gid>/clusters/<cid>/restoreJobs"
POINTS = {"pointInTimeUTCMillis": int, "oplogTs": int, "oplogInc": int}
FIELDS: dict[str, Any] = {"snapshotId": str, "delivery": dict, **POINTS}
DELIVERY = ("methodName", "expirationHours", "expires", "maxDownloads", "targetGroupId", "targetClusterId")


@route("GET", PATH)
def restore_jobs(call: Call) -> Result:
    batch = call.request.args.get("batchId")
    found = [one for one in call.job.restores if call.cluster.id in (one.cluster_id, one.part_id)]
    wanted = [one for one in found if batch in (None, one.batch_id)]
    return Listing(wanted, lambda restore: show(call, restore))


@route("GET", PATH + "/<rid>")
def restore_job(call: Call) -> Result:
    for found in call.job.restores:
        if found.id == call.values["rid"]:
            return show(call, found)
    raise Problem("RESTORE_JOB_NOT_FOUND", f"No restore job with ID {call.values['rid']} exists.")


@route("POST", PATH, needs="backup", access_list=True)
def create(call: Call) -> Result:
    """Begin the restore of a snapshot or of a moment; of a sharded cluster, one job for every replica set."""
    checkpoint = "checkPointId" if call.spelling == "old" else "checkpointId"
    body = call.fields({**FIELDS, checkpoint: str}, required=["delivery"])
    delivery = body["delivery"]
    _check_delivery(delivery)
    snapshot = _snapshot(call, body)
    moment = _moment(call, body, checkpoint)
    if (snapshot is None) == (moment is None):
        raise Problem("INVALID_ATTRIBUTE", "Either a snapshot or a point in time has to be specified.")
    http = delivery["methodName"] == "HTTP"
    if moment is not None and http:
        raise Problem("UNSUPPORTED_DELIVERY_METHOD", "A point in time can only be restored automatically.")
    expires = _expiry(call, delivery, snapshot) if http else None
    parts = _parts(call)
    batch = new_id() if call.job.cluster.sharded else None
    created = [_begin(call, part, delivery, batch, snapshot, moment, expires) for part in parts]
    call.world.event_of(call.project, call.cluster, "RESTORE_REQUESTED_AUDIT", call.now)
    return Listing(created, lambda restore: show(call, restore))


@route("POST", PATH + "/restorableTimeRanges", needs="read")
def ranges(call: Call) -> Result:
    """Return the stretches of oplog history without a gap, as a bare array."""
    if not call.world.switches.restorable_ranges:
        raise Problem("RESOURCE_NOT_FOUND", f"Cannot find resource {call.request.path}.")
    return [_show_range(call, stretch.start, stretch.end, stretch.snapshot_id) for stretch in call.job.stretches]


def _show_range(call: Call, start: datetime, end: datetime | None, snapshot_id: str) -> Json:
    found: Json = {"start": call.stamp(start), "end": call.stamp(end or call.now), "snapshotId": snapshot_id}
    if call.job.cluster.sharded:
        found.update(shardCount=len(call.job.parts) - 1, configServerType="REPLICA_SET")
    return found


def _check_delivery(delivery: Json) -> None:
    for name in delivery:
        if name not in DELIVERY:
            raise Problem("INVALID_ATTRIBUTE", f"Invalid attribute {name} specified.")
    method = delivery.get("methodName")
    if method not in ("HTTP", "AUTOMATED_RESTORE"):
        raise Problem("UNSUPPORTED_DELIVERY_METHOD", f"Delivery method {method} is not supported.")
    if method == "AUTOMATED_RESTORE" and not {"targetGroupId", "targetClusterId"} <= set(delivery):
        raise Problem(
            "MISSING_ATTRIBUTE", "The required attributes targetGroupId and targetClusterId were not specified."
        )


def _snapshot(call: Call, body: Json) -> Snapshot | None:
    wanted = body.get("snapshotId")
    if wanted is None:
        return None
    for found in call.job.snapshots:
        if found.id == wanted:
            if not found.complete:
                raise Problem("CANNOT_START_RESTORE_JOB_FOR_INCOMPLETE_SNAPSHOT", "The snapshot is not complete.")
            return found
    raise Problem("SNAPSHOT_NOT_FOUND", f"No snapshot with ID {wanted} exists for cluster {call.cluster.id}.")


def _moment(call: Call, body: Json, checkpoint: str) -> datetime | None:
    """Return the moment to restore to, which has to lie in a stretch without a gap."""
    if checkpoint in body:
        known = {one["id"]: one for one in call.job.checkpoints}
        if body[checkpoint] not in known:
            raise Problem("CHECKPOINT_NOT_FOUND", f"No checkpoint with ID {body[checkpoint]} exists.")
        return moment_of("timestamp", known[body[checkpoint]]["timestamp"])
    if not set(body) & set(POINTS):
        return None
    if call.job.cluster.sharded and call.job.syncs_initially:
        raise Problem("NO_CHECKPOINT_FOR_PIT_RESTORE", "A sharded cluster needs a checkpoint for a point in time.")
    seconds = body["pointInTimeUTCMillis"] / 1000 if "pointInTimeUTCMillis" in body else body.get("oplogTs", 0)
    moment = datetime.fromtimestamp(seconds, UTC)
    if not any(one.start <= moment <= (one.end or call.now) for one in call.job.stretches):
        raise Problem("CANNOT_START_RESTORE_JOB_FOR_INVALID_POINT_IN_TIME", "There is no oplog for the point in time.")
    return moment


def _expiry(call: Call, delivery: Json, snapshot: Snapshot | None) -> datetime:
    expires = call.moment("expires", delivery.get("expires"))
    if expires is None:
        expires = call.now + timedelta(hours=delivery.get("expirationHours", 24))
    if snapshot is not None and snapshot.expires is not None and expires > snapshot.expires:
        raise Problem("LINK_EXPIRATION_AFTER_SNAPSHOT_DELETION", "The link would expire after the snapshot is deleted.")
    return expires


def _parts(call: Call) -> list[Cluster]:
    return call.job.parts if call.cluster.parent is None else [call.cluster]


def _begin(
    call: Call,
    part: Cluster,
    delivery: Json,
    batch: str | None,
    snapshot: Snapshot | None,
    moment: datetime | None,
    expires: datetime | None,
) -> Restore:
    restore = Restore(
        cluster_id=call.cluster.id,
        snapshot_id=None if snapshot is None else snapshot.id,
        batch_id=batch,
        created=call.now,
        method=delivery["methodName"],
        delivery=delivery,
        part_id=part.id,
        delivery_status="IN_PROGRESS",
        expires=expires,
        max_downloads=delivery.get("maxDownloads", 2147483647),
        token=secrets.token_hex(16),
        auth=secrets.token_hex(16),
        point_in_time=moment is not None,
        timestamp=moment or (None if snapshot is None else snapshot.created),
    )
    call.job.restores.append(restore)
    key = (restore.id, "restore")
    call.world.agenda.plan(
        later(call.now, call.world.timing.restore), key, partial(_ready, call.world, call.job, restore)
    )
    return restore


def _ready(world: World, job: Job, restore: Restore, _at: datetime) -> None:
    """Let a restore be ready, unless its snapshot is gone meanwhile."""
    there = restore.snapshot_id is None or any(one.id == restore.snapshot_id for one in job.snapshots)
    restore.status = "FINISHED" if there else "BROKEN"
    restore.delivery_status = "READY" if there else "FAILED"


def show(call: Call, restore: Restore) -> Json:
    part = call.project.clusters[restore.part_id]
    found: dict[str, Any] = {
        "id": restore.id,
        "groupId": call.project.id,
        "clusterId": restore.part_id,
        "clusterName": part.name or part.replica_set_name,
        "batchId": restore.batch_id,
        "snapshotId": restore.snapshot_id,
        "created": call.time(restore.created),
        "statusName": restore.status,
        "pointInTime": restore.point_in_time,
        "timestamp": None if restore.timestamp is None else call.stamp(restore.timestamp),
        "encryptionEnabled": False,
        "masterKeyUUID": None,
        "delivery": _show_delivery(call, restore, part),
        "hashes": [],
        "links": call.links("clusters", restore.part_id, "restoreJobs", restore.id),
    }
    if restore.method == "HTTP" and restore.status == "FINISHED":
        announced = sha1_of(call.world, restore)
        found["hashes"] = [{"typeName": "SHA1", "fileName": file_name(part), "hash": announced}]
    return {name: value for name, value in found.items() if value is not None}


def _show_delivery(call: Call, restore: Restore, part: Cluster) -> Json:
    found: Json = {**restore.delivery, "methodName": restore.method, "statusName": restore.delivery_status}
    if restore.method != "HTTP":
        return found
    if restore.expires is not None and restore.expires < call.now:
        found["statusName"] = "EXPIRED"
    elif restore.downloads >= restore.max_downloads:
        found["statusName"] = "MAX_DOWNLOADS_EXCEEDED"
    found.update(expires=call.time(restore.expires), maxDownloads=restore.max_downloads)
    if found["statusName"] == "READY":
        address = f"{call.world.base_url}/backup/restore"
        found["url"] = f"{address}/v2/pull/{restore.token}/{file_name(part)}"
        found["urlV2"] = f"{address}/v3/pull/{restore.token}/{file_name(part)}"
        found.update(authHeader="Authorization", authBearer="Bearer", authValue=restore.auth)
    return found
