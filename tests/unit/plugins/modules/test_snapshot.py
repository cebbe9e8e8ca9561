# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import snapshot

SNAPSHOT = {"name": "n", "id": "1", "held": False}
PRESENT = {"name": "n", "state": "present", "owner": "me", "prove": False}


class TestRun:
    def test_takes(self, create_module: Any, agent: Any) -> None:
        """Taking a snapshot returns the operation to follow."""
        answer = {"ok": True, "changed": True, "snapshot": None, "operation": {"id": "s-1"}}
        agent.expect("snapshot", "--name", "n", "--owner", "me", answer=answer)
        module = create_module(**PRESENT)
        outcome = snapshot.run(module, Embedded(module.params, agent, False))
        assert (True, {"snapshot": None, "operation": {"id": "s-1"}}) == (outcome.changed, outcome.record)
        assert {"n": "present"} == outcome.diff["after"]

    @pytest.mark.parametrize("state", ["held", "released", "proven", "absent"])
    def test_other_states(self, create_module: Any, agent: Any, state: str) -> None:
        """Every other state is passed on by its name."""
        answer = {"ok": True, "changed": False, "snapshot": SNAPSHOT}
        agent.expect("snapshot", "--name", "n", "--state", state, "--owner", "me", answer=answer)
        module = create_module(**{**PRESENT, "state": state})
        outcome = snapshot.run(module, Embedded(module.params, agent, False))
        assert (False, {"snapshot": SNAPSHOT, "operation": None}) == (outcome.changed, outcome.record)

    def test_check_mode(self, create_module: Any, agent: Any) -> None:
        """Check mode only lists."""
        agent.expect("snapshots", answer={"ok": True, "snapshots": [SNAPSHOT]})
        module = create_module(check_mode=True, **PRESENT)
        outcome = snapshot.run(module, Embedded(module.params, agent, True))
        assert (False, SNAPSHOT) == (outcome.changed, outcome.record["snapshot"])
