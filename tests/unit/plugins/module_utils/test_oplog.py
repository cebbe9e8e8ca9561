# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog window."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog import Reading, Stamp, Window, judge, summarize
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
