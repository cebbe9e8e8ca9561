# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of a replica set and what each may be used for. Pure: replies in, facts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

READABLE = ("PRIMARY", "SECONDARY")


@dataclass(frozen=True)
class Member:
    """One member as the replica set sees it."""

    address: str
    state: str = "UNKNOWN"
    arbiter: bool = False
    hidden: bool = False
    priority: float = 1.0
    delay_seconds: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_bearing(self) -> bool:
        """Whether this member is meant to hold an oplog."""
        return not (self.arbiter or self.state == "ARBITER")

    def in_state(self, state: str) -> Member:
        """Return this member in the state that it claims itself, which is newer than what another one says."""
        return self if state == "UNKNOWN" else replace(self, state=state)

    @property
    def unreadable_because(self) -> str:
        """Say why no oplog can be read from this member now; empty when it can."""
        if not self.data_bearing:
            return "an arbiter holds no data and no oplog"
        if self.state in READABLE or self.state == "UNKNOWN":
            return ""
        return f"the member is in state {self.state}, and only PRIMARY and SECONDARY have a complete oplog"


def host_of(address: str) -> str:
    """Return the host of a member's address; one of IPv6 without its brackets, as a machine is named."""
    return address.rpartition(":")[0].strip("[]")


def from_status(config: Mapping[str, Any], status: Mapping[str, Any]) -> list[Member]:
    """Combine the replies of replSetGetConfig and replSetGetStatus."""
    states = {member["name"]: str(member.get("stateStr", "UNKNOWN")) for member in status.get("members", [])}
    return [_member(entry, states.get(entry["host"], "UNKNOWN")) for entry in config["config"]["members"]]


def _member(entry: Mapping[str, Any], state: str) -> Member:
    # A member that is down is reported as "(not reachable/healthy)": nothing that one could compare with.
    known = "DOWN" if state.startswith("(") else state
    return Member(
        address=str(entry["host"]),
        state=known,
        arbiter=bool(entry.get("arbiterOnly", False)),
        hidden=bool(entry.get("hidden", False)),
        priority=float(entry.get("priority", 1)),
        delay_seconds=int(entry.get("secondaryDelaySecs", entry.get("slaveDelay", 0))),
        tags={str(name): str(value) for name, value in entry.get("tags", {}).items()},
    )


def from_hello(reply: Mapping[str, Any]) -> list[Member]:
    """Use the reply of hello, which needs no privilege but leaves out hidden members and most states."""
    primary = reply.get("primary")
    electable = [Member(host, _hello_state(host, primary)) for host in reply.get("hosts", [])]
    passive = [Member(host, _hello_state(host, primary), priority=0.0) for host in reply.get("passives", [])]
    arbiters = [Member(host, "ARBITER", arbiter=True, priority=0.0) for host in reply.get("arbiters", [])]
    return electable + passive + arbiters


def _hello_state(host: str, primary: Any) -> str:
    return "PRIMARY" if host == primary else "UNKNOWN"


def state_of(reply: Mapping[str, Any]) -> str:
    """Return the state that a member itself claims in its reply to hello."""
    if reply.get("isWritablePrimary", reply.get("ismaster")):
        return "PRIMARY"
    if reply.get("secondary"):
        return "SECONDARY"
    return "ARBITER" if reply.get("arbiterOnly") else "UNKNOWN"
