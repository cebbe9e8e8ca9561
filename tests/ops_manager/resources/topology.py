"""Projects, clusters and hosts."""

from __future__ import annotations

from typing import Any

from tests.ops_manager.call import Call, Result, relation, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Cluster, Host, Json, Project


@route("GET", "/groups")
def groups(call: Call) -> Result:
    return Listing(call.values["visible"], lambda project: show_group(call, project))


@route("GET", "/groups/byName/<name>")
def group_by_name(call: Call) -> Result:
    for project in call.values["visible"]:
        if project.name == call.values["name"]:
            return show_group(call, project)
    raise Problem("GROUP_NOT_FOUND", f"No group with name {call.values['name']} exists.")


@route("GET", "/groups/<gid>")
def group(call: Call) -> Result:
    return show_group(call, call.project)


def show_group(call: Call, project: Project) -> Json:
    address = f"{call.world.base_url}/api/public/v1.0/groups/{project.id}"
    return {
        "id": project.id,
        "name": project.name,
        "orgId": project.org_id,
        "activeAgentCount": sum(agent.running for agent in project.agents),
        "links": [
            {"rel": "self", "href": address},
            {"rel": relation("clusters"), "href": f"{address}/clusters"},
            {"rel": relation("hosts"), "href": f"{address}/hosts"},
        ],
    }


@route("GET", "/clusters")
def all_clusters(call: Call) -> Result:
    return Listing(call.values["visible"], _show_clusters_of_project)


def _show_clusters_of_project(project: Project) -> Json:
    whole = [cluster for cluster in project.clusters.values() if cluster.parent is None]
    return {
        "groupId": project.id,
        "groupName": project.name,
        "orgId": project.org_id,
        "orgName": "Organization",
        "planType": "Standard",
        "tags": [],
        "clusters": [_show_whole_cluster(project, cluster) for cluster in whole],
    }


def _show_whole_cluster(project: Project, cluster: Cluster) -> Json:
    job = project.job_of(cluster.id)
    parts = [one.id for one in project.clusters.values() if cluster.id in (one.id, one.parent)]
    hosts = [host for host in project.hosts.values() if host.cluster_id in parts]
    return {
        "clusterId": cluster.id,
        "name": cluster.name or cluster.replica_set_name,
        "type": "sharded cluster" if cluster.sharded else "replica set",
        "availability": "available",
        "versions": sorted({host.version for host in hosts if host.version}),
        "backupEnabled": job is not None and job.status == "STARTED",
        "authEnabled": False,
        "sslEnabled": False,
        "alertCount": sum(a.cluster_id in parts and a.status == "OPEN" for a in project.alerts.values()),
        "dataSizeBytes": sum(host.data_bytes for host in hosts),
        "nodeCount": len(hosts),
    }


@route("GET", "/groups/<gid>/clusters")
def clusters(call: Call) -> Result:
    monitored = [cluster for cluster in call.project.clusters.values() if cluster.monitored]
    return Listing(monitored, lambda cluster: show_cluster(call, cluster))


@route("GET", "/groups/<gid>/clusters/<cid>")
def cluster(call: Call) -> Result:
    return show_cluster(call, call.cluster)


@route("PATCH", "/groups/<gid>/clusters/<cid>", needs="monitoring")
def rename_cluster(call: Call) -> Result:
    """Change the name of a sharded cluster; nothing else can be changed."""
    body = call.fields({"clusterName": str}, required=["clusterName"])
    if not call.cluster.sharded:
        raise Problem("INVALID_ATTRIBUTE", "Only the name of a sharded cluster can be changed.")
    for one in call.project.clusters.values():
        if call.cluster.id in (one.id, one.parent):
            one.name = body["clusterName"]
    return show_cluster(call, call.cluster)


def show_cluster(call: Call, cluster: Cluster) -> Json:
    found: dict[str, Any] = {
        "id": cluster.id,
        "groupId": cluster.project_id,
        "typeName": cluster.type_name,
        "clusterName": cluster.name,
        "replicaSetName": cluster.replica_set_name,
        "shardName": cluster.shard_name,
        "lastHeartbeat": call.time(call.now),
        "links": call.links("clusters", cluster.id, hosts=("hosts",), snapshots=("clusters", cluster.id, "snapshots")),
    }
    return {name: value for name, value in found.items() if value is not None}


@route("GET", "/groups/<gid>/hosts")
def hosts(call: Call) -> Result:
    wanted = call.request.args.get("clusterId")
    parts = {one.id for one in call.project.clusters.values() if wanted in (one.id, one.parent)}
    found = [host for host in call.project.hosts.values() if wanted is None or host.cluster_id in parts]
    found.sort(key=lambda host: (host.hostname, host.port))
    return Listing(found, lambda host: show_host(call, host))


@route("GET", "/groups/<gid>/hosts/<hid>")
def host(call: Call) -> Result:
    return show_host(call, host_of(call))


@route("GET", "/groups/<gid>/hosts/byName/<name>")
def host_by_name(call: Call) -> Result:
    name, _colon, port = call.values["name"].rpartition(":")
    for found in call.project.hosts.values():
        if name in (found.hostname, *found.aliases) and port == str(found.port):
            return show_host(call, found)
    raise Problem("HOST_NOT_FOUND", f"No host with name {call.values['name']} exists in group {call.project.id}.")


def host_of(call: Call) -> Host:
    """Return the host of the path."""
    found = call.project.hosts.get(call.values["hid"])
    if found is None:
        raise Problem("HOST_NOT_FOUND", f"No host with ID {call.values['hid']} exists in group {call.project.id}.")
    return found


def show_host(call: Call, host: Host) -> Json:
    delay = "slaveDelaySec" if call.spelling == "old" else "secondaryDelaySecs"
    found: dict[str, Any] = {
        "id": host.id,
        "groupId": host.project_id,
        "clusterId": host.cluster_id,
        "hostname": host.hostname,
        "port": host.port,
        "ipAddress": "127.0.0.1",
        "aliases": [f"{alias}:{host.port}" for alias in host.aliases],
        "typeName": host.type_name,
        "replicaSetName": host.replica_set_name,
        "replicaStateName": host.replica_state_name,
        "shardName": host.shard_name,
        "version": host.version,
        "created": call.time(host.created),
        "lastPing": call.time(host.last_ping or call.now) if host.type_name != "NO_DATA" else None,
        "lastDataSizeBytes": host.data_bytes,
        "lastIndexSizeBytes": host.index_bytes,
        "uptimeMsec": int((call.now - host.created).total_seconds() * 1000),
        "hidden": False,
        "hiddenSecondary": host.hidden_secondary,
        delay: host.delay_seconds,
        "hostEnabled": True,
        "alertsEnabled": True,
        "logsEnabled": False,
        "profilerEnabled": False,
        "journalingEnabled": True,
        "sslEnabled": False,
        "deactivated": False,
        "hasStartupWarnings": False,
        "lowUlimit": False,
        "links": call.links("hosts", host.id),
    }
    found.update(host.extra)
    return {name: value for name, value in found.items() if value is not None}
