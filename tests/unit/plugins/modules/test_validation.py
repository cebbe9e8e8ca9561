# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""validation."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import validation


class TestRun:
    @pytest.mark.parametrize(("after", "changed"), [({"validation": "digest"}, True), ({}, False)])
    def test_starts(self, create_module: Any, agent: Any, after: dict[str, str], changed: bool) -> None:
        """Attaching to one's own validation changes nothing."""
        answer = {"ok": True, "changed": changed, "attached": not changed, "operation": {"id": "v-1"}}
        agent.expect("validate", "--owner", "me", "--level", "digest", answer=answer)
        module = create_module(owner="me", level="digest")
        outcome = validation.run(module, Embedded(module.params, agent, False))
        assert (changed, after) == (outcome.changed, outcome.diff["after"])
        assert {"attached": not changed, "operation": {"id": "v-1"}} == outcome.record
