# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore jobs of a snapshot that are delivered by HTTP: one that can be used again, a new one, and waiting for it.

A replica set has one job. A sharded cluster has one for each part of the snapshot, and they share a batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ...errors import BackupError, GiveUp, RetryLater, sentence
from ...values import Answer
from ..api.client import Client
from ..api.reading import time_of
from ..model.activity import Part
from .download import Source

_WAITING = ("NOT_STARTED", "IN_PROGRESS")
_FAILED = ("FAILED", "INTERRUPTED", "EXPIRED", "MAX_DOWNLOADS_EXCEEDED")
_BROKEN = ("BROKEN", "KILLED")
# What expires sooner is not begun with; and so much sooner than its snapshot an address ends.
_AT_LEAST = timedelta(minutes=10)
# Every attempt of a download may count, and one that was interrupted does.
_MAX_DOWNLOADS = 5


@dataclass(frozen=True)
class Patience:
    """How often the server is asked, and for how long."""

    poll_seconds: float = 30.0
    #: Until the archives can be downloaded.
    delivery_seconds: float = 6 * 3600.0
    #: For the checksum, which is known only after a download.
    checksum_seconds: float = 300.0


@dataclass(frozen=True)
class RestoreJobs:
    """The jobs of one delivery, in the order of the parts of the snapshot."""

    found: Sequence[Answer]
    reused: bool

    @property
    def names(self) -> list[str]:
        """Their ids, for people who look for them."""
        return [str(job["id"]) for job in self.found]


class Delivery:
    """The restore jobs of one snapshot."""

    def __init__(self, api: Client, path: str, snapshot: str, parts: Sequence[Part], patience: Patience) -> None:
        self._api, self._path, self._snapshot = api, path, snapshot
        self._parts, self._patience = parts, patience

    def usable(self) -> RestoreJobs | None:
        """Return the newest jobs of the snapshot that are, or will be, ready to download; None where there are none."""
        listed = [job for job in self._api.pages(self._path) if job.get("snapshotId") == self._snapshot]
        batches: dict[str, list[Answer]] = {}
        for job in sorted(listed, key=lambda job: str(job.get("created", "")), reverse=True):
            batches.setdefault(str(job.get("batchId") or job.get("id")), []).append(job)
        for batch in batches.values():
            if len(batch) == len(self._parts) and all(self._is_usable(job) for job in batch):
                return RestoreJobs(self._in_order(batch), reused=True)
        return None

    def order(self, hours: int, snapshot_expires: datetime | None = None) -> RestoreJobs:
        """Make new jobs. Their addresses may not be good for longer than there is a snapshot."""
        if snapshot_expires is not None:
            left = snapshot_expires - _AT_LEAST - (self._api.server_time or datetime.now(timezone.utc))
            hours = max(1, min(hours, int(left / timedelta(hours=1))))
        delivery = {"methodName": "HTTP", "expirationHours": hours, "maxDownloads": _MAX_DOWNLOADS}
        answer = self._api.post(self._path, {"snapshotId": self._snapshot, "delivery": delivery})
        made = answer["results"] if isinstance(answer.get("results"), list) else [answer]
        return RestoreJobs(self._complete(made), reused=False)

    def wait(self, jobs: RestoreJobs) -> RestoreJobs:
        """Return the jobs when all can be downloaded."""
        deadline = time.monotonic() + self._patience.delivery_seconds
        while not all(_is_ready(job) for job in jobs.found):
            if time.monotonic() > deadline:
                raise _late(jobs, self._patience.delivery_seconds)
            time.sleep(self._patience.poll_seconds)
            jobs = self._again(jobs, deadline)
        return jobs

    def checksum(self, jobs: RestoreJobs, number: int) -> str | None:
        """Return the SHA-1 of the archive of a part, in lower case; Ops Manager tells it only after the download."""
        deadline = time.monotonic() + self._patience.checksum_seconds
        jobs = self._again(jobs, deadline)
        while _sha1(jobs.found[number]) is None and time.monotonic() < deadline:
            time.sleep(min(self._patience.poll_seconds, self._patience.checksum_seconds))
            jobs = self._again(jobs, deadline)
        return _sha1(jobs.found[number])

    def _again(self, jobs: RestoreJobs, deadline: float) -> RestoreJobs:
        """Return the jobs as they are now; those of before where the server cannot be asked for a while."""
        try:
            return self._read(jobs)
        except BackupError as error:
            if not error.retry or time.monotonic() > deadline:
                raise
            return jobs

    def _read(self, jobs: RestoreJobs) -> RestoreJobs:
        batch = jobs.found[0].get("batchId")
        if batch:
            return RestoreJobs(self._in_order(list(self._api.pages(self._path, batchId=batch))), jobs.reused)
        return RestoreJobs([self._api.get(f"{self._path}/{jobs.found[0]['id']}")], jobs.reused)

    def _complete(self, made: Sequence[Answer]) -> Sequence[Answer]:
        """Return all jobs of a batch; the answer that made it may show only the first."""
        batch = made[0].get("batchId") if made else None
        if batch and len(made) < len(self._parts):
            made = list(self._api.pages(self._path, batchId=batch))
        return self._in_order(made)

    def _in_order(self, jobs: Sequence[Answer]) -> Sequence[Answer]:
        """Return the job of each part. A job names the cluster of its part, which is the shard's own."""
        if len(self._parts) == 1 == len(jobs):
            return jobs
        ordered = [_job_of(part, jobs) for part in self._parts]
        found = [job for job in ordered if job is not None]
        if len(found) != len(ordered) or len({str(job["id"]) for job in found}) != len(self._parts):
            message = sentence(
                expected=f"one restore job for each of {', '.join(part.name for part in self._parts)}",
                found=f"{len(jobs)} jobs that do not say which part they are of",
                remedy="download the archives in the web page of Ops Manager",
            )
            raise GiveUp(message, code="unknown_parts", details={"jobs": [str(job.get("id")) for job in jobs]})
        return found

    def _is_usable(self, job: Answer) -> bool:
        delivery = job.get("delivery") or {}
        status = delivery.get("statusName")
        if delivery.get("methodName") != "HTTP" or job.get("statusName") in _BROKEN or job.get("pointInTime"):
            return False
        if status in _WAITING:
            return True
        expires = time_of(delivery.get("expires"))
        now = self._api.server_time or datetime.now(timezone.utc)
        return status == "READY" and _has_address(delivery) and (expires is None or expires > now + _AT_LEAST)


