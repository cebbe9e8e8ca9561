# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals and views for the tests of what is decided and said."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import view as views
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import Held, Journal
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.syncs import Sync
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.view import View
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.activity import Snapshot
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def journal(method: str, phase: str, **changes: Any) -> Journal:
    """Return a journal that began at noon, whose phase was written at noon, and whose window lasts a day."""
    made = Journal(
        journals.RESYNC,
        journals.new_id(NOON, method, True),
        "c1",
        "alice",
        "alert",
        iso_of(NOON),
        method,
        phase=phase,
        since=iso_of(NOON),
        required=True,
        held=Held("s1", "2026-02-01T00:00:00Z"),
        deadline=iso_of(at(3600)) if method == journals.HAND_OFF else None,
        window="w1",
        ends=at(86400),
    )
    return replace(made, **changes)


def view(
    status: str = views.ACTIVE,
    *,
    after: float = 1000,
    syncs: tuple[Sync, ...] = (Sync("orders"),),
    required: bool = True,
    snapshots: tuple[Snapshot, ...] = (),
    closed: bool = False,
) -> View:
    return View(at(after), status, syncs, required, snapshots, closed)


RUNNING = Sync("orders", wanted=at(10), started=at(20))
FINISHED = replace(RUNNING, finished=at(500))
YOUNG = Snapshot.of({"id": "s2", "created": iso_of(at(600))})
OLD = Snapshot.of({"id": "s1", "created": iso_of(at(-600))})
