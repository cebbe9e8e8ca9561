# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a resync says to the people who follow it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import view as views
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import (
    BEGUN,
    HAND_OFF,
    RESTART,
    STARTING,
    STOPPING,
    TERMINATE,
    WAITING,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.syncs import Sync
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import wording

from ..states import FINISHED, OLD, RUNNING, YOUNG, journal, view

WORDS = wording.Words("https://om.example.com", "orders")


@pytest.mark.parametrize(
    ("method", "said"),
    [(RESTART, "the backup is stopped"), (HAND_OFF, "nothing is stopped"), (TERMINATE, "its snapshots are gone")],
)
def test_says_what_was_paused(method: str, said: str) -> None:
    """Each method does something else to the backup."""
    note = wording.note("pause", journal(method, STARTING), view())

    assert note is not None
    assert said in note
    assert (method != TERMINATE) is ("snapshot s1 is kept meanwhile" in note)


def test_says_how_a_sync_is_known() -> None:
    """That the product logged it, or that it did not, and what is not known then."""
    assert "1 of 1 replica sets, ended 2026-01-01T12:08:20Z" == wording.note(
        "sync", journal(RESTART, STARTING), view(syncs=(FINISHED,))
    )
    assert "is not known" in str(wording.note("sync", journal(RESTART, STARTING), view()))


def test_says_which_snapshot_proves_it() -> None:
    """The product compares nothing, and this does not claim that it did."""
    seen = view(syncs=(FINISHED,), required=False, snapshots=(YOUNG, OLD))
    note = str(wording.note("validate", journal(RESTART, STARTING), seen))

    assert "snapshot s2 of 2026-01-01T12:10:00Z is complete" in note
    assert "compares nothing" in note
    assert wording.note("validate", journal(RESTART, STARTING), view()) is None
    assert wording.note("preflight", journal(RESTART, STARTING), view()) is None


@pytest.mark.parametrize(
    ("step", "phase", "seen", "said"),
    [
        ("pause", BEGUN, view(), "the newest snapshot is being kept"),
        ("pause", STOPPING, view(views.ACTIVE), "the backup is STARTED"),
        ("sync", STARTING, view(views.PROVISIONING), "the backup is PROVISIONING"),
        ("sync", STARTING, view(syncs=(RUNNING, Sync("b"))), "0 of 2 replica sets synced, reading orders"),
        (
            "sync",
            STARTING,
            view(syncs=(FINISHED,)),
            "1 of 1 replica sets synced; the alert that asks for it is still open",
        ),
        ("validate", STARTING, view(snapshots=(YOUNG,)), "waiting for the first complete snapshot"),
        ("validate", STARTING, view(snapshots=(replace(YOUNG, complete=False),)), "snapshot s2 is being made"),
        ("prove", STARTING, view(), ""),
    ],
)
def test_says_what_is_being_done(step: str, phase: str, seen: views.View, said: str) -> None:
    """There is no number to show, so the words have to do, also where it does not get any further."""
    assert said in wording.phase(step, journal(RESTART, phase), seen, WORDS)[1]


def test_says_who_is_waited_for() -> None:
    """The person who has to press the button reads where it is, what to do with a code, and until when."""
    name, text = wording.phase("sync", journal(HAND_OFF, WAITING), view(), WORDS)

    assert "waiting for the button" == name
    assert all(part in text for part in ("https://om.example.com", "row of orders", "Verify", "2026-01-01T13:00:00Z"))
    assert "initial sync" == wording.phase("sync", journal(HAND_OFF, WAITING), view(syncs=(RUNNING,)), WORDS)[0]


def test_names_all_that_is_left() -> None:
    """The window, the snapshot with its end, and a backup that is off: all of what somebody would have to put back."""
    left = wording.left_behind(
        journal(RESTART, STOPPING), view(views.STOPPED, snapshots=(replace(OLD, do_not_delete=True),)), WORDS
    )

    assert ["maintenance window w1", "snapshot s1", "the backup of orders"] == [
        next(
            start
            for start in ("maintenance window w1", "snapshot s1", "the backup of orders")
            if text.startswith(start)
        )
        for text in left
    ]
    assert "2026-01-02T12:00:00Z" in left[0]
    assert "2026-02-01T00:00:00Z" in left[1]


def test_names_no_more_than_is_left() -> None:
    """A backup that is on needs nobody, nor does a snapshot that is not kept; without an answer it may be off."""
    none_held = journal(RESTART, STARTING, held=None)

    assert 1 == len(wording.left_behind(none_held, view(), WORDS))
    assert 1 == len(wording.left_behind(journal(RESTART, STARTING), view(snapshots=(OLD,)), WORDS))
    assert "may be stopped" in wording.left_behind(none_held, None, WORDS)[-1]
    assert [] == wording.halted(RESTART, view(), WORDS)
