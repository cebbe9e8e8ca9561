"""What can be restored is worked out from tags alone: ranges, gaps, and the fewest archives of a chain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bson.timestamp import Timestamp
from structlog.testing import capture_logs

from backup_agent.config import Repository
from backup_agent.errors import BadConfiguration, NotFound
from backup_agent.repository.inventory import (
    Archive,
    Archived,
    Inventory,
    Snapshot,
    chain,
    inventory,
    own,
    stamp,
    stretches,
    unstamp,
    usable,
)
from backup_agent.repository.restic import Restic
from backup_agent.state.store import Store
from tests.unit.agent.jobs import add_snapshot
from tests.unit.agent.stored import archive, snapshot, ts


def spans(snapshots: list[Snapshot], archives: list[Archive]) -> list[tuple[int, int, int]]:
    """Return the ranges as generation and seconds."""
    return [(r.generation, r.since.time, r.until.time) for r in Inventory(tuple(snapshots), tuple(archives)).ranges()]


def test_a_stamp_can_be_read_again() -> None:
    """Tags must not hold a comma; what was written is what is read."""
    assert "7-4294967295" == stamp(Timestamp(7, 4294967295))
    assert Timestamp(7, 4294967295) == unstamp("7-4294967295")


def test_a_snapshot_alone_is_one_optime() -> None:
    """Without stored oplog nothing after it can be promised."""
    assert [(1, 50, 50)] == spans([snapshot("a", 50)], [])


def test_oplog_after_a_snapshot_makes_a_range() -> None:
    """Overlapping archives are one stretch; later snapshots inside of it do not split it."""
    archives = [archive("x", 10, 70), archive("y", 60, 100)]
    assert [(1, 50, 100)] == spans([snapshot("a", 50), snapshot("b", 80)], archives)


def test_a_gap_splits_the_range() -> None:
    """Between two stretches nothing can be restored until the next snapshot."""
    archives = [archive("x", 10, 60), archive("y", 70, 100)]
    assert [(1, 50, 60), (1, 80, 100)] == spans([snapshot("a", 50), snapshot("b", 80)], archives)


def test_oplog_that_begins_after_a_snapshot_does_not_help_it() -> None:
    """The entries between the two are missing."""
    assert [(1, 50, 50)] == spans([snapshot("a", 50)], [archive("x", 51, 90)])


def test_an_open_transaction_needs_older_oplog() -> None:
    """Replay reads from the first entry of a transaction that was open at the snapshot."""
    assert [(1, 50, 50)] == spans([snapshot("a", 50, reads_from=40)], [archive("x", 45, 90)])
    assert [(1, 50, 90)] == spans([snapshot("a", 50, reads_from=40)], [archive("x", 40, 90)])


def test_generations_do_not_mix() -> None:
    """The oplog of one generation is never replayed on a snapshot of another."""
    snapshots = [snapshot("a", 50), snapshot("b", 60, generation=2)]
    assert [(1, 50, 50), (2, 60, 90)] == spans(snapshots, [archive("x", 10, 90, generation=2)])


def test_replica_sets_do_not_mix() -> None:
    """The oplog of one set is never replayed on a snapshot of another, whatever the numbers of their generations."""
    snapshots = [snapshot("a", 50, replica_set="6a"), snapshot("b", 60, replica_set="6b")]
    archives = [archive("x", 10, 90, replica_set="6b")]
    assert [(1, 50, 50), (1, 60, 90)] == spans(snapshots, archives)
    assert chain(archives, snapshots[0].line, ts(50), ts(60)) is None
    assert chain(archives, snapshots[1].line, ts(50), ts(60)) is not None


def test_the_chain_is_as_short_as_can_be() -> None:
    """Of several archives that go on from where another ends, the one that reaches furthest."""
    archives = [archive("x", 10, 60), archive("y", 20, 80), archive("z", 75, 100), archive("late", 79, 120)]
    found = chain(archives, (1, ""), ts(15), ts(90))
    assert found is not None
    assert ["x", "y", "late"] == [a.id for a in found]


@pytest.mark.parametrize(("since", "until"), [(5, 50), (15, 130), (60, 65)])
def test_no_chain_over_what_is_missing(since: int, until: int) -> None:
    """Before the first, after the last, and across a gap: none, not a part of one."""
    archives = [archive("x", 10, 60), archive("y", 70, 120)]
    found = chain(archives, (1, ""), ts(since), ts(until))
    assert found is None


def test_stretches_keep_the_longest_end() -> None:
    """An archive inside of another one does not shorten it."""
    joined = stretches([archive("x", 10, 100), archive("y", 20, 50)])
    assert [(10, 100)] == [(a.first.time, a.through.time) for a in joined]


def test_only_what_the_state_lists_is_restored_from(store: Store) -> None:
    """A forged snapshot has a name that is known, all its tags, and is newer, but another id. A bad one is asked for by name.

    Versions before kept the first digits of an id: where another one begins alike, nobody knows which was meant.
    """
    add_snapshot(store, "a", restic_id="id-a")
    add_snapshot(store, "b", restic_id="id-b", state="bad")
    forged = replace(snapshot("a", 90), id="0f")
    found = Inventory((snapshot("a", 50), snapshot("b", 60), forged), ())
    assert ["id-a"] == [s.id for s in usable(found, store, None).snapshots]
    assert ["id-a", "id-b"] == [s.id for s in usable(found, store, "b").snapshots]
    twin = replace(snapshot("a", 95), id="id-a-twin")
    assert [] == [s.id for s in usable(replace(found, snapshots=(*found.snapshots, twin)), store, None).snapshots]
    store.begin_removal("a")
    assert () == usable(found, store, "a").snapshots


def test_an_unknown_name_is_answered_with_the_names() -> None:
    """The operator sees what there is."""
    with pytest.raises(NotFound, match="found 'c'; it has a, b"):
        Inventory((snapshot("a", 50), snapshot("b", 60)), ()).snapshot("c")


def stored(job: str, *tags: str) -> dict[str, object]:
    """Return what restic lists."""
    return {"id": "-".join(tags), "time": "2026-01-01T01:00:00.583195581+01:00", "tags": [f"job={job}", *tags]}


def restic(tmp_path: Path, listed: list[dict[str, object]]) -> Restic:
    """Return a repository whose restic answers with a listing."""
    program = tmp_path / "restic"
    (tmp_path / "listed").write_text(json.dumps(listed))
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/listed\n")
    program.chmod(0o755)
    repository = Repository(location=str(tmp_path / "repo"), password_file=tmp_path / "p", restic=str(program))
    return Restic(repository, tmp_path / "cache")


SNAPSHOT = ("name=a", "generation=1", "optime=50-1", "from=40-2")
SLICES = ("kind=slices", "generation=1", "first=10-1", "through=90-1")


def test_the_only_job_needs_no_name(tmp_path: Path) -> None:
    """A repository of one job says itself whose it is; a snapshot without optimes is left out."""
    found = inventory(
        restic(tmp_path, [stored("orders", "name=old"), stored("orders", *SNAPSHOT), stored("orders", *SLICES)]),
        None,
        lambda: None,
    )
    assert ("orders", ("orders",)) == (found.job, found.jobs)
    assert [("a", ts(50), ts(40, 2))] == [(s.name, s.optime, s.reads_from) for s in found.snapshots]
    assert "2026-01-01T00:00:00Z" == found.snapshots[0].created_at
    assert [(ts(10), ts(90))] == [(a.first, a.through) for a in found.archives]


def test_of_several_jobs_one_is_named(tmp_path: Path) -> None:
    """Guessing would restore the wrong database."""
    listed = [stored("orders", *SNAPSHOT), stored("items", *SNAPSHOT)]
    with pytest.raises(BadConfiguration, match="found items, orders; name one with --job"):
        inventory(restic(tmp_path, listed), None, lambda: None)
    assert "items" == inventory(restic(tmp_path, listed), "items", lambda: None).job


def test_two_agents_of_one_job_are_told_apart(tmp_path: Path) -> None:
    """One's oplog does not belong on the other's snapshot. What says nothing is of a version before, and of either."""
    mine, other = "agent=aaa", "agent=bbb"
    listed = [
        stored("orders", mine, *SNAPSHOT),
        stored("orders", other, "kind=slices", "generation=1", "first=10-1", "through=500-1"),
        stored("orders", *SLICES),
    ]
    found = inventory(restic(tmp_path, listed), "orders", lambda: None, "aaa")
    assert [(1, 50, 90)] == spans(list(found.snapshots), list(found.archives))
    assert [] == inventory(restic(tmp_path, listed), "orders", lambda: None, "bbb").ranges()
    with pytest.raises(BadConfiguration, match="found those of aaa, bbb; name one with --agent"):
        inventory(restic(tmp_path, listed), "orders", lambda: None)


@pytest.mark.parametrize(
    "bad",
    [
        ("kind=slices", "generation=one", "first=1-1", "through=2-1"),
        ("kind=slices", "generation=1", "first=1-1"),
        ("kind=slices", "generation=1", "first=1-1", f"through={10**12}-1"),
        ("name=b", "generation=1", "optime=now", "from=1-1"),
        ("name=b", f"generation={'9' * 5000}", "optime=1-1", "from=1-1"),
    ],
)
def test_what_no_agent_says_is_in_the_way_of_nothing(tmp_path: Path, bad: tuple[str, ...]) -> None:
    """The attack: one snapshot with a bad tag, added with the password alone, ended every restore with a traceback."""
    listed = [stored("orders", *SNAPSHOT), stored("orders", *bad), stored("orders", *SLICES)]
    with capture_logs() as logged:
        found = inventory(restic(tmp_path, listed), None, lambda: None)
    assert [(1, 50, 90)] == spans(list(found.snapshots), list(found.archives))
    assert "snapshot left out" in {line["event"] for line in logged}


@pytest.mark.parametrize(
    ("expected", "known"),
    [
        ({"aa1"}, [Archived(1, ts(90), ids=("aa1",))]),
        ({"aa1", "bb1"}, [Archived(1, ts(90), ids=("aa1",)), Archived(1, ts(95), ids=("bb1",))]),
        ({"bb1"}, [Archived(1, ts(90), ids=("bb",))]),
        (set(), [Archived(1, ts(90), ids=("aa",))]),
        (set(), [Archived(1, ts(90), ids=("", "cc"))]),
        ({"aa1", "aa2", "bb1"}, [Archived(1, ts(90))]),
        (set(), [Archived()]),
    ],
)
def test_only_what_the_state_names_is_the_agents_own(expected: set[str], known: list[Archived]) -> None:
    """By its id, also by the first digits where one alone begins so. A state of the version before takes what is there."""
    found = [archive("aa1", 10, 50), archive("aa2", 10, 99), archive("bb1", 45, 90)]
    assert expected == {a.id for a in own(found, *known)}
