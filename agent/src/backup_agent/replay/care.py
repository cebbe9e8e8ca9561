"""How a head is written to that dies while it takes a batch, and then dies of the same batch again.

After the third death at one place its operations are applied one at a time, as far as that batch went. The one of which the head
dies then is applied by the way for heads without the stage for diffs: some diffs break an invariant of that stage, such as one
that names a field which its document holds twice. When the head dies of that too, the job stops and names the entry.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from backup_agent.errors import Unsupported
from backup_agent.replay.groups import Op
from backup_agent.replay.stream import Unit, name_of
from backup_agent.times import OpTime

log = structlog.get_logger(__name__)

DEATHS = 3

Place = tuple[OpTime, int]


class Care:
    """What is remembered of the deaths of one head; whoever starts the head again keeps it."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self._first: Place | None = None
        self._deaths = 0
        self._until: Place | None = None
        """How far operations are applied one at a time."""
        self._killer: Place | None = None
        """The operation of which the head died alone."""

    def alone(self, unit: Unit) -> bool:
        """Whether a unit is applied in a batch of its own."""
        return self._until is not None and _place(unit) <= self._until

    def without_diff(self, op: Op) -> bool:
        """Whether an operation is applied as the whole document that it leaves behind."""
        return (op.optime, op.index) == self._killer

    def died(self, units: Sequence[Unit], words: str) -> None:
        """Note that the head died while it took these units; `words` are its last.

        Raises Unsupported for one that it cannot take.
        """
        if not units:
            return
        first = _place(units[0])
        if len(units) == 1 and self.alone(units[0]):
            self._died_alone(units[0], first, words)
            return
        self._deaths = self._deaths + 1 if first == self._first else 1
        if self._deaths > 2 * DEATHS:  # a batch on a capped collection is never cut
            raise _stopped(f"one of {len(units)} operations from {name_of(units[0])} on", words)
        self._first = first
        log.warning("the head died", entry=name_of(units[0]), units=len(units), deaths=self._deaths)
        if self._deaths >= DEATHS:
            self._until = _place(units[-1])

    def _died_alone(self, unit: Unit, place: Place, words: str) -> None:
        if place == self._killer:
            raise _stopped(name_of(unit), words)
        self._killer = place
        log.warning("the head died of one entry", entry=name_of(unit))


def _stopped(name: str, words: str) -> Unsupported:
    return Unsupported(
        f"{name}: expected the head to take this entry, its mongod died of it each time; {words}; "
        "resync the job, and tell the maintainers of this entry"
    )


def _place(unit: Unit) -> Place:
    return unit.optime, unit.index
