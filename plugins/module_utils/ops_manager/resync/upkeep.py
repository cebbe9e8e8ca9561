# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance of a job: a window that mutes alerts and says who, why and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ...errors import AskOperator, sentence
from ...values import Answer, iso_of, iso_or_none
from ..api.reading import time_of
from ..job import journal as journals
from ..job.job import Job
from ..job.journal import MAINTENANCE, Journal
from ..model.activity import MaintenanceWindow
from . import requests

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
    job: Job, owner: str, reason: str, for_seconds: int, latest: str | None, mute: Sequence[str], check_mode: bool
) -> Answer:
    """Make the window, or prolong one's own; it is a change in any case. Raises AskOperator while somebody else has one.

    A window whose time has passed is no more, so nobody takes one over.
    """
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
        journal = _written(job, journal, ends, mute)
    return {"changed": True, "renewed": found is not None, "maintenance": _record(journal), "leases": []}


def _written(job: Job, journal: Journal, ends: datetime, mute: Sequence[str]) -> Journal:
    if not journal.window:
        return requests.open_window(job, journal, tuple(dict.fromkeys((*mute, _AGENTS))), ends)
    body = {"endDate": iso_of(ends), "description": journal.description()}
    job.write("patch", f"/maintenanceWindows/{journal.window}", body)
    return journal


def end(job: Job, owner: str, check_mode: bool) -> Answer:
    """Take one's own windows away. There are two where two playbooks began at the same moment."""
    all_ = job.journals(MAINTENANCE)
    mine = [found for found in all_ if found.owner == owner]
    for found in () if check_mode else mine:
        requests.put_back(job, found)
    left = next((_record(found) for found in all_ if found.owner != owner), None)
    return {"changed": bool(mine), "maintenance": left, "leases": []}


def muted_by_others(job: Job) -> list[str]:
    """Return what mutes alerts now besides the maintenance of this job, in words."""
    own = _found(job)
    return [
        f"{_words(one)} until {'an unknown time' if one.end is None else iso_of(one.end)}"
        for one in job.windows
        if {"BACKUP", _AGENTS} & set(one.alert_types or ())
        and (one.start is None or one.start <= job.now)
        and (own is None or one.id != own.window)
    ]


def _words(window: MaintenanceWindow) -> str:
    if not journals.is_ours(window.description):
        return f"the window {window.description or window.id}"
    try:
        found = journals.read(window.description or "", window.id, window.end)
    except AskOperator:
        return f"the window {window.id}, whose description was edited"
    return f"the {found.kind} of {found.owner} ({found.reason})"


def _found(job: Job) -> Journal | None:
    return next(iter(job.journals(MAINTENANCE)), None)


def _record(found: Journal) -> Answer:
    return {
        "owner": found.owner,
        "reason": found.reason,
        "began_at": found.began,
        "until": iso_or_none(found.ends),
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
