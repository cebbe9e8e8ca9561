# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checking many jobs at once: the oplog of each source, and what its agent says."""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

from . import thresholds
from .arguments import AGENT
from .backup_check import backup_record
from .check_record import Part, check_record, has_provider, has_source
from .errors import BackupError, FixInput, RetryLater, bad_option, sentence
from .providers.base import demand
from .providers.registry import provider_for
from .servers import connection, respawn
from .values import Answer
from .window_check import Asked, read_replica_set

#: Longer than an agent ever takes to answer; one that hangs must not stop the check of the others.
_AGENT_SECONDS = 60

# Without a default for the host, a job that has no source to look at can be told from one on this host.
_SOURCE = {name: dict(option) for name, option in connection.LOGIN.options.items()}
_SOURCE["login_host"].pop("default")

#: The option `jobs`, which every module that checks many jobs has.
JOBS = respawn.PYTHON.extended(
    options={
        "jobs": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                **_SOURCE,
                **{name: dict(option) for name, option in AGENT.options.items()},
                **thresholds.THRESHOLDS.options,
                "name": {"type": "str", "required": True},
                "cluster": {"type": "str"},
                "machine": {"type": "str", "default": "controller"},
                "min_hours": {"type": "float", "default": 24},
            },
        },
        "rates": {"type": "bool", "default": True},
        "parallel": {"type": "int", "default": 16},
    },
)


def check_jobs(params: Mapping[str, Any]) -> list[Answer]:
    """Check every job of the option `jobs`, several at once, and return the records in the order of the jobs.

    What cannot be read of one job, or contradicts itself, is part of its record and hides no other. Raises FixInput where it is
    not clear which jobs are meant, before anything is read.
    """
    jobs: Sequence[Mapping[str, Any]] = params["jobs"]
    _demand_jobs(jobs)
    if params["parallel"] < 1:
        raise bad_option("parallel to be at least 1", str(params["parallel"]), "leave it out")
    with ThreadPoolExecutor(max_workers=min(params["parallel"], len(jobs))) as pool:
        return list(pool.map(lambda job: check_job(job, params["rates"], _run), jobs))


def _demand_jobs(jobs: Sequence[Mapping[str, Any]]) -> None:
    names = [job["name"] for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not jobs or twice:
        found = f"{', '.join(twice)} more than once" if twice else "none"
        message = sentence(
            expected="jobs, each once", found=found, remedy="give every job a name of its own in the option jobs"
        )
        raise FixInput(message, code="bad_jobs")


def check_job(job: Mapping[str, Any], rates: bool, run: Callable[[list[str]], tuple[int, str, str]]) -> Answer:
    """Return the record of one job. Never raises: a mistake in here must not hide the other jobs."""
    wrong = _attempt(_check_limits, job)
    oplog = wrong if wrong.error else _attempt(_read_oplog, job, rates)
    return check_record(job, oplog, _attempt(_read_backup, job, oplog.found, run), now())


def now() -> datetime:
    """Return the time of this host, with its zone."""
    return datetime.now(timezone.utc)


def needs_pymongo(params: Mapping[str, Any]) -> bool:
    """Say whether any job has a source to look at."""
    return any(map(has_source, params["jobs"]))


def _attempt(read: Callable[..., Answer | None], *arguments: Any) -> Part:
    try:
        return Part(read(*arguments))
    except BackupError as error:
        return Part(error=error.message)
    except Exception as error:  # noqa: BLE001 - one job's surprise must not hide 199 others
        # Its own text could quote a password.
        return Part(error=f"a mistake of this collection, please report it: {type(error).__name__} in {_place(error)}")


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}, line {frame.lineno}"


def _check_limits(job: Mapping[str, Any]) -> None:
    thresholds.check(job["thresholds"])
    Asked(job["min_hours"]).check()


def _read_oplog(job: Mapping[str, Any], rates: bool) -> Answer | None:
    if not has_source(job):
        return None
    return read_replica_set(connection.Login(job), Asked(job["min_hours"], rates))


def _read_backup(
    job: Mapping[str, Any], oplog: Answer | None, run: Callable[[list[str]], tuple[int, str, str]]
) -> Answer | None:
    if not has_provider(job):
        return None
    provider = provider_for(job, run, False)
    demand(provider.facts, "can_report_status")
    return backup_record(provider.status(), job["thresholds"], oplog, now())


def _run(command: list[str]) -> tuple[int, str, str]:
    # AnsibleModule.run_command is not made for several threads.
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_AGENT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        expected, found = f"an answer of {command[0]}", f"none in {_AGENT_SECONDS} s"
        message = sentence(expected=expected, found=found, remedy="see what the agent's host is busy with, and its log")
        raise RetryLater(message, code="agent_hangs") from None
    return done.returncode, done.stdout, done.stderr
