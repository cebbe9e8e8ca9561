"""How a head is treated that dies of what it is told to do."""

from __future__ import annotations

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.errors import Unsupported
from backup_agent.replay.care import DEATHS, Care
from backup_agent.replay.groups import Group, Op
from backup_agent.replay.stream import Unit
from backup_agent.times import OpTime


def unit(second: int) -> Unit:
    """Return the unit of an insert."""
    optime = OpTime(Timestamp(second, 1), 1)
    op = Op("i", b"a", "shop.orders", RawBSONDocument(bson.encode({"_id": second})), None, optime, 0)
    return Unit(optime, 0, op)


BATCH = [unit(second) for second in range(1, 6)]


def died(care: Care, times: int = DEATHS, begun: bool = False) -> Care:
    """Let the head die of the batch."""
    for _ in range(times):
        care.died(BATCH, "signal 6", by_itself=True, begun=begun)
    return care


def whole(care: Care) -> list[bool]:
    """Return for each operation of the batch whether its document is written whole."""
    return [care.without_diffs(Group(b"a", "i", [one.op])) for one in BATCH if one.op]


def test_one_death_changes_nothing() -> None:
    """Any process is killed one day."""
    care = died(Care(), DEATHS - 1)
    assert not any(map(care.alone, BATCH))


def test_deaths_at_different_places_are_not_counted_together() -> None:
    """A head that gets on is no head that cannot."""
    care = died(Care(), DEATHS - 1)
    care.died([unit(9)], "signal 6", by_itself=True)
    died(care, DEATHS - 1)
    assert not any(map(care.alone, BATCH))


def test_the_batch_is_narrowed_down_to_one_entry() -> None:
    """Its operations are applied alone, those behind it together again; two of them may be at fault."""
    care = died(Care())
    assert all(map(care.alone, BATCH))
    assert not care.alone(unit(6))
    for culprit in (1, 3):
        care.died([BATCH[culprit]], "signal 6", by_itself=True)
    assert [False, True, False, True, False] == whole(care)


def test_a_document_that_was_at_fault_is_written_whole_from_then_on() -> None:
    """The next update of the same document would end the head in the same way."""
    care = died(Care())
    care.died([BATCH[0]], "signal 6", by_itself=True)
    later = Op("u", b"a", "shop.orders", BATCH[0].op.o, None, OpTime(Timestamp(99, 1), 1), 0)  # type: ignore[union-attr]
    assert care.without_diffs(Group(b"a", "u", [later]))


def test_an_entry_that_kills_both_ways_is_named() -> None:
    """There is no third way, and to go on without it would make another backup."""
    care = died(Care())
    care.died([BATCH[2]], "signal 6", by_itself=True)
    named = r"^i on shop.orders at 1970-01-01T00:00:03Z.* died of it each time; its last words"
    with pytest.raises(Unsupported, match=named):
        care.died([BATCH[2]], "its last words", by_itself=True)


@pytest.mark.parametrize("begun", [False, True])
def test_a_head_that_others_kill_proves_nothing_against_an_entry(begun: bool) -> None:
    """The kernel does, when memory is short: of one entry, or of a batch that may not be cut."""
    care = died(Care())
    for _ in range(2 * DEATHS):
        care.died(BATCH if begun else [BATCH[2]], "signal 9", by_itself=False, begun=begun)
    assert not any(whole(care))


def test_a_batch_that_may_not_be_cut_is_written_whole() -> None:
    """On a capped collection exactly the same batch is taken again after a crash; when that does not help, it is named."""
    care = died(Care(), begun=True)
    assert all(whole(care))
    with pytest.raises(Unsupported, match=r"one of 5 operations from i on shop\.orders"):
        died(care, 1, begun=True)


def test_a_death_between_batches_is_none_of_theirs() -> None:
    """Nothing was being written."""
    care = Care()
    for _ in range(3 * DEATHS):
        care.died([], "signal 9", by_itself=True)
    assert not care.alone(BATCH[0])
