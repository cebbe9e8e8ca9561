# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wishes, what is known of a member, and the size that it needs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.facts import (
    MemberFacts,
    Step,
    Wish,
    needed_bytes,
)

RATE = {"p95_bytes_per_second": 2000.0, "mean_bytes_per_second": 1000.0}


class TestWish:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"min_hours": -1},
            {"min_retention_hours": -0.5},
            {"max_lag_seconds": -1},
            {"size_bytes": 990 * 1024**2 - 1},
            {"size_bytes": 1024**5 + 1},
            {"size_bytes": 0},
        ],
    )
    def test_impossible(self, wrong: dict[str, Any]) -> None:
        """What the server would refuse on the first member is refused before any is asked."""
        with pytest.raises(FixInput) as caught:
            Wish(**wrong).check()
        assert "bad_option" == caught.value.code
        assert next(iter(wrong)) in caught.value.message

    def test_limits_are_possible(self) -> None:
        """The least and the largest size that the server takes pass."""
        for size in (990 * 1024**2, 1024**5):
            Wish(size_bytes=size).check()


class TestNeeded:
    def test_busy_times_count(self) -> None:
        """The rate that 5 % of the time exceeds, for so many hours."""
        assert 2000 * 3600 * 24 == needed_bytes(MemberFacts("a:1", "PRIMARY"), RATE, 24)

    def test_never_below_the_mean(self) -> None:
        """Where nearly all is written in rare bursts, the mean is higher and counts."""
        rate = {"p95_bytes_per_second": 10.0, "mean_bytes_per_second": 5000.0}
        assert 5000 * 3600 == needed_bytes(MemberFacts("a:1", "PRIMARY"), rate, 1)

    def test_own_window_where_there_is_no_rate(self) -> None:
        """An oplog that holds 6 hours has to be four times as large for 24."""
        facts = MemberFacts("a:1", "SECONDARY", max_bytes=1_000_000, projected_hours=6.0)
        assert 4_000_000 == needed_bytes(facts, None, 24)

    def test_nothing_known(self) -> None:
        """Of nothing nothing follows."""
        assert needed_bytes(MemberFacts("a:1", "SECONDARY", projected_hours=0.0, max_bytes=5), None, 24) is None


class TestStep:
    def test_no_difference(self) -> None:
        """The same size and retention is nothing to do."""
        assert not Step(MemberFacts("a:1", "PRIMARY", max_bytes=5), 5, 0.0, "").changes

    def test_differences_are_told_apart(self) -> None:
        """Only what differs is sent to the server."""
        shrinks = Step(MemberFacts("a:1", "PRIMARY", max_bytes=5), 4, 0.0, "")
        retains = Step(MemberFacts("a:1", "PRIMARY", max_bytes=5), 5, 1.0, "")
        assert (True, True, False) == (shrinks.resizes, shrinks.shrinks, shrinks.retains)
        assert (False, False, True) == (retains.resizes, retains.shrinks, retains.retains)

    def test_host_of_an_ipv6_address(self) -> None:
        """Without the brackets, as an inventory names it."""
        assert "::1" == MemberFacts("[::1]:27017", "PRIMARY").host
