# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a resync says to the people who follow it: notes of its steps, the phase that it is in, what stays behind. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ...values import iso_of
from ..job import view as views
from ..job.journal import BEGUN, HAND_OFF, STARTING, TERMINATE, TERMINATING, WAITING, Journal
from ..job.view import View
from . import decisions


@dataclass(frozen=True)
class Words:
    """What sentences need to know beside the state."""

    url: str
    job: str
    poll_seconds: float = 30.0


def note(step: str, journal: Journal, view: View) -> str | None:
    """Return the note of a step that has been done."""
    if step == "pause":
        return _paused(journal)
    if step == "sync":
        return _synced(view)
    if step == "validate":
        return _validated(journal, view)
    return {
        "resume": "snapshots are made again, and alerts are no longer muted",
        "prove": "not a part of it: restore the snapshot to prove it",
    }.get(step)


def _paused(journal: Journal) -> str:
    if journal.method == TERMINATE:
        return "the backup is terminated, and its snapshots are gone"
    what = "the backup is stopped: no snapshots are made, and no oplog is read"
    if journal.method == HAND_OFF:
        what = "nothing is stopped; the product makes no snapshots once it syncs"
    # Of a resync that has ended, only its id is left.
    return f"{what}; snapshot {journal.held.snapshot} is kept meanwhile" if journal.held else what


def _synced(view: View) -> str:
    ends = [sync.finished for sync in view.syncs if sync.finished is not None]
    if not ends:
        return "the product logged no sync, told by its state and a snapshot: whether everything was read again is not known"
    return f"{len(ends)} of {len(view.syncs)} replica sets, ended {iso_of(max(ends))}"


def _validated(journal: Journal, view: View) -> str | None:
    found = decisions.validated_by(journal, view)
    if found is None:
        return None
    return f"snapshot {found.id} of {iso_of(found.made)} is complete; the product compares nothing with the source"


def phase(step: str, journal: Journal, view: View, words: Words) -> tuple[str, str]:
    """Return the phase of a step that is being done, and what is to be said of it; the product has no number to show."""
    if step == "pause":
        return "", "the newest snapshot is being kept" if journal.phase == BEGUN else f"the backup is {view.status}"
    if step == "sync":
        return _syncing(journal, view, words)
    if step == "validate":
        making = next((snapshot.id for snapshot in view.snapshots if not snapshot.finished), None)
        text = "waiting for the first complete snapshot after the sync, which the job's schedule makes"
        return "snapshot", text if making is None else f"snapshot {making} is being made"
    return "", "what was changed for the resync is being put back"


def _syncing(journal: Journal, view: View, words: Words) -> tuple[str, str]:
    if journal.phase == WAITING and not view.begun:
        return "waiting for the button", f"{button(words)}; waited for until {journal.deadline}"
    if view.status != views.ACTIVE:
        return "", f"the backup is {view.status}"
    return "initial sync", _counted(view)


def _counted(view: View) -> str:
    syncs = view.syncs
    finished = sum(1 for sync in syncs if sync.finished is not None)
    reading = [sync.part for sync in syncs if sync.running and sync.started is not None]
    text = f"{finished} of {len(syncs)} replica sets synced"
    text = f"{text}, reading {', '.join(reading)}" if reading else text
    return f"{text}; the alert that asks for it is still open" if view.required and finished == len(syncs) else text


def button(words: Words) -> str:
    """Say what a person has to do in the web page."""
    return (
        f"open {words.url}, the project, Continuous Backup, Overview; in the row of {words.job} press … and Resync, then"
        " Resync again; where a code is asked for, enter it, press Verify, and press Resync once more"
    )


def left_behind(journal: Journal, view: View | None, words: Words) -> list[str]:
    """Say what stays as it is while nobody goes on, for the person who has to put it back by hand.

    Without a view the product could not be asked, and what was sent last may have been done or not.
    """
    if not journal.window:
        return [f"a maintenance window of {journal.id} may have been made, which mutes alerts of the whole project"]
    ends = "" if journal.ends is None else f" until {iso_of(journal.ends)}"
    left = [f"maintenance window {journal.window} mutes alerts of the whole project{ends}"]
    return [*left, *_kept(journal, view), *halted(journal.method, view, words), *_lost(journal)]


def _kept(journal: Journal, view: View | None) -> list[str]:
    held = journal.held
    if held is None:
        return []
    seen = [snapshot.held for snapshot in view.snapshots if snapshot.id == held.snapshot] if view else []
    if view is not None and not any(seen):
        return []
    sure = view is not None or journal.phase != BEGUN
    kept = f"it would have expired at {held.expires}" if held.expires else "it had no end"
    return [f"snapshot {held.snapshot} {'is' if sure else 'may be'} kept from expiring ({kept})"]


def halted(method: str, view: View | None, words: Words) -> list[str]:
    """Say that the backup is off, or may be where the product could not be asked."""
    halted = "until it is started, no snapshots are made and no oplog is read"
    if view is None:
        return [] if method == HAND_OFF else [f"the backup of {words.job} may be stopped: {halted}"]
    if view.status in (views.STOPPED, views.TERMINATING, views.INACTIVE):
        return [f"the backup of {words.job} is {view.status}: {halted}"]
    return []


def _lost(journal: Journal) -> list[str]:
    if journal.method != TERMINATE or journal.phase not in (TERMINATING, STARTING):
        return []
    return ["the snapshots from before are deleted, and nothing brings them back"]
