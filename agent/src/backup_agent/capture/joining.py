"""May capture go on? Every member that has data is asked for the entry that capture must go on from.

That it is lost for good is decided only with an answer from each of them. A member that does not answer, or that is neither
primary nor secondary, makes it unknown, and so does a set without a primary: its members may not be the ones it has now.
Delayed members are not asked: they are never read from, and have for long what is lost everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.capture.slices import Anchor
from backup_agent.errors import AgentError, ResyncRequired, Transient
from backup_agent.source.connections import SourceSet
from backup_agent.source.member import member_state
from backup_agent.source.oplog import edge_entry, entry_at
from backup_agent.source.topology import Topology
from backup_agent.times import show
from backup_agent.values import Client

AGAIN_SECONDS = 3.0
"""How long to wait, after the entry was first found lost, before the members are asked once more."""


@dataclass(frozen=True)
class Wanted:
    """The entry that a member must have: exactly the anchor, or before the first capture the entry of a timestamp."""

    ts: Timestamp
    anchor: Anchor | None = None

    def is_(self, entry: RawBSONDocument) -> bool:
        """Say whether this is the wanted entry."""
        return bool(entry["ts"] == self.ts) and (self.anchor is None or Anchor.of(entry) == self.anchor)

    def __str__(self) -> str:
        return f"{'the anchor' if self.anchor else 'the first entry'} {show(self.ts)}"


def decide(found: Mapping[str, str]) -> str:
    """Decide from each member's answer about the wanted entry. Pure.

    The answers are `has`, `behind`, `rolled_over`, `diverged`, `unreachable`. The decision is `continue` when a member has it,
    `wait` when one may still get it or did not answer, else `oplog_rolled_over`, or `corruption` when a member that reaches back
    far enough does not have it.
    """
    answers = set(found.values())
    if "has" in answers:
        return "continue"
    if not answers or answers & {"behind", "unreachable"}:
        return "wait"
    return "corruption" if "diverged" in answers else "oplog_rolled_over"


def answer_about(client: Client, wanted: Wanted) -> str:
    """Ask one member about the wanted entry; see `decide`."""
    try:
        if member_state(client) == "OTHER":
            return "unreachable"
        newest = edge_entry(client, newest=True)
        if newest is None or newest["ts"] < wanted.ts:
            return "behind"
        exact = entry_at(client, wanted.ts)
        oldest = edge_entry(client, newest=False)  # asked last: the oplog may be cut off while it is read
    except AgentError:
        return "unreachable"
    if exact is not None:
        return "has" if wanted.is_(exact) else "diverged"
    if oldest is None:
        return "behind"
    return "rolled_over" if oldest["ts"] > wanted.ts else "diverged"


def require(sources: SourceSet, wanted: Wanted, member: str, pause: Callable[[float], object]) -> None:
    """Ask every member, and return only when this one has the wanted entry.

    Raises ResyncRequired when it is lost on all of them, which must be found twice with a pause between: a member that is in the
    middle of a batch may show what comes after the entry, and not yet the entry. Raises Transient when another one has it, or
    when that cannot be told yet.
    """
    lost = _ask(sources, wanted, member)
    if lost is None:
        return
    pause(AGAIN_SECONDS)
    again = _ask(sources, wanted, member)
    if again is None:
        return
    if again.cause != lost.cause:
        raise Transient(
            f"{again.message}; the members are asked again, because the answer has changed from {lost.cause}"
        )
    raise again


def _ask(sources: SourceSet, wanted: Wanted, member: str) -> ResyncRequired | None:
    """Ask every member once; returns nothing when this one has the entry, an error when none has it."""
    topology = sources.topology()
    found = {name: answer_about(sources.prompt(name), wanted) for name in topology.asked}
    if found.get(member) == "has":
        return None
    answers = ", ".join(f"{name}: {answer}" for name, answer in sorted(found.items()))
    answers += "".join(f", {name}: delayed, it is never read from" for name in topology.delayed)
    decision = decide(found)
    if decision == "continue":
        raise Transient(f"{member} does not have {wanted}, but another member has ({answers})" + _only(found, topology))
    if decision == "wait" or topology.primary is None:
        raise Transient(
            f"expected a member with {wanted}, found none yet ({answers}); start or repair those that do not answer, "
            "or resync the job when they cannot come back"
        )
    what = "has been overwritten on" if decision == "oplog_rolled_over" else "is not what it was on"
    return ResyncRequired(
        decision,
        f"{wanted} {what} every member ({answers}); start a resync",
        members=found,
        captured=wanted.anchor.optime.to_json() if wanted.anchor else None,
    )


def _only(found: Mapping[str, str], topology: Topology) -> str:
    """Say what to do when the primary, which is never read from, has the entry and no other member will get it."""
    others = {answer for name, answer in found.items() if name != topology.primary}
    if others & {"has", "behind", "unreachable"}:
        return ""
    return "; only the primary, which is not read from: make it step down before its oplog rolls over too"
