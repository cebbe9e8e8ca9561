# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a replica set or config servers say to jobs and their members. Pure: addresses and members in, plain values out."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ..module_utils.errors import GiveUp, sentence
from ..module_utils.printable import address
from ..module_utils.topology import Member, host_of
from .given import CONTROLLERS
from .job_options import known

Host = dict[str, Any]

JOBS, MEMBERS = "backup_jobs", "mongod_hosts"
"""The groups of all jobs and of all members."""

_RESERVED = CONTROLLERS | {"all", "ungrouped", JOBS, MEMBERS}


def job_name(cluster: str | None, name: str) -> str:
    """Return a job's name: that of its replica set or shard, behind the one of its cluster; of letters, digits, _ and - only."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name if cluster is None else f"{cluster}-{name}")


def require_new(name: str, group: str, groups: Container[str], hosts: Mapping[str, Collection[str]]) -> None:
    """Require that a name that a server chose becomes no host that is something else already. Raises GiveUp.

    `group` is the one of all jobs or all members, `groups` are those of the inventory so far, and `hosts` its hosts with the
    groups of each. A host of the same group is the same job or member, to which another source adds variables.
    """
    if name in _RESERVED or name in groups:
        kind = "the controller" if name in CONTROLLERS else "a group of the inventory"
    elif name in hosts and group not in hosts[name]:
        kind = f"a host of the inventory that is not in {group}"
    else:
        return
    remedy = f"rename it there, or put that host into {group}; do not trust the server before you know where the name comes from"
    raise GiveUp(
        sentence(expected="a job or a member with a name of its own", found=f"{name}, {kind}", remedy=remedy),
        code="not_trusted",
    )


def seeds_of(host: str) -> tuple[str, str]:
    """Split the `host` of an entry of `config.shards`, `set/a:1,b:2`, into the set and the addresses. Raises ValueError.

    Raises GiveUp for addresses that would be something else in a URI.
    """
    name, slash, addresses = host.partition("/")
    if not slash or not name or not addresses:
        raise ValueError(f"expected the host of a shard as set/a:1,b:2, found {host}")
    for one in addresses.split(","):
        address(one, "the address of a shard's member")
    return name, addresses


def job(cluster: str | None, shard: str | None, replica_set: str, members: Iterable[Member]) -> Host:
    """Return the host of a job with its variables, as the playbooks take them, and its members.

    An address that only answers for the set (an arbiter), or that clients do not see (hidden), is no address of the source.
    The addresses are sorted: config servers keep them in another order than the shard, and a job whose shard does not answer
    must not look like one that was changed. Raises GiveUp for an address that is none.
    """
    listed = list(members)
    for member in listed:
        address(member.address, "the address of a member")
    seeds = sorted(member.address for member in listed if member.data_bearing and not member.hidden)
    variables = {
        "backup_source_uri": f"mongodb://{','.join(seeds)}/?replicaSet={quote(replica_set, safe='')}",
        "backup_replica_set": replica_set,
        "backup_cluster": cluster,
        "backup_shard": shard,
    }
    name = job_name(cluster, shard or replica_set)
    return {
        "name": name,
        "variables": known(variables),
        "members": [_member(name, cluster, shard, one) for one in listed],
    }


def _member(its_job: str, cluster: str | None, shard: str | None, member: Member) -> Host:
    host, port = host_of(member.address), member.address.rpartition(":")[2]
    variables = {
        "ansible_host": host,
        "mongodb_port": int(port),
        "mongodb_member": member.address,
        "mongodb_state": member.state,
        "mongodb_hidden": member.hidden,
        "mongodb_arbiter": member.arbiter,
        "mongodb_priority": member.priority,
        "mongodb_delay_seconds": member.delay_seconds,
        "mongodb_tags": dict(member.tags),
        "mongodb_job": its_job,
        "backup_cluster": cluster,
        "backup_shard": shard,
    }
    # A colon in the name of a host would be read as the port to connect to.
    return {"name": f"{host}_{port}", "variables": known(variables)}


def groups_of(variables: Mapping[str, Any]) -> list[str]:
    """Return the groups of a job or a member, besides the one that all jobs or all members are in."""
    found = [f"{kind}_{variables[key]}" for kind, key in _GROUPS.items() if key in variables]
    return found + [f"tag_{name}_{value}" for name, value in sorted(variables.get("mongodb_tags", {}).items())]


_GROUPS = {"cluster": "backup_cluster", "shard": "backup_shard", "state": "mongodb_state"}
