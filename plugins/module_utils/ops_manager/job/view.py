# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the product says about a job at one moment, as far as a resync is concerned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model.activity import Snapshot
from . import syncs
from .journal import HAND_OFF

#: The states of a backup configuration.
ACTIVE, STOPPED, TERMINATING, INACTIVE, PROVISIONING = "STARTED", "STOPPED", "TERMINATING", "INACTIVE", "PROVISIONING"


@dataclass(frozen=True)
class View:
    """The state of the product since an operation began."""

    now: datetime
    status: str
    #: The newest sync of each replica set of the job, since the operation began.
    syncs: Sequence[syncs.Sync]
    #: Whether the alert is open that asks for a resync.
    required: bool
    #: Newest first.
    snapshots: Sequence[Snapshot] = ()
    #: Whether an alert that asked for a resync is known to have been closed. One that is not shown may be muted only.
    closed: bool = False

    @property
    def begun(self) -> bool:
        """Whether the product has taken up a sync of any part."""
        return any(sync.begun or sync.finished is not None for sync in self.syncs)

    def complete_after(self, moment: datetime) -> Snapshot | None:
        """Return the oldest whole snapshot that is younger than a moment."""
        young = [snapshot for snapshot in self.snapshots if snapshot.whole and snapshot.made > moment]
        return young[-1] if young else None

    def complete_since(self, moment: datetime) -> Snapshot | None:
        """Return the same, or else one of the same second: the product's times are whole seconds."""
        same = [snapshot for snapshot in self.snapshots if snapshot.whole and snapshot.made == moment]
        return self.complete_after(moment) or (same[-1] if same else None)

    def synced_at(self, began: datetime, method: str) -> datetime | None:
        """Return when the backup was whole again; None while it is not, or nothing says so.

        The events say it. Not every version of the product is known to log them. Without any, a complete snapshot is
        proof enough that a backup which was started again has ended its sync, because none is made before; where a person
        was to start it, only together with an alert that has been closed since.
        """
        if self.required or self.status != ACTIVE or any(sync.running for sync in self.syncs):
            return None
        ends = [sync.finished for sync in self.syncs if sync.finished is not None]
        if ends and len(ends) == len(self.syncs):
            return max(ends)
        if method == HAND_OFF and (ends or not self.closed):
            return None
        # The moment of the sync is not known, but a snapshot that is younger than this is younger than the sync.
        mark = max([began, *ends])
        return mark if self.complete_after(mark) else None
