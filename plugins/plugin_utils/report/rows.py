# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the reports of a check say of each job, made of check records. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.text.formatters import bytes_to_human

from ...module_utils.verdict import known
from ..text import UNKNOWN, duration, hours, one_line, shortened
from .charts import rate_chart, window_chart

Record = Mapping[str, Any]
Facts = list[tuple[str, str]]

# With these a line fits into a terminal.
_JOB_WIDTH, _REASON_WIDTH = 20, 49


def check_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return for each record the texts of its line and of its section of the page."""
    return [_row(record) for record in records]


def _row(record: Record) -> dict[str, Any]:
    oplog, backup = record["oplog"], record["backup"] or {}
    # What the provider measured stands in for what was not measured here.
    reason = record["reasons"][0] if record["reasons"] else ""
    window = oplog["window_hours"] if oplog else _measured_hours(backup)
    place = f"read on {record['machine']} at {record['checked_at']}"
    return {
        **{key: record[key] for key in ("job", "cluster", "reasons", "oplog_error", "backup_error")},
        "verdict": known(record["verdict"]),
        "reason": reason,
        # Whatever is in a name or a reason, its job has one line.
        "short_job": shortened(one_line(record["job"]), _JOB_WIDTH),
        "short_reason": shortened(one_line(reason), _REASON_WIDTH),
        "cells": {
            "window": hours(window),
            "lag": duration(backup.get("backup_lag_seconds")),
            "slack": hours(_slack_hours(backup)),
            "proven": hours((backup.get("last_proven_snapshot") or {}).get("age_hours")),
        },
        "oplog": _oplog(oplog, backup) if oplog else None,
        "facts": _facts(backup) if backup else [],
        "alerts": [_alert(alert) for alert in backup.get("alerts") or []],
        "place": f"{record['replica_set']}, {place}" if record["replica_set"] else place,
    }


def _measured_hours(backup: Record) -> float | None:
    seconds = (backup.get("status") or {}).get("oplog_window_seconds")
    return None if seconds is None else float(seconds) / 3600


def _slack_hours(backup: Record) -> float | None:
    minutes = backup.get("slack_minutes")
    return None if minutes is None else float(minutes) / 60


def _oplog(oplog: Record, backup: Record) -> dict[str, Any]:
    rate, is_known = oplog["write_rate"], oplog["window_hours"] is not None
    return {
        "window": window_chart(oplog, backup.get("backup_lag_seconds")) if is_known else None,
        "window_legend": _window_legend(oplog, backup) if is_known else "",
        "rate": rate_chart(rate) if rate else None,
        "rate_legend": _rate_legend(oplog, rate) if rate else oplog.get("write_rate_reason") or "it was not asked for",
        "members": [_member(member) for member in oplog["members"]],
    }


def _window_legend(oplog: Record, backup: Record) -> str:
    return (
        f"From now (left) back in time. Solid line: the {hours(oplog['min_hours'])} that are wanted; dashed: what the oplog "
        f"holds at the rate of its busy times (p95), {hours(oplog['forecast_p95_hours'])}, and at its peak, "
        f"{hours(oplog['forecast_peak_hours'])}.{_behind(oplog, backup)}"
    )


def _behind(oplog: Record, backup: Record) -> str:
    """Say what the thin bar of the chart means."""
    lag, headroom = backup.get("backup_lag_seconds"), backup.get("headroom_seconds")
    if lag is None:
        return " The backup's lag is not known." if backup else ""
    if headroom is not None:
        left = f"; the rest of the window is its headroom, {duration(headroom)}."
    elif lag > oplog["window_hours"] * 3600:
        left = ": longer than the window, so what the backup needs next is gone."
    else:
        left = "; its headroom is not known."
    return f" The thin bar is the backup's lag, {duration(lag)}{left}"


def _rate_legend(oplog: Record, rate: Record) -> str:
    mean, p95, peak = (size(rate[f"{key}_bytes_per_second"]) for key in ("mean", "p95", "peak"))
    return (
        f"Mean {mean}/s, busy times (p95, dashed) {p95}/s, peak {peak}/s at {rate['peak_at']}, by "
        f"{duration(rate['bucket_seconds'])}; {'read' if rate['exact'] else 'estimated'} from {rate['member']}. An oplog of "
        f"{size(oplog['recommended_oplog_bytes'])} holds {hours(oplog['min_hours'])} of busy times."
    )


def _member(member: Record) -> dict[str, str]:
    notes = {
        "hidden": member.get("hidden"),
        "delayed": member.get("delay_seconds"),
        "young": member.get("wrapped") is False,
    }
    return {
        "member": member["member"],
        "state": ", ".join([member["state"], *(note for note, holds in notes.items() if holds)]),
        "verdict": known(member["verdict"]) if member["verdict"] else UNKNOWN,
        "look": known(member["verdict"]) if member["verdict"] else "quiet",
        "window": hours(member["window_hours"]),
        "p95": hours(member.get("forecast_p95_hours")),
        "used": size(member["used_bytes"]),
        "size": size(member["max_bytes"]),
        "reason": member.get("reason") or "",
    }


def _facts(backup: Record) -> Facts:
    measured, resync, validation = _measured_hours(backup), backup["last_resync"], backup["last_validation"]
    return [
        ("State", backup["state"] or UNKNOWN),
        ("Behind the majority", duration(backup["backup_lag_seconds"])),
        ("Behind the primary", duration(backup["backup_lag_primary_seconds"])),
        ("Copy behind capture", duration(backup["apply_lag_seconds"])),
        ("Headroom", duration(backup["headroom_seconds"])),
        *([("Oplog window, as the provider measures it", hours(measured))] if measured is not None else []),
        ("Slack in busy times", hours(_slack_hours(backup))),
        ("Newest good snapshot", _snapshot(backup["last_snapshot"])),
        ("Newest proven snapshot", _snapshot(backup["last_proven_snapshot"])),
        ("Last full sync", f"{resync['operation']}, {_days(resync['age_days'])}" if resync else "none"),
        ("Last validation", f"{_compared(validation)}, {_days(validation['age_days'])}" if validation else "none"),
    ]


def _snapshot(found: Record | None) -> str:
    if not found:
        return "none"
    return f"{found['name']}, {'age not known' if found['age_hours'] is None else hours(found['age_hours']) + ' old'}"


def _days(age: float | None) -> str:
    return "age not known" if age is None else f"{age:.1f} days ago"


def _compared(validation: Record) -> str:
    equal = validation.get("equal")
    return "result not known" if equal is None else "equal" if equal else "different"


def _alert(alert: Record) -> dict[str, str]:
    detail = alert.get("detail") or ""
    return {
        "kind": alert["kind"],
        "cause": alert.get("cause") or "",
        "since": alert.get("since") or "",
        "detail": detail if isinstance(detail, str) else json.dumps(detail),
    }


def size(value: float | None) -> str:
    """Say a number of bytes as the filter human_readable does; a dash where it is not known."""
    return UNKNOWN if value is None else str(bytes_to_human(int(value)))
