# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""oplog_window_info, without a server; the integration tests have one."""

from __future__ import annotations

from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.modules import oplog_window_info


class TestMain:
    def test_no_server(self, run_main: Any) -> None:
        """Nobody there is a failure that says whom it asked, and never shows the password."""
        params = {"login_port": 1, "login_user": "joe", "login_password": "hunter2secret", "connect_timeout_seconds": 1}
        code, result = run_main(oplog_window_info, **params)
        assert (1, "unreachable") == (code, result["error"]["code"])
        assert "hunter2secret" not in str({**result, "invocation": None})
