# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a job that was checked, or that could not be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .values import iso_of
from .verdict import UNKNOWN, Finding, reasons, worst

#: An entry of the option `jobs`; a suboption that was not given may be missing.
Job = Mapping[str, Any]

_NOTHING = "there is nothing to check: the job has neither login_uri or login_host nor agent_config nor ops_manager"


@dataclass(frozen=True)
class Part:
    """What was read of a job, or why it could not be; neither where it was not asked for."""

    found: dict[str, Any] | None = None
    error: str | None = None

    def findings(self, name: str) -> list[Finding]:
        """Return what it means for the job."""
        if self.error is not None:
            return [Finding(UNKNOWN, f"{name} could not be read: {self.error}")]
        if self.found is None:
            return []
        return [Finding(self.found["verdict"], reason) for reason in self.found["reasons"] or [""]]


def has_source(job: Job) -> bool:
    """Whether there is a replica set to look at."""
    return bool(job.get("login_uri") or job.get("login_host"))


def has_provider(job: Job) -> bool:
    """Whether there is a backup to look at."""
    return bool(job.get("agent_config") or job.get("ops_manager"))


def check_record(job: Job, oplog: Part, backup: Part, now: datetime) -> dict[str, Any]:
    """Return the record of a job from what was read."""
    findings = [*oplog.findings("the oplog"), *backup.findings("the backup")]
    return _record(job, oplog, backup, findings or [Finding(UNKNOWN, _NOTHING)], now)


def unanswered_record(job: Job, reason: str, now: datetime) -> dict[str, Any]:
    """Return the record of a job whose machine gave no answer: whatever was to be read could not be, for one reason."""
    oplog, backup = (Part(error=reason if asked else None) for asked in (has_source(job), has_provider(job)))
    return _record(job, oplog, backup, [Finding(UNKNOWN, reason)], now)


def _record(job: Job, oplog: Part, backup: Part, findings: list[Finding], now: datetime) -> dict[str, Any]:
    return {
        "job": job["name"],
        "cluster": job.get("cluster"),
        "machine": job["machine"],
        "provider": job["provider"] if has_provider(job) else None,
        "replica_set": (oplog.found or {}).get("replica_set"),
        "verdict": worst(finding.verdict for finding in findings),
        "reasons": reasons(findings),
        "checked_at": iso_of(now.timestamp()),
        "oplog": oplog.found,
        "oplog_error": oplog.error,
        "backup": backup.found,
        "backup_error": backup.error,
    }
