# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog window of members: plain values in, plain values out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member
from ansible_collections.mongodb_ops.backup.plugins.module_utils.verdict import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    Finding,
    reasons,
    worst,
)

# The server drops the oldest entries in blocks of up to a tenth of the oplog, so one that turns over is never emptier.
_TURNING_OVER = 0.9


@dataclass(frozen=True)
class Stamp:
    """A BSON timestamp without BSON."""

    time: int
    increment: int

    def as_dict(self) -> dict[str, Any]:
        """Return the form that every module of this collection uses."""
        iso = datetime.fromtimestamp(self.time, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"time": self.time, "increment": self.increment, "iso": iso}


@dataclass(frozen=True)
class Window:
    """The oplog of one member: its oldest and newest entry, and how full it is where that could be read."""

    first: Stamp
    last: Stamp
    used_bytes: int | None = None
    max_bytes: int | None = None

    @property
    def seconds(self) -> int:
        """The stretch between the oldest and the newest entry."""
        return self.last.time - self.first.time

    @property
    def turning_over(self) -> bool:
        """Whether old entries are being dropped; assumed where the fill level is not known."""
        if self.used_bytes is None or not self.max_bytes:
            return True
        return self.used_bytes >= _TURNING_OVER * self.max_bytes

    @property
    def projected_seconds(self) -> float:
        """The window once the oplog is full, if writing goes on at the mean rate of what is in it."""
        if self.turning_over or not self.used_bytes or not self.max_bytes:
            return float(self.seconds)
        return self.seconds * self.max_bytes / self.used_bytes


@dataclass(frozen=True)
class Reading:
    """What came of reading one member: a window, or the reason why there is none."""

    member: Member
    window: Window | None = None
    why_not: str = ""

    def finding(self, min_hours: float) -> Finding:
        """Judge this member; one that is not meant to hold an oplog is no cause for concern."""
        if not self.member.data_bearing:
            return Finding(OK)
        if self.window is None:
            return Finding(UNKNOWN, f"{self.member.address}: {self.why_not}")
        verdict, text = judge(self.window, min_hours)
        return Finding(verdict, f"{self.member.address}: {text}" if text else "")

    def as_dict(self, min_hours: float) -> dict[str, Any]:
        """Return the member as the module reports it."""
        finding = self.finding(min_hours)
        judged = finding.verdict if self.member.data_bearing else None
        reason = finding.reason.replace(f"{self.member.address}: ", "", 1)
        member = {"member": self.member.address, "state": self.member.state, "hidden": self.member.hidden}
        delay = {"delay_seconds": self.member.delay_seconds}
        return {
            **member,
            **delay,
            "verdict": judged,
            "reason": self.why_not or reason,
            **_measures(self.window),
        }


def _measures(window: Window | None) -> dict[str, Any]:
    if window is None:
        keys = (
            "first",
            "last",
            "window_seconds",
            "window_hours",
            "projected_hours",
            "wrapped",
            "used_bytes",
            "max_bytes",
        )
        return dict.fromkeys(keys)
    return {
        "first": window.first.as_dict(),
        "last": window.last.as_dict(),
        "window_seconds": window.seconds,
        "window_hours": _hours(window.seconds),
        "projected_hours": _hours(window.projected_seconds),
        "wrapped": None if window.used_bytes is None or not window.max_bytes else window.turning_over,
        "used_bytes": window.used_bytes,
        "max_bytes": window.max_bytes,
    }


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 3)


def judge(window: Window, min_hours: float) -> tuple[str, str]:
    """Compare a window with the least one wanted.

    An oplog that is not full yet has lost nothing, however short its window: what counts then is how long it will be. As
    that is a guess from a short past, it never makes the verdict better than a warning.
    """
    hours, projected = _hours(window.seconds), _hours(window.projected_seconds)
    if hours >= min_hours:
        return OK, ""
    if window.turning_over:
        return CRITICAL, f"the oplog window is {hours:g} hours, less than {min_hours:g}"
    so_far = f"the oplog is not full yet and holds {hours:g} hours; full it will hold about {projected:g}"
    if projected < min_hours:
        return CRITICAL, f"{so_far}, less than {min_hours:g}"
    return WARNING, f"{so_far}, which is enough for {min_hours:g} but not proven"


def summarize(readings: Iterable[Reading], min_hours: float) -> dict[str, Any]:
    """Return every member, the shortest window and the verdict over all members that hold data."""
    listed = list(readings)
    findings = [reading.finding(min_hours) for reading in listed if reading.member.data_bearing]
    measured = [reading.window.seconds for reading in listed if reading.window is not None]
    return {
        "members": [reading.as_dict(min_hours) for reading in listed],
        "window_hours": _hours(min(measured)) if measured else None,
        "min_hours": min_hours,
        "verdict": worst(finding.verdict for finding in findings),
        "reasons": reasons(findings),
    }
