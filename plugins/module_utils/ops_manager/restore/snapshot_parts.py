# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots as Ops Manager describes them: which one is meant, and what it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import AskOperator, GiveUp, sentence
from ...oplog.oplog import Stamp
from ...values import Answer
from ..api.reading import mapping, time_of, whole_number
from ..model.activity import Part, Snapshot

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def optime(value: Any) -> Answer | None:
    """Return an optime of the API in the form that all of this collection's answers have."""
    found = time_of(value) if isinstance(value, Mapping) else None
    return None if found is None else Stamp(int(found.timestamp()), _increment(value)).as_dict()


def _increment(value: Any) -> int:
    return whole_number(mapping(value).get("increment")) or 0


def newest(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Return the newest snapshot that is complete and lacks no shard."""
    complete = [one for one in snapshots if one.finished and not one.missing_shards]
    if not complete:
        remedy = "wait for the next one, or name one yourself"
        found = f"none among {len(snapshots)}"
        raise AskOperator(sentence(expected="a complete snapshot", found=found, remedy=remedy), code="no_snapshot")
    return max(complete, key=lambda one: (one.made, _increment(one.raw.get("created"))))


def demand_complete(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot that can be restored; refused while it is being taken."""
    if not snapshot.finished:
        message = sentence(
            expected=f"snapshot {snapshot.id} to be complete",
            found="one that is still being taken, or failed",
            remedy="wait for it, or name another",
        )
        raise AskOperator(message, code="snapshot_incomplete")
    return snapshot


def parts_of(snapshot: Snapshot) -> Sequence[Part]:
    """Return the parts of a snapshot. With several, each is restored into a directory of its replica set's name."""
    parts = snapshot.parts
    names = [part.name for part in parts]
    if parts and (len(parts) == 1 or (len(set(names)) == len(parts) and all(map(_SAFE.fullmatch, names)))):
        return parts
    message = sentence(
        expected=f"the parts of snapshot {snapshot.id}, each with the name of its replica set",
        found=", ".join(name or "one without a name" for name in names) or "none",
        remedy="download it in the web page of Ops Manager",
    )
    raise GiveUp(message, code="unknown_parts")
