# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of many jobs: who reads which of them, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..module_utils.check_record import unanswered_record
from ..module_utils.errors import FixInput
from ..module_utils.printable import printable
from ..module_utils.values import iso_of
from ..module_utils.verdict import CRITICAL, UNKNOWN, WARNING, known, worst_first
from .job_options import CONTROLLER, Options, Variables, identity, job_options, machine_of, name_of
from .report.metrics import check_metrics
from .report.rows import check_rows

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
) -> Iterator[dict[str, Any]]:
    """Return a record for each job of a machine: what the machine says of it, or one that says why there is nothing.

    What a machine says of jobs of others is not looked at.
    """
    given = _given(answer)
    why = " ".join(str(answer.get("msg", "the task was not run")).split())
    silent = f"{machine['machine']} {'could not be reached' if answer.get('unreachable') else 'gave no answer'}: {why}"
    for host in machine["jobs"]:
        job, wrong = _job(hostvars[host])
        found = given.get(names[host])
        usable = _usable(found, job, now) if found and not wrong else None
        unusable = f"{machine['machine']} gave no answer that can be used; see who answers there" if found else silent
        yield usable or unanswered_record(job, printable(wrong or unusable), now)


def _given(answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the records in the answer of a machine by the names of their jobs, the first where there are more."""
    listed = answer.get("jobs")
    found: dict[str, dict[str, Any]] = {}
    for record in listed if isinstance(listed, list) else ():
        if isinstance(record, dict):
            found.setdefault(str(record.get("job")), record)
    return found


def _usable(given: Mapping[str, Any], job: Options, now: datetime) -> dict[str, Any] | None:
    """Return the record that a machine gave, as it can be shown; None where a report on it would fail, and so on all others.

    Which job of which machine it is about is known here. A verdict that is none is unknown.
    """
    about = {"job": job["name"], "cluster": job.get("cluster"), "machine": job["machine"]}
    record: dict[str, Any] = {**printable(dict(given)), **about, "verdict": known(given.get("verdict"))}
    try:
        if not all(isinstance(reason, str) for reason in record["reasons"]):
            return None
        check_rows([record])
        check_metrics([record], iso_of(now.timestamp()))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return record
