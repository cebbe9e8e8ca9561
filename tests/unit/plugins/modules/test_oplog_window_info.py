# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""oplog_window_info, without a server; the integration tests have one."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member
from ansible_collections.mongodb_ops.backup.plugins.modules import oplog_window_info

DEFAULTS = {name: option.get("default") for name, option in connection.LOGIN.options.items()}
LOGIN = connection.Login({**DEFAULTS, "connect_timeout_seconds": 1})


class TestRead:
    def test_arbiter_is_not_asked(self) -> None:
        """No connection is opened to a member that has nothing to say."""
        reading = oplog_window_info.read(LOGIN, Member("127.0.0.1:1", "ARBITER", arbiter=True))
        assert ("an arbiter holds no data and no oplog", None) == (reading.why_not, reading.window)

    def test_unreachable_member_is_part_of_the_answer(self) -> None:
        """A member that is gone becomes a reason and not an exception."""
        reading = oplog_window_info.read(LOGIN, Member("127.0.0.1:1", "SECONDARY"))
        assert reading.window is None
        assert "Expected an answer from 127.0.0.1:1, found no connection" in reading.why_not


class TestDemandAWindow:
    def test_nothing_measured(self) -> None:
        """Without a single window there is no verdict over the set, and the members are not lost."""
        record = {"window_hours": None, "reasons": ["a:1: down"], "members": [1]}
        with pytest.raises(RetryLater, match="at least one member, found none: a:1: down") as caught:
            oplog_window_info.demand_a_window(record)
        assert [1] == caught.value.details["members"]

    def test_one_is_enough(self) -> None:
        """The others are reasons then."""
        assert oplog_window_info.demand_a_window({"window_hours": 0.0, "reasons": ["b:1: down"]}) is None


class TestMain:
    def test_no_server(self, run_main: Any) -> None:
        """Nobody there is a failure that says whom it asked, and never shows the password."""
        params = {"login_port": 1, "login_user": "joe", "login_password": "hunter2secret", "connect_timeout_seconds": 1}
        code, result = run_main(oplog_window_info, **params)
        assert (1, "unreachable") == (code, result["error"]["code"])
        assert "hunter2secret" not in str({**result, "invocation": None})
