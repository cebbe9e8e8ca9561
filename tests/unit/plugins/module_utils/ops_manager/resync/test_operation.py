# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A resync as an operation: the record that is followed, while it has a journal and after that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import view as views
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import decisions, operation
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync.wording import Words

from ..states import FINISHED, NOON, OLD, RUNNING, YOUNG, journal, view

WORDS = Words("https://om.example.com", "orders", 7.0)
DONE = view(syncs=(FINISHED,), required=False, snapshots=(YOUNG, OLD))
SCHEDULED = view(required=False, snapshots=(YOUNG, OLD))


def logs() -> bool:
    return True


def logs_nothing() -> bool:
    return False


def from_id(method: str, required: bool = True) -> journals.Journal:
    found = journals.from_id(journals.new_id(NOON, method, required), "c1")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("phase", "seen", "step"),
    [
        (journals.BEGUN, view(), "pause"),
        (journals.STOPPING, view(), "pause"),
        (journals.STOPPING, view(views.STOPPED), "sync"),
        (journals.STARTING, view(syncs=(RUNNING,)), "sync"),
        (journals.STARTING, view(syncs=(FINISHED,), required=False), "validate"),
        (journals.STARTING, DONE, "resume"),
    ],
)
def test_the_step_is_the_first_that_is_not_done(phase: str, seen: views.View, step: str) -> None:
    """What comes before it is done, and what comes after it waits."""
    found = operation.opened(journal(journals.RESTART, phase), seen, decisions.STOP, WORDS)
    states = [one["state"] for one in found["steps"]]

    assert (step, "running", step) == (found["step"], found["state"], found["progress"]["step"])
    assert ["done"] * states.index("running") == states[: states.index("running")]
    assert {"pending"} >= set(states[states.index("running") + 1 :])


def test_says_what_it_waits_for_and_when_to_ask() -> None:
    """A follower sends the request that is named, or asks again after this time."""
    found = operation.opened(journal(journals.RESTART, journals.STOPPING), view(), decisions.STOP, WORDS)

    assert ("stop the backup", 7.0) == (found["next_write"], found["ask_again_seconds"])
    assert found["left_behind"]


@pytest.mark.parametrize("method", [journals.HAND_OFF, journals.RESTART, journals.TERMINATE, journals.OBSERVED])
def test_is_done_when_the_backup_is_whole(method: str) -> None:
    """Its result is the snapshot that proves it."""
    found = operation.ended(from_id(method), DONE, WORDS, logs)

    assert ("done", "s2", []) == (found["state"], found["result"]["snapshot"], found["left_behind"])
    assert "2026-01-01T12:10:00Z" == found["finished_at"]
    assert {"done"} == {step["state"] for step in found["steps"]}


@pytest.mark.parametrize("method", [journals.HAND_OFF, journals.RESTART, journals.TERMINATE])
def test_a_snapshot_alone_does_not_tell_of_a_sync_that_would_have_been_logged(method: str) -> None:
    """It was canceled before anything was stopped; the schedule goes on."""
    found = operation.ended(from_id(method, required=False), SCHEDULED, WORDS, logs)

    assert ("failed", "not_synced") == (found["state"], found["error"]["code"])


@pytest.mark.parametrize(
    ("method", "seen", "asked"),
    [
        (journals.RESTART, SCHEDULED, logs_nothing),
        (journals.RESTART, replace(SCHEDULED, closed=True), logs),
        (journals.TERMINATE, replace(SCHEDULED, snapshots=(YOUNG,)), logs),
        (journals.TERMINATE, replace(SCHEDULED, snapshots=(YOUNG, replace(OLD, do_not_delete=True))), logs),
    ],
    ids=["logs no syncs", "alert closed", "old snapshots gone", "spares those that are kept"],
)
def test_other_signs_of_a_sync(method: str, seen: views.View, asked: object) -> None:
    """Where nothing is logged, the product tells by what else has changed."""
    assert "done" == operation.ended(from_id(method), seen, WORDS, asked)["state"]  # type: ignore[arg-type]


def test_a_failed_one_says_that_the_backup_is_off() -> None:
    """Its window ran out, so this is the only trace of it."""
    found = operation.ended(from_id(journals.RESTART), view(views.STOPPED), WORDS, logs)

    assert "failed" == found["state"]
    assert "is STOPPED" in found["left_behind"][0]


def test_one_that_was_not_begun_by_us_goes_on() -> None:
    """Somebody pressed the button without this collection: it can be followed, and there is nothing to put back."""
    found = operation.ended(from_id(journals.OBSERVED), view(syncs=(RUNNING,)), WORDS, logs)

    assert ("running", "sync", [], None) == tuple(found[key] for key in ("state", "step", "left_behind", "next_write"))
