# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog window."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.oplog import (
    Reading,
    Stamp,
    Window,
    judge,
    judge_clocks,
    judge_primary,
    rate_of,
    recommended_bytes,
    summarize,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member

START = 1_700_000_000


def window(hours: float, used: int | None = None, most: int | None = None) -> Window:
    """Return a window of this many hours."""
    return Window(Stamp(START, 1), Stamp(START + int(hours * 3600), 1), used, most)


class TestStamp:
    def test_has_the_one_form(self) -> None:
        """Every module and the agent print timestamps alike."""
        expected = {"time": START, "increment": 3, "iso": "2023-11-14T22:13:20Z"}
        assert expected == Stamp(START, 3).as_dict()


class TestJudge:
    @pytest.mark.parametrize(
        ("expected", "measured"),
        [
            ("ok", window(24)),
            ("critical", window(23.9)),
            ("ok", window(30, used=1, most=100)),
            ("critical", window(10, used=95, most=100)),
            ("warning", window(10, used=20, most=100)),
            ("critical", window(10, used=80, most=100)),
        ],
    )
    def test_verdict(self, expected: str, measured: Window) -> None:
        """A full oplog is judged by what it holds, one that is filling by what it will hold, and then never as ok."""
        assert expected == judge(measured, 24)[0]

    def test_young_oplog_says_both_numbers(self) -> None:
        """The operator of a new replica set must see why a window of minutes is no alarm."""
        text = "the oplog is not full yet and holds 10 hours; full it will hold about 50, which is enough for 24 but not proven"
        assert text == judge(window(10, used=20, most=100), 24)[1]

    def test_clock_without_fill_counts_as_full(self) -> None:
        """A user who may not ask for the fill level must not get a better verdict for it."""
        assert window(10).turning_over is True


class TestSummarize:
    def test_one_failure_hides_nobody(self) -> None:
        """The members that could be read keep their numbers, the one that could not makes the whole unknown."""
        failed = Reading(Member("b:1", "SECONDARY"), why_not="no connection")
        answer = summarize([Reading(Member("a:1", "PRIMARY"), window(48)), failed], 24)
        assert "unknown" == answer["verdict"]
        assert ["b:1: no connection"] == answer["reasons"]
        assert [48.0, None] == [member["window_hours"] for member in answer["members"]]
        assert 48.0 == answer["window_hours"]

    def test_arbiter_has_no_say(self) -> None:
        """A set with an arbiter is not unknown for ever."""
        arbiter = Reading(Member("c:1", "ARBITER", arbiter=True), why_not="an arbiter holds no data and no oplog")
        answer = summarize([Reading(Member("a:1", "PRIMARY"), window(48)), arbiter], 24)
        assert ("ok", []) == (answer["verdict"], answer["reasons"])
        assert (
            "an arbiter holds no data and no oplog",
            None,
        ) == tuple(answer["members"][1][key] for key in ("reason", "verdict"))

    def test_nothing_measured_is_unknown(self) -> None:
        """No members at all must never read as ok."""
        assert ("unknown", None) == tuple(summarize([], 24)[key] for key in ("verdict", "window_hours"))

    def test_shortest_window_counts(self) -> None:
        """Whichever member the backup reads from, it finds at least this."""
        readings = [Reading(Member(name, "SECONDARY"), window(hours)) for name, hours in (("a:1", 30), ("b:1", 5))]
        answer = summarize(readings, 24)
        assert (5.0, "critical") == (answer["window_hours"], answer["verdict"])
        assert ["b:1: the oplog window is 5 hours, less than 24"] == answer["reasons"]


RATE = {"mean_bytes_per_second": 1000.0, "p95_bytes_per_second": 2000.0, "peak_bytes_per_second": 10_000.0}
NIGHTLY = {"mean_bytes_per_second": 1000.0, "p95_bytes_per_second": 5.0, "peak_bytes_per_second": 90_000.0}


def forecast(rate: dict[str, float], most: int = 144_000_000, **more: Any) -> dict[str, Any]:
    """Return the record of a set with two full oplogs, the smaller of which has so many bytes and reaches back 40 hours."""
    full = [Window(Stamp(START, 1), Stamp(START + 40 * 3600, 1), size, size, **more) for size in (most, 2 * most)]
    members = [Member(name, "SECONDARY") for name in ("a:1", "b:1")]
    return summarize([Reading(member, each) for member, each in zip(members, full)], 24, rate)


