# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""snapshot_info."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import snapshot_info


class TestRun:
    @pytest.mark.parametrize(("expected", "name"), [(["b", "a"], None), (["a"], "a"), ([], "c")])
    def test_lists(self, create_module: Any, agent: Any, expected: list[str], name: str | None) -> None:
        """The order is the agent's; a name that does not exist is an empty list."""
        agent.expect("snapshots", answer={"ok": True, "snapshots": [{"name": "b"}, {"name": "a"}]})
        module = create_module(name=name)
        record = snapshot_info.run(module, Embedded(module.params, agent, False)).record
        assert expected == [snapshot["name"] for snapshot in record["snapshots"]]
