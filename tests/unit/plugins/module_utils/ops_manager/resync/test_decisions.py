# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which request a resync waits for."""

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
    TERMINATING,
    WAITING,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import decisions

from ..states import FINISHED, OLD, RUNNING, YOUNG, at, journal, view

DONE = view(syncs=(FINISHED,), required=False, snapshots=(YOUNG, OLD))


def decide(found: object, seen: object) -> str | None:
    return decisions.next_write(found, seen, 120, 86400)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "phase", "status", "wanted"),
    [
        (RESTART, STOPPING, views.ACTIVE, decisions.STOP),
        (RESTART, STOPPING, views.STOPPED, decisions.START),
        (RESTART, STARTING, views.STOPPED, decisions.START),
        (RESTART, STARTING, views.ACTIVE, None),
        (RESTART, STARTING, views.PROVISIONING, None),
        (TERMINATE, STOPPING, views.ACTIVE, decisions.STOP),
        (TERMINATE, STOPPING, views.STOPPED, decisions.DELETE),
        (TERMINATE, STOPPING, views.INACTIVE, decisions.START),
        (TERMINATE, TERMINATING, views.STOPPED, decisions.DELETE),
        (TERMINATE, TERMINATING, views.TERMINATING, None),
        (TERMINATE, TERMINATING, views.INACTIVE, decisions.START),
        (TERMINATE, STARTING, views.INACTIVE, decisions.START),
        (HAND_OFF, WAITING, views.ACTIVE, None),
        (HAND_OFF, WAITING, views.STOPPED, None),
    ],
)
def test_each_state_has_one_next_request(method: str, phase: str, status: str, wanted: str | None) -> None:
    """The table of all states that the product can be found in, whatever was sent before."""
    assert wanted == decide(journal(method, phase), view(status))


@pytest.mark.parametrize("method", [HAND_OFF, RESTART, TERMINATE])
def test_a_snapshot_is_kept_first(method: str) -> None:
    """A run that died right after its journal was written begins with the first request again."""
    assert decisions.HOLD == decide(journal(method, BEGUN), view())


def test_a_request_that_shows_no_effect_is_given_time() -> None:
    """What was announced just now may be on its way: the product answers before it has done what was asked."""
    assert decide(journal(RESTART, STOPPING), view(after=119)) is None
    assert decisions.STOP == decide(journal(RESTART, STOPPING), view(after=120))


def test_the_next_request_is_not_held_back() -> None:
    """Only the same request waits for its effect, not the one after it."""
    assert decisions.START == decide(journal(RESTART, STOPPING), view(views.STOPPED, after=1))


def test_a_backup_that_somebody_stops_meanwhile_stays_stopped() -> None:
    """Once it had synced at all, a stop is somebody's wish and no lost request."""
    assert decide(journal(RESTART, STARTING), view(views.STOPPED, syncs=(RUNNING,))) is None


@pytest.mark.parametrize(("method", "phase"), [(HAND_OFF, WAITING), (RESTART, STARTING), (TERMINATE, STARTING)])
def test_is_finished_when_a_snapshot_is_younger_than_the_sync(method: str, phase: str) -> None:
    """The last request of all methods."""
    assert decisions.FINISH == decide(journal(method, phase), DONE)


@pytest.mark.parametrize(
    "seen",
    [
        replace(DONE, snapshots=(OLD,)),
        replace(DONE, snapshots=(replace(YOUNG, complete=False), OLD)),
        replace(DONE, snapshots=(replace(YOUNG, missing_shards=("shard1",)), OLD)),
        replace(DONE, snapshots=(replace(YOUNG, possibly_inconsistent=True), OLD)),
        replace(DONE, required=True),
        replace(DONE, syncs=(RUNNING,)),
        replace(DONE, syncs=(FINISHED, replace(RUNNING, part="config"))),
        replace(DONE, status=views.STOPPED),
    ],
    ids=[
        "no young snapshot",
        "one being made",
        "a shard is missing",
        "parts do not fit",
        "alert still open",
        "sync runs",
        "a part still runs",
        "stopped",
    ],
)
def test_is_not_finished_before(seen: object) -> None:
    """Each of the conditions is needed."""
    assert decisions.FINISH != decide(journal(RESTART, STARTING), seen)


def test_an_old_stop_does_not_count_as_a_sync() -> None:
    """While it is being stopped, a snapshot of the schedule that was finished meanwhile proves nothing."""
    assert decisions.STOP == decide(journal(RESTART, STOPPING), replace(DONE, syncs=()))


def test_without_events_a_snapshot_after_the_start_proves_the_sync() -> None:
    """Not every version is known to log syncs, and none is made before the sync has ended."""
    seen = view(required=False, snapshots=(YOUNG, OLD))

    assert decisions.FINISH == decide(journal(RESTART, STARTING), seen)
    assert decide(journal(RESTART, STARTING), replace(seen, snapshots=(OLD,))) is None


def test_without_events_a_button_needs_an_alert_that_was_closed() -> None:
    """A snapshot of the schedule, while nobody has pressed anything, proves no resync."""
    seen = view(required=False, snapshots=(YOUNG, OLD), closed=True)

    assert decisions.FINISH == decide(journal(HAND_OFF, WAITING), seen)
    assert decide(journal(HAND_OFF, WAITING), replace(seen, closed=False)) is None


def test_one_of_several_shards_is_not_the_cluster() -> None:
    """The button is pressed for each shard: one that nobody pressed was not resynced."""
    seen = replace(DONE, syncs=(FINISHED, replace(RUNNING, part="shard1", wanted=None, started=None)))

    assert decisions.FINISH != decide(journal(HAND_OFF, WAITING), seen)


def test_an_operator_who_never_comes_is_not_waited_for_for_ever() -> None:
    """After the deadline everything is put back; once a sync has begun it is not."""
    assert decide(journal(HAND_OFF, WAITING), view(after=3600)) is None
    assert decisions.GIVE_UP == decide(journal(HAND_OFF, WAITING), view(after=3601))
    assert decide(journal(HAND_OFF, WAITING), view(after=3601, syncs=(RUNNING,))) is None


def test_somebody_who_came_is_waited_for() -> None:
    """Where no sync is logged, the alert that was closed says that the button was pressed; its snapshot is made later."""
    assert decide(journal(HAND_OFF, WAITING), view(after=3601, required=False, closed=True)) is None


@pytest.mark.parametrize(
    ("phase", "status", "seconds", "settling"),
    [
        (STOPPING, views.ACTIVE, 119, True),
        (STOPPING, views.ACTIVE, 120, False),
        (STOPPING, views.STOPPED, 1, False),
        (TERMINATING, views.STOPPED, 1, True),
        (STARTING, views.STOPPED, 1, False),
        (WAITING, views.ACTIVE, 1, False),
    ],
)
def test_a_request_on_its_way_is_not_the_last_word(phase: str, status: str, seconds: float, settling: bool) -> None:
    """What was asked for just now may take effect after the state was read: nobody may say yet that nothing was changed."""
    assert settling is decisions.is_settling(journal(TERMINATE, phase), status, at(seconds), 120)


def test_the_window_is_prolonged_in_time() -> None:
    """It holds the journal, so it must not end before the resync."""
    late = journal(RESTART, STARTING, ends=at(1000 + 43199))

    assert decisions.PROLONG == decide(late, view(syncs=(RUNNING,)))
    assert decide(replace(late, ends=at(1000 + 43201)), view(syncs=(RUNNING,))) is None
