# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A resync as an operation: the record that is followed and shown, told from the journal and the product's state. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...values import Answer, iso_of
from ..api.reading import time_of
from ..job.journal import HAND_OFF, OBSERVED, STARTING, TERMINATE, WAITING, Journal
from ..job.view import View
from . import decisions, wording
from .wording import Words

#: The same as those of the other provider, as far as playbooks wait for them.
STEPS = ("preflight", "pause", "sync", "validate", "resume", "prove")

_NOT_SYNCED = (
    "Expected a sync and a complete snapshot since {began}, found neither both nor the maintenance window of the resync;"
    " it was canceled, nobody pressed the button in time, or nobody went on with it until its window had ended or somebody"
    " deleted it; see that the backup is started and which snapshots are kept, and start it again when it is wanted."
)


def opened(journal: Journal, view: View, next_write: str | None, words: Words) -> Answer:
    """Return the record of a resync that has a journal."""
    done = _done(journal, view)
    current = next(step for step in STEPS if step not in done)
    return {
        **_record(journal, "running", current),
        "steps": [_step(step, step in done, step == current, journal, view) for step in STEPS],
        "progress": _progress(current, journal, view, words),
        "next_write": decisions.WORDS[next_write] if next_write else None,
        "ask_again_seconds": words.poll_seconds,
        "left_behind": wording.left_behind(journal, view, words),
    }


def ended(journal: Journal, view: View, words: Words, logs_syncs: Callable[[], bool]) -> Answer:
    """Return the record of a resync whose journal is gone; what its id says stands in for it.

    It is done when the backup has been whole and saved once since. Otherwise it was canceled or given up, or its window has
    run out while nobody went on with it. One that was not begun by us has no window, and goes on until it is done.
    """
    phase = WAITING if journal.method == HAND_OFF else STARTING
    over = replace(journal, phase=phase, since=journal.began)
    synced, snapshot = decisions.synced_at(over, view), decisions.validated_by(over, view)
    if synced is None or snapshot is None or not _is_told(over, view, logs_syncs):
        return _going_on(over, view, words) if journal.method == OBSERVED else _failed(over, view, words)
    return {
        **_record(journal, "done", STEPS[-1]),
        "steps": [_step(step, True, False, over, view) for step in STEPS],
        "result": {"snapshot": snapshot.id, "synced_at": iso_of(synced)},
        "finished_at": iso_of(max(synced, snapshot.made)),
    }


def _is_told(journal: Journal, view: View, logs_syncs: Callable[[], bool]) -> bool:
    """Whether there was a sync: a snapshot of the schedule tells of none when it was canceled before anything was stopped."""
    if view.begun or view.closed or not logs_syncs():
        return True
    began = time_of(journal.began)
    older = [one for one in view.snapshots if began is not None and one.made < began and not one.held]
    return journal.method == TERMINATE and not older


def _going_on(journal: Journal, view: View, words: Words) -> Answer:
    return {**opened(journal, view, None, words), "left_behind": []}


def _failed(journal: Journal, view: View, words: Words) -> Answer:
    error = {"code": "not_synced", "message": _NOT_SYNCED.format(began=journal.began), "details": {}}
    steps = [_step(step, step == "preflight", False, journal, view) for step in STEPS]
    left = wording.halted(journal.method, view, words)
    return {**_record(journal, "failed", "sync"), "steps": steps, "error": error, "left_behind": left}


def _record(journal: Journal, state: str, step: str) -> Answer:
    return {
        "id": journal.id,
        "kind": "resync",
        "owner": journal.owner,
        "reason": journal.reason,
        "method": journal.method,
        "state": state,
        "step": step,
        "created_at": journal.began,
        "finished_at": None,
        "progress": None,
        "result": None,
        "error": None,
        "next_write": None,
        "left_behind": [],
    }


def _done(journal: Journal, view: View) -> set[str]:
    """Return the steps that have been done; the last two only when the journal is gone, which is their last request."""
    done = {"preflight"}
    if decisions.is_paused(journal, view):
        done.add("pause")
    if decisions.synced_at(journal, view) is not None:
        done.add("sync")
    if decisions.validated_by(journal, view) is not None:
        done.add("validate")
    return done


def _step(name: str, done: bool, running: bool, journal: Journal, view: View) -> Answer:
    state = "done" if done else "running" if running else "pending"
    note = wording.note(name, journal, view) if done else None
    return {"name": name, "state": state, "started_at": None, "finished_at": None, "note": note}


def _progress(step: str, journal: Journal, view: View, words: Words) -> Answer:
    phase, text = wording.phase(step, journal, view, words)
    unknown = dict.fromkeys(("percent", "done", "total", "unit", "rate_per_second", "eta_seconds"))
    return {"step": step, "phase": phase, **unknown, "text": text}
