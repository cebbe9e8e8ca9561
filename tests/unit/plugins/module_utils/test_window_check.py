# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the oplogs of a replica set, without a server; the integration tests have one."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils import window_check
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member

DEFAULTS = {name: option.get("default") for name, option in connection.LOGIN.options.items()}
LOGIN = connection.Login({**DEFAULTS, "connect_timeout_seconds": 1})


class TestRead:
    def test_arbiter_is_not_asked(self) -> None:
        """No connection is opened to a member that has nothing to say."""
        reading = window_check._read(LOGIN, Member("127.0.0.1:1", "ARBITER", arbiter=True), "rs0")
        assert ("an arbiter holds no data and no oplog", None) == (reading.why_not, reading.window)

    def test_unreachable_member_is_part_of_the_answer(self) -> None:
        """A member that is gone becomes a reason and not an exception."""
        reading = window_check._read(LOGIN, Member("127.0.0.1:1", "SECONDARY"), "rs0")
        assert reading.window is None
        assert "Expected an answer from 127.0.0.1:1, found no server that listens there" in reading.why_not


class TestDemandAWindow:
    def test_nothing_measured(self) -> None:
        """Without a single window there is no verdict over the set, and the members are not lost."""
        record = {"window_hours": None, "reasons": ["a:1: down"], "members": [1]}
        with pytest.raises(RetryLater, match="at least one member, found none: a:1: down") as caught:
            window_check._demand_a_window(record)
        assert [1] == caught.value.details["members"]

    def test_one_is_enough(self) -> None:
        """The others are reasons then."""
        assert window_check._demand_a_window({"window_hours": 0.0, "reasons": ["b:1: down"]}) is None
