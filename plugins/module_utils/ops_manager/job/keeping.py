# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping a snapshot from expiring, letting it expire again, and deleting what may be gone already."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from ...values import iso_of
from ..api.reading import time_of
from .job import Job
from .journal import Held

_GONE = ("SNAPSHOT_NOT_FOUND", "MAINTENANCE_WINDOW_NOT_FOUND", "RESOURCE_NOT_FOUND")
#: A snapshot that is not there, or is a share of that of a sharded cluster, which the API does not touch alone.
NOT_KEPT = (*_GONE, "CANNOT_DELETE_FROM_CLUSTER_SNAPSHOT")

#: A snapshot whose time is over is not released to be deleted at once, but after this; there is a younger one by then.
_LEAST_LIFE = timedelta(days=2)


def hold(job: Job, snapshot: str, refusals: Collection[str] = ()) -> bool:
    """Keep a snapshot from expiring; tells whether it could be kept where refusals such as NOT_KEPT are no error."""
    return job.attempt(refusals, "patch", f"{job.snapshots_path}/{snapshot}", {"doNotDelete": True})


def release(job: Job, held: Held) -> None:
    """Give a snapshot the end that it had, but not one that would delete it at once. One that is gone needs none."""
    expires = time_of(held.expires)
    # Without an end it was kept by nobody's wish that is known: the usual answer names one for each that is not held.
    soonest = job.now + _LEAST_LIFE
    until = soonest if expires is None else max(expires, soonest)
    body = {"doNotDelete": False, "expires": iso_of(until)}
    job.attempt(NOT_KEPT, "patch", f"{job.snapshots_path}/{held.snapshot}", body)


def drop(job: Job, path: str) -> None:
    """Delete something that may be gone already."""
    job.attempt(_GONE, "delete", path)
