# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for the oplogs of a replica set: every refusal, and every size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.decision import cautions, plan
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.facts import MIB, MemberFacts, Step, Wish

GIB = 1024**3
#: 1 GiB in 24 hours, 2 GiB in busy ones.
RATE = {"p95_bytes_per_second": 2 * GIB / 86400, "mean_bytes_per_second": GIB / 86400}


def member(address: str = "b:1", state: str = "SECONDARY", **known: Any) -> MemberFacts:
    """Return a member with a full oplog of 1 GiB that holds 24 hours, and room."""
    size = {"max_bytes": GIB, "storage_bytes": GIB, "projected_hours": 24.0, "window_hours": 24.0, "wrapped": True}
    return MemberFacts(address, state, **{**size, "disk_bytes": 200 * GIB, "free_bytes": 100 * GIB, **known})


def members(**known: Any) -> list[MemberFacts]:
    """Return a primary and two secondaries, each on a host of its own."""
    return [member("a:1", "PRIMARY", **known), member("b:1", **known), member("c:1", **known)]


def refused(found: list[MemberFacts], wish: Wish) -> BackupError:
    """Return the error that the plan is refused with."""
    with pytest.raises(BackupError) as caught:
        plan(found, RATE, wish)
    return caught.value


class TestSizes:
    def test_primary_last(self) -> None:
        """All grow to what the busy times need and a tenth more, the primary at the end."""
        steps = plan(members(), RATE, Wish())
        assert ["b:1", "c:1", "a:1"] == [step.facts.address for step in steps]
        assert all(2.2 * GIB <= step.size_bytes < 2.2 * GIB + MIB for step in steps)

    def test_second_time_nothing(self) -> None:
        """What was planned is enough, also when the estimate is a little higher by then."""
        first = plan(members(), RATE, Wish())
        higher = {name: value * 1.05 for name, value in RATE.items()}
        grown = [replace(step.facts, max_bytes=step.size_bytes, wrapped=False) for step in first]
        assert not any(step.changes for step in plan(grown, higher, Wish()))

    def test_given_size_is_rounded_up_to_whole_mib(self) -> None:
        """The server counts in MiB: a rest would be a difference for ever."""
        assert {2 * GIB} == {step.size_bytes for step in plan(members(), None, Wish(size_bytes=2 * GIB - 5))}

    def test_never_below_what_the_server_takes(self) -> None:
        """A quiet set with a tiny oplog gets the least size that can be set."""
        quiet = members(max_bytes=50 * MIB, projected_hours=10.0)
        assert {990 * MIB} == {step.size_bytes for step in plan(quiet, None, Wish(min_hours=11))}

    def test_shrinking_is_left_and_said(self) -> None:
        """Without leave the large one stays, and says why; the others are resized."""
        found = [*members()[:2], member("c:1", max_bytes=9 * GIB, projected_hours=216.0)]
        steps = {step.facts.address: step for step in plan(found, RATE, Wish(size_bytes=3 * GIB))}
        assert (9 * GIB, 3 * GIB) == (steps["c:1"].size_bytes, steps["b:1"].size_bytes)
        assert "only allow_shrink allows" in steps["c:1"].reason

    def test_shrinking_when_allowed(self) -> None:
        """Sized by hours, only what is far too large shrinks."""
        far = members(max_bytes=9 * GIB, projected_hours=216.0)
        near = members(max_bytes=int(2.9 * GIB), projected_hours=24 * 2.9)
        assert all(step.shrinks for step in plan(far, RATE, Wish(allow_shrink=True)))
        assert not any(step.changes for step in plan(near, RATE, Wish(allow_shrink=True)))
        assert not any(step.changes for step in plan(far, RATE, Wish()))

    def test_retention_is_not_shortened_unasked(self) -> None:
        """Shorter keeps less, so it needs the same leave as a smaller size."""
        kept = members(min_retention_hours=12.0)
        left = plan(kept, RATE, Wish(size_bytes=GIB, min_retention_hours=6))
        assert not any(step.changes for step in left)
        assert "minimum retention left at 12 hours" in left[0].reason
        allowed = plan(kept, RATE, Wish(size_bytes=GIB, min_retention_hours=6, allow_shrink=True))
        assert {6} == {step.min_retention_hours for step in allowed}


class TestRefusals:
    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ({"why_not": "no connection"}, "c:1: no connection"),
            ({"state": "RECOVERING"}, "c:1 in state RECOVERING"),
            ({"max_bytes": None}, "clusterMonitor"),
        ],
    )
    def test_one_member_not_in_order(self, broken: dict[str, Any], said: str) -> None:
        """One is enough, and is named."""
        error = refused([*members()[:2], replace(member("c:1"), **broken)], Wish())
        assert "unhealthy" == error.code
        assert said in error.message

    def test_no_primary(self) -> None:
        """Two secondaries alone are no healthy set."""
        error = refused(members()[1:], Wish())
        assert "no primary" in error.message

    def test_user_who_may_not(self) -> None:
        """Known before the first member is asked; clusterManager alone does not do."""
        error = refused(members(may_resize=False), Wish())
        assert "unauthorized" == error.code
        assert "hostManager" in error.message

    def test_young_oplog(self) -> None:
        """Minutes of history say little; told to, they are believed; and a full oplog has no more to tell."""
        young = members(wrapped=False, window_hours=0.1)
        assert "too_young" == refused(young, Wish()).code
        assert all(step.changes for step in plan(young, RATE, Wish(min_history_hours=0)))
        assert all(step.changes for step in plan(members(window_hours=0.1), RATE, Wish()))

    def test_no_rate(self) -> None:
        """Without any history there is no size to derive."""
        with pytest.raises(BackupError) as caught:
            plan(members(projected_hours=0.0), None, Wish())
        assert "rate_unknown" == caught.value.code

    def test_unhealthy_comes_before_room(self) -> None:
        """The worst is said first."""
        assert "unhealthy" == refused(members(free_bytes=0)[1:], Wish()).code


class TestCautions:
    def test_nothing_to_do_is_no_reason_to_warn(self) -> None:
        """A second run says nothing."""
        assert [] == cautions([Step(member(), GIB, 0.0, "")], RATE, Wish(size_bytes=GIB))

    def test_each_change_has_its_own(self) -> None:
        """Growing, shrinking, keeping: what the operator has to know of each."""
        grown = cautions([Step(member(), 3 * GIB, 0.0, "")], RATE, Wish())
        shrunk = cautions([Step(member(), 990 * MIB, 0.0, "")], RATE, Wish())
        kept = cautions([Step(member(), GIB, 3.0, "")], RATE, Wish())
        assert ["vendor" in grown[0], len(grown)] == [True, 1]
        assert ["compact" in shrunk[1], len(shrunk)] == [True, 2]
        assert ["restarts" in kept[0], len(kept)] == [True, 1]

    def test_a_size_that_holds_too_little(self) -> None:
        """The size that was asked for is set, but not without a word."""
        said = cautions([Step(member(), int(1.5 * GIB), 0.0, "")], RATE, Wish(size_bytes=int(1.5 * GIB)))
        assert "1.5 GiB hold less than 24 hours" in said[-1]
