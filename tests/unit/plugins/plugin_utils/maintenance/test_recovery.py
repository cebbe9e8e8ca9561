# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a backup is well again."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.recovery import Look

STARTED, SINCE = "2026-01-31T04:00:00Z", "2026-01-31T05:00:00Z"
UNHEARD = "no agent is known on db1, but on none"


def seen(**changes: Any) -> dict[str, Any]:
    """Return the result of a look at a backup that is well."""
    status = {
        "state": "tailing",
        "agent": {"alive": True, "started_at": STARTED, "cycle_at": SINCE},
        "waiting": None,
        "alerts": [],
        "reasons": [],
        "backup_lag_seconds": 2.0,
        "backup_lag_primary_seconds": 7.0,
        "headroom_seconds": 7200,
    }
    return {"status": {**status, **changes}}


def look(result: dict[str, Any], before: str = "", unheard: tuple[str, ...] = (), has_lag: bool = True) -> Look:
    return Look(result, has_lag, 60, before, unheard)


DEAD = {"alive": False, "started_at": STARTED, "cycle_at": None}
LOST = {"kind": "resync_required", "since": SINCE, "cause": "oplog_rolled_over"}


class TestByLag:
    @pytest.mark.parametrize(
        ("changes", "well"),
        [
            ({}, True),
            ({"backup_lag_primary_seconds": 60}, True),
            ({"backup_lag_primary_seconds": 60.5}, False),
            ({"backup_lag_seconds": None}, False),
            ({"headroom_seconds": 0}, False),
            ({"headroom_seconds": None}, False),
            ({"waiting": "no member is reached"}, False),
            ({"state": "resyncing"}, False),
            ({"agent": DEAD}, False),
        ],
    )
    def test_well(self, changes: dict[str, Any], well: bool) -> None:
        """Alive, tailing, near enough to the majority and the primary, and with its cursor in the oplog."""
        assert (well, well, False) == (
            look(seen(**changes)).well,
            look(seen(**changes)).settled,
            look(seen(**changes)).lost,
        )

    @pytest.mark.parametrize(("before", "well"), [("", True), (SINCE, True), (STARTED, False)])
    def test_what_the_one_before_has_seen_does_not_count(self, before: str, well: bool) -> None:
        """An agent that was started just now still shows it."""
        assert well is look(seen(), before).well

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            (None, "no answer: no route"),
            ({"agent": DEAD}, "it down"),
            ({"headroom_seconds": 0}, "state tailing, lag 7.0 s, headroom 0 s"),
            (
                {"backup_lag_seconds": None, "headroom_seconds": None, "reasons": ["slow", "old"]},
                "state tailing, lag unknown, headroom unknown; slow",
            ),
        ],
    )
    def test_missed(self, changes: dict[str, Any] | None, said: str) -> None:
        """What was expected, and what was found instead."""
        result = {"msg": "no route\n"} if changes is None else seen(**changes)
        expected = "expected the agent to be alive and at most 60 s behind, with its cursor in the oplog, within 1800 s, found "
        assert expected + said == look(result).missed(1800)

    def test_outcome(self) -> None:
        """The larger lag, and how long the source still has what is needed next."""
        said = {"job": "orders", "result": "running", "why": "lag 7 s, headroom 2 h 0 min", "next": ""}
        assert said == look(seen()).outcome("orders", "resync orders")


class TestByAlerts:
    @pytest.mark.parametrize(
        ("changes", "unheard", "well"),
        [
            ({}, (), True),
            ({}, (UNHEARD,), False),
            ({"alerts": [{"kind": "oplog_behind"}]}, (), False),
            ({"alerts": [{"kind": "other"}]}, (), True),
            ({"agent": DEAD}, (), False),
            ({"state": "new"}, (), False),
        ],
    )
    def test_well(self, changes: dict[str, Any], unheard: tuple[str, ...], well: bool) -> None:
        """There is no number: the product has heard of the agents, one is active, and it does not call the backup behind."""
        assert well is look(seen(backup_lag_seconds=None, **changes), "", unheard, has_lag=False).well

    @pytest.mark.parametrize(
        ("changes", "unheard", "said"),
        [
            (
                {"agent": DEAD, "reasons": ["a", "b"]},
                (UNHEARD,),
                f"{UNHEARD}; no agent is ACTIVE and was heard of lately; a; b",
            ),
            ({}, (), "no reason given"),
        ],
    )
    def test_missed(self, changes: dict[str, Any], unheard: tuple[str, ...], said: str) -> None:
        """Every reason counts, because any of them may be the one that helps."""
        expected = (
            "expected the product to have heard of the agents, one to be ACTIVE, and no alert that the backup is behind, "
            f"within 4 s, found state tailing, {said}"
        )
        assert expected == look(seen(**changes), "", unheard, has_lag=False).missed(4)

    @pytest.mark.parametrize(
        ("headroom", "muted", "end"),
        [
            (7200, [], "headroom at least 2 h 0 min"),
            (None, ["a window", "b"], "headroom unknown; alerts are still muted by a window, b"),
        ],
    )
    def test_outcome(self, headroom: float | None, muted: list[str], end: str) -> None:
        """Which agent is active, the least headroom, and who else mutes alerts."""
        agents = [{"host": "db1", "state": "ACTIVE"}, {"host": "db2", "state": "STANDBY"}]
        result = seen(agents=agents, muted_by=muted, headroom_seconds=headroom)
        said = f"no alert that it is behind, agent db1 heard of at {SINCE}, {end}"
        assert said == look(result, has_lag=False).outcome("orders", "")["why"]


@pytest.mark.parametrize("has_lag", [True, False])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"alerts": [LOST]}, f"Resync Required since {SINCE} (oplog_rolled_over)"),
        ({"alerts": [{**LOST, "cause": None}]}, f"Resync Required since {SINCE} (unknown)"),
        ({"state": "resync_required"}, "Resync Required since now (unknown)"),
    ],
)
def test_a_backup_that_is_lost(changes: dict[str, Any], why: str, has_lag: bool) -> None:
    """Waiting does not help; a resync does, with this command."""
    found = look(seen(**changes), has_lag=has_lag)
    assert (True, True) == (found.lost, found.settled)
    assert {"job": "orders", "result": "lost", "why": why, "next": "resync orders"} == found.outcome(
        "orders", "resync orders"
    )


def test_an_agent_that_has_stopped() -> None:
    """It goes on by nobody's waiting, but a resync is not what helps."""
    found = look(seen(state="stopped", alerts=[{"kind": "stopped"}]))
    assert (True, False, False) == (found.settled, found.well, found.lost)


def test_no_answer() -> None:
    """It is waited for."""
    assert (False, False, False) == (look({}).settled, look({}).well, look({}).lost)
