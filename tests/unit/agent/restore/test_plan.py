"""What a restore chooses, and what it answers when it cannot."""

from __future__ import annotations

import pytest
from bson.timestamp import Timestamp

from backup_agent.errors import NotFound, Refused
from backup_agent.repository.inventory import Inventory
from backup_agent.restore.plan import plan, renewed
from tests.unit.agent.stored import archive, snapshot, ts, whole_second

SNAPSHOTS = (snapshot("a", 50), snapshot("b", 80), snapshot("c", 200, generation=2))
ARCHIVES = (archive("x", 10, 70), archive("y", 60, 100), archive("z", 190, 250, generation=2))
FOUND = Inventory(SNAPSHOTS, ARCHIVES, "orders", ("orders",))


@pytest.mark.parametrize(
    ("at", "chosen", "archives"),
    [
        (ts(60), "a", ["x"]),
        (ts(80), "b", []),
        (ts(95), "b", ["y"]),
        (ts(220), "c", ["z"]),
        (ts(100), "b", ["y"]),
    ],
)
def test_the_newest_snapshot_before_it_is_taken(at: Timestamp, chosen: str, archives: list[str]) -> None:
    """The least is replayed; at a snapshot's own optime nothing is."""
    found = plan(FOUND, None, at)
    assert (chosen, archives) == (found.snapshot.name, [a.id for a in found.archives])
    assert at == found.until


def test_without_a_wish_the_newest_optime_is_taken() -> None:
    """The end of the newest generation."""
    found = plan(FOUND, None, None)
    assert ("c", ts(250)) == (found.snapshot.name, found.until)


def test_a_snapshot_is_restored_as_it_is() -> None:
    """Nothing is replayed on it."""
    found = plan(FOUND, "a", None)
    assert ("id-a",) == found.ids
    assert ts(50) == found.until


def test_an_older_snapshot_is_taken_where_the_chain_of_the_newer_one_is_broken() -> None:
    """The oplog that the newer one reads from is gone; that of the older one reaches over it."""
    snapshots = (snapshot("a", 50), snapshot("b", 80, reads_from=5))
    found = plan(Inventory(snapshots, (archive("x", 10, 100),)), None, ts(95))
    assert "a" == found.snapshot.name


@pytest.mark.parametrize("at", [ts(49), ts(101), ts(150), ts(251), whole_second(300)])
def test_what_is_in_no_range_is_refused_with_the_ranges(at: Timestamp) -> None:
    """Before, between and after: the ranges are said and returned."""
    with pytest.raises(
        Refused, match=r"what can be restored is: 1970-01-01T00:00:50Z#1 to .*#1 \(generation 1\); "
    ) as caught:
        plan(FOUND, None, at)
    assert [1, 2] == [r.generation for r in caught.value.details["ranges"]]


def test_a_whole_second_in_which_a_range_ends_is_its_end() -> None:
    """The time that `ranges` shows as the end can be given back as it is."""
    assert ts(100) == plan(FOUND, None, whole_second(100)).until
    assert whole_second(60) == plan(FOUND, None, whole_second(60)).until


def test_archives_that_were_replaced_are_chosen_anew() -> None:
    """An agent that runs stores newer ones and forgets those; the snapshot and the optime stay what was confirmed."""
    chosen = plan(FOUND, None, ts(95))
    assert ("y", "id-b") == chosen.ids
    later = Inventory(SNAPSHOTS, (archive("newer", 10, 130),), "orders", ("orders",))
    again = renewed(later, chosen)
    assert (("newer", "id-b"), chosen.until) == (again.ids, again.until)
    with pytest.raises(Refused, match="it was removed meanwhile; choose again"):
        renewed(Inventory(SNAPSHOTS, ()), chosen)
    with pytest.raises(NotFound):
        renewed(Inventory((), ()), chosen)


def test_both_wishes_are_refused() -> None:
    """They would contradict each other."""
    with pytest.raises(Refused, match="found both"):
        plan(FOUND, "a", ts(60))


def test_an_empty_repository_and_a_wrong_job_are_told_apart() -> None:
    """The second one is answered with the jobs that are there."""
    with pytest.raises(Refused, match="expected a snapshot of job orders in the repository, found none"):
        plan(Inventory((), (), "orders", ("orders",)), None, None)
    with pytest.raises(NotFound, match="expected job orders in the repository, found items, shop"):
        plan(Inventory((), (), "orders", ("items", "shop")), "a", None)


def test_the_json_of_a_plan_is_the_contract() -> None:
    """Names carry their units."""
    assert {
        "job": "orders",
        "snapshot": "b",
        "snapshot_optime": {"time": 80, "increment": 1, "iso": "1970-01-01T00:01:20Z"},
        "until": {"time": 95, "increment": 1, "iso": "1970-01-01T00:01:35Z"},
        "generation": 1,
        "replayed_seconds": 15,
    }.items() <= plan(FOUND, None, ts(95)).restore.to_json().items()
