"""Attacks on the storage of a repository, by somebody who has no password: none of them may stay unseen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from bson.timestamp import Timestamp

from backup_agent.config import Config, Repository
from backup_agent.repository import agreement
from backup_agent.repository.agreement import Replaced, accept, compare, require_same
from backup_agent.repository.archive import Archiver, _Upload
from backup_agent.repository.failures import RepositoryMissing
from backup_agent.repository.inventory import Archived, archived, restorable
from backup_agent.repository.restic import Restic
from backup_agent.state.records import Snapshot
from backup_agent.state.store import Store
from lab.repository import make_repository

JOB = "orders"


def nothing() -> None:
    """Let restic go on."""


class Stage:
    """A repository with two proven snapshots, and the state that lists them."""

    def __init__(self, where: Path) -> None:
        self.where, self.location = where, where / "repository"
        (where / "password").touch(0o600)
        (where / "password").write_text("one")
        self.restic = Restic(
            Repository(location=str(self.location), password_file=where / "password"), where / "restic-cache"
        )
        self.store = Store(where / "state.sqlite")
        make_repository(self.location, "one")
        require_same(self.store, self.restic, nothing)
        self.take("first", "2026-11-01T00:00:00Z")
        shutil.copytree(self.location, where / "older")
        self.take("second", "2026-11-02T00:00:00Z")

    def take(self, name: str, at: str) -> None:
        """Store something and record that it is proven."""
        (self.where / "data").mkdir(exist_ok=True)
        (self.where / "data" / "file").write_text(name)
        stored = self.restic.backup(self.where, ["data"], host=JOB, tags=[f"job={JOB}", f"name={name}"])
        stored = self.restic.whole(stored, f"job={JOB}")
        assert 64 == len(stored.restic_id)
        self.store.add_snapshot(Snapshot(name, name, 1, Timestamp(1, 1), at, "good", False, at, **asdict(stored)))

    def compare(self) -> list[str]:
        """Compare the lists."""
        return compare(self.store, self.restic, JOB, nothing)

    @property
    def states(self) -> dict[str, tuple[str, bool]]:
        """The state of each snapshot, and whether it is proven."""
        return {s.name: (s.state, s.proven_at is not None) for s in self.store.snapshots()}

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """What is open."""
        return [(alert.kind, alert.cause) for alert in self.store.alerts()]

    @property
    def archives(self) -> list[str]:
        """The ids of all oplog that is in the repository, whosever it is."""
        return [one.id for one in self.restic.snapshots("kind=slices")]

    def add_oplog(self, first: str, through: str) -> str:
        """Add oplog with the password alone, in the name of the agent; returns its id."""
        before = set(self.archives)
        whose = [f"job={JOB}", f"agent={self.store.identity}", "kind=slices", "generation=1"]
        self.restic.backup(self.where, ["data"], host=JOB, tags=[*whose, f"first={first}", f"through={through}"])
        (added,) = set(self.archives) - before
        return added

    def put(self, other: Path) -> None:
        """Put another directory in the place of the repository."""
        shutil.rmtree(self.location)
        shutil.copytree(other, self.location)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give what is attacked."""
    found = Stage(tmp_path)
    with closing(found.store):
        yield found


GOOD, GONE = ("good", True), ("missing", False)


def test_a_repository_that_agrees_is_no_news(stage: Stage) -> None:
    """Both snapshots are there."""
    assert [] == stage.compare() == stage.alerts
    assert {"first": GOOD, "second": GOOD} == stage.states
    assert not agreement.due(stage.store)


def test_an_emptied_repository_is_seen(stage: Stage) -> None:
    """The review's attack: everything but the keys is deleted. What was proven no longer is, and both are named."""
    for name in ("snapshots", "data", "index"):
        shutil.rmtree(stage.location / name)
        (stage.location / name).mkdir()
    (problem,) = stage.compare()
    assert "expected 2 snapshots in the repository, found 0; it lacks second, first" in problem
    assert {"first": GONE, "second": GONE} == stage.states
    assert [("repository", "missing")] == stage.alerts


def test_one_deleted_snapshot_is_seen_and_may_come_back(stage: Stage, tmp_path: Path) -> None:
    """It counts as good again when it is there again; that it is proven has to be seen again."""
    first = next(s for s in stage.store.snapshots() if s.name == "first")
    (file,) = (f for f in (stage.location / "snapshots").iterdir() if f.name.startswith(first.restic_id))
    shutil.move(file, tmp_path / "kept")
    assert "found 1; it lacks first" in stage.compare()[0]
    assert {"first": GONE, "second": GOOD} == stage.states
    shutil.move(tmp_path / "kept", file)
    assert [] == stage.compare() == stage.alerts
    assert {"first": ("good", False), "second": GOOD} == stage.states


