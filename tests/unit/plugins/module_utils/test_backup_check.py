# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of one backup."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.backup_check import backup_record

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
STATUS = {
    "state": "tailing",
    "backup_lag_seconds": 100.0,
    "backup_lag_primary_seconds": 110.0,
    "apply_lag_seconds": 5.0,
    "headroom_seconds": 36000.0,
    "captured": {"time": 500, "increment": 1},
    "source": "a:1",
    "alerts": [],
    "last_snapshot": {"name": "s2", "created_at": "2026-01-01T12:00:00Z", "proven_at": None, "bytes_added": 5},
    "last_proven_snapshot": None,
    "last_resync": {"operation": "resync-1", "finished_at": "2025-12-31T00:00:00Z", "age_seconds": 172800},
    "last_validation": None,
    "verdict": "ok",
    "reasons": [],
}
OPLOG = {
    "members": [
        {"member": "a:1", "first": {"time": 0}, "last": {"time": 1000}, "used_bytes": 10_000, "max_bytes": 10_000}
    ],
    "write_rate": {"p95_bytes_per_second": 1.0, "buckets": []},
}


def record(limits: Any = None, oplog: Any = None, **status: Any) -> dict[str, Any]:
    """Return the record of a status that differs from the usual one in these values."""
    return backup_record({**STATUS, **status}, limits, oplog, NOW)


class TestVerdict:
    @pytest.mark.parametrize(
        ("expected", "limits", "status"),
        [
            ("ok", None, {}),
            ("warning", {"backup_lag_seconds": {"warning": 105}}, {}),
            ("ok", {"backup_lag_seconds": {"warning": 110}}, {}),
            ("unknown", {"backup_lag_seconds": {"critical": 500}}, {"backup_lag_primary_seconds": None}),
            ("critical", {"headroom_hours": {"critical": 11}}, {}),
            ("critical", {"proven_age_hours": {"critical": 11}}, {}),
            ("warning", {"snapshot_age_hours": {"warning": 11}}, {}),
            ("warning", {"resync_age_days": {"warning": 1}}, {}),
            ("critical", {"backup_lag_seconds": {"critical": 500}}, {"verdict": "critical"}),
        ],
    )
    def test_limits_only_make_it_worse(self, expected: str, limits: Any, status: dict[str, Any]) -> None:
        """The lag against the primary counts as well as the one against the majority, and the provider's verdict stays."""
        assert expected == record(limits, **status)["verdict"]

    def test_reasons_of_both(self) -> None:
        """The operator sees the provider's reasons beside those of the limits."""
        found = record({"backup_lag_seconds": {"critical": 50}}, verdict="warning", reasons=["apply is slow"])
        assert ["the backup lag is 110 s, more than 50", "apply is slow"] == found["reasons"]


class TestMeasures:
    def test_ages(self) -> None:
        """Ages are in the units that people set limits in."""
        found = record()
        assert (12.0, 2.0) == (found["last_snapshot"]["age_hours"], found["last_resync"]["age_days"])
        assert (None, None) == (found["last_proven_snapshot"], found["last_validation"])

    def test_slack(self) -> None:
        """Half of 10,000 bytes lies before the cursor; at a byte a second that takes 83.3 minutes."""
        assert 83.3 == record(oplog=OPLOG)["slack_minutes"]

    @pytest.mark.parametrize("status", [{"captured": None}, {"headroom_seconds": None}])
    def test_no_slack_without_a_cursor(self, status: dict[str, Any]) -> None:
        """A cursor that is not known, or known to be stale, has no time left that one could name."""
        assert record(oplog=OPLOG, **status)["slack_minutes"] is None

    def test_no_slack_without_the_oplog(self) -> None:
        """The agent alone does not know the rate of writing."""
        assert record()["slack_minutes"] is None
