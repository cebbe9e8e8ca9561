# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""backup_lag_info."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import backup_lag_info

STATUS = {
    "ok": True,
    "state": "tailing",
    "backup_lag_seconds": 100.0,
    "backup_lag_primary_seconds": 100.0,
    "headroom_seconds": 36000.0,
    "alerts": [],
    "verdict": "ok",
    "reasons": [],
}


class TestRun:
    def test_limits(self, create_module: Any, agent: Any) -> None:
        """The limits of the task and the reasons of the agent come together."""
        agent.expect("status", answer={**STATUS, "verdict": "warning", "reasons": ["apply is slow"]})
        module = create_module(thresholds={"backup_lag_seconds": {"critical": 50}}, oplog=None)
        record = backup_lag_info.run(module, Embedded(module.params, agent, False)).record
        assert "critical" == record["verdict"]
        assert ["the backup lag is 100 s, more than 50", "apply is slow"] == record["reasons"]

    def test_contradiction(self, create_module: Any) -> None:
        """Limits that contradict each other are refused before the agent is asked."""
        module = create_module(thresholds={"backup_lag_seconds": {"critical": 50, "warning": 60}}, oplog=None)
        with pytest.raises(FixInput, match="exchange the two"):
            backup_lag_info.run(module, Embedded(module.params, None, False))


class TestMain:
    def test_does_not_fail_because_of_a_verdict(self, executable_agent: Any, run_main: Any) -> None:
        """A critical verdict is for the playbook to act on; the exit code 1 of status is no failure."""
        executable_agent.answer("status", {**STATUS, "verdict": "critical", "reasons": ["gap"]}, code=1)
        params = {"agent_command": str(executable_agent.path), "agent_config": "/etc/orders.yml"}
        code, result = run_main(backup_lag_info, **params)
        assert (0, "critical", ["gap"], False) == (code, result["verdict"], result["reasons"], result["changed"])
        assert "--config /etc/orders.yml status --json" == executable_agent.calls()[-1]

    def test_daemon_down(self, executable_agent: Any, run_main: Any) -> None:
        """Nothing measured is a failure, in a form that a playbook can branch on."""
        failure = {"ok": False, "error": {"code": "agent_down", "message": "start it", "details": {}}}
        executable_agent.answer("status", failure, code=4)
        params = {"agent_command": str(executable_agent.path), "agent_config": "/etc/orders.yml"}
        code, result = run_main(backup_lag_info, **params)
        assert (1, "start it", "agent_down", True) == (
            code,
            result["msg"],
            result["error"]["code"],
            result["error"]["retry"],
        )

    def test_agent_not_installed(self, run_main: Any) -> None:
        """A missing command ends the module through main, with what to do."""
        code, result = run_main(backup_lag_info, agent_command="/nowhere/backup-agent", agent_config="/etc/orders.yml")
        assert (1, "agent_not_installed") == (code, result["error"]["code"])
        assert "apply the role backup_agent" in result["msg"]

    def test_other_provider(self, run_main: Any) -> None:
        """A provider of a later version is refused clearly."""
        code, result = run_main(backup_lag_info, provider="pbm")
        assert (1, "unknown_provider") == (code, result["error"]["code"])
