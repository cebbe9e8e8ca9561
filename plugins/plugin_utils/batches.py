# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches of jobs that may be worked on at the same time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


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


def _collide(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(_machines(one) & _machines(other)) or one["cluster"] == other["cluster"]


def _machines(job: Mapping[str, Any]) -> set[str]:
    """Return the machines of a job, which is one where nothing else was said."""
    named = job["machine"]
    return {named} if isinstance(named, str) else set(named)