def test_the_whole_of_an_id_is_kept_once_it_is_known(stage: Stage) -> None:
    """The first eight digits, which earlier versions kept, can be forged in an hour."""
    whole = {s.name: s.restic_id for s in stage.store.snapshots()}
    for name, found in whole.items():
        stage.store.update_snapshot(name, restic_id=found[:8])
    assert [] == stage.compare()
    assert whole == {s.name: s.restic_id for s in stage.store.snapshots()}
    stage.store.update_snapshot("first", restic_id="")  # every id begins so
    assert "it lacks first" in stage.compare()[0]
    assert {"first": GONE, "second": GOOD} == stage.states


def test_a_bad_one_that_is_there_again_is_bad(stage: Stage, tmp_path: Path) -> None:
    """What a proof has found does not go away with the snapshot."""
    stage.store.update_snapshot("first", state="bad", proven_at=None)
    shutil.copytree(stage.location, tmp_path / "kept")
    shutil.rmtree(stage.location / "snapshots")
    (stage.location / "snapshots").mkdir()
    assert "it lacks second, first" in stage.compare()[0]
    stage.put(tmp_path / "kept")
    assert [] == stage.compare()
    assert {"first": ("bad", False), "second": ("good", False)} == stage.states


def test_an_older_copy_is_seen(stage: Stage) -> None:
    """It has the same id and the same password; what is newer is missing."""
    stage.put(stage.where / "older")
    stage.compare()
    assert {"first": GOOD, "second": GONE} == stage.states
    assert [("repository", "older")] == stage.alerts


def test_oplog_that_was_removed_is_seen_and_what_is_here_is_stored_again(stage: Stage) -> None:
    """Slices are deleted here as far as they are there: that must not go on."""
    stage.restic.backup(
        stage.where, ["data"], host=JOB, tags=[f"job={JOB}", "kind=slices", "generation=1", "first=1-1", "through=9-1"]
    )
    stage.store.observe("archive", Archived(1, Timestamp(9, 1), "2026-11-02T00:00:00Z", ok=True))
    assert [] == stage.compare()
    stage.put(stage.where / "older")
    stage.restic.backup(
        stage.where, ["data"], host=JOB, tags=[f"job={JOB}", "kind=slices", "generation=2", "first=1-1", "through=9-1"]
    )
    assert "it lacks second, and the captured oplog up to 1970" in stage.compare()[0]
    (other,) = stage.archives
    assert Archived(ids=(other,)) == stage.store.observed("archive", Archived)
    stage.store.forget_snapshot("second")
    stage.store.observe("archive", Archived(1, Timestamp(9, 1), "2026-11-02T00:00:00Z", ok=True))
    (problem,) = stage.compare()
    assert "expected the captured oplog up to 1970-01-01T00:00:09Z" in problem
    assert [("repository", "missing")] == stage.alerts


def test_a_bad_tag_silences_nothing(stage: Stage) -> None:
    """The attack: what was proven is deleted, and one snapshot with a bad tag added. Comparing ended with a traceback, unseen."""
    stage.store.observe("archive", Archived(1, Timestamp(9, 1), "2026-11-02T00:00:00Z", ok=True))
    bad = ["kind=slices", "generation=one", "first=1-1", "through=never"]
    stage.put(stage.where / "older")
    stage.restic.backup(stage.where, ["data"], host=JOB, tags=[f"job={JOB}", *bad])
    assert "it lacks second, and the captured oplog up to 1970" in stage.compare()[0]
    assert {"first": GOOD, "second": GONE} == stage.states
    assert [("repository", "older")] == stage.alerts


