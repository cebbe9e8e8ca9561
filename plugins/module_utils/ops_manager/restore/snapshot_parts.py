# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots as Ops Manager describes them: which one is meant, and what it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, GiveUp, sentence
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.reading import time_of
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Answer, iso_of

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Part:
    """One replica set of a snapshot: a shard, the config servers, or all that there is."""

    name: str
    cluster: str | None
    version: str | None
    #: Of the files once they are unpacked, of the documents in them, and of the archive as it is stored; None: not told.
    file_bytes: int | None
    data_bytes: int | None
    stored_bytes: int | None
    encrypted: bool


def optime(value: Any) -> Answer | None:
    """Return an optime of the API in the form that all of this collection's answers have."""
    found = time_of(value.get("date")) if isinstance(value, Mapping) else None
    if found is None:
        return None
    return {"time": int(found.timestamp()), "increment": int(value.get("increment") or 0), "iso": iso_of(found)}


def newest(snapshots: Sequence[Answer]) -> Answer:
    """Return the newest snapshot that is complete and lacks no shard."""
    whole = [one for one in snapshots if one.get("complete", True) and not one.get("missingShards")]
    if not whole:
        remedy = "wait for the next one, or name one yourself"
        found = f"none among {len(snapshots)}"
        raise AskOperator(sentence(expected="a complete snapshot", found=found, remedy=remedy), code="no_snapshot")
    return max(whole, key=_age)


def _age(snapshot: Answer) -> tuple[str, int]:
    created = snapshot.get("created") or {}
    return str(created.get("date", "")), int(created.get("increment") or 0)


def demand_complete(snapshot: Answer) -> Answer:
    """Return a snapshot that can be restored; refused while it is being taken."""
    if snapshot.get("complete") is False:
        message = sentence(
            expected=f"snapshot {snapshot.get('id')} to be complete",
            found="one that is still being taken, or failed",
            remedy="wait for it, or name another",
        )
        raise AskOperator(message, code="snapshot_incomplete")
    return snapshot


def parts_of(snapshot: Answer) -> list[Part]:
    """Return the parts of a snapshot. With several, each is restored into a directory of its replica set's name."""
    parts = [_part(part) for part in snapshot.get("parts") or []]
    names = [part.name for part in parts]
    if parts and (len(parts) == 1 or (len(set(names)) == len(parts) and all(map(_SAFE.fullmatch, names)))):
        return parts
    message = sentence(
        expected=f"the parts of snapshot {snapshot.get('id')}, each with the name of its replica set",
        found=", ".join(name or "one without a name" for name in names) or "none",
        remedy="download it in the web page of Ops Manager",
    )
    raise GiveUp(message, code="unknown_parts")


def _part(part: Answer) -> Part:
    return Part(
        name=str(part.get("replicaSetName") or ""),
        cluster=part.get("clusterId"),
        version=part.get("mongodVersion"),
        file_bytes=_number(part.get("fileSizeBytes")),
        data_bytes=_number(part.get("dataSizeBytes")),
        stored_bytes=_number(part.get("storageSizeBytes")),
        encrypted=bool(part.get("encryptionEnabled")),
    )


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None
