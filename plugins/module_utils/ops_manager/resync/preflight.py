# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a job needs a resync, and whether one can be begun: every check that the product's answers allow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ...errors import AskOperator, sentence
from ...values import Answer, iso_of
from ..job import view as views
from ..job.job import Job
from ..job.journal import HAND_OFF, RESTART, TERMINATE
from ..model.deployment import Host
from . import backup_status
from .operation import STEPS

#: Monitoring pings about once a minute, and the product calls it down after this.
_PING = timedelta(minutes=7)
#: In which states each method can begin.
_BEGINS = {
    HAND_OFF: (views.ACTIVE,),
    RESTART: (views.ACTIVE, views.STOPPED),
    TERMINATE: (views.ACTIVE, views.STOPPED, views.INACTIVE),
}


def need(job: Job, policy: str, older_than_days: int | None) -> tuple[bool, str]:
    """Return whether the policy asks for a resync, and why or why not."""
    alert = job.required
    if alert is not None:
        since = "" if alert.created is None else f" since {iso_of(alert.created)}"
        return True, f"alert {alert.event_type}{since}"
    if policy == "always":
        return True, "asked for in any case"
    if policy != "older_than" or older_than_days is None:
        return False, "the product has no open alert that asks for it"
    synced = job.last_sync(older_than_days)
    if synced is None:
        return (
            True,
            f"no initial sync is in the product's events, so the last one may be older than {older_than_days} days",
        )
    age = (job.now - synced).total_seconds() / 86400
    text = f"the last sync ended {age:.1f} days ago"
    return age > older_than_days, f"{text}, {'more' if age > older_than_days else 'not more'} than {older_than_days}"


def plan(job: Job, options: Mapping[str, Any]) -> Answer:
    """Return the checks and the steps. Raises AskOperator with the plan when a check fails; nothing has been changed then."""
    checks = [
        _product_state(job, options["method"]),
        _whole_cluster(job, options["method"]),
        _fcv(job, options),
        _agent(job),
        *_members(job),
        _no_sync(job),
        *_snapshots(job, options),
    ]
    made = {
        "method": options["method"],
        "checks": checks,
        "source": options["sync_source"] if options["method"] != HAND_OFF else None,
        "why_source": "the product picks the member" if options["method"] != HAND_OFF else None,
        "members": [{"member": host.address, "state": host.state, "version": host.version} for host in job.hosts],
        "data_bytes": job.data_bytes,
        "rate_bytes_per_second": None,
        "estimated_sync_seconds": None,
        "window_seconds": job.measures.window_seconds,
        "steps": [{"name": name} for name in STEPS],
        "warnings": _warnings(job, options),
    }
    failed = [check for check in checks if not check["ok"]]
    if failed:
        text = "; ".join(f"{check['name']}: {check['detail']}; {check['remedy']}" for check in failed)
        message = sentence(
            expected="a job that can be resynced", found=text, remedy="nothing was changed; do what the checks say"
        )
        raise AskOperator(message, code="preflight_failed", details={"plan": made})
    return made


def _check(name: str, ok: bool, detail: str, remedy: str = "") -> Answer:
    return {"name": name, "ok": ok, "detail": detail, "remedy": "" if ok else remedy}


def _product_state(job: Job, method: str) -> Answer:
    ok = job.status in _BEGINS[method]
    remedy = f"for {method} it has to be {' or '.join(_BEGINS[method])}; start the backup in the web page, or wait"
    return _check("state of the backup", ok, job.status, remedy)


def _whole_cluster(job: Job, method: str) -> Answer:
    parent = job.place.parent
    if job.place.namesakes:
        other = ", ".join(one.id for one in job.place.namesakes)
        detail = (
            f"{job.name} ({job.cluster.id}) has the same name as {other}, and the product tells their parts apart by it"
        )
        return _check("cluster", False, detail, "give one of them another name in the web page")
    ok = method == HAND_OFF or parent is None
    detail = f"{job.name} is {'a part of ' + str(parent.name) if parent else 'a whole'}"
    remedy = (
        ""
        if parent is None
        else f"the API changes whole clusters only: give {parent.id} ({parent.name}) as cluster, or method hand_off"
    )
    return _check("cluster", ok, detail, remedy)


