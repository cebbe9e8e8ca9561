# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What maintenance has to know of the hosts of the inventory: jobs, and the names of database servers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..given import names_in
from ..job_options import cluster_of, machine_of, variable

#: The variables of all hosts, as hostvars has them.
Hosts = Mapping[str, Mapping[str, Any]]

DEFAULT_PORT = 27017


@dataclass(frozen=True)
class Job:
    """A job, and where it can be met."""

    name: str
    #: The machine of its agent; empty where no agent of this collection runs for it.
    machine: str
    cluster: str
    #: The hosts of the vendor's agents that are stopped and started with it.
    vendors: tuple[str, ...]
    #: The members that its source names, as host or host:port.
    members: tuple[str, ...]


def jobs_of(names: Iterable[str], hosts: Hosts) -> list[Job]:
    """Return the jobs of these names."""
    return [_job(name, hosts[name]) for name in names]


def _job(name: str, its: Mapping[str, Any]) -> Job:
    return Job(
        name=name,
        machine=machine_of(its),
        cluster=cluster_of(its) or name,
        vendors=names_in(variable(its, "backup_vendor_agents")),
        members=_members(str(variable(its, "backup_source_uri") or "")),
    )


def _members(uri: str) -> tuple[str, ...]:
    """Return the members of a connection string, without the login before them and what comes after them."""
    listed = re.sub(r"[/?].*\Z", "", re.sub(r"^[^:]*://([^/@]*@)?", "", uri))
    return tuple(member for member in listed.split(",") if member)


def address_of(host: str, hosts: Hosts) -> str:
    """Return the address of a host, which is its name where it has no other, or is in no inventory."""
    return str(variable(hosts[host], "ansible_host", host)) if host in hosts else host


def server_names(host: str, hosts: Hosts) -> list[str]:
    """Return the names by which a connection string may name the database server of a host; with its port if it has one."""
    port = variable(hosts[host], "rolling_mongod_port", "")
    names = dict.fromkeys((host, address_of(host, hosts)))
    return [f"{name}:{port}" if port else name for name in names]


def member_names(host: str, hosts: Hosts, port: int, own: str) -> list[str]:
    """Return the names that the replica set of a database server may have for it, as host:port; `own` is one that was given."""
    return [own] if own else [f"{name}:{port}" for name in dict.fromkeys((host, address_of(host, hosts)))]


def with_port(member: str) -> str:
    """Return a member as host:port."""
    return member if ":" in member else f"{member}:{DEFAULT_PORT}"
