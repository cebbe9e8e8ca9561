# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A resync as an operation: the record that is followed and shown, told from the journal and the product's state. Pure."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import decisions, wording
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.journal import (
    HAND_OFF,
    STARTING,
    WAITING,
    Journal,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.reading import iso_of
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.view import View
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.wording import Words
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Answer

#: The same as those of the other provider, as far as playbooks wait for them.
STEPS = ("preflight", "pause", "sync", "validate", "resume", "prove")

_NOT_SYNCED = (
    "Expected a sync and a complete snapshot since {began}, found neither both nor the maintenance window of the resync;"
    " it was canceled, or nobody pressed the button in time, and what it had changed was put back: start it again when it"
    " is wanted. If somebody deleted its window, see in the web page that the backup is started and which snapshots are kept."
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


def ended(journal: Journal, view: View) -> Answer:
    """Return the record of a resync whose journal is gone; what its id says stands in for it.

    It is done when the backup has been whole and saved once since. Otherwise it was canceled or given up, and put back.
    """
    phase = WAITING if journal.method == HAND_OFF else STARTING
    over = replace(journal, phase=phase, since=journal.began)
    synced, snapshot = decisions.synced_at(over, view), decisions.validated_by(over, view)
    if synced is None or snapshot is None:
        message = _NOT_SYNCED.format(began=journal.began)
        steps = [_step(step, step == "preflight", False, over, view) for step in STEPS]
        error = {"code": "not_synced", "message": message, "details": {}}
        return {**_record(journal, "failed", "sync"), "steps": steps, "error": error}
    return {
        **_record(journal, "done", STEPS[-1]),
        "steps": [_step(step, True, False, over, view) for step in STEPS],
        "result": {"snapshot": snapshot.id, "synced_at": iso_of(synced)},
        "finished_at": iso_of(max(synced, snapshot.created)),
    }


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
