"""Backup configurations: the states of a backup, and what can be changed about it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from tests.ops_manager import life, syncing
from tests.ops_manager.agenda import later
from tests.ops_manager.call import Call, Result, one_of, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Cluster, Job, Json, Project
from tests.ops_manager.world import World

SETTABLE = {
    "STARTED": (("STOPPED", "INACTIVE"), "CANNOT_START_BACKUP_INVALID_STATE", life.start),
    "STOPPED": (("STARTED",), "CANNOT_STOP_BACKUP_INVALID_STATE", life.stop),
    "TERMINATING": (("STOPPED",), "CANNOT_TERMINATE_BACKUP_INVALID_STATE", life.terminate),
}
ENGINES = ("MEMORY_MAPPED", "WIRED_TIGER")
MECHANISMS = ("NONE", "MONGODB_CR", "GSSAPI", "PLAIN", "MONGODB_X509")
FIELDS: dict[str, Any] = {
    "statusName": str,
    "syncSource": str,
    "storageEngineName": str,
    "authMechanismName": str,
    "username": str,
    "password": str,
    "sslEnabled": bool,
    "encryptionEnabled": bool,
    "excludedNamespaces": (list, type(None)),
    "includedNamespaces": (list, type(None)),
    "provisioned": bool,
    "preferredMember": str,
    "snapshotStore": dict,
    # Shown by GET, and tolerated where they come back.
    "groupId": str,
    "projectId": str,
    "clusterId": str,
}
OLD_FIELDS = {"storageEngine": "storageEngineName", "SSLEnabled": "sslEnabled"}
KEPT = ("authMechanismName", "encryptionEnabled", "excludedNamespaces", "includedNamespaces")
KEPT_TOO = ("preferredMember", "provisioned", "snapshotStore", "sslEnabled", "storageEngineName")


@route("GET", "/groups/<gid>/backupConfigs")
def backup_configs(call: Call) -> Result:
    known = [cluster for cluster in call.project.clusters.values() if cluster.monitored]
    return Listing(known, lambda cluster: show(call, cluster))


@route("GET", "/groups/<gid>/backupConfigs/<cid>")
def backup_config(call: Call) -> Result:
    _check_monitored(call)
    return show(call, call.cluster)


@route("PATCH", "/groups/<gid>/backupConfigs/<cid>", needs="backup", access_list=True)
def change(call: Call) -> Result:
    """Check a change, accept it, and let it take effect at once or later."""
    _check_monitored(call)
    job = call.job
    if call.cluster.parent is not None:
        detail = f"Cannot modify backup configuration for individual shard; use cluster ID {call.cluster.parent}."
        raise Problem("CANNOT_MODIFY_SHARD_BACKUP_CONFIG", detail)
    body = _body(call)
    syncs = _check(call, job, body)
    target = body.get("statusName")
    if target is not None:
        job.accepted = target
    asynchronous = call.world.switches.asynchronous
    effect = partial(_take_effect, call.world, call.project, job, body, syncs)
    if asynchronous:
        call.world.agenda.plan(later(call.now, call.world.timing.patch), (job.cluster.id, "patch"), effect)
    else:
        effect(call.now)
    answer = show(call, call.cluster, {**job.settings, **_kept(body)}, job.accepted)
    return (202 if asynchronous else 200), answer


def _check_monitored(call: Call) -> None:
    if not call.cluster.monitored:
        raise Problem("CANNOT_GET_BACKUP_CONFIG_INVALID_STATE", f"Cluster {call.cluster.id} is not monitored.")


def _body(call: Call) -> Json:
    """Return the body in the new spelling."""
    old = {name: FIELDS[new] for name, new in OLD_FIELDS.items()} if call.spelling == "old" else {}
    body = call.fields({**FIELDS, **old})
    return {OLD_FIELDS.get(name, name): value for name, value in body.items()}


def _check(call: Call, job: Job, body: Json) -> bool:
    """Refuse what cannot be; return whether the change makes a sync of a backup that runs necessary."""
    if "storageEngineName" in body:
        one_of("storageEngineName", body["storageEngineName"], ENGINES)
    if "authMechanismName" in body:
        one_of("authMechanismName", body["authMechanismName"], MECHANISMS)
    _check_credentials(body)
    if body.get("includedNamespaces") is not None and body.get("excludedNamespaces") is not None:
        raise Problem("INVALID_FILTERLIST", "Only one of includedNamespaces and excludedNamespaces can be specified.")
    _check_source(call, job, body)
    _check_status(job, body.get("statusName"))
    needed = _needs_source(job, body)
    if needed and "syncSource" not in body:
        raise Problem("MISSING_SYNC_SOURCE", f"{needed} requires a resync; a sync source has to be specified.")
    if job.accepted != "STARTED" or body.get("statusName") is not None or not job.syncs_initially:
        return False
    return needed is not None or _is_source_alone(call, body)


def _check_credentials(body: Json) -> None:
    mechanism = body.get("authMechanismName")
    if mechanism in ("MONGODB_CR", "PLAIN") and "username" not in body:
        raise Problem("MISSING_CREDENTIALS_FOR_AUTH_MECHANISM", f"A username is required for {mechanism}.")
    if mechanism in ("MONGODB_CR", "PLAIN") and "password" not in body:
        raise Problem("MISSING_PASSWORD_FOR_AUTH_MECHANISM", "A password is required.", status=400)
    if mechanism in ("NONE", "MONGODB_X509") and "password" in body:
        raise Problem("CANNOT_SET_PASSWORD_FOR_AUTH_MECHANISM", f"No password can be set for {mechanism}.")


def _check_source(call: Call, job: Job, body: Json) -> None:
    source = body.get("syncSource")
    if source is None or source.upper() in ("PRIMARY", "SECONDARY"):
        return
    parts = {part.id for part in job.parts}
    for host in call.project.hosts.values():
        for name in (host.hostname, *host.aliases):
            if host.cluster_id in parts and source in (name, f"{name}:{host.port}"):
                return
    raise Problem("INVALID_ATTRIBUTE", "Invalid attribute syncSource specified.")


def _check_status(job: Job, target: str | None) -> None:
    if target is None:
        return
    one_of("statusName", target, ("INACTIVE", "PROVISIONING", *SETTABLE))
    if target not in SETTABLE:
        raise Problem("UNSUPPORTED_SET_BACKUP_STATE", f"Setting the backup state to {target} is not supported.")
    allowed, code, _enter = SETTABLE[target]
    if job.accepted not in allowed:
        detail = (
            f"Cannot change the backup state to {target}: it is {job.accepted}, and has to be {' or '.join(allowed)}."
        )
        raise Problem(code, detail)


def _needs_source(job: Job, body: Json) -> str | None:
    """Return what of a change makes a sync source necessary."""
    engine = body.get("storageEngineName")
    if engine is not None and engine != job.settings.get("storageEngineName"):
        return "Changing the storage engine"
    if body.get("encryptionEnabled") and not job.settings.get("encryptionEnabled"):
        return "Enabling encryption"
    excluded, included = body.get("excludedNamespaces"), body.get("includedNamespaces")
    if excluded is not None and set(job.settings.get("excludedNamespaces") or ()) - set(excluded):
        return "Backing up more namespaces"
    before = job.settings.get("includedNamespaces")
    if included is not None and before is not None and set(included) - set(before):
        return "Backing up more namespaces"
    return None


def _is_source_alone(call: Call, body: Json) -> bool:
    """Return whether a sync source without any other change begins a sync; nobody has documented it."""
    if set(body) - {"groupId", "projectId", "clusterId"} != {"syncSource"}:
        return False
    if call.world.switches.sync_source_alone == "refuse":
        raise Problem("INVALID_ATTRIBUTE", "A sync source cannot be changed alone.")
    return call.world.switches.sync_source_alone == "sync"


def _kept(body: Json) -> Json:
    kept = {name: body[name] for name in (*KEPT, *KEPT_TOO) if body.get(name) is not None}
    if "excludedNamespaces" in kept:
        kept["includedNamespaces"] = None
    elif "includedNamespaces" in kept:
        kept["excludedNamespaces"] = None
    return kept


def _take_effect(world: World, project: Project, job: Job, body: Json, syncs: bool, at: datetime) -> None:
    filtered = {"excludedNamespaces", "includedNamespaces"} & set(body)
    job.settings.update(_kept(body))
    job.sync_source = body.get("syncSource", job.sync_source)
    target = body.get("statusName")
    if target is not None:
        _allowed, _code, enter = SETTABLE[target]
        enter(world, project, job, at)
    if filtered:
        word = "BLACKLIST" if world.switches.spelling == "old" else "DENYLIST"
        kind = f"{'CLUSTER' if job.cluster.sharded else 'RS'}_{word}_UPDATED_AUDIT"
        world.event_of(project, job.cluster, kind, at)
    if syncs and job.status == "STARTED":
        syncing.begin(world, project, job, job.parts, at)


def show(call: Call, cluster: Cluster, settings: Json | None = None, status: str | None = None) -> Json:
    """Return a configuration as the API prints it; a part of a sharded cluster has the state of the whole."""
    job = call.project.job_of(cluster.id)
    if job is None:
        raise Problem("BACKUP_CONFIG_NOT_FOUND", f"No backup config exists for cluster {cluster.id}.")
    found: Json = {
        "authMechanismName": "NONE",
        "clusterId": cluster.id,
        "encryptionEnabled": False,
        "sslEnabled": False,
        "excludedNamespaces": [],
        **(job.settings if settings is None else settings),
        "statusName": status or job.status,
        "links": call.links(
            "backupConfigs", cluster.id, snapshotSchedule=("backupConfigs", cluster.id, "snapshotSchedule")
        ),
    }
    found["groupId" if call.spelling == "old" else "projectId"] = cluster.project_id
    if call.spelling == "old":
        for old, new in OLD_FIELDS.items():
            if new in found:
                found[old] = found.pop(new)
    return {name: value for name, value in found.items() if value is not None}
