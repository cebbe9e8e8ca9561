# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request, and what was answered to it, for the tests of maintenance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.request import Answers, Request

NOW = "2026-01-31T04:00:00Z"
BEGAN, UNTIL, LATEST = "2026-01-31T02:00:00Z", "2026-01-31T05:00:00Z", "2026-01-31T09:00:00Z"
GATE = {"job": "orders", "safe": True, "latest_safe_restart": LATEST, "arithmetic": "orders: safe, 6.0 h are left"}
UNSAFE = {**GATE, "safe": False, "arithmetic": "orders: unsafe, 1 min is left"}
OWN_AGENTS = {"runs_agents": True, "can_pause_snapshots": True, "reports_lag": True}
VENDORS_AGENTS = {"runs_agents": False, "mutes_alerts": True, "snapshots_by_schedule_only": True}


def request(**changes: Any) -> Request:
    """Return a request of anna for an hour."""
    asked = Request(
        job="orders",
        host="orders-host",
        machine="backup1",
        owner="anna",
        reason="new kernel",
        minutes=60,
        margin_minutes=30,
        force=False,
        snapshot=False,
        stop_agents=True,
        vendors=(),
        touched=(),
        lag_seconds=60,
        together=("orders-host",),
        playbook="ansible-playbook -i hosts mongodb_ops.backup",
    )
    return replace(asked, **changes)


def record(owner: str = "anna", **changes: Any) -> dict[str, Any]:
    """Return a maintenance that is recorded."""
    times = {"began_at": BEGAN, "until": UNTIL, "latest_safe_restart": LATEST, "overdue": False}
    return {"owner": owner, "reason": "disk", **times, **changes}


def answers(
    status: dict[str, Any] | None = None,
    gate: dict[str, Any] | None = GATE,
    facts: dict[str, Any] = OWN_AGENTS,
    renewed: bool = False,
    **parts: Any,
) -> Answers:
    """Return the answers of a job that is well, and may begin a maintenance, but for these."""
    seen = {"state": "tailing", "agent": {"alive": True, "started_at": BEGAN}, "operation": None, **(status or {})}
    would = record(latest_safe_restart=LATEST if renewed else None)
    found = Answers(
        read={"status": seen, "facts": facts},
        gate={"jobs": [gate]} if gate else {"msg": "no pymongo"},
        asked={"changed": False, "renewed": renewed, "maintenance": would},
    )
    return replace(found, **parts)
