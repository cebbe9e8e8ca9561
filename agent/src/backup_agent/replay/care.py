"""How a head is written to that dies while it takes a batch, and then dies of the same batch again.

After the third death at one place its operations are applied one at a time, as far as that batch went. A document whose operation
ends the head alone is from then on written whole, as for heads without the stage for diffs: some diffs break an invariant of that
stage, such as one that names a field which its document holds twice. A batch that may not be cut, because it was begun before a
crash, is written whole at once. When the head dies of that too, the job stops and names the entry.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import structlog

from backup_agent.errors import Unsupported
from backup_agent.replay.groups import Group, Op
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
        self._whole: set[tuple[bytes, Hashable]] = set()
        """The documents that are written whole."""

    def alone(self, unit: Unit) -> bool:
        """Whether a unit is applied in a batch of its own."""
        return self._until is not None and _place(unit) <= self._until

    def without_diffs(self, group: Group) -> bool:
        """Whether the documents of a group are written whole."""
        return bool(self._whole) and any(_document(op) in self._whole for op in group.ops)

    def died(self, units: Sequence[Unit], words: str, by_itself: bool, begun: bool = False) -> None:
        """Note that the head died while it took these units; `words` are its last.

        `by_itself` says that nobody killed it, `begun` that exactly these units have to be taken again. Raises Unsupported for
        those that it cannot take.
        """
        if not units:
            return
        first = _place(units[0])
        self._deaths = self._deaths + 1 if first == self._first else 1
        self._first = first
        log.warning("the head died", entry=name_of(units[0]), units=len(units), deaths=self._deaths)
        narrow = len(units) == 1 and self.alone(units[0])
        if by_itself and (narrow or (begun and self._deaths >= DEATHS)):
            self._write_whole(units, words)
        if self._deaths >= DEATHS and not narrow:
            self._until = _place(units[-1])

    def _write_whole(self, units: Sequence[Unit], words: str) -> None:
        """Write the documents of these units whole from now on. Raises Unsupported when all of them were already."""
        documents = {_document(unit.op) for unit in units if unit.op is not None}
        if documents <= self._whole:
            raise _stopped(units, words)
        self._whole |= documents


def _document(op: Op) -> tuple[bytes, Hashable]:
    return op.ui, op.key


def _stopped(units: Sequence[Unit], words: str) -> Unsupported:
    one = f"one of {len(units)} operations from {name_of(units[0])} on" if len(units) > 1 else name_of(units[0])
    return Unsupported(
        f"{one}: expected the head to take this entry, its mongod died of it each time; {words}; "
        "resync the job, and tell the maintainers of this entry"
    )


def _place(unit: Unit) -> Place:
    return unit.optime, unit.index
