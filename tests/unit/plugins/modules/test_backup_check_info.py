# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""backup_check_info."""

from __future__ import annotations

from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.modules import backup_check_info


class TestMain:
    def test_worst_first_without_a_failure(self, run_main: Any) -> None:
        """A job that cannot be read is unknown and comes first; passwords are not shown."""
        gone = {"name": "gone", "login_host": "127.0.0.1", "login_port": 1, "connect_timeout_seconds": 1}
        secret = {"login_user": "joe", "login_password": "hunter2secret"}
        code, result = run_main(backup_check_info, jobs=[{"name": "empty"}, {**gone, **secret}])
        assert (0, "unknown", False) == (code, result["verdict"], result["changed"])
        assert ["empty", "gone"] == [record["job"] for record in result["jobs"]]
        assert "hunter2secret" not in str(result)

    def test_no_jobs(self, run_main: Any) -> None:
        """A check of nothing is a mistake."""
        code, result = run_main(backup_check_info, jobs=[])
        assert (1, "bad_jobs") == (code, result["error"]["code"])
