"""How long a cursor that stands still can wait: the oldest oplog entries of the members, and how fast they move on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent.config import Config
from backup_agent.errors import AgentError, Transient
from backup_agent.source.answers import plain, reason
from backup_agent.source.connections import SourceSet
from backup_agent.source.member import member_state
from backup_agent.source.oplog import edge_entry
from backup_agent.times import timestamp_json
from backup_agent.values import Client, Json, Record
from backup_agent.words import words

LONGEST_SECONDS = 10 * 366 * 86400.0
"""A nearly idle set could wait beyond the end of the calendar."""


@dataclass(frozen=True)
class Oldest:
    """What each member said about its oldest entry, and why other members did not answer."""

    entries: Mapping[str, Timestamp] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    primary: str | None = None
    problem: str | None = None
    """Why no member was asked at all."""

    @property
    def answered(self) -> bool:
        """Whether any member did."""
        return bool(self.entries)

    def holders(self, captured: Timestamp) -> list[str]:
        """Return the members that reach back to what was captured."""
        return sorted(member for member, oldest in self.entries.items() if oldest <= captured)

    def lost(self, captured: Timestamp) -> bool:
        """Whether no member has what comes next: each of them answered, and there is a primary that says who they are."""
        whole = self.answered and not self.silent and self.primary is not None
        return whole and not self.holders(captured)

    def why_silent(self) -> str:
        """Return a sentence about those that did not answer; empty when all did."""
        if self.problem is not None:
            return f"the source did not answer ({self.problem})"
        return "; ".join(f"{member} did not answer ({why})" for member, why in sorted(self.silent.items()))

    def to_json(self) -> Json:
        """Return the contract's form."""
        entries = {member: timestamp_json(oldest) for member, oldest in sorted(self.entries.items())}
        return {"oldest": entries, "silent": dict(self.silent), "primary": self.primary, "problem": self.problem}


def ask(config: Config) -> Oldest:
    """Ask every member that has data for its oldest oplog entry. Silence is part of the answer; nothing is raised.

    Delayed members are not asked: the agent never reads from them. One that is neither primary nor secondary can't be read.
    """
    try:
        with contextlib.closing(SourceSet(config)) as sources:
            return _ask(sources)
    except (AgentError, PyMongoError, OSError, ValueError) as error:
        return Oldest(problem=_short(error))


def _ask(sources: SourceSet) -> Oldest:
    topology = sources.topology()
    entries, silent = {}, {}
    for member in topology.asked:
        try:
            entries[member] = _oldest(sources.prompt(member))
        except (AgentError, PyMongoError) as error:
            silent[member] = _short(error)
    return Oldest(entries, silent, topology.primary)


def _oldest(client: Client) -> Timestamp:
    if member_state(client) == "OTHER":
        raise Transient("it is neither primary nor secondary")
    entry = edge_entry(client, newest=False)
    if entry is None:
        raise Transient("its oplog is empty")
    found: Timestamp = entry["ts"]
    return found


def _short(error: Exception) -> str:
    if isinstance(error, PyMongoError):
        return reason(error)
    text = plain(words(error))
    return text.splitlines()[0][:200] if text else type(error).__name__


@dataclass(frozen=True, slots=True)
class Estimate(Record):
    """How long the cursor can wait, calculated from what the members have now; None is what cannot be told."""

    headroom_seconds: int | None = None
    """From the oldest entry of the member that reaches back furthest to what was captured; below 0 none reaches it."""
    rate: float | None = None
    """By how many seconds of oplog the oldest entry moved on in a second since the maintenance began."""
    left_seconds: float | None = None


def estimate(oldest: Oldest, captured: Timestamp | None, before: Timestamp | None, elapsed: float) -> Estimate:
    """Calculate it from the oldest entries of now and from that of `elapsed` seconds before.

    Where the oldest entry has not moved on there is no rate, and no time can be named.
    """
    if captured is None or not oldest.answered:
        return Estimate()
    furthest = min(oldest.entries.values())
    headroom = captured.time - furthest.time
    moved = 0 if before is None else furthest.time - before.time
    rate = moved / elapsed if moved > 0 and elapsed > 0 else None
    if furthest > captured:
        return Estimate(headroom, rate, 0.0)
    left = min(headroom / rate, LONGEST_SECONDS) if rate is not None else None
    return Estimate(headroom, rate, left)
