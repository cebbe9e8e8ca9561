# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which oplogs are to be resized, and whether that may be done. Pure: readings and a wish in, a plan or a refusal out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import FixInput, sentence
from ..topology import READABLE
from ..values import Record
from .facts import LEAST_BYTES, MIB, MOST_BYTES, MemberFacts, Step, Wish, gib, needed_bytes, refusal
from .room import demand_room

# An oplog that is too small gets a tenth more than it needs, so that the next, slightly higher estimate finds it large enough.
_SPARE = 1.1
# With allow_shrink, one is too large when it holds this many times what is needed; far from the above, or it would swing.
_TOO_LARGE = 1.5


def plan(members: Sequence[MemberFacts], rate: Record | None, wish: Wish) -> list[Step]:
    """Return a step for every member that holds data, those to be changed first in the order in which they may be.

    `rate` is the `write_rate` of the oplog record. Raises AskOperator when the set is in no state for it, when too little is
    known, or when a disk has no room: always before anything was changed on any member, and for all of them at once. Raises
    FixInput when the user may not resize.
    """
    _demand_health(members)
    _demand_right(members)
    steps = [_step(facts, rate, wish) for facts in members]
    demand_room(steps, rate, wish)
    return sorted(steps, key=lambda step: (not step.changes, step.facts.state == "PRIMARY"))


def _step(facts: MemberFacts, rate: Record | None, wish: Wish) -> Step:
    now = facts.max_bytes or 0
    needed = needed_bytes(facts, rate, wish.min_hours)
    size, why = _given(now, wish.size_bytes, wish) if wish.size_bytes else _derived(facts, needed, rate, wish)
    hours, kept = _retention(facts, wish)
    return Step(facts, size, hours, "; ".join(part for part in (why, kept) if part))


def _given(now: int, size: int, wish: Wish) -> tuple[int, str]:
    size = _whole(size)
    if size == now:
        return now, "it has the size that was asked for"
    if size < now and not wish.allow_shrink:
        return now, f"left at {gib(now)}: it would have to shrink to {gib(size)}, which only allow_shrink allows"
    return size, f"{gib(size)} were asked for"


def _derived(facts: MemberFacts, needed: int | None, rate: Record | None, wish: Wish) -> tuple[int, str]:
    now = facts.max_bytes or 0
    if needed is None:
        found = f"{facts.address} to have no history to tell it from"
        raise refusal("a rate of writing", found, "give size_bytes", "rate_unknown")
    at = "the rate of its busy times" if rate else "the mean rate of what is in it"
    said = f"{wish.min_hours:g} hours at {at} need {gib(needed)}"
    if needed > now:
        _demand_history(facts, wish, said)
        return _within(needed * _SPARE), said
    spare = _within(needed * _SPARE)
    if wish.allow_shrink and now > needed * _TOO_LARGE and spare < now:
        _demand_history(facts, wish, said)
        return spare, said
    return now, f"{said}, and it has {gib(now)}"


def _demand_history(facts: MemberFacts, wish: Wish, said: str) -> None:
    """Refuse to conclude from minutes; an oplog that is full already is short because much is written, and has to grow."""
    known = facts.window_hours or 0.0
    if facts.wrapped is False and known < wish.min_history_hours:
        found = f"a young oplog of {facts.address} with {known:g} ({said})"
        remedy = "run this again later, give size_bytes, or lower min_history_hours"
        raise refusal(f"a history of at least {wish.min_history_hours:g} hours", found, remedy, "too_young")


def _retention(facts: MemberFacts, wish: Wish) -> tuple[float, str]:
    now, wanted = facts.min_retention_hours, wish.min_retention_hours
    if wanted is None or abs(wanted - now) <= 1e-6:
        return now, ""
    if wanted < now and not wish.allow_shrink:
        return now, f"minimum retention left at {now:g} hours: only allow_shrink allows to lower it to {wanted:g}"
    return wanted, f"a minimum retention of {wanted:g} hours was asked for"


def _within(size: float) -> int:
    """Return a size that the server accepts."""
    return min(max(_whole(size), LEAST_BYTES), MOST_BYTES)


def _whole(size: float) -> int:
    return -int(-size // MIB) * MIB


# --- refusals ----------------------------------------------------------------------------------------------------------


def _demand_health(members: Sequence[MemberFacts]) -> None:
    wrong = [_wrong(facts) for facts in members if _wrong(facts)]
    if not any(facts.state == "PRIMARY" for facts in members):
        wrong.insert(0, "no primary")
    if wrong:
        remedy = "nothing was changed: put these in order and run this again"
        raise refusal(
            "a primary, and every other member that holds data a secondary", "; ".join(wrong), remedy, "unhealthy"
        )


def _wrong(facts: MemberFacts) -> str:
    if facts.why_not:
        return f"{facts.address}: {facts.why_not}"
    if facts.state not in READABLE:
        return f"{facts.address} in state {facts.state}"
    if facts.max_bytes is None:
        return f"{facts.address}: the size of its oplog is not shown to this user, who needs the role clusterMonitor"
    return ""


def _demand_right(members: Iterable[MemberFacts]) -> None:
    without = [facts.address for facts in members if facts.may_resize is False]
    if without:
        raise unauthorized(", ".join(without))


def unauthorized(address: str) -> FixInput:
    """Return the refusal for a user who may not resize. Tried on 6.0: clusterManager, unlike hostManager, does not suffice."""
    message = sentence(
        expected="a user that may run replSetResizeOplog",
        found=f"one that may not on {address}",
        remedy="give it the role hostManager (to resize) beside clusterMonitor and read on the database local (to look)",
    )
    return FixInput(message, code="unauthorized")


# --- what to tell ------------------------------------------------------------------------------------------------------


def cautions(steps: Sequence[Step], rate: Record | None, wish: Wish) -> list[str]:
    """Return what an operator should know about the steps; nothing where nothing is changed."""
    said = []
    if any(step.resizes for step in steps):
        said.append(
            "Resizing an oplog can invalidate the tail of an old backup agent of a vendor: Ops Manager and Cloud Manager with "
            "featureCompatibilityVersion 4.0 or older may then ask for a resync. Check such a backup afterwards."
        )
    if any(step.shrinks for step in steps):
        said.append(
            "A shrunk oplog drops its oldest entries; a backup that still needs them falls out of sync. Its disk space is given "
            "back only by the command compact on oplog.rs of the database local, member by member."
        )
    if any(step.retains for step in steps):
        said.append(
            "The minimum retention is lost when a mongod restarts, unless storage.oplogMinRetentionHours is also set in its "
            "configuration file; and it lets an oplog grow beyond its size."
        )
    return [*said, *_too_little(steps, rate, wish)]


def _too_little(steps: Sequence[Step], rate: Record | None, wish: Wish) -> list[str]:
    """Say when the size that was asked for holds less than the hours that were."""
    if wish.size_bytes is None:
        return []
    needed = max((needed_bytes(step.facts, rate, wish.min_hours) or 0 for step in steps), default=0)
    least = min((step.size_bytes for step in steps), default=0)
    if not any(step.changes for step in steps) or least >= needed:
        return []
    return [
        f"{gib(least)} hold less than {wish.min_hours:g} hours at the rate of the busy times, which need {gib(needed)}."
    ]
