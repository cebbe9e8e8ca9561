# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of a job: shown, kept, given free, deleted, proven and restored."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ...errors import AskOperator, GiveUp, bad_option, sentence
from ...values import Answer, iso_of, iso_or_none
from ..api.client import Connection
from ..job import keeping
from ..job.job import Job
from ..job.journal import Held
from ..model.activity import Snapshot
from . import delivery, proof


def record(found: Snapshot) -> Answer:
    """Return a snapshot in the form that all providers have. Its name is its id in the product."""
    return {
        "name": found.id,
        "id": found.id,
        "created_at": iso_of(found.made),
        "state": "good" if found.finished else "running",
        "held": found.held,
        "proven_at": None,
        "expires_at": iso_or_none(found.expires),
    }


def set_state(job: Job, name: str, state: str, check_mode: bool) -> Answer:
    """Bring the snapshot into the state held, released or absent; a change only where it is not there already."""
    found = next((snapshot for snapshot in job.snapshots if snapshot.id == name), None)
    if state == "absent":
        return _deleted(job, found, check_mode)
    if found is None:
        raise _missing(name)
    if state == "present":
        return _answer(False, record(found))
    held = state == "held"
    changed = found.held != held
    if changed and not check_mode:
        if held:
            keeping.hold(job, found.id)
        else:
            _release(job, found)
    return _answer(changed, {**record(found), "held": held})


def _answer(changed: bool, snapshot: Answer | None, **more: Any) -> Answer:
    return {"changed": changed, "snapshot": snapshot, "operation": None, **more}


def _deleted(job: Job, found: Snapshot | None, check_mode: bool) -> Answer:
    if found is not None and not check_mode:
        keeping.drop(job, f"{job.snapshots_path}/{found.id}")
    return _answer(found is not None, None)


def _release(job: Job, found: Snapshot) -> None:
    """Give it an end again: which it had is not known any more, so it gets that of a new one."""
    days = (job.schedule and job.schedule.retention_days) or 2
    ends = iso_of(job.now + timedelta(days=days))
    keeping.release(job, Held(found.id, ends))


def _missing(name: str) -> AskOperator:
    message = sentence(
        expected=f"a snapshot with the id {name}",
        found="none",
        remedy="list the ids with snapshot_info; new ones are made by the schedule of the product only",
    )
    return AskOperator(message, code="not_found")


def restore(
    job: Job, target: str, snapshot: str | None, time: str | None, network: Connection, check_mode: bool
) -> Answer:
    """Restore a snapshot into a directory here and now, or return the plan for it."""
    order = _order(job, target, snapshot, time)
    client = job.project.client
    return delivery.plan(client, order) if check_mode else delivery.restore(client, network, order)


def prove(job: Job, name: str, network: Connection, options: Mapping[str, Any], check_mode: bool) -> Answer:
    """Restore a snapshot into a scratch directory, start a mongod on it, and read everything in it.

    The product keeps no note of that, so it is done again each time. Raises GiveUp where something is wrong with the data.
    """
    found = next((snapshot for snapshot in job.snapshots if snapshot.id == name and snapshot.finished), None)
    if found is None:
        raise _missing(name)
    wish = proof.Wish(_demanded(options, "mongod"))
    scratch = os.path.join(_demanded(options, "scratch_directory"), f"proof-{name}")
    order = _order(job, scratch, name, None)
    client = job.project.client
    if check_mode:
        return _answer(True, record(found), plan=delivery.plan(client, order)["plan"])
    # What a proof that was killed has left is nothing but a copy.
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        restored = delivery.restore(client, network, order)["restore"] or {}
        parts = tuple(part["directory"] for part in restored.get("parts") or []) or ("",)
        proven = proof.prove(scratch, wish, parts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not proven["equal"]:
        raise _damaged(name, proven)
    return _answer(True, {**record(found), "proven_at": iso_of(job.now), "proof": proven})


def _order(job: Job, target: str, snapshot: str | None, time: str | None) -> delivery.Order:
    return delivery.Order(job.project.id, job.cluster.id, target, snapshot, time, job.name)


def _damaged(name: str, proven: Answer) -> GiveUp:
    message = sentence(
        expected=f"snapshot {name} to hold sound data",
        found="; ".join(proven["differences"][:3]),
        remedy="prove an older one, and resync this job",
    )
    return GiveUp(message, code="not_proven", details={"proof": proven})


def _demanded(options: Mapping[str, Any], option: str) -> str:
    """Return an option that a proof needs; raises FixInput where it is not given."""
    value = options.get(option)
    if not value:
        expected = f"ops_manager.{option} for a proof, which restores into a scratch mongod"
        raise bad_option(expected, "none", "give it")
    return str(value)
