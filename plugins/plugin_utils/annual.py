# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn it is to be resynced because the last resync is too long ago, and when the others have theirs. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from ..module_utils.errors import bad_option
from .given import truth
from .nights import HORIZON_DAYS, Calendar

#: What has become of a job in a run: may be started, is open already, was done, has nothing to do.
_READY, _OPEN, _DONE, _IDLE = ("planned", "waits"), ("attached",), ("done", "started"), ("not needed",)
_FAILED = ("failed", "canceled")


@dataclass(frozen=True)
class Job:
    """A job, as the provider and the run so far tell."""

    name: str
    #: The result of its preflight, and later of its resync.
    result: str
    why: str = ""
    #: How old the last resync is; None where none is known, or where it could not be read.
    age_days: float | None = None
    readable: bool = True
    max_age_days: float = 365
    #: Whether the backup has fallen out of sync, so that there is no use in waiting.
    lost: bool = False
    #: Whether its newest sync has failed.
    failed: bool = False

    @property
    def is_due(self) -> bool | None:
        """Whether it is its turn; None where that is not known. A provider that has answered decides."""
        if self.result in (*_READY, *_OPEN, *_FAILED):
            return True
        if self.result in (*_DONE, *_IDLE):
            return False
        if not self.readable:
            return None
        return self.lost or self.age_days is None or self.age_days > self.max_age_days

    def order(self) -> tuple[Any, ...]:
        """Return the key of the order: oldest first, never resynced before that, and before all what is out of sync.

        What has failed comes last: otherwise a few jobs that fail every night would keep all others from their turn.
        """
        failed = self.failed or self.result in _FAILED
        return (
            self.result not in _OPEN,
            failed,
            not self.lost,
            self.age_days is not None,
            -(self.age_days or 0),
            self.name,
        )

    def due_at(self, now: datetime) -> datetime | None:
        """Return when its last resync is or was too old; None for never, not known, and beyond the horizon."""
        age = 0.0 if self.result in _DONE else self.age_days
        if age is None:
            return None
        left = self.max_age_days - age
        return now + timedelta(days=left) if abs(left) < HORIZON_DAYS else None


def job_of(found: Mapping[str, Any]) -> Job:
    """Return the job of a mapping, as the filter takes it. An age that is no number, as a machine may say it, is not known."""
    age, is_age = _age(found.get("age_days"))
    return Job(
        name=str(found["job"]),
        result=str(found["result"]),
        why=str(found.get("why") or ""),
        age_days=age,
        readable=is_age and truth(found.get("readable", True)),
        max_age_days=float(found["max_age_days"]),
        lost=truth(found.get("lost", False)),
        failed=truth(found.get("failed", False)),
    )


def _age(value: Any) -> tuple[float | None, bool]:
    """Return an age, and whether there is one or none is known; what is no number must not hide the turns of all others."""
    try:
        age = None if value is None else float(value)
    except (TypeError, ValueError):
        return None, False
    return (age, True) if age is None or isfinite(age) else (None, False)


def plan(jobs: Iterable[Job], calendar: Calendar, now: datetime, per_run: int, ended: bool = False) -> dict[str, Any]:
    """Return the jobs of this run in their order, and when each job has its turn. When the run has ended, it has no more jobs.

    Raises FixInput.
    """
    if per_run < 1:
        raise bad_option("annual_resync_jobs_per_run of at least 1", str(per_run), "nothing was changed; correct it")
    lined_up = sorted(jobs, key=Job.order)
    closed = calendar.closed(now)
    run = [] if ended else _run(lined_up, closed, per_run)
    rest = [job for job in lined_up if job not in run]
    nights = _forecast(rest, calendar, now, per_run)
    turns = [_turn(job, "now", "", now) for job in run]
    turns += [_turn(job, nights.get(job.name), _why(job, run, closed), now) for job in rest]
    # The sort is stable: those of one night stay in their order, and what is not known comes last.
    turns.sort(key=lambda turn: (turn["turn"] != "now", turn["turn"] or "~"))
    return {"now": f"{now:%Y-%m-%d %H:%M}", "closed": closed, "run": [job.name for job in run], "turns": turns}


def _run(lined_up: Sequence[Job], closed: str, per_run: int) -> list[Job]:
    """Choose the jobs of a run. What is open already is followed at any hour; it takes its share of the run."""
    already = [job for job in lined_up if job.result in _OPEN]
    ready = [] if closed else [job for job in lined_up if job.result in _READY]
    return already + ready[: max(0, per_run - len(already))]


def _forecast(rest: Iterable[Job], calendar: Calendar, now: datetime, per_run: int) -> dict[str, str]:
    """Return the night of each job, when there is a run in every night and all goes well."""
    coming = [(now if job.is_due else job.due_at(now), job) for job in rest if job.is_due is not None]
    later = sorted(
        ((at, job) for at, job in coming if at is not None), key=lambda one: (one[0], one[1].order()), reverse=True
    )
    found: dict[str, str] = {}
    waiting: list[tuple[Any, Job]] = []
    for night in calendar.nights_after(now):
        # Not at the very moment: only what is older than allowed is due.
        while later and later[-1][0] < calendar.begin_of(night):
            job = later.pop()[1]
            heapq.heappush(waiting, (job.order(), job))
        for _number in range(min(per_run, len(waiting))):
            found[heapq.heappop(waiting)[1].name] = str(night)
        if not later and not waiting:
            break
    return found


def _why(job: Job, run: Sequence[Job], closed: str) -> str:
    if not job.is_due or job.result not in _READY:
        return job.why if job.is_due is not False else ""
    return closed or (f"{len(run)} in one run, and others come first" if run else "not started in this run")


def _turn(job: Job, turn: str | None, why: str, now: datetime) -> dict[str, Any]:
    due_at = None if job.is_due is None else job.due_at(now)
    return {
        "job": job.name,
        "due": job.is_due,
        "age_days": 0.0 if job.result in _DONE else job.age_days,
        "max_age_days": job.max_age_days,
        "due_on": None if due_at is None else str(due_at.date()),
        "turn": turn,
        "why": why,
    }


def hold(results: Sequence[str], calendar: Calendar, now: datetime, max_failure_percent: float) -> str:
    """Say why no further batch may be started, from what has become of the jobs of the run; empty when it may."""
    failed = sum(result in _FAILED for result in results)
    if failed * 100 > max_failure_percent * len(results):
        return f"{failed} of the {len(results)} jobs of this run have failed, more than {max_failure_percent:g} % are not borne"
    return calendar.closed(now)
