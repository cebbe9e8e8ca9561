# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance of a job: a window that mutes alerts and says who, why and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, sentence
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import steps
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import Job
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.journal import MAINTENANCE, Journal
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.reading import iso_of, time_of
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Answer

#: With the backups, their agents are away.
_AGENTS = "AGENT"


def shown(job: Job) -> Answer | None:
    """Return the maintenance of this job as a status shows it; None when there is none. A window that has ended is no more."""
    found = _found(job)
    if found is None:
        return None
    latest = found.deadline
    return {**_record(found), "overdue": False, "seconds_left": None if latest is None else _seconds_to(job, latest)}


def begin(
    job: Job, owner: str, reason: str, for_seconds: int, latest: str | None, mute: tuple[str, ...], check_mode: bool
) -> Answer:
    """Make the window, or prolong one's own; it is a change in any case. Raises AskOperator while somebody else has one."""
    found = _found(job)
    if found is not None and found.owner != owner:
        raise _others(found)
    ends = job.now + timedelta(seconds=for_seconds)
    began = iso_of(job.now)
    journal = Journal(MAINTENANCE, f"maintenance-{began}", job.cluster.id, owner, reason, began, deadline=latest)
    if found is not None:
        journal = replace(found, reason=reason, deadline=latest or found.deadline)
    journal = replace(journal, ends=ends)
    if not check_mode:
        journal = _written(job, journal, mute)
    return {"changed": True, "maintenance": _record(journal), "leases": []}


def _written(job: Job, journal: Journal, mute: tuple[str, ...]) -> Journal:
    assert journal.ends is not None
    if not journal.window:
        return steps.open_window(job, journal, tuple(dict.fromkeys((*mute, _AGENTS))), journal.ends)
    body = {"endDate": iso_of(journal.ends), "description": journal.description()}
    job.write("patch", f"/maintenanceWindows/{journal.window}", body)
    return journal


def end(job: Job, owner: str, check_mode: bool) -> Answer:
    """Take one's own window away."""
    found = job.journals(MAINTENANCE)
    mine = [one for one in found if one.owner == owner]
    if not check_mode:
        for one in mine:
            steps.put_back(job, one)
    left = next((_record(one) for one in found if one not in mine), None)
    return {"changed": bool(mine), "maintenance": left, "leases": []}


def _found(job: Job) -> Journal | None:
    return next(iter(job.journals(MAINTENANCE)), None)


def _record(found: Journal) -> Answer:
    return {
        "owner": found.owner,
        "reason": found.reason,
        "began_at": found.began,
        "until": None if found.ends is None else iso_of(found.ends),
        "latest_safe_restart": found.deadline,
        "oldest": None,
        "captured": None,
    }


def _seconds_to(job: Job, moment: str) -> float | None:
    from_iso = time_of(moment)
    return None if from_iso is None else (from_iso - job.now).total_seconds()


def _others(found: Journal) -> AskOperator:
    message = sentence(
        expected="no maintenance of anybody else",
        found=f"that of {found.owner} ({found.reason}) until {_record(found)['until']}",
        remedy="wait for its end, or let its owner end it",
    )
    return AskOperator(message, code="refused", details={"maintenance": _record(found)})
