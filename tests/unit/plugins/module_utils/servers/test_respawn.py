# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going on with another Python. That it is found and gone on with is tested with real ones, in the integration tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection, respawn


class TestContinueWithPymongo:
    def test_none_has_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The operator is told which Pythons were tried, and what would help."""
        monkeypatch.setattr(connection, "HAS_PYMONGO", False)
        module = SimpleNamespace(params={"agent_python": None, "agent_command": "/nowhere/backup-agent"})
        with pytest.raises(FixInput, match=r"none, as agent_command was not found.*apply the role backup_agent"):
            respawn.continue_with_pymongo(module)

    def test_nothing_to_do(self) -> None:
        """With pymongo at hand no option is even read."""
        assert connection.HAS_PYMONGO
        respawn.continue_with_pymongo(SimpleNamespace(params={}))
