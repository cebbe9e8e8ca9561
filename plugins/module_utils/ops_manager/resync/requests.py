# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests that change something in the product, each of which may be repeated after a crash.

The journal is written first and removed last. It names everything that is left behind in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from ...errors import AskOperator, sentence
from ...values import iso_of, iso_or_none
from ..job import journal as journals
from ..job import keeping
from ..job import view as views
from ..job.job import Job
from ..job.journal import Held, Journal
from . import decisions

#: What the product says to a state that it has already, or that it does not have yet.
_NOT_IN_STATE = (
    "CANNOT_STOP_BACKUP_INVALID_STATE",
    "CANNOT_START_BACKUP_INVALID_STATE",
    "CANNOT_TERMINATE_BACKUP_INVALID_STATE",
)


@dataclass(frozen=True)
class Wishes:
    """How a resync is to be done, from the option `ops_manager`."""

    method: str
    sync_source: str
    hand_off_minutes: float
    mute_hours: float
    mute: Sequence[str]
    confirm_snapshot_loss: bool
    poll_seconds: float

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Wishes:
        """Take them from the module's parameters."""
        return cls(**{one.name: options[one.name] for one in fields(cls)})

    @property
    def mute_seconds(self) -> float:
        """How long alerts are muted, in seconds."""
        return self.mute_hours * 3600

    @property
    def resend_seconds(self) -> float:
        """How long a request is given to show an effect, before it counts as lost."""
        return 4 * self.poll_seconds


def planned(job: Job, wishes: Wishes, owner: str, reason: str) -> Journal:
    """Return the journal with which a resync begins; nothing has been written then."""
    now = job.now
    required = job.required is not None
    newest = job.newest
    # One that somebody else keeps is not ours to give free; what a termination deletes cannot be kept.
    keep = newest is not None and not newest.held and wishes.method != journals.TERMINATE
    hands_off = wishes.method == journals.HAND_OFF
    return Journal(
        journals.RESYNC,
        journals.new_id(now, wishes.method, required),
        job.cluster.id,
        owner,
        reason,
        iso_of(now),
        wishes.method,
        since=iso_of(now),
        required=required,
        held=Held(newest.id, iso_or_none(newest.expires)) if keep and newest is not None else None,
        deadline=iso_of(now + timedelta(minutes=wishes.hand_off_minutes)) if hands_off else None,
        alerts=tuple(alert.id for alert in job.requiring),
    )


def begin(job: Job, journal: Journal, wishes: Wishes) -> Journal:
    """Write the journal of a resync."""
    return open_window(job, journal, wishes.mute, job.now + timedelta(seconds=wishes.mute_seconds))


def open_window(job: Job, journal: Journal, mute: Sequence[str], ends: datetime) -> Journal:
    """Make the maintenance window that holds a journal, and return the journal with it."""
    body = {
        "alertTypeNames": list(mute),
        "startDate": iso_of(job.now),
        "endDate": iso_of(ends),
        "description": journal.description(),
    }
    made = job.write("post", "/maintenanceWindows", body)
    return replace(journal, window=str(made["id"]), ends=ends)


def alone(job: Job, mine: Journal) -> None:
    """Make sure that there is no other resync of this job, or of a part of it: two may have begun at the same moment.

    A run that finds another one, not certainly made after its own, takes its own away: the other may have looked before, seen
    nothing, and gone on. So of two that were made in the same second both may end.
    """
    all_of_them = job.again().overlapping(journals.RESYNC)
    made = next((found.made for found in all_of_them if found.window == mine.window), None)
    others = [found for found in all_of_them if found.window != mine.window]
    before = [found for found in others if made is None or found.made is None or found.made <= made]
    if not before:
        return
    keeping.drop(job, f"/maintenanceWindows/{mine.window}")
    message = sentence(
        expected="no other open operation on this job",
        found=f"resync {before[0].id} of {before[0].owner}, which began at the same moment",
        remedy="follow that one, or begin again where it has ended the same way",
    )
    raise AskOperator(message, code="operation_open", details={"operation": before[0].id})


def perform(write: str, job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    """Send one request; returns the journal after it, None where it has been taken away."""
    return _WRITES[write](job, journal, wishes)


def _hold(job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    """Keep the newest snapshot, then go on to what the method begins with."""
    held = journal.held
    if held is not None and not keeping.hold(job, held.snapshot, keeping.NOT_KEPT):
        held = None
    phase = journals.WAITING
    if journal.method != journals.HAND_OFF:
        off = job.status in (views.INACTIVE, views.TERMINATING)
        phase = journals.STARTING if off else journals.STOPPING
    journal = note(job, replace(journal, held=held).at(phase, job.now))
    if phase == journals.STOPPING and job.status == views.ACTIVE:
        set_status(job, {"statusName": views.STOPPED})
    return journal


def _stop(job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    return _announce(job, journal, journals.STOPPING, {"statusName": views.STOPPED})


def _terminate(job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    """Send what destroys the snapshots: the run that goes on has to want that as well as the one that began it."""
    if not wishes.confirm_snapshot_loss:
        message = sentence(
            expected="backup_confirm_snapshot_loss=true for a resync of method terminate",
            found="false, with the backup stopped and its snapshots still there",
            remedy=f"confirm it, or cancel {journal.id}, which starts the backup again",
        )
        raise AskOperator(message, code="snapshot_loss_unconfirmed")
    return _announce(job, journal, journals.TERMINATING, {"statusName": views.TERMINATING})


def _start(job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    return _announce(job, journal, journals.STARTING, started(job, wishes))


def started(job: Job, wishes: Wishes) -> dict[str, Any]:
    """Return the request that starts a backup."""
    # A configuration that is inactive has no storage engine, and the product wants to be told one then.
    engine = {} if job.config.storage_engine else {"storageEngineName": "WIRED_TIGER"}
    return {"statusName": views.ACTIVE, "syncSource": wishes.sync_source, **engine}


def _announce(job: Job, journal: Journal, phase: str, body: Mapping[str, Any]) -> Journal:
    journal = note(job, journal.at(phase, job.now))
    set_status(job, body)
    return journal


def set_status(job: Job, body: Mapping[str, Any]) -> bool:
    """Ask for a state, and say whether the product accepted it. The next read shows the state since then."""
    return job.attempt(_NOT_IN_STATE, "patch", f"/backupConfigs/{job.cluster.id}", body)


def note(job: Job, journal: Journal) -> Journal:
    """Write the journal down as it is now."""
    job.write("patch", f"/maintenanceWindows/{journal.window}", {"description": journal.description()})
    return journal


def _prolong(job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    ends = job.now + timedelta(seconds=wishes.mute_seconds)
    job.write("patch", f"/maintenanceWindows/{journal.window}", {"endDate": iso_of(ends)})
    return replace(journal, ends=ends)


def put_back(job: Job, journal: Journal) -> None:
    """Let the snapshot expire again, and take the window away: the last request of every operation."""
    if journal.held is not None:
        keeping.release(job, journal.held)
    keeping.drop(job, f"/maintenanceWindows/{journal.window}")


def _finish(job: Job, journal: Journal, wishes: Wishes) -> Journal | None:
    put_back(job, journal)
    return None


_WRITES: Mapping[str, Callable[[Job, Journal, Wishes], Journal | None]] = {
    decisions.HOLD: _hold,
    decisions.STOP: _stop,
    decisions.DELETE: _terminate,
    decisions.START: _start,
    decisions.FINISH: _finish,
    decisions.GIVE_UP: _finish,
    decisions.PROLONG: _prolong,
}
