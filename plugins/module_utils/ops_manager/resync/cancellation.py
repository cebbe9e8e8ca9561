# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canceling a resync: its changes are undone, and its record stays until that is certain."""

from __future__ import annotations

from ...errors import AskOperator, RetryLater, sentence
from ..job import view as views
from ..job.job import Job
from ..job.journal import HAND_OFF, STARTING, Journal
from . import decisions, requests
from .requests import Wishes


def cancel(job: Job, journal: Journal, wishes: Wishes) -> list[str]:
    """Undo what was done for a resync, and say what goes on in the product all the same.

    The journal stays until it is certain that the backup is on, or was never off: nobody else would put that right.
    """
    if decisions.is_settling(journal, job.status, job.now, wishes.resend_seconds):
        raise _too_early(job, f"{job.status}, after a request that has shown no effect yet")
    done = [] if journal.method == HAND_OFF else _switched_on(job, journal, wishes)
    requests.put_back(job, journal)
    return done


def _switched_on(job: Job, journal: Journal, wishes: Wishes) -> list[str]:
    if job.status == views.TERMINATING:
        message = sentence(
            expected="a backup that can be started again",
            found="one that is being terminated",
            remedy="wait until it is INACTIVE and cancel again, which starts it",
        )
        raise AskOperator(message, code="terminating")
    if job.status not in (views.STOPPED, views.INACTIVE):
        return []
    # Noted before it is sent, as every request: a second cancel must not take this start for a stop that had no effect.
    requests.note(job, journal.at(STARTING, job.now))
    if not requests.set_status(job, requests.started(job, wishes)):
        status = job.again().status
        if status not in (views.ACTIVE, views.PROVISIONING):
            raise _too_early(job, f"{status}, and a start that the product refused")
    return ["the backup was started again; the product begins with an initial sync where it needs one"]


def _too_early(job: Job, found: str) -> RetryLater:
    message = sentence(
        expected=f"a state of the backup of {job.name} that stays",
        found=found,
        remedy="cancel again in a minute; until then the record of the resync is kept",
    )
    return RetryLater(message, code="settling")
