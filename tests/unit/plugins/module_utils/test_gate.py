# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate before maintenance."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.gate import Maintenance, judge
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.forecast import slack_seconds

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOUR = 3600


def oplog(hours: float, p95: float | None = 1000.0, wrapped: bool = True) -> dict[str, Any]:
    """Return the record of an oplog that reaches back this long and holds 36 MB: 10 hours at 1000 bytes per second."""
    entry = {"member": "a:1", "wrapped": wrapped, "first": {"time": 0}, "last": {"time": hours * HOUR}}
    rate = p95 and {"p95_bytes_per_second": p95, "peak_bytes_per_second": 2 * p95, "buckets": []}
    return {
        "members": [{**entry, "used_bytes": 36_000_000, "max_bytes": 36_000_000}],
        "window_hours": hours,
        "verdict": "ok",
        "reasons": [],
        "write_rate": rate or None,
        "write_rate_reason": None if p95 else "the user may not read the oplog",
    }


def backup(state: str = "tailing", headroom_hours: float | None = 10.0, captured: float = 10 * HOUR) -> dict[str, Any]:
    """Return the record of a backup."""
    headroom = None if headroom_hours is None else headroom_hours * HOUR
    status = {"captured": {"time": captured}, "source": "a:1"}
    known = {"verdict": "ok", "reasons": ["the source is silent"], "alerts": []}
    return {"state": state, "headroom_seconds": headroom, "status": status, **known}


def job(name: str = "orders", **parts: Any) -> dict[str, Any]:
    """Return a check record."""
    return {
        "job": name,
        "cluster": None,
        "oplog": None,
        "oplog_error": None,
        "backup": None,
        "backup_error": None,
        **parts,
    }


def gate(*jobs: Any, downtime: float = 60, margin: float = 60, rate: str = "p95") -> dict[str, Any]:
    """Ask the gate."""
    return judge(jobs, Maintenance(downtime, margin, rate), NOW)


class TestWithoutAnAgent:
    def test_window_at_the_forecast_rate(self) -> None:
        """The window is 20 hours, but at the rate of busy times the oplog turns over in 10."""
        answer = gate(job(oplog=oplog(20)))
        assert (True, "ok", 10 * HOUR) == (answer["safe"], answer["verdict"], answer["seconds_until_lost"])
        assert "2026-01-01T09:00:00Z" == answer["latest_safe_restart"]

    def test_a_window_that_is_shorter_than_the_forecast(self) -> None:
        """Writes are heavier now than the assumed rate: the observed rate counts."""
        assert 5 * HOUR == gate(job(oplog=oplog(5)))["seconds_until_lost"]

    def test_a_young_oplog_is_not_short(self) -> None:
        """It reaches back an hour because it was made an hour ago."""
        assert 10 * HOUR == gate(job(oplog=oplog(1, wrapped=False)))["seconds_until_lost"]

    def test_without_a_rate_the_window_counts(self) -> None:
        """The window is measured, and says how long it takes if writes go on as they did."""
        answer = gate(job(oplog=oplog(20, p95=None)))
        assert 20 * HOUR == answer["seconds_until_lost"]
        assert "the user may not read the oplog" in answer["arithmetic"]

    def test_a_young_oplog_without_a_rate_says_nothing(self) -> None:
        """Fail closed."""
        assert not gate(job(oplog=oplog(20, p95=None, wrapped=False)))["safe"]

    def test_the_peak(self) -> None:
        """At twice the rate there is half the time."""
        assert 5 * HOUR == gate(job(oplog=oplog(20)), rate="peak")["seconds_until_lost"]


