# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next request that a resync needs, decided from the journal and from what the product says. Pure.

Nothing is remembered between two calls but the journal, so a second run after any interruption decides the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..api.reading import time_of
from ..job import view as views
from ..job.journal import BEGUN, STARTING, STOPPING, TERMINATE, TERMINATING, WAITING, Journal
from ..job.view import View
from ..model.activity import Snapshot

#: The requests, and how each is called in sentences.
HOLD, STOP, DELETE, START = "hold", "stop", "terminate", "start"
FINISH, GIVE_UP, PROLONG = "finish", "give_up", "prolong"
WORDS = {
    HOLD: "keep the newest snapshot",
    STOP: "stop the backup",
    DELETE: "terminate the backup, which deletes its snapshots",
    START: "start the backup again",
    FINISH: "let the snapshot expire as before and take the maintenance window away",
    GIVE_UP: "put everything back",
    PROLONG: "prolong the maintenance window",
}


def next_write(journal: Journal, view: View, resend_seconds: float, mute_seconds: float) -> str | None:
    """Return the request that the resync waits for; None while only the product has something to do.

    A request is announced in the journal before it is sent, and takes effect later. So one that shows no effect is sent
    again only after `resend_seconds`: it may have been lost, and the product answers a state that it has with 409.
    """
    if journal.phase == BEGUN:
        return HOLD
    if is_over(journal, view):
        return FINISH
    if _has_waited_enough(journal, view):
        return GIVE_UP
    wanted = _wanted(journal, view)
    if wanted is not None and (_PHASES[wanted] != journal.phase or _age(journal, view.now) >= resend_seconds):
        return wanted
    if journal.ends is not None and journal.ends - view.now < timedelta(seconds=mute_seconds / 2):
        return PROLONG
    return None


#: The phase that announces a request.
_PHASES = {STOP: STOPPING, DELETE: TERMINATING, START: STARTING}


def _wanted(journal: Journal, view: View) -> str | None:
    """Return the request that leads from this state to the next."""
    if journal.phase == WAITING or view.status in (views.TERMINATING, views.PROVISIONING):
        return None
    if view.status == views.ACTIVE:
        return STOP if journal.phase == STOPPING else None
    if journal.phase == STARTING and view.begun:
        # It had started, so somebody has stopped it since: theirs to decide.
        return None
    if view.status == views.STOPPED and journal.method == TERMINATE and journal.phase in (STOPPING, TERMINATING):
        return DELETE
    return START


def is_paused(journal: Journal, view: View) -> bool:
    """Whether everything is done that comes before the sync."""
    if journal.phase in (WAITING, STARTING):
        return True
    return journal.phase != BEGUN and view.status == (views.INACTIVE if journal.method == TERMINATE else views.STOPPED)


def synced_at(journal: Journal, view: View) -> datetime | None:
    """Return when the backup was whole again; None before."""
    if journal.phase not in (WAITING, STARTING):
        return None
    mark = journal.since if journal.phase == STARTING else journal.began
    began = time_of(mark)
    return None if began is None else view.synced_at(began, journal.method)


def validated_by(journal: Journal, view: View) -> Snapshot | None:
    """Return the complete snapshot that is younger than the sync; None while there is none."""
    synced = synced_at(journal, view)
    # None is made while the product syncs, so one of the same second came after it.
    return None if synced is None else view.complete_since(synced)


def is_over(journal: Journal, view: View) -> bool:
    """Whether only putting back is left."""
    return validated_by(journal, view) is not None


def _has_waited_enough(journal: Journal, view: View) -> bool:
    deadline = time_of(journal.deadline)
    # An alert that was closed tells of somebody who came, where the product logs no sync.
    came = view.begun or view.closed
    return journal.phase == WAITING and deadline is not None and view.now > deadline and not came


def is_settling(journal: Journal, status: str, now: datetime, resend_seconds: float) -> bool:
    """Whether the last request may take effect yet: then the state that is shown is not the one that it will lead to."""
    before = {STOPPING: views.ACTIVE, TERMINATING: views.STOPPED}.get(journal.phase)
    return status == before and _age(journal, now) < resend_seconds


def _age(journal: Journal, now: datetime) -> float:
    since = time_of(journal.since)
    return float("inf") if since is None else (now - since).total_seconds()
