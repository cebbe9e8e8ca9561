# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Members of a replica set."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import (
    Member,
    from_hello,
    from_status,
    host_of,
    state_of,
)

CONFIG = {
    "config": {
        "members": [
            {"host": "a:1", "priority": 2},
            {"host": "b:1", "hidden": True, "priority": 0, "secondaryDelaySecs": 3600},
            {"host": "c:1", "arbiterOnly": True},
        ]
    }
}
STATUS = {
    "members": [
        {"name": "a:1", "stateStr": "PRIMARY"},
        {"name": "b:1", "stateStr": "(not reachable/healthy)"},
        {"name": "c:1", "stateStr": "ARBITER"},
    ]
}


class TestFromStatus:
    def test_combines_both_replies(self) -> None:
        """The configuration knows what a member is for, the status what it is doing."""
        expected = [
            Member("a:1", "PRIMARY", priority=2.0),
            Member("b:1", "DOWN", hidden=True, priority=0.0, delay_seconds=3600),
            Member("c:1", "ARBITER", arbiter=True),
        ]
        assert expected == from_status(CONFIG, STATUS)

    def test_keeps_a_member_that_the_status_lacks(self) -> None:
        """A member must not disappear because another one has not heard of it yet."""
        assert ["UNKNOWN"] * 3 == [member.state for member in from_status(CONFIG, {})]


class TestFromHello:
    def test_lists_every_role(self) -> None:
        """Without privileges the members are still found."""
        reply = {"hosts": ["a:1", "b:1"], "passives": ["p:1"], "arbiters": ["c:1"], "primary": "b:1"}
        states = {member.address: member.state for member in from_hello(reply)}
        assert {"a:1": "UNKNOWN", "b:1": "PRIMARY", "p:1": "UNKNOWN", "c:1": "ARBITER"} == states


class TestMember:
    @pytest.mark.parametrize("state", ["RECOVERING", "STARTUP2", "ROLLBACK", "DOWN"])
    def test_other_states_are_not_read(self, state: str) -> None:
        """A member in such a state may hold an oplog with holes."""
        assert state in Member("a:1", state).unreadable_because

    @pytest.mark.parametrize("state", ["PRIMARY", "SECONDARY", "UNKNOWN"])
    def test_readable(self, state: str) -> None:
        """A member of which nothing is known is asked."""
        assert "" == Member("a:1", state).unreadable_because

    def test_arbiter_says_why(self) -> None:
        """An arbiter in the list without a word would look like a fault."""
        assert "an arbiter holds no data and no oplog" == Member("a:1", "DOWN", arbiter=True).unreadable_because


class TestStateOf:
    @pytest.mark.parametrize(
        ("expected", "reply"),
        [
            ("PRIMARY", {"isWritablePrimary": True}),
            ("PRIMARY", {"ismaster": True}),
            ("SECONDARY", {"isWritablePrimary": False, "secondary": True}),
            ("ARBITER", {"arbiterOnly": True}),
            ("UNKNOWN", {}),
        ],
    )
    def test_reads_hello(self, expected: str, reply: dict[str, bool]) -> None:
        """Old servers answer with the old word."""
        assert expected == state_of(reply)

    def test_own_word_wins_only_if_there_is_one(self) -> None:
        """What a member says itself is newer, but no word is no news."""
        assert "SECONDARY" == Member("a:1", "PRIMARY").in_state("SECONDARY").state
        assert "PRIMARY" == Member("a:1", "PRIMARY").in_state("UNKNOWN").state


@pytest.mark.parametrize(
    ("address", "host"), [("a.example.com:27017", "a.example.com"), ("[::1]:27017", "::1"), ("10.0.0.1:1", "10.0.0.1")]
)
def test_a_host_is_named_without_brackets(address: str, host: str) -> None:
    """An inventory names a machine by its address alone."""
    assert host == host_of(address)
