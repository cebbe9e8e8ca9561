# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""maintenance_gate."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.modules import maintenance_gate

STATUS = {
    "ok": True,
    "state": "tailing",
    "headroom_seconds": 36000.0,
    "captured": {"time": 1767225600, "increment": 1},
    "verdict": "ok",
    "reasons": [],
}


@pytest.fixture
def orders(executable_agent: Any) -> dict[str, Any]:
    """Return a job whose agent has ten hours of headroom."""
    executable_agent.answer("status", STATUS)
    return {"name": "orders", "agent_command": str(executable_agent.path), "agent_config": "/etc/orders.yml"}


class TestMain:
    def test_safe(self, run_main: Any, orders: dict[str, Any]) -> None:
        """Ten hours bear one hour and the default margin."""
        code, result = run_main(maintenance_gate, planned_downtime_minutes=60, jobs=[orders])
        assert (0, True, "orders", 36000.0) == (
            code,
            result["safe"],
            result["decided_by"],
            result["seconds_until_lost"],
        )

    def test_unsafe_fails_with_the_arithmetic(self, run_main: Any, orders: dict[str, Any]) -> None:
        """The message says how much is missing, and the answer is there for a rescue."""
        code, result = run_main(maintenance_gate, planned_downtime_minutes=600, jobs=[orders], check_mode=True)
        assert (1, "unsafe", False) == (code, result["error"]["code"], result["error"]["details"]["safe"])
        assert "60 min too little" in result["msg"]

    def test_unsafe_without_failing(self, run_main: Any, orders: dict[str, Any]) -> None:
        """A playbook that decides itself gets the same answer."""
        code, result = run_main(maintenance_gate, planned_downtime_minutes=600, jobs=[orders], fail=False)
        assert (0, False, "critical") == (code, result["safe"], result["verdict"])

    def test_one_silent_job_is_enough(self, run_main: Any, orders: dict[str, Any]) -> None:
        """Of a cluster the worst job decides."""
        silent = {"name": "shop1", "agent_command": "/nowhere/backup-agent", "agent_config": "/etc/shop1.yml"}
        code, result = run_main(maintenance_gate, planned_downtime_minutes=1, jobs=[orders, silent])
        assert (1, "shop1") == (code, result["error"]["details"]["decided_by"])

    def test_nonsense(self, run_main: Any, orders: dict[str, Any]) -> None:
        """No downtime is no plan."""
        code, result = run_main(maintenance_gate, planned_downtime_minutes=0, jobs=[orders])
        assert (1, "bad_plan") == (code, result["error"]["code"])
