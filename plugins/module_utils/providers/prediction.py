# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a writing verb would answer, told from what reading verbs say: check mode of the providers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import AskOperator, sentence
from ..values import Answer

OPEN = ("queued", "running")


def paused(status: Mapping[str, Any], owner: str, reason: str, for_seconds: int | None) -> Answer:
    """Predict a lease. One with an end is renewed each time, so it always changes; one without only when it differs."""
    leases = list(status.get("leases") or [])
    wanted = {"owner": owner, "reason": reason, "expires_at": None}
    if for_seconds is None and wanted in leases:
        return {"changed": False, "leases": leases}
    return {"changed": True, "leases": [*(lease for lease in leases if lease["owner"] != owner), wanted]}


def resumed(status: Mapping[str, Any], owner: str) -> Answer:
    """Predict the leases that remain."""
    before = list(status.get("leases") or [])
    after = [lease for lease in before if lease["owner"] != owner]
    return {"changed": len(after) < len(before), "leases": after}


def maintenance_record(status: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record that a status shows, without what depends on the time of day."""
    shown = status.get("maintenance")
    return None if shown is None else {k: v for k, v in shown.items() if k not in ("overdue", "seconds_left")}


def maintenance_ended(status: Mapping[str, Any], owner: str) -> Answer:
    """Predict what remains: the record and the leases of others."""
    found = maintenance_record(status)
    mine = found is not None and found["owner"] == owner
    leases = resumed(status, owner)
    return {"changed": mine or leases["changed"], "maintenance": None if mine else found, "leases": leases["leases"]}


def resync_started(plan: Mapping[str, Any]) -> Answer:
    """Predict from a dry run: it changes something when one is needed and none of the owner is open already."""
    starts = bool(plan.get("needed")) and not plan.get("attached")
    return {**plan, "changed": starts}


def canceled(answer: Mapping[str, Any]) -> Answer:
    """Predict the cancelling of an operation."""
    operation = answer.get("operation")
    return {"changed": is_open(operation), "operation": operation}


def validation_started(answer: Mapping[str, Any], owner: str) -> Answer:
    """Predict the start of a validation; one operation at a time, so another open one refuses it."""
    operation = answer.get("operation")
    if operation is None or not is_open(operation):
        return {"changed": True, "attached": False, "operation": None}
    if operation["kind"] == "validation" and operation["owner"] == owner:
        return {"changed": False, "attached": True, "operation": operation}
    raise operation_open(f"{operation['kind']} {operation['id']} of {operation['owner']}", operation)


def operation_open(found: str, operation: Answer) -> AskOperator:
    """Return the refusal of an operation beside another one."""
    remedy = "wait for it, or cancel it by its id"
    message = sentence(expected="no open operation on this job", found=found, remedy=remedy)
    return AskOperator(message, code="operation_open", details={"operation": operation})


def snapshot_set(snapshots: Sequence[Mapping[str, Any]], name: str, state: str) -> Answer:
    """Predict the snapshot of this name after it was brought into the state."""
    found = next((dict(snapshot) for snapshot in snapshots if snapshot["name"] == name), None)
    if state == "present":
        return {"changed": found is None, "snapshot": found, "operation": None}
    if state == "absent":
        return {"changed": found is not None, "snapshot": None, "operation": None}
    if found is None:
        message = sentence(
            expected=f"a snapshot named {name}",
            found="none",
            remedy="list the names with snapshot_info, or take it first",
        )
        raise AskOperator(message, code="not_found")
    if state == "proven":
        return {"changed": not found.get("proven_at"), "snapshot": found, "operation": None}
    held = state == "held"
    return {"changed": bool(found.get("held")) != held, "snapshot": {**found, "held": held}, "operation": None}


def is_open(operation: Mapping[str, Any] | None) -> bool:
    """Whether an operation is still going on."""
    return operation is not None and operation.get("state") in OPEN
