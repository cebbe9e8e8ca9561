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
        agent.expect("ranges", answer={"ok": True, "ranges": [{"seconds": 7}]})
        module = create_module(name=name)
        record = snapshot_info.run(module, Embedded(module.params, agent, False)).record
        assert expected == [snapshot["name"] for snapshot in record["snapshots"]]
        assert [{"seconds": 7}] == record["ranges"]

    def test_without_snapshots_nothing_can_be_restored(self, create_module: Any, agent: Any) -> None:
        """The repository, which is made with the first one, is not asked for."""
        agent.expect("snapshots", answer={"ok": True, "snapshots": []})
        module = create_module(name=None)
        outcome = snapshot_info.run(module, Embedded(module.params, agent, False))
        assert {"snapshots": [], "ranges": []} == outcome.record

    def test_snapshots_are_listed_while_the_repository_is_away(self, create_module: Any, agent: Any) -> None:
        """Unknown is not the same as none."""
        agent.expect("snapshots", answer={"ok": True, "snapshots": [{"name": "a"}]})
        error = {"code": "unknown", "message": "it cannot be reached", "details": {}}
        agent.expect("ranges", answer={"ok": False, "error": error}, code=5)
        module = create_module(name=None)
        warned: list[str] = []
        module.warn = warned.append
        record = snapshot_info.run(module, Embedded(module.params, agent, False)).record
        assert (["a"], None) == ([s["name"] for s in record["snapshots"]], record["ranges"])
        assert ["what can be restored is not known: it cannot be reached"] == warned