def _fcv(job: Job, options: Mapping[str, Any]) -> Answer:
    """Backups of featureCompatibilityVersion 4.2 and later are made from checkpoints, and never fall out of sync this way.

    The API has no such number. A server of 4.4 or later cannot be at 4.0, one of 4.0 or earlier not at 4.2; between them
    somebody has to say it.
    """
    said, versions = (
        options["feature_compatibility_version"],
        sorted({host.version for host in job.hosts if host.version}),
    )
    needed: bool | None
    if said:
        needed, detail = _release(said) < (4, 2), f"{said}, as was said"
    elif not versions:
        needed, detail = None, "no host of this job has a version"
    else:
        releases = [_release(version) for version in versions]
        needed = True if max(releases) < (4, 2) else False if min(releases) >= (4, 4) else None
        detail = f"servers of {', '.join(versions)}" + (" can be at either" if needed is None else "")
    if options["allow_fcv_4_2"]:
        return _check("featureCompatibilityVersion", True, f"{detail}; wanted all the same")
    remedy = (
        "give feature_compatibility_version as db.adminCommand({getParameter: 1, featureCompatibilityVersion: 1}) shows it"
        if needed is None
        else "from 4.2 on the product needs no resync: see its alerts for what is wrong, or set allow_fcv_4_2"
    )
    return _check("featureCompatibilityVersion", needed is True, detail, remedy)


def _release(version: str) -> tuple[int, int]:
    numbers = [int(number) for number in version.split("-", maxsplit=1)[0].split(".")[:2] if number.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (numbers[0] if numbers else 0, 0)


def _agent(job: Job) -> Answer:
    active = [agent for agent in job.agents if agent.state == "ACTIVE"]
    ok = any(backup_status.is_heard(agent, job.now) for agent in active)
    detail = ", ".join(f"{agent.hostname} {agent.state}" for agent in job.agents) or "none"
    return _check("backup agent", ok, detail, "start the agent, and wait until it is ACTIVE")


def _members(job: Job) -> list[Answer]:
    """Check that each replica set has a primary, and a secondary to read from."""
    checks = []
    for part in job.parts:
        alive = [host for host in job.hosts if host.replica_set == part and _is_up(host, job)]
        states = [host.state for host in alive]
        ok = "PRIMARY" in states and "SECONDARY" in states
        detail = (
            ", ".join(f"{host.address} {host.state}" for host in alive) or "no host that was seen in the last 7 minutes"
        )
        checks.append(_check(f"members of {part}", ok, detail, "a primary and a secondary have to be up"))
    return checks


def _is_up(host: Host, job: Job) -> bool:
    return host.last_ping is not None and job.now - host.last_ping <= _PING


def _no_sync(job: Job) -> Answer:
    detail = "an initial sync runs already" if job.syncing else "none"
    return _check(
        "initial sync", not job.syncing, detail, "wait for its end; starting again would throw away what it has read"
    )


def _snapshots(job: Job, options: Mapping[str, Any]) -> list[Answer]:
    if options["method"] != TERMINATE:
        return []
    there = [f"{snapshot.id} of {iso_of(snapshot.made)}" for snapshot in job.snapshots]
    detail = f"{len(there)} will be destroyed: {', '.join(there)}" if there else "none will be lost"
    # One may be finished until it is deleted, so only a backup that is off already has none to lose.
    ok = bool(options["confirm_snapshot_loss"]) or (not there and job.status == views.INACTIVE)
    return [_check("snapshots", ok, detail, "set backup_confirm_snapshot_loss=true, or choose another method")]


def _warnings(job: Job, options: Mapping[str, Any]) -> list[str]:
    found = [f"alerts of kind {', '.join(options['mute'])} of the whole project are muted until it has ended"]
    if options["method"] == RESTART:
        found.append("that a start after a stop begins with an initial sync is documented for old versions only")
    if options["method"] != TERMINATE:
        found.append("points in time between the last oplog read and the next snapshot cannot be restored")
    window = job.measures.window_seconds
    if window is not None and window < backup_status.LEAST_WINDOW_SECONDS:
        found.append(f"the oplog window is {window / 3600:.1f} h; the sync has to end within it")
    if any(not snapshot.finished for snapshot in job.snapshots):
        found.append("a snapshot is being made, and will not be finished")
    return found
