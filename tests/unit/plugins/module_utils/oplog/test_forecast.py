# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forecast of when a cursor falls off the oplog."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.forecast import slack_seconds


def member(name: str = "a:1", first: int = 0, last: int = 1000, used: int | None = 10_000, size: int = 10_000) -> Any:
    """Return a member as oplog_window_info does."""
    return {
        "member": name,
        "first": {"time": first},
        "last": {"time": last},
        "used_bytes": used,
        "max_bytes": size,
    }


def oplog(*members: Any, rate: float | None = 20.0, buckets: Any = ()) -> dict[str, Any]:
    """Return an oplog record with this rate at the 95th percentile."""
    written = {"p95_bytes_per_second": rate, "mean_bytes_per_second": 10.0, "buckets": list(buckets)}
    return {"members": list(members), "write_rate": written if rate else None}


class TestSlack:
    def test_a_cursor_at_the_end_has_the_whole_oplog(self) -> None:
        """10,000 bytes at 20 bytes per second."""
        assert 500 == slack_seconds(oplog(member()), None, None)

    def test_only_what_lies_before_the_cursor_counts(self) -> None:
        """Halfway through an even oplog, half of it is left to be overwritten."""
        assert 250 == slack_seconds(oplog(member()), 500, None)

    def test_a_young_oplog_has_room_as_well(self) -> None:
        """What is free is written first, and then what lies before the cursor."""
        assert 750 == slack_seconds(oplog(member(size=20_000)), 500, None)

    def test_bytes_count_and_not_time(self) -> None:
        """Nine tenths of the oplog were written in its second half, so a cursor in the middle has a tenth before it."""
        buckets = [{"start": 0, "bytes_per_second": 2.0}, {"start": 500, "bytes_per_second": 18.0}]
        assert 50 == pytest.approx(slack_seconds(oplog(member(), buckets=buckets), 500, None))

    def test_the_member_that_is_read_counts(self) -> None:
        """A short oplog elsewhere does not matter to an agent that does not read there."""
        both = oplog(member("a:1"), member("b:1", used=1000, size=1000))
        assert (500, 50) == (slack_seconds(both, None, "a:1"), slack_seconds(both, None, "b:1"))

    def test_without_a_source_the_least_counts(self) -> None:
        """Nobody knows yet where the agent will read."""
        assert 50 == slack_seconds(oplog(member("a:1"), member("b:1", used=1000, size=1000)), None, "gone:1")

    def test_a_cursor_before_the_oldest_entry_is_lost(self) -> None:
        """There is no time left, however large the oplog is."""
        assert 0 == slack_seconds(oplog(member(first=600, size=20_000)), 500, None)

    def test_other_rates(self) -> None:
        """At the mean rate it takes longer."""
        assert 1000 == slack_seconds(oplog(member()), None, None, "mean")

    @pytest.mark.parametrize("record", [oplog(member(), rate=None), oplog(member(used=None)), oplog()])
    def test_what_is_not_known(self, record: Any) -> None:
        """No rate, no fill level or no member: no time is named."""
        assert slack_seconds(record, None, None) is None
