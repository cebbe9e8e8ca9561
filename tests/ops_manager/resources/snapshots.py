"""Snapshots: what there is, how long it is kept, and making one by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.ops_manager import snapshotting
from tests.ops_manager.call import Call, Result, one_of, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Cluster, Job, Json, Snapshot
from tests.ops_manager.resources.topology import host_of, show_cluster

PATH = "/groups/<gid>/clusters/<cid>/snapshots"


@route("GET", PATH)
def snapshots(call: Call) -> Result:
    """Return the snapshots of a cluster, the newest first; those of a part are its shares of the whole's."""
    completed = call.request.args.get("completed", "true")
    one_of("completed", completed, ("true", "false", "all"))
    found = [one for one in call.job.snapshots if completed in ("all", str(one.complete).lower())]
    found.sort(key=lambda snapshot: snapshot.created, reverse=True)
    return Listing(found, lambda snapshot: show(call, snapshot))


@route("GET", PATH + "/<sid>")
def snapshot(call: Call) -> Result:
    return show(call, snapshot_of(call))


@route("PATCH", PATH + "/<sid>", needs="backup")
def keep(call: Call) -> Result:
    """Keep a snapshot for ever, or until a time."""
    found = snapshot_of(call)
    body = call.fields({"doNotDelete": bool, "expires": str})
    _check_whole(call)
    if found.expires is not None and found.expires < call.now:
        raise Problem("CANNOT_MODIFY_EXPIRED_SNAPSHOT", "The expiry of an expired snapshot cannot be changed.")
    expires = call.moment("expires", body.get("expires"))
    if not body or (body.get("doNotDelete") and expires is not None):
        raise Problem("INVALID_ATTRIBUTE", "Either doNotDelete or expires has to be specified.")
    found.held = bool(body.get("doNotDelete"))
    days = call.job.schedule.get("snapshotRetentionDays", 2)
    found.expires = None if found.held else expires or call.now + timedelta(days=days)
    kind = "CLUSTERSHOT_EXPIRY_UPDATED_AUDIT" if call.cluster.sharded else "SNAPSHOT_EXPIRY_UPDATED_AUDIT"
    call.world.event_of(call.project, call.cluster, kind, call.now)
    return show(call, found)


@route("DELETE", PATH + "/<sid>", needs="backup")
def delete(call: Call) -> Result:
    found = snapshot_of(call)
    _check_whole(call)
    call.world.delete_snapshot(call.project, call.job, found.id, call.now)
    return call.world.switches.delete_status, {}


@route("POST", PATH + "/onDemandSnapshot", needs="backup")
def on_demand(call: Call) -> Result:
    """Begin a snapshot at once; only where no head database is kept."""
    job = call.job
    if job.syncs_initially or job.status != "STARTED":
        raise Problem("INVALID_ATTRIBUTE", "Snapshots on demand need a feature compatibility version of 4.2 or later.")
    days = call.request.args.get("retentionDays", "2")
    if not days.isdecimal():
        raise Problem("INVALID_QUERY_PARAMETER", "retentionDays has to be a number.")
    found = snapshotting.begin(call.world, call.project, job, call.now)
    found.expires = call.now + timedelta(days=int(days))
    return {"clusterName": job.cluster.name, "description": "On demand", "timestamp": call.time(call.now)}


@route("GET", "/groups/<gid>/hosts/<hid>/snapshots")
def of_mirrored_config_server(call: Call) -> Result:
    """There are no mirrored config servers here."""
    host_of(call)
    return Listing([], dict)


@route("GET", "/groups/<gid>/clusters/<cid>/checkpoints")
def checkpoints(call: Call) -> Result:
    return Listing(call.job.checkpoints, dict)


@route("GET", "/groups/<gid>/clusters/<cid>/checkpoints/<kid>")
def checkpoint(call: Call) -> Result:
    for found in call.job.checkpoints:
        if found["id"] == call.values["kid"]:
            return dict(found)
    raise Problem("CHECKPOINT_NOT_FOUND", f"No checkpoint with ID {call.values['kid']} exists.")


def snapshot_of(call: Call) -> Snapshot:
    """Return the snapshot of the path."""
    for found in call.job.snapshots:
        if found.id == call.values["sid"]:
            return found
    raise Problem("SNAPSHOT_NOT_FOUND", f"No snapshot with ID {call.values['sid']} exists for {call.cluster.id}.")


def _check_whole(call: Call) -> None:
    if call.cluster.parent is not None:
        detail = f"The snapshot is a part of a snapshot of cluster {call.cluster.parent}."
        raise Problem("CANNOT_DELETE_FROM_CLUSTER_SNAPSHOT", detail)


def show(call: Call, snapshot: Snapshot) -> Json:
    job = call.job
    parts = job.parts if call.cluster.parent is None else [call.cluster]
    found: dict[str, Any] = {
        "id": snapshot.id,
        "groupId": call.project.id,
        "clusterId": call.cluster.id,
        "complete": snapshot.complete,
        "created": call.stamp(snapshot.created),
        "lastOplogAppliedTimestamp": call.stamp(snapshot.created - timedelta(seconds=1)),
        "doNotDelete": snapshot.held,
        "namespaceFilterList": {
            "filterType": "blacklist" if call.spelling == "old" else "denyList",
            "filterList": job.settings.get("excludedNamespaces") or [],
        },
        "parts": [_show_part(job, part) for part in parts if part.id not in snapshot.missing_shards],
        "links": call.links("clusters", call.cluster.id, "snapshots", snapshot.id),
    }
    if job.cluster.sharded:
        missing = [call.project.clusters[one] for one in snapshot.missing_shards]
        found["isPossiblyInconsistent"] = snapshot.possibly_inconsistent
        found["missingShards"] = [show_cluster(call, one) for one in missing]
    if not snapshot.held and snapshot.expires is not None:
        found["expires"] = call.time(snapshot.expires)
    return found


def _show_part(job: Job, part: Cluster) -> Json:
    return {
        "clusterId": part.id,
        "typeName": part.type_name,
        "replicaSetName": part.replica_set_name,
        "mongodVersion": f"{job.fcv}.0",
        "compressionSetting": "GZIP",
        "dataSizeBytes": 4502,
        "fileSizeBytes": 324760,
        "storageSizeBytes": 53248,
        "encryptionEnabled": bool(job.settings.get("encryptionEnabled")),
        "masterKeyUUID": None,
    }
