"""Check records of all kinds, for looking at reports with as many jobs as one likes."""

from __future__ import annotations

import math
import random
from bisect import bisect
from typing import Any

Json = dict[str, Any]
START = 1795500000
PARTS = (0.08, 0.16, 0.33, 0.83)
AWKWARD = 'a <b>"name"</b> & \\ with\nlines, ünï©ode and ' + "length " * 22


def _stamp(seconds: float) -> Json:
    return {"time": int(seconds), "increment": 1, "iso": "2026-11-24T06:00:00Z"}


def _member(number: int, hours: float, rate: float, **changes: Any) -> Json:
    size = 990_000_000
    return {
        "member": f"db{number}.example.com:27017",
        "state": "PRIMARY" if number == 0 else "SECONDARY",
        "hidden": number == 2,
        "delay_seconds": 0,
        "verdict": "ok",
        "reason": "",
        "first": _stamp(START),
        "last": _stamp(START + hours * 3600),
        "window_seconds": int(hours * 3600),
        "window_hours": hours,
        "projected_hours": hours,
        "wrapped": True,
        "used_bytes": size,
        "max_bytes": size,
        "min_retention_hours": 0.0,
        "forecast_p95_hours": round(size / rate / 3600, 3),
        "forecast_peak_hours": round(size / rate / 7200, 3),
        **changes,
    }


def oplog(chance: random.Random, hours: float, **changes: Any) -> Json:
    """Return an oplog record; `changes` replace values of it."""
    mean = 990_000_000 / (hours * 3600)
    shape = [mean * (0.6 + 0.5 * math.sin(n / 8) ** 2 + 0.3 * chance.random()) for n in range(96)]
    buckets = [
        {"start": START + n * int(hours * 37.5), "bytes_per_second": round(rate, 1)} for n, rate in enumerate(shape)
    ]
    p95 = sorted(shape)[91]
    members = [_member(number, hours, p95) for number in range(3)]
    return {
        "replica_set": "orders",
        "members": members,
        "window_hours": hours,
        "min_hours": 24.0,
        "verdict": "ok",
        "reasons": [],
        "forecast_p95_hours": members[0]["forecast_p95_hours"],
        "forecast_peak_hours": members[0]["forecast_peak_hours"],
        "recommended_oplog_bytes": int(p95 * 86400),
        "write_rate_reason": None,
        "write_rate": {
            "member": "db1.example.com:27017",
            "bucket_seconds": 600,
            "mean_bytes_per_second": round(mean, 1),
            "p95_bytes_per_second": round(p95, 1),
            "peak_bytes_per_second": round(max(shape), 1),
            "peak_at": "2026-11-24T12:00:00Z",
            "entries_per_second": 12.5,
            "exact": False,
            "cut_short": False,
            "entries_read": 700_000,
            "server_seconds": 0.5,
            "buckets": buckets,
        },
        **changes,
    }


def backup(**changes: Any) -> Json:
    """Return a backup record; `changes` replace values of it."""
    snapshot = {
        "name": "auto-20261124T060000",
        "created_at": "2026-11-24T06:00:00Z",
        "proven_at": None,
        "age_hours": 3.4,
    }
    return {
        "verdict": "ok",
        "reasons": [],
        "state": "tailing",
        "backup_lag_seconds": 2.0,
        "backup_lag_primary_seconds": 3.0,
        "apply_lag_seconds": 0.0,
        "headroom_seconds": 170000.0,
        "slack_minutes": 2100.5,
        "alerts": [],
        "last_snapshot": snapshot,
        "last_proven_snapshot": {**snapshot, "proven_at": "2026-11-24T06:10:00Z", "age_hours": 27.4},
        "last_resync": {
            "operation": "resync-20260801T020000-7",
            "finished_at": "2026-08-01T03:00:00Z",
            "age_days": 115.2,
        },
        "last_validation": {
            "operation": "validation-9",
            "finished_at": "2026-11-24T02:00:00Z",
            "age_days": 0.3,
            "equal": True,
        },
        "status": {},
        **changes,
    }


def record(name: str, verdict: str, **changes: Any) -> Json:
    """Return a check record."""
    return {
        "job": name,
        "cluster": None,
        "machine": "backup1",
        "provider": "embedded",
        "replica_set": "orders",
        "verdict": verdict,
        "reasons": [],
        "checked_at": "2026-11-24T09:24:00Z",
        "oplog": None,
        "oplog_error": None,
        "backup": None,
        "backup_error": None,
        **changes,
    }


def _lost(chance: random.Random) -> Json:
    alert = {
        "kind": "resync_required",
        "cause": "oplog_rolled_over",
        "since": "2026-11-24T04:00:00Z",
        "detail": {"gap_seconds": 4000},
    }
    reasons = ["resync_required since 2026-11-24T04:00:00Z: oplog_rolled_over", "there is no proven snapshot"]
    nothing = {"headroom_seconds": None, "slack_minutes": None, "last_proven_snapshot": None, "last_validation": None}
    state = {
        "verdict": "critical",
        "state": "resync_required",
        "alerts": [alert],
        "reasons": reasons,
        "backup_lag_seconds": 18400.0,
    }
    return {
        "reasons": reasons,
        "oplog": oplog(chance, 2.5, verdict="critical"),
        "backup": backup(**nothing, **state),
        "cluster": "shop",
    }


def _silent(_chance: random.Random) -> Json:
    why = "Expected an answer from the replica set, found no connection; check that mongod runs there."
    return {
        "reasons": [f"the oplog could not be read: {why}"],
        "oplog_error": why,
        "backup_error": "backup1 could not be reached: timeout",
    }


def _busy(chance: random.Random) -> Json:
    reason = "db0.example.com:27017: at the rate of its busy times the oplog holds 20.1 hours, less than 24; 1.1 GB is enough"
    young = oplog(chance, 26.0, verdict="warning", reasons=[reason])
    young["members"][1] |= {
        "wrapped": False,
        "verdict": None,
        "first": None,
        "window_hours": None,
        "used_bytes": None,
        "state": "DOWN",
    }
    return {
        "reasons": [reason, "a good snapshot is overdue"],
        "oplog": young,
        "backup": backup(verdict="warning", state="tailing"),
    }


def _good(chance: random.Random) -> Json:
    return {"oplog": oplog(chance, chance.choice([30.0, 49.0, 75.0, 400.0])), "backup": backup()}


def _alone(chance: random.Random) -> Json:
    """Return what is known where there is no agent, and where the user may not read the size of the oplog."""
    rates = {"write_rate": None, "write_rate_reason": "the user may not ask", "recommended_oplog_bytes": None}
    blind = oplog(chance, 30.0, **rates, forecast_p95_hours=None, forecast_peak_hours=None)
    return {"oplog": blind, "provider": None, "machine": "controller"}


def records(count: int) -> list[Json]:
    """Return so many records with every verdict that fits, the worst first; the first has an awkward name."""
    chance = random.Random(count)
    kinds = [("critical", _lost), ("unknown", _silent), ("warning", _busy), ("ok", _good), ("ok", _alone)]
    shares = [kinds[bisect(PARTS, n / count)] for n in range(count)]
    made = [record(f"job{n:03}", verdict, **kind(chance)) for n, (verdict, kind) in enumerate(shares)]
    made[0]["job"] = AWKWARD if count > 1 else "orders"
    return made
