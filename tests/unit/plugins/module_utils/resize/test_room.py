# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room on the disks for larger oplogs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.facts import MemberFacts, Step, Wish
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.room import demand_room

GB = 10**9
RATE = {"p95_bytes_per_second": GB / 3600, "mean_bytes_per_second": 0.0}


def step(address: str = "a:1", size: int = 11 * GB, retention: float = 0.0, **known: Any) -> Step:
    """Return a step from 1 GB to 11 GB."""
    facts = MemberFacts(address, "SECONDARY", **{"max_bytes": GB, "storage_bytes": GB, "disk_bytes": 100 * GB, **known})
    return Step(facts, size, retention, "")


def code(*steps: Step, **wish: Any) -> str:
    """Return the code that the steps are refused with; empty where they are not."""
    try:
        demand_room(steps, RATE, Wish(**wish))
    except AskOperator as error:
        return error.code
    return ""


def test_growth_and_a_tenth() -> None:
    """10 GB more need 11 GB free, not a byte less."""
    assert ("", "no_room") == (code(step(free_bytes=11 * GB)), code(step(free_bytes=11 * GB - 1)))


def test_members_on_one_disk_share_it() -> None:
    """Two members of one host need twice as much; on hosts of their own they do not."""
    free = {"free_bytes": 15 * GB}
    assert "no_room" == code(step("a:1", **free), step("a:2", **free))
    assert "" == code(step("a:1", **free), step("b:1", **free))
    assert "" == code(step("a:1", **free), step("a:2", **free, disk_bytes=50 * GB))


def test_what_has_grown_already_still_claims_its_room() -> None:
    """After an interruption, a member that was resized but is not full yet needs its room as well."""
    grown = step("a:1", max_bytes=11 * GB, free_bytes=15 * GB)
    assert not grown.changes
    assert "no_room" == code(grown, step("a:2", free_bytes=15 * GB))


def test_retention_can_need_more_than_the_size() -> None:
    """Keeping 20 hours at 1 GB an hour needs 20 GB, whatever the size."""
    assert "no_room" == code(step(size=GB, retention=20.0, free_bytes=15 * GB))
    assert "" == code(step(size=GB, retention=10.0, free_bytes=15 * GB))


def test_unknown_room() -> None:
    """Who cannot look refuses, unless told that there is room."""
    assert ("room_unknown", "") == (code(step()), code(step(), assume_room=True))


def test_shrinking_needs_none() -> None:
    """A full disk is no reason not to shrink."""
    assert "" == code(step(size=GB // 2, free_bytes=0))


def test_the_disk_is_named() -> None:
    """The message says who has how much, and that nothing happened."""
    with pytest.raises(AskOperator, match=r"0 GiB free for a:1.*nothing was changed on any member"):
        demand_room([step(free_bytes=0)], RATE, Wish())
