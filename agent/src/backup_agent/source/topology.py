"""The members of a replica set as one of them saw them, and which of them to read from. Pure: nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.timestamp import Timestamp

from backup_agent.times import seconds_between
from backup_agent.values import Json, Record, to_json


@dataclass(frozen=True, slots=True)
class MemberFacts(Record):
    """What is known of a member, and whether data may be read from it."""

    member: str
    state: str
    eligible: bool
    reason: str
    lag_seconds: int | None = None
    hidden: bool = False
    priority: float = 1
    delay_seconds: int = 0
    too_far_behind: bool = False
    """Whether its lag is the only reason against this member."""

    def to_json(self) -> Json:
        """Return the contract's form."""
        names = ("member", "state", "eligible", "reason", "lag_seconds", "hidden", "priority", "delay_seconds")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Topology:
    """The members of the set as one of them saw them."""

    primary: str | None
    members: tuple[MemberFacts, ...]
    primary_last_write: Timestamp | None
    majority: Timestamp | None
    prefer: tuple[str, ...] = field(default=())
    data_bearing: tuple[str, ...] = field(default=())
    """Every member of the set's configuration that has data: all but the arbiters."""
    delayed: tuple[str, ...] = field(default=())
    """Those of them that the configuration keeps behind on purpose."""
    failed: Mapping[str, float] = field(default_factory=dict)
    """When reading from a member failed lately, by any clock that only grows: the set may call it healthy all the same."""

    @property
    def asked(self) -> list[str]:
        """The members that are asked what they have: those with data, but the delayed ones, which are never read from."""
        return [member for member in self.data_bearing if member not in self.delayed]

    def choose(self) -> MemberFacts | None:
        """Return the member to read from, or None.

        Those that failed lately come last, the latest failure at the very end, so that they take turns. Then preferred ones
        in their order, then hidden ones, then those that can't become primary, then the least behind. Without a primary
        nothing is chosen: how far a member is behind cannot be known then.
        """
        rank = {member: position for position, member in enumerate(self.prefer)}
        able = [m for m in self.members if m.eligible]
        return min(
            able,
            key=lambda m: (
                self.failed.get(m.member, float("-inf")),
                rank.get(m.member, len(rank)),
                not m.hidden,
                m.priority != 0,
                m.lag_seconds or 0,
                m.member,
            ),
            default=None,
        )

    def least_behind(self) -> MemberFacts | None:
        """Return the least behind of those that are refused only because they are too far behind, or None.

        For capture alone: what any secondary calls majority-committed is, however old. Those that failed lately come last.
        """
        behind = [m for m in self.members if m.too_far_behind]
        return min(
            behind,
            key=lambda m: (self.failed.get(m.member, float("-inf")), m.lag_seconds or 0, m.member),
            default=None,
        )

    def why(self) -> str:
        """Return the reason of the choice, or why there is none, member by member."""
        chosen = self.choose()
        if chosen is None:
            if self.primary is None:
                return "the set has no primary, so how far its members are behind is unknown"
            return "no eligible secondary: " + "; ".join(f"{m.member}: {m.reason}" for m in self.members)
        marks = ["preferred"] if chosen.member in self.prefer else []
        marks += ["hidden"] if chosen.hidden else ["priority 0"] if chosen.priority == 0 else []
        marks.append(f"{chosen.lag_seconds} s behind the primary")
        return f"{chosen.member} is a secondary, " + ", ".join(marks)

    def to_json(self) -> Json:
        """Return what the command `sources` prints."""
        chosen = self.choose()
        return {
            "chosen": chosen.member if chosen else None,
            "reason": self.why(),
            "primary": self.primary,
            "members": to_json(self.members),
        }


def timestamp_of(value: Any) -> Timestamp | None:
    """Read the timestamp of an optime of `replSetGetStatus`; None when it is not one."""
    found = value.get("ts") if isinstance(value, dict) else None
    return found if isinstance(found, Timestamp) else None


def judge(
    status: dict[str, Any],
    config: dict[str, Any],
    max_lag_seconds: int,
    prefer: tuple[str, ...],
    failed: Mapping[str, float] | None = None,
) -> Topology:
    """Decide about every member from `replSetGetStatus` and `replSetGetConfig`. Pure."""
    settings = {m["host"]: m for m in config["members"]}
    primary = next((m for m in status["members"] if m.get("stateStr") == "PRIMARY" and m.get("health") == 1), None)
    newest = timestamp_of(primary["optime"]) if primary else None
    members = []
    for found in status["members"]:
        setting = settings.get(found["name"], {})
        delay = _delay(setting)
        lag = seconds_between(newest, timestamp_of(found.get("optime")))
        reason = _refusal(found, delay, lag, max_lag_seconds)
        members.append(
            MemberFacts(
                member=found["name"],
                state=found.get("stateStr", "UNKNOWN"),
                eligible=reason is None,
                reason=reason or "eligible",
                lag_seconds=lag,
                hidden=bool(setting.get("hidden", False)),
                priority=float(setting.get("priority", 1)),
                delay_seconds=delay,
                too_far_behind=reason is not None and _refusal(found, delay, lag, lag or 0) is None,
            )
        )
    majority = timestamp_of(status.get("optimes", {}).get("lastCommittedOpTime"))
    name = primary["name"] if primary else None
    bearing = tuple(host for host, setting in settings.items() if not setting.get("arbiterOnly", False))
    delayed = tuple(host for host in bearing if _delay(settings[host]))
    return Topology(name, tuple(members), newest, majority, prefer, bearing, delayed, dict(failed or {}))


def _delay(setting: Mapping[str, Any]) -> int:
    """Return by how many seconds a member is delayed; servers before 5.0 call that otherwise."""
    return int(setting.get("secondaryDelaySecs", setting.get("slaveDelay", 0)))


def _refusal(found: dict[str, Any], delay: int, lag: int | None, max_lag_seconds: int) -> str | None:
    state = found.get("stateStr", "UNKNOWN")
    if found.get("health") != 1:
        return f"unreachable ({found.get('lastHeartbeatMessage') or state})"
    if state == "PRIMARY":
        return "it is the primary"
    if state != "SECONDARY":
        return f"its state is {state}"
    if delay:
        return f"it is delayed by {delay} s"
    if lag is None:
        return "how far it is behind is unknown (no primary)"
    if lag > max_lag_seconds:
        return f"it is {lag} s behind, more than source.max_lag_seconds ({max_lag_seconds})"
    return None
