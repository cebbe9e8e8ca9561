# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches of jobs that may be worked on at the same time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .job_options import Variables, cluster_of, machine_of, variable

#: The results of a preflight after which there is something to do.
_READY = ("planned", "attached")


def batches(jobs: Iterable[Mapping[str, Any]], size: int) -> list[list[str]]:
    """Return the names of the jobs in batches, in their order: never two of one machine or of one cluster in a batch.

    The first batch that has room for a job takes it, so an earlier job never waits for a later one.
    """
    made: list[list[Mapping[str, Any]]] = []
    for job in jobs:
        fitting = (batch for batch in made if len(batch) < size and not any(_collide(job, other) for other in batch))
        batch = next(fitting, None)
        if batch is None:
            batch = []
            made.append(batch)
        batch.append(job)
    return [[job["job"] for job in batch] for batch in made]


def resync_batches(jobs: Iterable[Variables], size: int, order: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the hosts of the jobs that have something to do in `batches`, and all hosts as a play takes them.

    `order` has the hosts of a run that has an order of its own, and no others are in its batches. The play takes `jobs` and the
    `sizes` of its batches; those that are in no batch come with the last one.
    """
    known = {str(its["inventory_hostname"]): its for its in jobs}
    places = (_place(host, known[host]) for host in (known if order is None else order) if _is_ready(known[host]))
    parts = batches(places, size)
    working = [host for part in parts for host in part]
    idle = [host for host in known if host not in working]
    full = [len(part) for part in parts[:-1]]
    return {"batches": parts, "jobs": [*working, *idle], "sizes": [*full, len(known) - sum(full)]}


def _is_ready(its: Variables) -> bool:
    return variable(its, "__resync_outcome", {}).get("result") in _READY


def _place(host: str, its: Variables) -> dict[str, str]:
    return {"job": host, "machine": machine_of(its) or host, "cluster": cluster_of(its) or host}


def _collide(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(_machines(one) & _machines(other)) or one["cluster"] == other["cluster"]


def _machines(job: Mapping[str, Any]) -> set[str]:
    """Return the machines of a job, which is one where nothing else was said."""
    named = job["machine"]
    return {named} if isinstance(named, str) else set(named)
