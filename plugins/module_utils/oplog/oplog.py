# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog window of members: plain values in, plain values out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..topology import Member
from ..values import iso_of
from ..verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding, reasons, worst

# The server drops the oldest entries in blocks of up to a tenth of the oplog, so one that turns over is never emptier.
_TURNING_OVER = 0.9


@dataclass(frozen=True)
class Stamp:
    """A BSON timestamp without BSON."""

    time: int
    increment: int

    def as_dict(self) -> dict[str, Any]:
        """Return the form that every module of this collection uses."""
        return {"time": self.time, "increment": self.increment, "iso": iso_of(self.time)}


@dataclass(frozen=True)
class Window:
    """The oplog of one member: its oldest and newest entry, and how full it is where that could be read."""

    first: Stamp
    last: Stamp
    used_bytes: int | None = None
    max_bytes: int | None = None
    #: How many entries there are, and for how long the server keeps them however large that makes the oplog (0 for not at all).
    entries: int | None = None
    min_retention_hours: float | None = None
    #: How far the member's clock is ahead of this host's (below 0: behind), and its newest entry ahead of its own clock.
    clock_skew_seconds: float | None = None
    ahead_seconds: float | None = None

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
    """The result of reading one member: a window, or the reason why there is none."""

    member: Member
    window: Window | None = None
    why_not: str = ""

    def finding(self, min_hours: float, rate: Rate | None = None) -> Finding:
        """Judge this member; a member that should hold no oplog is in order."""
        if not self.member.data_bearing:
            return Finding(OK)
        if self.window is None:
            return Finding(UNKNOWN, f"{self.member.address}: {self.why_not}")
        verdict, text = judge(self.window, min_hours)
        if verdict == OK and rate is not None:
            verdict, text = foresee(self.window, min_hours, rate)
        if verdict == OK:
            verdict, text = judge_clocks(self.window)
        return Finding(verdict, f"{self.member.address}: {text}" if text else "")

    def as_dict(self, min_hours: float, rate: Rate | None = None) -> dict[str, Any]:
        """Return the member as the module reports it."""
        finding = self.finding(min_hours, rate)
        judged = finding.verdict if self.member.data_bearing else None
        reason = finding.reason.replace(f"{self.member.address}: ", "", 1)
        return {
            "member": self.member.address,
            "state": self.member.state,
            "hidden": self.member.hidden,
            "delay_seconds": self.member.delay_seconds,
            "verdict": judged,
            "reason": self.why_not or reason,
            **{name: None if self.window is None else measure(self.window) for name, measure in _MEASURES.items()},
            "forecast_p95_hours": _forecast(self.window, rate, "p95"),
            "forecast_peak_hours": _forecast(self.window, rate, "peak"),
        }


#: What `rate_reading.read_rates` returns.
Rate = Mapping[str, Any]


def _forecast(window: Window | None, rate: Rate | None, which: str) -> float | None:
    """Return the hours that an oplog reaches back once it was written at this rate all the time."""
    written = rate_of(rate or {}, which)
    if window is None or not window.max_bytes or not written:
        return None
    return max(_hours(window.max_bytes / written), window.min_retention_hours or 0.0)


def rate_of(rate: Rate, which: str) -> float | None:
    """Return the rate to calculate with, in bytes per second: `mean`, `p95` or `peak`; None where it is not known.

    Where nearly all is written in fewer than 5 % of the buckets, like by one nightly job, the 95th percentile is that of an idle
    set and far below the mean. An oplog needs at least the mean rate, so `p95` is never less than the mean here. A peak
    that was estimated too low is no less than that either.
    """
    if rate.get(f"{which}_bytes_per_second") is None:
        return None
    names = _AT_LEAST[which]
    return max(float(rate.get(f"{name}_bytes_per_second") or 0.0) for name in names)


_AT_LEAST = {"mean": ("mean",), "p95": ("p95", "mean"), "peak": ("peak", "p95", "mean")}


#: What is shown of a window, each value null where there is none.
_MEASURES: Mapping[str, Callable[[Window], Any]] = {
    "first": lambda window: window.first.as_dict(),
    "last": lambda window: window.last.as_dict(),
    "window_seconds": lambda window: window.seconds,
    "window_hours": lambda window: _hours(window.seconds),
    "projected_hours": lambda window: _hours(window.projected_seconds),
    "wrapped": lambda window: None if window.used_bytes is None or not window.max_bytes else window.turning_over,
    "used_bytes": lambda window: window.used_bytes,
    "max_bytes": lambda window: window.max_bytes,
    "min_retention_hours": lambda window: window.min_retention_hours,
    "clock_skew_seconds": lambda window: window.clock_skew_seconds,
}


def _least(members: list[dict[str, Any]], key: str) -> float | None:
    return min((member[key] for member in members if member[key] is not None), default=None)


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


def judge_clocks(window: Window) -> tuple[str, str]:
    """Warn of clocks that differ by more than a minute: windows and lags are differences of times."""
    ahead, skew = window.ahead_seconds or 0.0, window.clock_skew_seconds or 0.0
    if ahead > _SKEW_SECONDS:
        return (
            WARNING,
            f"its newest entry is {ahead:.0f} s in the future by its own clock: a clock of the set was wrong, or still is",
        )
    if abs(skew) > _SKEW_SECONDS:
        return (
            WARNING,
            f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the one of the host that asks",
        )
    return OK, ""


#: More than a slow answer explains.
_SKEW_SECONDS = 60


def judge_primary(readings: Iterable[Reading]) -> Finding:
    """Judge whether the set can be written to; without a primary nobody knows which of the newest entries will stay."""
    if any(reading.member.state == "PRIMARY" for reading in readings):
        return Finding(OK)
    return Finding(UNKNOWN, "the set has no primary: nothing can be written, and the newest entries may be rolled back")


def foresee(window: Window, min_hours: float, rate: Rate) -> tuple[str, str]:
    """Warn when a window that is long enough would not be if writes went on at the rate that 5 % of the time exceeds."""
    forecast = _forecast(window, rate, "p95")
    if forecast is None or forecast >= min_hours:
        return OK, ""
    busy = f"at the rate of its busy times the oplog holds {forecast:g} hours, less than {min_hours:g}"
    return WARNING, f"{busy}; {recommended_bytes(rate, min_hours) / 1e9:.3g} GB would be enough"


def recommended_bytes(rate: Rate, min_hours: float) -> int:
    """Return the size of an oplog, in bytes, that holds so many hours at the rate that 5 % of the time exceeds."""
    return int((rate_of(rate, "p95") or 0.0) * min_hours * 3600)


def summarize(
    readings: Iterable[Reading], min_hours: float, rate: Rate | None = None, more: Iterable[Finding] = ()
) -> dict[str, Any]:
    """Return every member, the shortest window and the verdict over all members that hold data, and over what else was found."""
    listed = list(readings)
    findings = [reading.finding(min_hours, rate) for reading in listed if reading.member.data_bearing]
    findings += more
    measured = [reading.window.seconds for reading in listed if reading.window is not None]
    members = [reading.as_dict(min_hours, rate) for reading in listed]
    return {
        "members": members,
        "forecast_p95_hours": _least(members, "forecast_p95_hours"),
        "forecast_peak_hours": _least(members, "forecast_peak_hours"),
        "recommended_oplog_bytes": None if rate is None else recommended_bytes(rate, min_hours),
        "window_hours": _hours(min(measured)) if measured else None,
        "min_hours": min_hours,
        "verdict": worst(finding.verdict for finding in findings),
        "reasons": reasons(findings),
    }
