# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of one backup: its measures and the verdict over them. Pure: the provider's status in, a record out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from . import thresholds
from .oplog import forecast
from .verdict import reasons, worst

_AS_THE_PROVIDER_SAYS = (
    "state",
    "backup_lag_seconds",
    "backup_lag_primary_seconds",
    "apply_lag_seconds",
    "headroom_seconds",
)


def backup_record(
    status: Mapping[str, Any], limits: thresholds.Limits, oplog: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any]:
    """Return the measures of a backup, its alerts, and the provider's verdict made worse by the limits.

    `oplog` is what `oplog_window_info` returned for the source; without it there is no slack.
    """
    slack = _slack_minutes(status, oplog)
    record = {
        **{key: status.get(key) for key in _AS_THE_PROVIDER_SAYS},
        "slack_minutes": slack,
        "alerts": status.get("alerts") or [],
        "last_snapshot": _snapshot(status.get("last_snapshot"), now),
        "last_proven_snapshot": _snapshot(status.get("last_proven_snapshot"), now),
        "last_resync": _operation(status.get("last_resync")),
        "last_validation": _operation(status.get("last_validation")),
    }
    own = thresholds.judge(_measures(record), limits)
    return {
        **record,
        "verdict": worst([status["verdict"], *(finding.verdict for finding in own)]),
        "reasons": [*reasons(own), *(status.get("reasons") or [])],
        "status": dict(status),
    }


def _measures(record: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the value of every measure that can have a limit."""
    lags = [record["backup_lag_seconds"], record["backup_lag_primary_seconds"]]
    headroom = record["headroom_seconds"]
    return {
        # The worse of the two; without a primary it is not known how far the backup is behind.
        "backup_lag_seconds": None if None in lags else max(lags),
        "apply_lag_seconds": record["apply_lag_seconds"],
        "headroom_hours": None if headroom is None else round(headroom / 3600, 3),
        "slack_minutes": record["slack_minutes"],
        "snapshot_age_hours": (record["last_snapshot"] or {}).get("age_hours"),
        "proven_age_hours": (record["last_proven_snapshot"] or {}).get("age_hours"),
        "resync_age_days": (record["last_resync"] or {}).get("age_days"),
        "validation_age_days": (record["last_validation"] or {}).get("age_days"),
    }


def _slack_minutes(status: Mapping[str, Any], oplog: Mapping[str, Any] | None) -> float | None:
    captured = status.get("captured")
    if not oplog or not captured or status.get("headroom_seconds") is None:
        return None
    seconds = forecast.slack_seconds(oplog, captured["time"], status.get("source"))
    return None if seconds is None else round(seconds / 60, 1)


def _snapshot(found: Mapping[str, Any] | None, now: datetime) -> dict[str, Any] | None:
    if not found:
        return None
    # Python 3.9 and 3.10 read no Z.
    created = datetime.fromisoformat(str(found["created_at"]).replace("Z", "+00:00"))
    age = (now - created.astimezone(timezone.utc)).total_seconds() / 3600
    kept = {key: found.get(key) for key in ("name", "created_at", "proven_at")}
    return {**kept, "age_hours": round(age, 2)}


def _operation(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    kept = {key: value for key, value in found.items() if key != "age_seconds"}
    return {**kept, "age_days": round(found["age_seconds"] / 86400, 2)}
