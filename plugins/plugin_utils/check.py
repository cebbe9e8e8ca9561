# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of many jobs: who reads which of them, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..module_utils.check_record import unanswered_record
from ..module_utils.errors import FixInput
from ..module_utils.verdict import CRITICAL, UNKNOWN, WARNING, worst_first
from .job_options import CONTROLLER, Options, Variables, identity, job_options, machine_of, name_of

#: Which verdicts fail their jobs, by what is asked for.
FAILS = {"never": (), "critical": (CRITICAL, UNKNOWN), "warning": (CRITICAL, UNKNOWN, WARNING)}


def check_plan(jobs: Iterable[Variables]) -> dict[str, Any]:
    """Return for each machine all hosts of its jobs, by the first of them, which reads for all; and the host of each job.

    `twice` has the names that more than one job has.
    """
    leaders: dict[str, str] = {}
    machines: dict[str, dict[str, Any]] = {}
    hosts: dict[str, str] = {}
    twice: list[str] = []
    for its in jobs:
        host, name, machine = str(its["inventory_hostname"]), name_of(its), machine_of(its)
        leader = leaders.setdefault(machine, host)
        entry = {"machine": machine or CONTROLLER, "has_agent": bool(machine), "jobs": []}
        machines.setdefault(leader, entry)["jobs"].append(host)
        if hosts.setdefault(name, host) != host and name not in twice:
            twice.append(name)
    return {"machines": machines, "hosts": hosts, "twice": twice}


def check_jobs(jobs: Iterable[Variables]) -> list[Options]:
    """Return the jobs as the module takes them, without those of which a variable cannot be read: check_summary says why."""
    return [job for job, wrong in map(_job, jobs) if not wrong]


def _job(its: Variables) -> tuple[Options, str]:
    """Return the options of a job, and why they are not all there."""
    try:
        return job_options(its), ""
    except FixInput as error:
        return identity(its), error.message


def check_summary(
    plan: Mapping[str, Any], hostvars: Mapping[str, Variables], fail_on: str, now: datetime
) -> dict[str, Any]:
    """Return all records, the worst first, and the hosts of the jobs that are to fail, each with the reasons."""
    names = {host: name for name, host in plan["hosts"].items()}
    records = worst_first(
        record
        for leader, machine in plan["machines"].items()
        for record in _records(hostvars[leader].get("__check_read") or {}, machine, names, hostvars, now)
    )
    failing = {
        plan["hosts"][record["job"]]: f"{record['verdict']} – {'; '.join(record['reasons'])}"
        for record in records
        if record["verdict"] in FAILS[fail_on]
    }
    return {"records": records, "failing": failing}


def _records(
    answer: Mapping[str, Any],
    machine: Mapping[str, Any],
    names: Mapping[str, str],
    hostvars: Mapping[str, Variables],
    now: datetime,
) -> list[dict[str, Any]]:
    """Return the records that a machine gave; each job without one gets one that says why."""
    given = list(answer.get("jobs") or ())
    answered = {record["job"] for record in given}
    why = " ".join(str(answer.get("msg", "the task was not run")).split())
    reason = f"{machine['machine']} {'could not be reached' if answer.get('unreachable') else 'gave no answer'}: {why}"
    silent = (_job(hostvars[host]) for host in machine["jobs"] if names[host] not in answered)
    return [*given, *(unanswered_record(job, wrong or reason, now) for job, wrong in silent)]