class TestForecast:
    def test_numbers(self) -> None:
        """144 MB hold 20 hours at 2 kB/s and 4 at 10 kB/s; the set is as good as its smallest oplog."""
        answer = forecast(RATE)
        assert [(20.0, 4.0), (40.0, 8.0)] == [
            (member["forecast_p95_hours"], member["forecast_peak_hours"]) for member in answer["members"]
        ]
        assert (20.0, 4.0, 172_800_000) == tuple(
            answer[key] for key in ("forecast_p95_hours", "forecast_peak_hours", "recommended_oplog_bytes")
        )

    def test_busy_times_make_a_warning(self) -> None:
        """The window is long enough, and would not be in a busy day: that is said with the size that would do."""
        answer = forecast(RATE)
        assert ("warning", ["warning", "ok"]) == (answer["verdict"], [each["verdict"] for each in answer["members"]])
        reason = "a:1: at the rate of its busy times the oplog holds 20 hours, less than 24; 0.173 GB would be enough"
        assert [reason] == answer["reasons"]

    def test_the_peak_only_informs(self) -> None:
        """Nobody keeps up the busiest five minutes for a day."""
        assert ("ok", 5.0) == tuple(forecast(RATE, 180_000_000)[key] for key in ("verdict", "forecast_peak_hours"))

    def test_one_nightly_job(self) -> None:
        """The 95th percentile is that of an idle set; an oplog made for that would not even hold what is written on average."""
        assert (1000.0, 1000.0, 90_000.0) == tuple(rate_of(NIGHTLY, which) for which in ("mean", "p95", "peak"))
        assert 24 * 3_600_000 == recommended_bytes(NIGHTLY, 24)
        assert (40.0, "ok") == tuple(forecast(NIGHTLY)[key] for key in ("forecast_p95_hours", "verdict"))

    def test_what_the_server_keeps_anyway(self) -> None:
        """A minimum retention is kept however much is written, so the window is never forecast to be shorter."""
        answer = forecast(RATE, min_retention_hours=30.0)
        assert ("ok", 30.0, 30.0) == tuple(
            answer[key] for key in ("verdict", "forecast_p95_hours", "forecast_peak_hours")
        )

    def test_without_a_rate(self) -> None:
        """No rate, no forecast, and the window is judged as before."""
        answer = summarize([Reading(Member("a:1", "PRIMARY"), window(48, 10, 10))], 24)
        assert ("ok", None, None) == tuple(
            answer[key] for key in ("verdict", "forecast_p95_hours", "recommended_oplog_bytes")
        )


class TestJudgeClocks:
    @pytest.mark.parametrize(
        ("verdict", "words", "clocks"),
        [
            ("ok", "", {}),
            ("ok", "", {"clock_skew_seconds": 59.0, "ahead_seconds": -3600.0}),
            ("warning", "its clock is 61 s ahead of", {"clock_skew_seconds": 61.0}),
            ("warning", "its clock is 3600 s behind", {"clock_skew_seconds": -3600.0}),
            ("warning", "its newest entry is 3600 s in the future", {"ahead_seconds": 3600.0}),
        ],
    )
    def test_a_minute_is_borne(self, verdict: str, words: str, clocks: dict[str, float]) -> None:
        """A slow answer is no skew; an idle set's newest entry may be old."""
        found, text = judge_clocks(Window(Stamp(0, 1), Stamp(10, 1), **clocks))
        assert (verdict, True) == (found, text.startswith(words))


class TestJudgePrimary:
    @pytest.mark.parametrize(
        ("verdict", "states"), [("ok", ["SECONDARY", "PRIMARY"]), ("unknown", ["SECONDARY", "ROLLBACK"])]
    )
    def test_somebody_has_to_be(self, verdict: str, states: list[str]) -> None:
        """Without a primary the newest entries are nobody's."""
        assert verdict == judge_primary([Reading(Member("a:1", state)) for state in states]).verdict


class TestMemberStates:
    @pytest.mark.parametrize("state", ["STARTUP", "STARTUP2", "RECOVERING", "ROLLBACK", "REMOVED", "DOWN"])
    def test_a_member_that_is_not_whole_is_not_read(self, state: str) -> None:
        """Its oplog has holes, or loses entries that others do not have."""
        member = Member("a:1", state)
        assert f"the member is in state {state}" in member.unreadable_because
        assert "unknown" == Reading(member, why_not=member.unreadable_because).finding(24).verdict
