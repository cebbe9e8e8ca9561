# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an agent, or what it reads from, may be away for a while. Pure: check records in, an answer in words out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .errors import FixInput, sentence
from .oplog import forecast
from .oplog.oplog import rate_of
from .values import Record, iso_of
from .verdict import UNKNOWN

#: The rates of writing to calculate with, and what they are called.
RATES = {"mean": "mean", "p95": "95th percentile", "peak": "peak"}

#: Nobody asks what will be then.
_TEN_YEARS = 10 * 365 * 86400.0


@dataclass(frozen=True)
class Maintenance:
    """How long the maintenance takes, what is kept in reserve, and the rate of writing to calculate with."""

    downtime_minutes: float
    margin_minutes: float
    rate: str = "p95"

    def check(self) -> None:
        """Refuse times that make no sense."""
        for name, value, least in (
            ("planned_downtime_minutes", self.downtime_minutes, "more than 0"),
            ("margin_minutes", self.margin_minutes, "0 or more"),
        ):
            if not math.isfinite(value) or value < 0 or (value == 0 and least == "more than 0"):
                raise FixInput(
                    sentence(expected=f"{name} to be {least}", found=f"{value:g}", remedy="correct it"), code="bad_plan"
                )


def judge(records: Sequence[Record], maintenance: Maintenance, now: datetime) -> dict[str, Any]:
    """Return whether all jobs can bear the maintenance; the worst one decides, and one that nothing is known of cannot."""
    jobs = sorted((_judge(record, maintenance, now) for record in records), key=_least_time_first)
    first = jobs[0]
    safe = all(job["safe"] for job in jobs)
    return {
        "safe": safe,
        "verdict": "ok" if safe else "critical",
        "decided_by": first["job"],
        "seconds_until_lost": first["seconds_until_lost"],
        "latest_safe_restart": first["latest_safe_restart"],
        "reasons": [job["arithmetic"] for job in jobs if not job["safe"]],
        "arithmetic": first["arithmetic"],
        "jobs": jobs,
    }


def _least_time_first(job: Record) -> tuple[bool, float]:
    """Sort those that are not safe first, and among the same the one with the least time; unknown is no time at all."""
    return bool(job["safe"]), job["seconds_until_lost"] or 0.0


def _judge(record: Record, maintenance: Maintenance, now: datetime) -> dict[str, Any]:
    hindrance = _hindrance(record)
    seconds, how = (None, hindrance) if hindrance else _time_left(record, maintenance.rate)
    # A nearly idle set would be safe beyond the end of the calendar.
    seconds = None if seconds is None else min(seconds, _TEN_YEARS)
    answer = {"job": record["job"], "cluster": record["cluster"], "seconds_until_lost": seconds}
    if seconds is None:
        return {**answer, "safe": False, "latest_safe_restart": None, "arithmetic": f"{record['job']}: unsafe, {how}"}
    needed = (maintenance.downtime_minutes + maintenance.margin_minutes) * 60
    safe = seconds >= needed
    latest = now + timedelta(seconds=seconds - maintenance.margin_minutes * 60)
    sum_ = (
        f"{_minutes(seconds)} until the cursor falls off ({how}); planned {maintenance.downtime_minutes:g} min and a margin of"
        f" {maintenance.margin_minutes:g} min make {_minutes(needed)}"
    )
    end = f"start again by {iso_of(latest)}" if safe else f"{_minutes(needed - seconds)} too little"
    return {
        **answer,
        "safe": safe,
        "latest_safe_restart": iso_of(latest),
        "arithmetic": f"{record['job']}: {'safe' if safe else 'unsafe'}, {sum_}: {end}",
    }


def _hindrance(record: Record) -> str:
    """Say why no time can be named; empty when it can."""
    for part in ("backup_error", "oplog_error"):
        if record[part] is not None:
            return f"{part.removesuffix('_error')} not read: {record[part]}"
    backup, oplog = record["backup"], record["oplog"]
    for part in (oplog, backup):
        # A short window or a lag is already in the sum; an unknown value cannot be.
        if part is not None and part["verdict"] == UNKNOWN:
            return "; ".join(part["reasons"][:2]) or "its verdict is unknown"
    if backup is None:
        return "" if oplog else "neither its oplog nor its backup was checked"
    if any(alert.get("kind") == "resync_required" for alert in backup.get("alerts") or []):
        return "its backup is out of sync already: resync it first, or go on without it"
    state = backup["state"]
    if state == "resync_required":
        return "its backup is out of sync already: resync it first, or go on without it"
    if state != "tailing":
        return f"its backup is in state {state}, and only one that is tailing has a cursor that can wait"
    if backup["headroom_seconds"] is None:
        return "it is not known what its source still has: " + "; ".join(backup["reasons"][:1] or ["no reason given"])
    return ""


def _time_left(record: Record, rate: str) -> tuple[float | None, str]:
    """Return how long until the cursor falls off, and in words what that follows from."""
    oplog, backup = record["oplog"], record["backup"]
    held, how = _held(oplog, backup)
    if oplog is None:
        # The agent knows its source's window, but not whether writes will go on faster than they did.
        return held, f"{how}, at the rate of writing so far"
    cursor = (backup["status"].get("captured") or {}).get("time") if backup else None
    source = backup["status"].get("source") if backup else None
    slack = forecast.slack_seconds(oplog, cursor, source, rate)
    if slack is None:
        why = oplog.get("write_rate_reason") or "the rate of writing is not known"
        return (held, f"{how}; {why}") if _turning_over(oplog) else (None, f"the oplog is young and {why}")
    written = rate_of(oplog["write_rate"], rate) or 0.0
    rough = f", {oplog['write_rate_reason']}" if oplog.get("write_rate_reason") else ""
    at = f"{written / 1e6:.3g} MB/s, the {_name(oplog['write_rate'], rate, written)} rate{rough}"
    if held is not None and held < slack and _turning_over(oplog):
        return held, f"{how}, which is less than at {at}"
    return slack, f"at {at}"


def _name(found: Record, rate: str, written: float) -> str:
    """Return which rate decided: a rate that is asked for does not, where it is lower than a lesser one."""
    names = [rate, *(name for name in RATES if name != rate)]
    return RATES[next((name for name in names if found.get(f"{name}_bytes_per_second") == written), rate)]


def _held(oplog: Record | None, backup: Record | None) -> tuple[float | None, str]:
    """Return how far back the source reaches from the cursor: the same time ahead, if writes go on as they did."""
    if backup is not None:
        return backup["headroom_seconds"], f"headroom of {_minutes(backup['headroom_seconds'])}"
    hours = (oplog or {}).get("window_hours")
    return (None, "") if hours is None else (hours * 3600, f"oplog window of {_minutes(hours * 3600)}")


def _turning_over(oplog: Record) -> bool:
    """Whether every oplog drops old entries already; a young one reaches back only to its beginning, and loses nothing yet."""
    return all(member["wrapped"] is not False for member in oplog["members"] if member["first"])


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 6 * 3600 else f"{seconds / 3600:.1f} h"
