# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of resizing and the waits between, with a set in memory; the integration tests have a real one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, FixInput, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.facts import MemberFacts, Step, Wish
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.run import carry_out, may_resize, problems
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SetInMemory:
    """Three members; `happens` are the states before each look, the last one stays."""

    def __init__(self, *happens: dict[str, str]) -> None:
        self.happens = list(happens) or [{"a": "PRIMARY", "b": "SECONDARY", "c": "SECONDARY"}]
        self.resized: list[str] = []
        self.looks = 0
        self.fails_at: str | None = None

    def status(self) -> tuple[list[Member], dict[str, Any]]:
        states = self.happens.pop(0) if len(self.happens) > 1 else self.happens[0]
        self.looks += 1
        if not states:
            raise RetryLater("nobody there", code="unreachable")
        members = [Member(name, state) for name, state in states.items()]
        return members, {"members": [{"name": name, "optimeDate": NOW} for name in states]}

    def resize(self, step: Step) -> None:
        if step.facts.address == self.fails_at:
            raise FixInput("may not", code="unauthorized")
        self.resized.append(step.facts.address)


def steps(*addresses: str) -> list[Step]:
    """Return a step that changes each."""
    return [Step(MemberFacts(address, "SECONDARY", max_bytes=1), 2, 0.0, "") for address in addresses]


def never(seconds: float) -> None:
    """Wait without waiting."""


class TestCarryOut:
    def test_primary_last(self) -> None:
        """The primary is the one of that moment; a member without a change is left alone."""
        unchanged = Step(MemberFacts("x", "SECONDARY", max_bytes=1), 1, 0.0, "")
        assert ["b", "c", "a"] == carry_out(SetInMemory(), [unchanged, *steps("a", "b", "c")], Wish(), never)

    def test_primary_changes_between(self) -> None:
        """A member that has become primary meanwhile is put off."""
        first = {"a": "PRIMARY", "b": "SECONDARY", "c": "SECONDARY"}
        then = {"a": "SECONDARY", "b": "SECONDARY", "c": "PRIMARY"}
        assert ["b", "a", "c"] == carry_out(SetInMemory(first, then), steps("b", "c", "a"), Wish(), never)

    def test_waits_for_health(self) -> None:
        """An election or a moment without an answer is waited for."""
        election = {"a": "SECONDARY", "b": "SECONDARY"}
        servers = SetInMemory(election, {}, {"a": "PRIMARY", "b": "SECONDARY"})
        assert ["b"] == carry_out(servers, steps("b"), Wish(), never)
        assert 3 == servers.looks

    def test_gives_up_on_a_set_that_stays_unhealthy(self) -> None:
        """Nothing is resized, and who is the matter is said."""
        servers = SetInMemory({"a": "PRIMARY", "b": "RECOVERING"})
        with pytest.raises(AskOperator, match=r"b in state RECOVERING.*Resized so far: none; not yet: b, a") as caught:
            carry_out(servers, steps("b", "a"), Wish(health_timeout_seconds=0.05), never)
        assert ("unhealthy", []) == (caught.value.code, servers.resized)

    def test_interrupted(self) -> None:
        """The error keeps its class and says how far it came."""
        servers = SetInMemory()
        servers.fails_at = "c"
        with pytest.raises(FixInput, match=r"Resized so far: b; not yet: c, a") as caught:
            carry_out(servers, steps("b", "c", "a"), Wish(), never)
        assert {"steps": ["b"], "not_done": ["c", "a"]} == caught.value.details


class TestProblems:
    def lagging(self, seconds: float, delay: int = 0) -> list[str]:
        members = [
            Member("a", "PRIMARY"),
            Member("b", "SECONDARY", delay_seconds=delay),
            Member("c", "DOWN", arbiter=True),
        ]
        optimes = {"a": NOW, "b": NOW - timedelta(seconds=seconds)}
        return problems(members, {"members": [{"name": n, "optimeDate": o} for n, o in optimes.items()]}, 60)

    def test_lag(self) -> None:
        """As far behind as allowed is no problem; an arbiter that is down is none either."""
        assert ([], ["b 61 s behind the primary"]) == (self.lagging(60), self.lagging(61))

    def test_delay_is_no_lag(self) -> None:
        """A delayed member is behind on purpose."""
        assert ([], 1) == (self.lagging(3660, delay=3600), len(self.lagging(3661, delay=3600)))


class TestMayResize:
    def status(self, *actions: str, resource: dict[str, bool] | None = None) -> dict[str, Any]:
        privilege = {"resource": resource or {"cluster": True}, "actions": list(actions)}
        return {"authInfo": {"authenticatedUsers": [{"user": "x"}], "authenticatedUserPrivileges": [privilege]}}

    def test_rights(self) -> None:
        """The action on the cluster, or everything on everything."""
        assert may_resize(self.status("replSetResizeOplog"))
        assert may_resize(self.status("anyAction", resource={"anyResource": True}))
        assert may_resize(self.status("replSetGetStatus")) is False

    def test_without_logins(self) -> None:
        """Where nobody logs in, the server decides."""
        assert may_resize({"authInfo": {"authenticatedUsers": []}}) is None
