"""How a head is treated that dies of what it is told to do."""

from __future__ import annotations

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.errors import Unsupported
from backup_agent.replay.care import DEATHS, Care
from backup_agent.replay.groups import Op
from backup_agent.replay.stream import Unit
from backup_agent.times import OpTime


def unit(second: int) -> Unit:
    """Return the unit of an insert."""
    optime = OpTime(Timestamp(second, 1), 1)
    op = Op("i", b"a", "shop.orders", RawBSONDocument(bson.encode({"_id": second})), None, optime, 0)
    return Unit(optime, 0, op)


BATCH = [unit(second) for second in range(1, 6)]


def died(care: Care, times: int = DEATHS) -> Care:
    """Let the head die of the batch."""
    for _ in range(times):
        care.died(BATCH, "signal 6")
    return care


def test_one_death_changes_nothing() -> None:
    """Any process is killed one day."""
    care = died(Care(), DEATHS - 1)
    assert not any(map(care.alone, BATCH))


def test_deaths_at_different_places_are_not_counted_together() -> None:
    """A head that gets on is no head that cannot."""
    care = died(Care(), DEATHS - 1)
    care.died([unit(9)], "signal 6")
    died(care, DEATHS - 1)
    assert not any(map(care.alone, BATCH))


def test_the_batch_is_narrowed_down_to_one_entry() -> None:
    """Its operations are applied alone, those behind it together again."""
    care = died(Care())
    assert all(map(care.alone, BATCH))
    assert not care.alone(unit(6))
    care.died([BATCH[2]], "signal 6")
    assert [False, False, True, False, False] == [care.without_diff(one.op) for one in BATCH if one.op]


def test_an_entry_that_kills_both_ways_is_named() -> None:
    """There is no third way, and to go on without it would make another backup."""
    care = died(Care())
    care.died([BATCH[2]], "signal 6")
    with pytest.raises(
        Unsupported, match=r"^i on shop.orders at 1970-01-01T00:00:03Z.* died of it each time; its last words"
    ):
        care.died([BATCH[2]], "its last words")


def test_a_batch_that_is_never_cut_is_named_after_a_while() -> None:
    """On a capped collection exactly the same batch is taken again after a crash."""
    care = died(Care(), 2 * DEATHS)
    with pytest.raises(Unsupported, match=r"one of 5 operations from i on shop\.orders"):
        care.died(BATCH, "signal 6")


def test_a_death_between_batches_is_none_of_theirs() -> None:
    """Nothing was being written."""
    care = Care()
    for _ in range(3 * DEATHS):
        care.died([], "signal 9")
    assert not care.alone(BATCH[0])