def archiver(stage: Stage) -> Archiver:
    """Give what stores the oplog of the stage's job, whose snapshot reads from the fifth second on."""
    config = Config.model_validate(
        {
            "job": JOB,
            "directory": str(stage.where / "job"),
            "source": {"uri": "mongodb://a.example.com/", "replica_set": "rs0"},
            "head": {"mongod": "/usr/bin/mongod"},
            "repository": {"location": str(stage.location), "password_file": str(stage.where / "password")},
        }
    )
    slices = config.generation_directory(1) / "slices"
    slices.mkdir(parents=True)
    (slices / "0000000005-0000000001.oplog.zst").write_text("oplog")
    tags = [f"job={JOB}", f"agent={stage.store.identity}", "name=second", "generation=1", "optime=5-1", "from=5-1"]
    taken = stage.restic.backup(stage.where, ["data"], host=JOB, tags=tags)
    stage.store.update_snapshot("second", restic_id=taken.restic_id)
    return Archiver(config, stage.store)


def upload(agent: Archiver, through: int) -> None:
    """Store the oplog up to a second."""
    agent._start(agent._run, _Upload(1, Timestamp(5, 1), Timestamp(through, 1)))
    assert agent._thread is not None
    agent._thread.join()


def restored_from(stage: Stage) -> set[str]:
    """Return the oplog that a restore may use."""
    return {a.id for a in restorable(stage.restic, JOB, nothing, stage.store, None).archives}


@pytest.mark.parametrize("digits", [8, 64])
def test_forged_oplog_takes_the_place_of_nothing(stage: Stage, digits: int) -> None:
    """The attack: oplog in the agent's name that covers everything. The agent deleted its own, and saw nothing missing then.

    Restic 0.14 says eight digits of what it has stored: the whole is known once the repository was listed.
    """
    agent = archiver(stage)
    upload(agent, 9)
    (first,) = stage.archives
    stage.store.observe("archive", replace(archived(stage.store), ids=(first[:digits],)))
    forged = stage.add_oplog("1-1", "4294967295-1")
    upload(agent, 20)
    (mine,) = set(stage.archives) - {first, forged}
    assert {forged, mine} == set(stage.archives)
    assert {mine} == restored_from(stage)
    assert mine in (archived(stage.store).ids or ())
    assert all(64 == len(one) for one in archived(stage.store).ids or ())
    stage.restic.forget([mine])
    assert "the captured oplog up to 1970-01-01T00:00:20Z" in stage.compare()[0]
    assert set() == restored_from(stage)


def test_oplog_of_the_version_before_is_taken_once(stage: Stage) -> None:
    """0.1.0 kept no ids: what is there at the first upload is the agent's own, and what is added afterwards is not."""
    agent, before = archiver(stage), stage.add_oplog("5-1", "9-1")
    stage.store.observe("archive", Archived(1, Timestamp(9, 1), "2026-11-02T00:00:00Z", ok=True))
    others = [f"job={JOB}", "agent=other", "kind=slices", "generation=1", "first=1-1", "through=99-1"]
    stage.restic.backup(stage.where, ["data"], host=JOB, tags=others)
    (theirs,) = set(stage.archives) - {before}
    assert {before} == restored_from(stage)
    old = archived(stage.store)
    accept(stage.store, stage.restic, JOB, nothing)
    assert (before,) == archived(stage.store).ids
    stage.store.observe("archive", old)
    upload(agent, 20)
    (mine,) = set(stage.archives) - {theirs}
    stage.add_oplog("1-1", "4294967295-1")
    assert {mine} == restored_from(stage)
    assert not stage.store.alerts()


def test_another_repository_is_not_written_to_until_somebody_accepts_it(stage: Stage) -> None:
    """With the same password it opens without a word."""
    shutil.rmtree(stage.location)
    make_repository(stage.location, "one")
    for _ in range(2):
        with pytest.raises(Replaced, match="nothing is stored in this one"):
            require_same(stage.store, stage.restic, nothing)
    with pytest.raises(Replaced):
        stage.compare()
    assert {"first": GONE, "second": GONE} == stage.states
    assert [("repository", "replaced")] == stage.alerts
    assert ["second", "first"] == accept(stage.store, stage.restic, JOB, nothing)
    require_same(stage.store, stage.restic, nothing)
    assert {} == stage.states
    assert [] == stage.alerts == stage.compare()


def test_a_repository_that_cannot_be_found_takes_nothing_away(stage: Stage) -> None:
    """Its disk may not be mounted: that is an alert, and no news about the snapshots."""
    shutil.move(stage.location, stage.where / "elsewhere")
    with pytest.raises(RepositoryMissing):
        stage.compare()
    assert [("repository", "missing")] == stage.alerts
    assert {"first": GOOD, "second": GOOD} == stage.states
    shutil.move(stage.where / "elsewhere", stage.location)
    assert [] == stage.compare() == stage.alerts