def source_of(job: Answer) -> Source:
    """Return where the archive of a job is. The older address needs no header, and it is known how it works."""
    delivery = job["delivery"]
    header, value = delivery.get("authHeader"), delivery.get("authValue")
    if delivery.get("url") or not (delivery.get("urlV2") and header and value):
        return Source(_checked(delivery.get("url")))
    scheme = f"{delivery.get('authBearer') or ''} "
    said = str(value) if str(value).startswith(scheme) else f"{scheme}{value}".strip()
    return Source(_checked(delivery["urlV2"]), {str(header): said})


def _checked(url: Any) -> str:
    """Return an address; anything but the web's own is not opened, and none is shown."""
    if isinstance(url, str) and url.lower().startswith(("http://", "https://")):
        return url
    message = sentence(expected="a web address in the restore job", found="none", remedy="see the job in Ops Manager")
    raise GiveUp(message, code="no_address")


def _has_address(delivery: Answer) -> bool:
    return bool(delivery.get("url") or (delivery.get("urlV2") and delivery.get("authHeader")))


def _is_ready(job: Answer) -> bool:
    """Whether it can be downloaded; a job that never will be is an error."""
    delivery = job.get("delivery") or {}
    for status, failed in ((job.get("statusName"), _BROKEN), (delivery.get("statusName"), _FAILED)):
        if status in failed:
            remedy = "see the job in Ops Manager, then run this again, which makes a new one"
            message = sentence(expected=f"restore job {job['id']} to be delivered", found=str(status), remedy=remedy)
            raise GiveUp(message, code="delivery_failed", details={"job": str(job["id"]), "status": status})
    return delivery.get("statusName") == "READY"


def _late(jobs: RestoreJobs, seconds: float) -> RetryLater:
    states = ", ".join(f"{job['id']}: {(job.get('delivery') or {}).get('statusName')}" for job in jobs.found)
    expected = f"the archives to be ready in {seconds:g} s"
    message = sentence(
        expected=expected, found=states, remedy="run this again, which goes on waiting for the same jobs"
    )
    return RetryLater(message, code="delivery_not_ready", details={"jobs": jobs.names})


def _job_of(part: Part, jobs: Iterable[Answer]) -> Answer | None:
    found = [job for job in jobs if part.cluster_id == job.get("clusterId") or part.name == job.get("clusterName")]
    return found[0] if len(found) == 1 else None


def _sha1(job: Answer) -> str | None:
    """Return the checksum of a job's archive. Ops Manager leaves the name of the algorithm out where it does not know it."""
    known = [item for item in job.get("hashes") or [] if item.get("hash") and item.get("typeName", "SHA1") == "SHA1"]
    return str(known[0]["hash"]).lower() if len(known) == 1 else None
