# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what Ops Manager says to jobs and their members. Pure: records in, plain values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..module_utils.ops_manager.model import deployment
from ..module_utils.ops_manager.model.project import parts
from ..module_utils.printable import address
from .discovery import job_name
from .job_options import known

Host = dict[str, Any]


@dataclass(frozen=True)
class Holding:
    """What one project holds."""

    id: str
    name: str
    clusters: Sequence[deployment.Cluster]
    configs: Sequence[deployment.BackupConfig] = ()
    hosts: Sequence[deployment.Host] = ()


def jobs(holdings: Sequence[Holding], by_replica_set: bool, with_project: bool) -> list[Host]:
    """Return the hosts of all jobs with their members; their names begin with the project where several are asked for."""
    found = [
        _job(holding, cluster, with_project)
        for holding in holdings
        for cluster in holding.clusters
        if _is_job(cluster, by_replica_set)
    ]
    names = Counter(job["name"] for job in found)
    return [_told_apart(job) if names[job["name"]] > 1 else job for job in found]


def _is_job(cluster: deployment.Cluster, by_replica_set: bool) -> bool:
    return not cluster.is_sharded if by_replica_set else not cluster.is_part


def _job(holding: Holding, cluster: deployment.Cluster, with_project: bool) -> Host:
    own = cluster.replica_set or cluster.shard or cluster.name or cluster.id
    name = job_name(cluster.name, own) if cluster.is_part else job_name(None, cluster.name or own)
    name = job_name(holding.name, name) if with_project else name
    status = next((config.status for config in holding.configs if config.cluster_id == cluster.id), None)
    variables = {
        "backup_provider": "ops_manager",
        "backup_cluster": cluster.name if cluster.is_sharded or cluster.is_part else None,
        "backup_shard": cluster.shard if cluster.is_part else None,
        "backup_replica_set": None if cluster.is_sharded else cluster.replica_set,
        "backup_ops_manager_project": holding.id,
        "backup_ops_manager_project_name": holding.name,
        "backup_ops_manager_cluster": cluster.id,
        "backup_ops_manager_status": status,
    }
    members = [_member(name, cluster, host) for host in _hosts_of(holding, cluster)]
    return {"name": name, "variables": known(variables), "members": members}


def _told_apart(job: Host) -> Host:
    """Return a job whose name others have as well under one that is its own."""
    name = job_name(job["name"], job["variables"]["backup_ops_manager_cluster"])
    members = [{**one, "variables": {**one["variables"], "mongodb_job": name}} for one in job["members"]]
    return {**job, "name": name, "members": members}


def _hosts_of(holding: Holding, cluster: deployment.Cluster) -> list[deployment.Host]:
    """Return the members of a cluster: a host bears the id of its replica set or of the whole cluster, by version."""
    own = parts(holding.clusters, cluster)
    ids = {part.id for part in (cluster, *own)}
    sets = {part.replica_set for part in own if part.replica_set}
    return [
        host
        for host in holding.hosts
        if host.hostname
        and host.replica_set is not None
        and (host.cluster_id in ids if len(own) > 1 or cluster.is_sharded else host.replica_set in sets)
    ]


def _member(its_job: str, cluster: deployment.Cluster, host: deployment.Host) -> Host:
    named = f"[{host.hostname}]" if ":" in (host.hostname or "") else host.hostname
    address(f"{named}:{host.port or 0}", "the address of a host")
    variables = {
        "ansible_host": host.hostname,
        "mongodb_port": host.port,
        "mongodb_member": host.address,
        "mongodb_state": host.state,
        "mongodb_hidden": host.hidden,
        "mongodb_arbiter": host.state == "ARBITER" or host.type == "REPLICA_ARBITER",
        "mongodb_delay_seconds": host.delay_seconds,
        "mongodb_job": its_job,
        "backup_cluster": cluster.name if cluster.is_sharded or cluster.is_part else None,
        "backup_shard": host.shard or cluster.shard,
    }
    # A colon in the name of a host would be read as the port to connect to.
    return {"name": f"{host.hostname}_{host.port}", "variables": known(variables)}


def groups(variables: Mapping[str, Any]) -> Iterable[str]:
    """Return the groups of a job by its project and by the state of its backup."""
    if "backup_ops_manager_project_name" in variables:
        yield f"project_{variables['backup_ops_manager_project_name']}"
    if "backup_ops_manager_status" in variables:
        yield f"status_{variables['backup_ops_manager_status'].lower()}"
