# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog record of one replica set: every member is read, and what goes wrong with one is part of the answer."""

from __future__ import annotations

from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError, RetryLater, sentence
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog import Reading, summarize
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member


def read_replica_set(login: connection.Login, min_hours: float) -> dict[str, Any]:
    """Return the oplog windows of all members and the verdict over them.

    Raises BackupError when the members could not be found out, or none of them could be read: that is no verdict.
    """
    with connection.described("the replica set"), login.seed() as client:
        name, members = connection.members(client)
    record = summarize([_read(login, member) for member in members], min_hours)
    _demand_a_window(record)
    return {"replica_set": name, **record}


def _read(login: connection.Login, member: Member) -> Reading:
    if member.unreadable_because:
        return Reading(member, why_not=member.unreadable_because)
    try:
        with connection.described(member.address), login.member(member.address) as client:
            state, window = connection.window(client)
    except BackupError as error:
        return Reading(member, why_not=error.message)
    return Reading(member.in_state(state), window)


def _demand_a_window(record: dict[str, Any]) -> None:
    if record["window_hours"] is not None:
        return
    found = "none: " + "; ".join(record["reasons"])
    message = sentence(expected="the oplog of at least one member", found=found, remedy="correct the first of these")
    raise RetryLater(message, code="nothing_measured", details=record)
