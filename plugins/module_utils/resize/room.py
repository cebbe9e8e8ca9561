# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the disks of the members have room for larger oplogs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..values import Record
from .facts import Step, Wish, gib, needed_bytes, refusal

# Beside the oplog, a tenth of its growth stays free on the disk.
_ROOM = 1.1


def demand_room(steps: Sequence[Step], rate: Record | None, wish: Wish) -> None:
    """Refuse, before anything is changed, when the disk of any member has no room for what is planned, or may not have."""
    if wish.assume_room:
        return
    growing = [step for step in steps if step.changes and _growth(step, rate) > 0]
    unknown = [step.facts.address for step in growing if step.facts.free_bytes is None]
    if unknown:
        remedy = "give the user clusterMonitor, or look at the disks yourself and give assume_room=true"
        raise refusal("to know the free space of every disk", f"none from {', '.join(unknown)}", remedy, "room_unknown")
    short = [text for text in (_short(disk, steps, rate) for disk in _disks(growing)) if text]
    if short:
        remedy = "nothing was changed on any member: make room, or ask for less"
        raise refusal("room for the oplogs on every member", "; ".join(short), remedy, "no_room")


def _growth(step: Step, rate: Record | None) -> int:
    """Return by how much the file of the oplog may still grow.

    Entries that must be kept make it larger than its size. Counted uncompressed, because nobody knows how well what will be
    written can be compressed; the file is compressed, so this is rather too much.
    """
    kept = needed_bytes(step.facts, rate, step.min_retention_hours) or 0
    return max(step.size_bytes, kept) - (step.facts.storage_bytes or 0)


Disk = tuple[str, "int | None"]


def _disk(step: Step) -> Disk:
    # The same host with a disk of the same size is taken for the same disk.
    return step.facts.host, step.facts.disk_bytes


def _disks(steps: Iterable[Step]) -> list[Disk]:
    return list(dict.fromkeys(_disk(step) for step in steps))


def _short(disk: Disk, steps: Sequence[Step], rate: Record | None) -> str:
    """Return what is missing on a disk; also an oplog that has been enlarged already, but is not full yet, claims room there."""
    there = [step for step in steps if _disk(step) == disk]
    growth = sum(max(0, _growth(step, rate)) for step in there)
    free = min(step.facts.free_bytes or 0 for step in there)
    if free >= growth * _ROOM:
        return ""
    who = ", ".join(step.facts.address for step in there)
    return f"{gib(free)} free for {who}, where {gib(growth)} and a tenth more are needed"
