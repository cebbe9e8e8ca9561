# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""operation_info, the half that runs on the host."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import operation_info


class TestRun:
    @pytest.mark.parametrize(("words", "named"), [(["operation"], None), (["operation", "r-1"], "r-1")])
    def test_reads(self, create_module: Any, agent: Any, words: list[str], named: str | None) -> None:
        """Without an id the agent chooses."""
        agent.expect(*words, answer={"ok": True, "operation": {"id": "r-1"}})
        module = create_module(operation=named)
        assert {"operation": {"id": "r-1"}} == operation_info.run(module, Embedded(module.params, agent, False)).record

    def test_failed_operation_is_an_answer(self, create_module: Any, agent: Any) -> None:
        """Reading a failed operation works, whatever the exit code says about it."""
        failed = {"id": "r-1", "state": "failed"}
        agent.expect("operation", answer={"ok": False, "operation": failed, "error": {"code": "failed"}}, code=1)
        module = create_module(operation=None)
        assert {"operation": failed} == operation_info.run(module, Embedded(module.params, agent, False)).record
