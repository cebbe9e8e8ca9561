# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The initial syncs of a job, told from events."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.syncs import (
    FINISHED,
    PERFORMED,
    STARTED,
    syncs_of,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.activity import Event
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def event(kind: str, second: int, part: str = "orders", cluster: str | None = None) -> Event:
    created = iso_of(NOON + timedelta(seconds=second))
    return Event.of({"eventTypeName": kind, "created": created, "replicaSetName": part, "clusterId": cluster})


def test_nothing_is_known_without_events() -> None:
    """A part of which nothing was logged has neither begun nor ended."""
    (sync,) = syncs_of([], ["orders"], NOON)

    assert not sync.begun
    assert not sync.running


def test_runs_between_its_start_and_its_end() -> None:
    """From the event that it is wanted until the one that it has finished."""
    events = [event("SYNC_PENDING_AUDIT", 1), event("SYNC_REQUIRED_AUDIT", 1), event(STARTED, 2)]

    (running,) = syncs_of(events, ["orders"], NOON)
    (over,) = syncs_of([*events, event(FINISHED, 9)], ["orders"], NOON)

    assert running.running
    assert not over.running
    assert over.finished == NOON + timedelta(seconds=9)


def test_starting_over_is_running_again() -> None:
    """After a restart of the agent the sync starts over; what had been read by then does not count."""
    events = [event(STARTED, 1), event(FINISHED, 2), event("SYNC_REQUIRED_AUDIT", 3), event(STARTED, 4)]

    (sync,) = syncs_of(events, ["orders"], NOON)

    assert sync.running
    assert sync.started == NOON + timedelta(seconds=4)


def test_the_order_of_the_answer_does_not_matter() -> None:
    """The product lists the newest first; within one second the order of the events is that of a sync."""
    events = [event(FINISHED, 5), event(STARTED, 5), event("SYNC_REQUIRED_AUDIT", 5)]

    (sync,) = syncs_of(events, ["orders"], NOON)

    assert sync.finished == NOON + timedelta(seconds=5)


def test_a_resync_that_was_performed_is_an_end() -> None:
    """Where the end of the sync itself is not logged, the closing of its alert says it."""
    (sync,) = syncs_of([event(STARTED, 1), event(PERFORMED, 3)], ["orders"], NOON)

    assert not sync.running
    assert sync.finished == NOON + timedelta(seconds=3)


def test_the_end_is_not_when_the_alert_was_closed() -> None:
    """A snapshot that was made between the two is younger than the sync, and the next one may be a day away."""
    (sync,) = syncs_of([event(STARTED, 1), event(FINISHED, 3), event(PERFORMED, 60)], ["orders"], NOON)

    assert sync.finished == NOON + timedelta(seconds=3)


def test_a_second_sync_has_a_beginning_of_its_own() -> None:
    """What was wanted of the first one is not the moment by which the second is called."""
    events = [event("SYNC_REQUIRED_AUDIT", 1), event(STARTED, 2), event(FINISHED, 3), event(STARTED, 60)]

    (sync,) = syncs_of(events, ["orders"], NOON)

    assert (None, NOON + timedelta(seconds=60)) == (sync.wanted, sync.started)


def test_other_replica_sets_and_older_events_are_left_out() -> None:
    """What happened before the operation began, or to somebody else, is no part of it."""
    events = [event(STARTED, -5), event(FINISHED, -1), event(STARTED, 1, part="items")]

    (sync,) = syncs_of(events, ["orders"], NOON)

    assert not sync.begun
    assert sync.finished is None
