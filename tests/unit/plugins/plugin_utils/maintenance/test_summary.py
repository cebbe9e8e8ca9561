# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of all jobs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.summary import (
    all_are_back,
    lines,
    refusal,
    results,
)

RUNNING = {"result": "running", "why": "lag 0 s", "next": ""}
LOST = {"result": "lost", "why": "Resync Required since now (unknown)", "next": "resync items"}
REFUSED = "expected that every job can bear 10 min, found: {}; nothing was changed"
ADVICE = ". Plan less time or wait; or say -e maintenance_force=true where a resync afterwards is acceptable"
FAILED = {"result": "failed", "why": "Stop the agent: no", "next": "end items"}


def refused(why: str, forceable: bool) -> dict[str, Any]:
    return {"result": "refused", "why": why, "forceable": forceable}


def test_a_line_for_each_job() -> None:
    """One without an outcome was left out by a restart that looked at it, or its machine is silent; then what to do next."""
    outcomes = {"orders": RUNNING, "items": LOST, "a": None, "b": None}
    assert [
        "JOB     RESULT",
        "orders  running   lag 0 s",
        "items   LOST      Resync Required since now (unknown)",
        "a       not done  was not restarted, because a job before it did not come back",
        "b       failed    its machine does not answer any more, see above",
        "items – next resync items",
    ] == lines(outcomes, ["a", "orders"])


def test_results() -> None:
    """As a workflow gets them."""
    assert {"orders": "running", "items": "lost", "a": "not done"} == results(
        {"orders": RUNNING, "items": LOST, "a": None}
    )


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([{"result": "planned", "why": ""}], ""),
        (
            [{"result": "planned", "why": ""}, refused("orders: no", True), refused("items: no", True)],
            REFUSED.format("orders: no; items: no") + ADVICE,
        ),
        (
            [refused("orders: no", True), refused("items: never", False)],
            REFUSED.format("orders: no; items: never"),
        ),
        (
            [None],
            REFUSED.format("a job that failed above"),
        ),
    ],
)
def test_why_nothing_is_done(outcomes: list[Any], said: str) -> None:
    """One that refuses is enough; less time and force are offered where they would help for all."""
    assert said == refusal(dict(zip("abc", outcomes)), 10)


@pytest.mark.parametrize(("last", "expected"), [(None, True), (RUNNING, True), (LOST, False), (FAILED, False)])
def test_whether_all_are_back(last: Any, expected: bool) -> None:
    """The next one is restarted only then; jobs whose turn comes later have no outcome yet."""
    assert expected is all_are_back({"orders": RUNNING, "items": last})
