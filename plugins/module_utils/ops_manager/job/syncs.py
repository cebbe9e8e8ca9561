# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The initial syncs of a job, told from the product's events: it has neither a state nor a number for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..model.activity import EVER, Event

#: What the product logs when a sync is wanted, is read, and has ended, in this order (docs/ops-manager.md, evidence).
WANTED = ("SYNC_PENDING_AUDIT", "SYNC_REQUIRED_AUDIT")
STARTED, FINISHED, PERFORMED = "INITIAL_SYNC_STARTED_AUDIT", "INITIAL_SYNC_FINISHED_AUDIT", "RESYNC_PERFORMED"
TYPES = (*WANTED, STARTED, FINISHED, PERFORMED)


@dataclass(frozen=True)
class Sync:
    """The newest sync of one replica set."""

    part: str
    wanted: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def begun(self) -> bool:
        """Whether the product has taken it up."""
        return self.wanted is not None or self.started is not None

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.begun and self.finished is None

    def after(self, event: Event) -> Sync:
        """Return what is known after one more event."""
        if event.type in WANTED:
            return self if self.running else Sync(self.part, wanted=event.created)
        if event.type == STARTED:
            # One that starts again has started over; one that starts after an end is another.
            return Sync(self.part, wanted=self.wanted if self.running else None, started=event.created)
        if event.type == PERFORMED and self.finished is not None:
            # It closes the alert, some time after the end: a snapshot may have been made in between.
            return self
        # RESYNC_PERFORMED also closes the alert of a sync whose start was not seen; then its end is known, and that is enough.
        return replace(self, finished=event.created)


def syncs_of(events: Iterable[Event], parts: Sequence[str], since: datetime) -> list[Sync]:
    """Return the newest sync of each replica set since a time, in the order of the parts."""
    found = {part: Sync(part) for part in parts}
    for event in sorted(events, key=_order):
        if event.replica_set in found and (event.created or EVER) >= since:
            found[event.replica_set] = found[event.replica_set].after(event)
    return list(found.values())


def _order(event: Event) -> tuple[datetime, int]:
    return event.created or EVER, TYPES.index(event.type or "")
