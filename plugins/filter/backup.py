# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters of all roles but maintenance; what they do is in plugin_utils/, and each is documented beside this file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils import in_the_clear
from ..module_utils.errors import FixInput, GiveUp
from ..plugin_utils import (
    agents,
    annual,
    batches,
    check,
    given,
    job_options,
    nights,
    places,
    private_mongod,
    resources,
    resync_outcome,
    text,
    worlds,
)
from ..plugin_utils.report import metrics, rows

Json = Mapping[str, Any]


def annual_hold(
    results: Iterable[str],
    hours: str,
    max_failure_percent: float,
    blackout_dates: object = (),
    time_zone: str = "",
    now: str = "",
) -> str:
    """Return why no further batch may be started, or nothing. Raises AnsibleFilterError."""
    try:
        calendar, moment = nights.calendar(hours, blackout_dates), nights.wall_clock(time_zone, str(now))
    except FixInput as error:
        raise AnsibleFilterError(error.message) from error
    return annual.hold(list(results), calendar, moment, max_failure_percent)


def annual_plan(
    jobs: Iterable[Json],
    hours: str,
    per_run: int,
    blackout_dates: object = (),
    time_zone: str = "",
    now: str = "",
    ended: bool = False,
) -> dict[str, Any]:
    """Return the jobs of this run, and when each job has its turn. Raises AnsibleFilterError."""
    try:
        calendar, moment = nights.calendar(hours, blackout_dates), nights.wall_clock(time_zone, str(now))
        return annual.plan([annual.job_of(found) for found in jobs], calendar, moment, per_run, given.truth(ended))
    except FixInput as error:
        raise AnsibleFilterError(error.message) from error


def check_summary(plan: Json, hostvars: Json, fail_on: str) -> dict[str, Any]:
    """Return the records of now, and the jobs that are to fail."""
    return check.check_summary(plan, hostvars, fail_on, datetime.now(timezone.utc))


def machine_shortage(answers: Sequence[Json], job: str) -> list[str]:
    """Return what is short for a job. Raises AnsibleFilterError when its own answer is not among the answers."""
    found = {
        str(one["job"]): resources.parsed(str(one.get("stdout", "")), str(one.get("stderr", ""))) for one in answers
    }
    if job not in found:
        raise AnsibleFilterError(
            f"expected an answer of the job {job}, found those of {', '.join(sorted(found)) or 'none'}"
        )
    return resources.shortage(found, job)


def resync_planned(answer: Json, job: str, machine: str, again: str) -> dict[str, Any]:
    """Return what the answer to a dry run means now."""
    return resync_outcome.planned(answer, job, machine, again, datetime.now(timezone.utc))


def report_name(record: Json) -> str:
    """Return the name of an operation's reports. Raises AnsibleFilterError for one that leads elsewhere."""
    try:
        return resync_outcome.report_name(record)
    except GiveUp as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {
            "agent_answer": agents.agent_answer,
            "agent_recovered": agents.agent_recovered,
            "annual_hold": annual_hold,
            "annual_plan": annual_plan,
            "check_jobs": check.check_jobs,
            "check_metrics": metrics.check_metrics,
            "check_plan": check.check_plan,
            "check_rows": rows.check_rows,
            "check_summary": check_summary,
            "duration": text.duration,
            "in_the_clear": in_the_clear.in_the_clear,
            "job_batches": batches.batches,
            "job_options": job_options.job_options,
            "job_world": worlds.job_world,
            "machine_shortage": machine_shortage,
            "open_operations": agents.open_operations,
            "ops_manager_options": job_options.ops_manager_options,
            "private_mongod": private_mongod.private_mongod,
            "refused_places": places.refused_places,
            "resource_answers": agents.resource_answers,
            "report_name": report_name,
            "resync_batches": batches.resync_batches,
            "resync_failed": resync_outcome.failed,
            "resync_planned": resync_planned,
            "resync_reported": resync_outcome.reported,
            "says_tls": in_the_clear.says_tls,
            "shared_places": worlds.shared_places,
            "time_between": text.time_between,
        }
