# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs behind the hosts that were named, and in which order they are worked on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ...module_utils.topology import host_of
from ..batches import batches
from .inventory import Job


def choose(
    named: Collection[str], jobs: Sequence[Job], servers: Collection[str], limited: Collection[str] | None
) -> dict[str, Any]:
    """Return the jobs that are meant, batch after batch.

    `servers` are the names of the database servers among the named hosts, `limited` are the hosts that a limit leaves, None
    without a limit. The answer has `jobs`, the `sizes` of the batches, `stops` (for each job, whether its agents are stopped),
    `agents` (for each job, the hosts whose agents of a vendor are stopped) and `outside` (the jobs that the limit leaves out).
    Two jobs of a machine, of a vendor's agent or of a cluster are never in one batch.
    """
    agents = {job.name: found for job in jobs if (found := _stopped(job, named)) is not None}
    chosen = [job for job in jobs if job.name in agents or _is_on(job, servers)]
    line = [
        {"job": job.name, "machine": [job.machine or job.name, *job.vendors], "cluster": job.cluster} for job in chosen
    ]
    parts = batches(line, len(line))
    return {
        "jobs": [name for part in parts for name in part],
        "sizes": [len(part) for part in parts] or [1],
        "stops": {job.name: job.name in agents for job in chosen},
        "agents": agents,
        "outside": [] if limited is None else [job.name for job in chosen if job.name not in limited],
    }


def _stopped(job: Job, named: Collection[str]) -> list[str] | None:
    """Return the hosts whose agents of a vendor are stopped with the job; None where its agents go on."""
    if job.name in named or job.machine in named:
        return list(job.vendors)
    return [host for host in job.vendors if host in named] or None


def _is_on(job: Job, servers: Collection[str]) -> bool:
    """Whether the source of a job names one of these servers, with its port where the server has one."""
    return any(member in servers or host_of(member) in servers for member in job.members)
