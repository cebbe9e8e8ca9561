# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What answers of agents mean for the role that runs them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.agents import (
    agent_answer,
    agent_recovered,
    open_operations,
    resource_answers,
)

SINCE = "2026-01-31T04:05:06Z"
LATER = "2026-01-31T04:05:07Z"


@pytest.mark.parametrize(
    ("expected", "stdout"),
    [({"ok": True}, ' {"ok": true}\n'), ({}, ""), ({}, "Traceback"), ({}, "[1]"), ({}, '{"ok": tr'), ({}, "null")],
)
def test_agent_answer(expected: dict[str, Any], stdout: str) -> None:
    """What is no answer is an empty one."""
    assert expected == agent_answer(stdout)


def status(alive: bool = True, cycle_at: str | None = LATER, state: str = "tailing", waiting: str | None = None) -> str:
    """Return what `backup-agent status --json` prints."""
    return json.dumps({"agent": {"alive": alive, "cycle_at": cycle_at}, "state": state, "waiting": waiting})


@pytest.mark.parametrize(
    ("expected", "now", "before"),
    [
        (True, status(), status()),
        (False, "no answer", status()),
        (False, "{}", status()),
        (False, status(alive=False), status()),
        (False, status(cycle_at=SINCE), status()),
        (False, status(cycle_at=None), status()),
        (False, status(state="starting"), status()),
        (False, status(waiting="for a source"), status()),
        (True, status(state="starting"), status(state="resync_required")),
        (True, status(waiting="for a source"), status(waiting="for a source")),
        (False, status(alive=False), status(state="resync_required")),
        (True, "no answer", status(alive=False)),
        (True, "no answer", "no answer"),
    ],
)
def test_agent_recovered(expected: bool, now: str, before: str) -> None:
    """It has to be alive, have gone through a cycle, and tail where it did; one that was not alive is not judged."""
    assert expected is agent_recovered(now, before, SINCE)


OPERATION = {"id": "resync-7", "owner": "me", "step": "sync"}


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ([], {"ok": True, "operation": None}),
        (["resync-7 of me at step sync"], {"ok": True, "operation": {**OPERATION, "state": "queued"}}),
        (["resync-7 of me at step sync"], {"ok": True, "operation": {**OPERATION, "state": "running"}}),
        ([], {"ok": True, "operation": {**OPERATION, "state": "done"}}),
        ([], {"ok": False, "error": {"code": "agent_down", "message": "it is down"}}),
        (["/etc/a.yml gives no answer: no state"], {"ok": False, "error": {"code": "x", "message": "no state"}}),
        (["/etc/a.yml gives no answer: lost"], {"ok": False}),
    ],
)
def test_open_operations(expected: list[str], answer: dict[str, Any]) -> None:
    """What is queued counts; one that cannot say what it does counts as busy."""
    assert expected == open_operations([{"item": "/etc/a.yml", "stdout": json.dumps(answer), "stderr": "lost"}])


def test_open_operations_of_several() -> None:
    """Those that were not asked are left out, and one that was never started is not one without an answer."""
    asked = [
        {"item": "a", "skipped": True},
        {"item": "b", "msg": "no route"},
        {"item": "c", "stdout": "?", "stderr": ""},
    ]
    assert ["b gives no answer: ", "c gives no answer: "] == open_operations(asked)


def job(host: str, printed: str | None, **variables: str) -> dict[str, Any]:
    """Return the variables of a job that has asked."""
    result = {"skipped": True} if printed is None else {"stdout": printed, "stderr": ""}
    return {"inventory_hostname": host, "__backup_agent_resources": result, **variables}


def test_resource_answers() -> None:
    """The jobs of the play on this machine, then the others; by name, and only those that have answered."""
    jobs = [
        job("orders", "1", backup_agent_host="m", backup_job="shop"),
        job("elsewhere", "2", backup_agent_host="n"),
        job("m", "3", backup_agent_host=""),
        job("silent", None, backup_agent_host="m"),
        {"inventory_hostname": "new", "backup_agent_host": "m"},
    ]
    others = [{"item": "/etc/backup-agent/a.b.yml", "stdout": "4", "stderr": "e"}, {"item": "x.yml", "skipped": True}]
    found = resource_answers(jobs, "m", others)
    assert [("shop", "1", ""), ("m", "3", ""), ("a.b", "4", "e")] == [tuple(one.values()) for one in found]
