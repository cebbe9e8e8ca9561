# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""snapshot_schedule."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import snapshot_schedule

MINE = {"owner": "me", "reason": "upgrade", "expires_at": None}
YOURS = {"owner": "you", "reason": "audit", "expires_at": None}
PAUSED = {"state": "paused", "owner": "me", "reason": "upgrade", "for_seconds": None}
RUNNING = {"state": "running", "owner": "me", "reason": None, "for_seconds": None}


class TestRun:
    def test_pauses(self, create_module: Any, agent: Any) -> None:
        """Pausing is one command, and no status is read where nobody wants the difference."""
        answer = {"ok": True, "changed": True, "leases": [MINE]}
        agent.expect("schedule", "pause", "--owner", "me", "--reason", "upgrade", answer=answer)
        module = create_module(**PAUSED)
        outcome = snapshot_schedule.run(module, Embedded(module.params, agent, False))
        assert {"changed": True, "leases": [MINE], "snapshots_paused": True} == outcome.result()

    def test_still_paused_by_another(self, create_module: Any, agent: Any) -> None:
        """After one's own lease is gone, the result says that snapshots are paused all the same."""
        answer = {"ok": True, "changed": True, "leases": [YOURS]}
        agent.expect("schedule", "resume", "--owner", "me", answer=answer)
        module = create_module(**RUNNING)
        record = snapshot_schedule.run(module, Embedded(module.params, agent, False)).record
        assert {"leases": [YOURS], "snapshots_paused": True} == record

    def test_difference(self, create_module: Any, agent: Any) -> None:
        """The difference shows the leases before and after."""
        agent.expect("status", answer={"ok": True, "verdict": "ok", "leases": [MINE, YOURS]})
        answer = {"ok": True, "changed": True, "leases": [YOURS]}
        agent.expect("schedule", "resume", "--owner", "me", answer=answer)
        module = create_module(diff=True, **RUNNING)
        outcome = snapshot_schedule.run(module, Embedded(module.params, agent, False))
        assert {"before": {"leases": [MINE, YOURS]}, "after": {"leases": [YOURS]}} == outcome.diff

    def test_pauses_while_the_daemon_is_down(self, create_module: Any, agent: Any) -> None:
        """The command is noted for later then, and only the difference lacks what was before."""
        down = {"ok": False, "error": {"code": "agent_down", "message": "down"}}
        agent.expect("status", answer=down, code=4)
        answer = {"ok": True, "changed": True, "leases": [MINE]}
        agent.expect("schedule", "pause", "--owner", "me", "--reason", "upgrade", answer=answer)
        module = create_module(diff=True, **PAUSED)
        outcome = snapshot_schedule.run(module, Embedded(module.params, agent, False))
        assert (True, {"leases": []}) == (outcome.changed, outcome.diff["before"])

    def test_check_mode(self, create_module: Any, agent: Any) -> None:
        """Check mode reads the status and changes nothing."""
        agent.expect("status", answer={"ok": True, "verdict": "ok", "leases": [MINE]})
        module = create_module(check_mode=True, **PAUSED)
        assert snapshot_schedule.run(module, Embedded(module.params, agent, True)).changed is False

    def test_no_time_at_all(self, create_module: Any) -> None:
        """A lease that is over at once is a mistake, and is refused before the agent is called."""
        module = create_module(**{**PAUSED, "for_seconds": 0})
        with pytest.raises(FixInput, match="for_seconds of at least 1, found 0"):
            snapshot_schedule.run(module, Embedded(module.params, lambda _command: (0, "", ""), False))


class TestMain:
    def test_pausing_needs_a_reason(self, run_main: Any) -> None:
        """People who find the snapshots paused must be able to read why."""
        code, result = run_main(snapshot_schedule, agent_config="/etc/orders.yml", state="paused", owner="me")
        assert (1, "state is paused but all of the following are missing: reason") == (code, result["msg"])
