# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""oplog_size, without a server; the integration tests have one."""

from __future__ import annotations

from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.modules import oplog_size


class TestMain:
    def test_impossible_size(self, run_main: Any) -> None:
        """A size that no server takes is refused before anybody is asked."""
        code, result = run_main(oplog_size, login_port=1, size_bytes=5)
        assert (1, "bad_option") == (code, result["error"]["code"])

    def test_no_server(self, run_main: Any) -> None:
        """Nobody there is a failure that may be tried again."""
        code, result = run_main(oplog_size, login_port=1, connect_timeout_seconds=1)
        assert (1, "unreachable", True) == (code, result["error"]["code"], result["error"]["retry"])
