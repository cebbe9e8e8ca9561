# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sync_source_info."""

from __future__ import annotations

from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import sync_source_info

MEMBERS = [{"member": "a:1", "state": "PRIMARY", "eligible": False, "reason": "the primary"}]


class TestRun:
    def test_returns_the_choice(self, create_module: Any, agent: Any) -> None:
        """Everything that explains the choice is returned."""
        choice = {"chosen": "b:1", "reason": "least lag", "primary": "a:1", "members": MEMBERS}
        agent.expect("sources", answer={"ok": True, **choice})
        module = create_module()
        assert choice == sync_source_info.run(module, Embedded(module.params, agent, False)).record

    def test_warns_of_a_preference_that_nobody_meets(self, create_module: Any, agent: Any) -> None:
        """The agent's own sentence is shown, and is no part of the record."""
        choice = {"chosen": "b:1", "reason": "least lag", "primary": "a:1", "members": MEMBERS}
        agent.expect("sources", answer={"ok": True, **choice, "warnings": ["did you mean b:1?"]})
        module = create_module()
        warned: list[str] = []
        module.warn = warned.append
        assert choice == sync_source_info.run(module, Embedded(module.params, agent, False)).record
        assert ["did you mean b:1?"] == warned


class TestMain:
    def test_none_eligible(self, executable_agent: Any, run_main: Any) -> None:
        """That no member can be read from is an answer, with the reasons; exit code 3 is no failure."""
        answer = {"ok": False, "chosen": None, "reason": "none is eligible", "primary": "a:1", "members": MEMBERS}
        executable_agent.answer("sources", answer, code=3)
        params = {"agent_command": str(executable_agent.path), "agent_config": "/etc/orders.yml"}
        code, result = run_main(sync_source_info, **params)
        assert (0, None, MEMBERS) == (code, result["chosen"], result["members"])
