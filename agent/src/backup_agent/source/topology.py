"""The members of a replica set as one of them saw them, and which of them to read from. Pure: nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
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
    tags: Mapping[str, str] = field(default_factory=dict)
    horizons: tuple[str, ...] = ()
    """Its addresses for the outside."""
    oplog_only: bool = False
    """Whether its oplog may be followed, though no data may be read from it: it is too far behind, or has other indexes."""

    def to_json(self) -> Json:
        """Return the contract's form."""
        names = ("member", "state", "eligible", "reason", "lag_seconds", "hidden", "priority", "delay_seconds", "tags")
        return {name: getattr(self, name) for name in names}


Preference = str | dict[str, str]
"""A member as host:port, or tags that a member has."""


@dataclass(frozen=True)
class Topology:
    """The members of the set as one of them saw them."""

    primary: str | None
    members: tuple[MemberFacts, ...]
    primary_last_write: Timestamp | None
    majority: Timestamp | None
    prefer: tuple[Preference, ...] = ()
    data_bearing: tuple[str, ...] = field(default=())
    """Every member of the set's configuration that has data: all but the arbiters."""
    delayed: tuple[str, ...] = field(default=())
    """Those of them that the configuration keeps behind on purpose."""
    failed: Mapping[str, float] = field(default_factory=dict)
    """When reading from a member failed lately, by its name in small letters and any clock that only grows: the set may call it
    healthy all the same."""

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
        able = [m for m in self.members if m.eligible]
        return min(
            able,
            key=lambda m: (
                self.failed.get(m.member.lower(), float("-inf")),
                self._rank(m),
                not m.hidden,
                m.priority != 0,
                m.lag_seconds or 0,
                m.member,
            ),
            default=None,
        )

    def choose_for_oplog(self) -> MemberFacts | None:
        """Return the member to follow the oplog of, or None: the chosen one, or else the least behind of the others.

        What any secondary calls majority-committed is, however old and whatever its indexes. Those that failed lately come last.
        """
        return self.choose() or min(
            (m for m in self.members if m.oplog_only),
            key=lambda m: (self.failed.get(m.member.lower(), float("-inf")), m.lag_seconds or 0, m.member),
            default=None,
        )

    def _rank(self, member: MemberFacts) -> int:
        """Return which preference a member meets first, the number of preferences when it meets none."""
        return next((at for at, wish in enumerate(self.prefer) if _meets(member, wish)), len(self.prefer))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is preferred and not there."""
        unmet = [wish for wish in self.prefer if not any(_meets(member, wish) for member in self.members)]
        return tuple(self._missed(wish) for wish in unmet)

    def _missed(self, wish: Preference) -> str:
        if isinstance(wish, dict):
            return f"source.prefer: expected a member with the tags {wish}, found none; correct them, or tag a member"
        names = [member.member for member in self.members]
        near = get_close_matches(wish, names, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"its members are {', '.join(names)}"
        return f"source.prefer: expected a member of the set, found {wish}; {remedy}"

    def why(self) -> str:
        """Return the reason of the choice, or why there is none, member by member."""
        chosen = self.choose()
        if chosen is None:
            if self.primary is None:
                return "the set has no primary, so how far its members are behind is unknown"
            return "no eligible secondary: " + "; ".join(f"{m.member}: {m.reason}" for m in self.members)
        marks = ["preferred"] if self._rank(chosen) < len(self.prefer) else []
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
            "warnings": list(self.warnings),
        }


def _meets(member: MemberFacts, wish: Preference) -> bool:
    if isinstance(wish, dict):
        return wish.items() <= member.tags.items()
    return wish.lower() in (name.lower() for name in (member.member, *member.horizons))


def timestamp_of(value: Any) -> Timestamp | None:
    """Read the timestamp of an optime of `replSetGetStatus`; None when it is not one."""
    found = value.get("ts") if isinstance(value, dict) else None
    return found if isinstance(found, Timestamp) else None


def judge(
    status: dict[str, Any],
    config: dict[str, Any],
    max_lag_seconds: int,
    prefer: tuple[Preference, ...],
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
        unfit, oplog_only = _unfit(found, delay, lag), _oplog_only(setting, lag, max_lag_seconds)
        members.append(
            MemberFacts(
                member=found["name"],
                state=found.get("stateStr", "UNKNOWN"),
                eligible=(unfit or oplog_only) is None,
                reason=unfit or oplog_only or "eligible",
                lag_seconds=lag,
                hidden=bool(setting.get("hidden", False)),
                priority=float(setting.get("priority", 1)),
                delay_seconds=delay,
                tags=setting.get("tags", {}),
                horizons=tuple(setting.get("horizons", {}).values()),
                oplog_only=unfit is None and oplog_only is not None,
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


def _unfit(found: dict[str, Any], delay: int, lag: int | None) -> str | None:
    """Return why nothing at all may be read from a member."""
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
    return None


def _oplog_only(setting: Mapping[str, Any], lag: int | None, max_lag_seconds: int) -> str | None:
    """Return why nothing but its oplog may be read from a member."""
    if not setting.get("buildIndexes", True):
        return "it builds no indexes (buildIndexes: false), a copy of it would have none"
    if lag is not None and lag > max_lag_seconds:
        return f"it is {lag} s behind, more than source.max_lag_seconds ({max_lag_seconds})"
    return None
