# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the product shows at one moment, and whether that means a whole backup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import view as views
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import HAND_OFF, RESTART
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.syncs import Sync

from ..states import FINISHED, NOON, OLD, RUNNING, YOUNG, at, view


def test_is_whole_when_the_last_part_has_ended() -> None:
    """The shards of a cluster end one after another."""
    later = replace(FINISHED, part="config", finished=at(700))

    assert at(700) == view(syncs=(FINISHED, later), required=False).synced_at(NOON, RESTART)


@pytest.mark.parametrize("method", [HAND_OFF, RESTART])
@pytest.mark.parametrize(
    "seen",
    [
        view(syncs=(FINISHED,), required=True),
        view(views.STOPPED, syncs=(FINISHED,), required=False),
        view(syncs=(RUNNING,), required=False, snapshots=(YOUNG,)),
        view(required=False, snapshots=(OLD,), closed=True),
        view(required=False, snapshots=(replace(YOUNG, missing_shards=("shard1",)),), closed=True),
    ],
    ids=["alert open", "stopped", "still syncing", "no young snapshot", "a shard is missing"],
)
def test_is_not_whole(seen: views.View, method: str) -> None:
    """Each of these alone is enough of a doubt."""
    assert seen.synced_at(NOON, method) is None


def test_without_events_the_snapshot_has_to_be_younger() -> None:
    """One of the same second may have been made before."""
    same = replace(YOUNG, created=NOON)

    assert view(required=False, snapshots=(same,)).synced_at(NOON, RESTART) is None
    assert NOON == view(required=False, snapshots=(YOUNG,)).synced_at(NOON, RESTART)


def test_a_button_pressed_for_one_part_only_is_not_enough() -> None:
    """However many snapshots there are: the other part was never read."""
    seen = view(syncs=(FINISHED, Sync("config")), required=False, snapshots=(YOUNG,), closed=True)

    assert seen.synced_at(NOON, HAND_OFF) is None


def test_the_oldest_of_the_young_ones_proves_it() -> None:
    """Newest first, and only whole ones."""
    newer, flawed = (
        replace(YOUNG, id="s3", created=at(900)),
        replace(YOUNG, id="s0", created=at(550), possibly_inconsistent=True),
    )
    seen = view(snapshots=(newer, YOUNG, flawed, OLD))

    assert YOUNG == seen.complete_after(at(500))
    assert newer == seen.complete_since(at(600))
    assert seen.complete_after(at(900)) is None
    assert newer == seen.complete_since(at(900))


def test_has_begun_when_any_part_has() -> None:
    """A shard that goes first, or one of which only the end was logged."""
    assert not view().begun
    assert view(syncs=(Sync("orders"), RUNNING)).begun
    assert view(syncs=(Sync("orders", finished=at(1)),)).begun