class TestWithAnAgent:
    def test_the_cursor_counts(self) -> None:
        """Only what lies before the cursor has to be overwritten: a lag of 5 hours leaves 5."""
        answer = gate(job(oplog=oplog(10), backup=backup(captured=5 * HOUR)))
        assert 5 * HOUR == answer["seconds_until_lost"]

    def test_headroom_alone(self) -> None:
        """Without a login of its own the gate believes the agent."""
        answer = gate(job(backup=backup(headroom_hours=3)))
        assert (True, 3 * HOUR) == (answer["safe"], answer["seconds_until_lost"])
        assert "at the rate of writing so far" in answer["arithmetic"]

    @pytest.mark.parametrize(
        ("words", "parts"),
        [
            ("out of sync already", {"backup": backup("resync_required")}),
            ("state initial_sync", {"backup": backup("initial_sync")}),
            ("state stopped", {"backup": backup("stopped")}),
            ("the source is silent", {"backup": backup(headroom_hours=None)}),
            ("backup not read: no agent", {"backup_error": "no agent", "oplog": oplog(20)}),
            ("oplog not read: refused", {"oplog_error": "refused", "backup": backup()}),
            ("neither its oplog nor its backup was checked", {}),
            ("has no primary", {"oplog": {**oplog(20), "verdict": "unknown", "reasons": ["the set has no primary"]}}),
            (
                "no sign of life",
                {"backup": {**backup(), "verdict": "unknown", "reasons": ["it gave no sign of life for 900 s"]}},
            ),
            (
                "out of sync already",
                {"backup": {**backup(), "verdict": "critical", "alerts": [{"kind": "resync_required"}]}},
            ),
        ],
    )
    def test_silence_is_not_safe(self, words: str, parts: dict[str, Any]) -> None:
        """What is not known, or has no cursor that could wait, is refused with the reason."""
        answer = gate(job(**parts))
        assert (False, "critical", None) == (answer["safe"], answer["verdict"], answer["latest_safe_restart"])
        assert words in answer["reasons"][0]

    def test_a_source_that_was_not_read_is_not_replaced(self) -> None:
        """Another member's longer oplog says nothing about the one that the agent reads; what the agent says of it does."""
        found = oplog(10)
        away = {
            **found["members"][0],
            "member": "b:1",
            "first": None,
            "last": None,
            "used_bytes": None,
            "max_bytes": None,
        }
        found["members"].append(away)
        record = backup()
        record["status"]["source"] = "b:1"
        assert slack_seconds(found, 0, "b:1") is None
        assert gate(job(oplog=found, backup=record))["seconds_until_lost"] == 10 * HOUR


class TestArithmetic:
    @pytest.mark.parametrize(("safe", "margin"), [(True, 540), (False, 541)])
    def test_limit(self, safe: bool, margin: float) -> None:
        """Ten hours bear one of downtime and nine of margin, and not a minute more."""
        answer = gate(job(oplog=oplog(20)), margin=margin)
        assert safe is answer["safe"]
        assert ("1 min too little" in answer["arithmetic"]) is not safe

    def test_no_end_of_the_calendar(self) -> None:
        """A set that writes next to nothing is safe for years, and years have to be enough."""
        idle = oplog(20, p95=0.0001, wrapped=False)
        assert (True, "2035-12-30T00:00:00Z") == tuple(
            gate(job(oplog=idle), margin=0)[k] for k in ("safe", "latest_safe_restart")
        )

    def test_a_peak_that_was_missed(self) -> None:
        """The cautious rate must not be the less cautious one, and a rough rate is called so."""
        rough = oplog(100)
        rough["write_rate"]["peak_bytes_per_second"] = 10.0
        rough["write_rate_reason"] = "the estimate is rougher than usual"
        answer = gate(job(oplog=rough), rate="peak")
        assert 10 * HOUR == answer["seconds_until_lost"]
        assert "the 95th percentile rate, the estimate is rougher than usual" in answer["arithmetic"]

    def test_words(self) -> None:
        """An operator can check the sum, and knows when to be back."""
        expected = (
            "orders: safe, 10.0 h until the cursor falls off (at 0.001 MB/s, the 95th percentile rate); planned 60 min and a"
            " margin of 60 min make 120 min: start again by 2026-01-01T09:00:00Z"
        )
        assert expected == gate(job(oplog=oplog(20)))["arithmetic"]


class TestSeveralJobs:
    def test_the_worst_decides(self) -> None:
        """The one with the least time decides, and one that is silent before all others."""
        jobs = [job("a", oplog=oplog(20)), job("b", oplog=oplog(5))]
        assert ("b", True) == tuple(gate(*jobs)[key] for key in ("decided_by", "safe"))
        answer = gate(*jobs, job("c", oplog_error="refused"))
        assert ("c", False, 1) == (answer["decided_by"], answer["safe"], len(answer["reasons"]))
        assert ["c", "b", "a"] == [found["job"] for found in answer["jobs"]]


class TestPlan:
    @pytest.mark.parametrize(
        "maintenance",
        [
            Maintenance(0, 60),
            Maintenance(-1, 60),
            Maintenance(60, -1),
            Maintenance(60, float("inf")),
            Maintenance(float("nan"), 1),
        ],
    )
    def test_nonsense(self, maintenance: Maintenance) -> None:
        """A downtime of nothing, or a negative margin, would make anything safe."""
        with pytest.raises(FixInput, match="Expected"):
            maintenance.check()
