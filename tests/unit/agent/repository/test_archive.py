"""Which archives of the oplog are kept, when one is due, and what may be deleted on the agent's disk meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp

from backup_agent.config import Config
from backup_agent.errors import NoRoom, Transient
from backup_agent.repository import agreement
from backup_agent.repository.agreement import Pinned
from backup_agent.repository.archive import Archiver, needed
from backup_agent.repository.inventory import Archive, Archived
from backup_agent.state.store import Store
from backup_agent.times import now_iso
from tests.unit.agent.jobs import add_snapshot
from tests.unit.agent.stored import archive, ts


@pytest.mark.parametrize(
    ("expected", "archives", "since"),
    [
        ({"y"}, [archive("x", 10, 50), archive("y", 10, 90)], 40),
        ({"x", "y"}, [archive("x", 10, 50), archive("y", 45, 90)], 40),
        ({"y"}, [archive("x", 10, 50), archive("y", 45, 90)], 47),
        ({"x", "z"}, [archive("x", 10, 70), archive("y", 40, 80), archive("z", 65, 90)], 20),
        ({"x", "y"}, [archive("x", 10, 50), archive("y", 60, 90)], 20),
        ({"x"}, [archive("x", 10, 50)], 70),
    ],
)
def test_the_fewest_that_cover_everything_are_kept(expected: set[str], archives: list[Archive], since: int) -> None:
    """From the oldest snapshot on; where there is a gap, both sides of it."""
    assert expected == needed(archives, {(1, ""): ts(since)})


def test_a_generation_without_snapshots_needs_no_archive() -> None:
    """There is nothing to apply it to."""
    assert set() == needed([archive("x", 10, 50)], {(2, ""): ts(20)})


OLD = Archived(1, ts(30), "2026-01-01T00:00:00Z", ok=True)
CONTROLLED = """#!/bin/sh
case "$*" in
*"cat config"*) echo '{{"id":"r"}}';;
*backup*) touch {here}/began
  while [ ! -e {here}/go ]; do sleep 0.05; done
  [ -e {here}/fail ] && {{ echo "Fatal: connection refused" >&2; exit 1; }}
  echo '{{"message_type":"summary","snapshot_id":"s1","data_added":1,"total_bytes_processed":1}}';;
*snapshots*) [ -e {here}/busy ] && {{ echo "Fatal: no such host" >&2; exit 1; }}; echo '[]';;
esac
"""


class Bench:
    """An archiver on a store, a directory of slices, and a restic whose end is decided by the test."""

    def __init__(self, where: Path) -> None:
        self.here = where
        program = where / "restic"
        program.write_text(CONTROLLED.format(here=where))
        program.chmod(0o755)
        (where / "password").touch(0o600)
        self.config = Config.model_validate(
            {
                "job": "orders",
                "directory": str(where / "job"),
                "source": {"uri": "mongodb://a.example.com/", "replica_set": "rs0"},
                "head": {"mongod": "/usr/bin/mongod"},
                "repository": {"location": "/r", "password_file": str(where / "password"), "restic": str(program)},
            }
        )
        (where / "job").mkdir()
        self.store = Store(self.config.state_file)
        self.store.observe(agreement.ALERT, Pinned("r", now_iso(), now_iso()))
        self.slices = self.config.generation_directory(1) / "slices"
        self.slices.mkdir(parents=True)
        (self.slices / "0000000010-0000000001.oplog.zst").touch()
        self.archiver = Archiver(self.config, self.store)

    def add_snapshot(self, created_at: str, second: int = 40) -> None:
        """Record a snapshot of the first generation."""
        add_snapshot(self.store, created_at, created_at, optime=ts(second))

    def wait(self, name: str) -> None:
        """Wait for a file of restic's."""
        self.until((self.here / name).exists)

    def until(self, condition: Any) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @property
    def observed(self) -> Archived:
        """What the archiver noted."""
        return self.store.observed("archive", Archived) or Archived()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give an archiver that is stopped at the end."""
    found = Bench(tmp_path)
    yield found
    (tmp_path / "go").touch()
    found.archiver.stop()
    found.store.close()


def test_nothing_is_stored_before_there_is_a_snapshot(bench: Bench) -> None:
    """It could be applied to nothing."""
    bench.archiver.look(1, ts(50))
    assert Archived() == bench.observed
    assert not (bench.here / "began").exists()


def test_what_an_upload_reads_is_kept_until_it_has_ended(bench: Bench) -> None:
    """While it runs nothing may be deleted; afterwards everything up to its end."""
    bench.add_snapshot(now_iso())
    bench.store.observe("archive", OLD)
    assert ts(30) == bench.archiver.through(1)
    bench.archiver.look(1, ts(50))
    bench.wait("began")
    assert ts(10) == bench.archiver.through(1)
    (bench.here / "go").touch()
    bench.until(lambda: bench.archiver.through(1) == ts(50))
    assert bench.archiver.through(2) is None


def test_an_upload_counts_although_old_ones_could_not_be_forgotten(bench: Bench) -> None:
    """Somebody who reads the repository for hours must not make the archive look overdue."""
    bench.add_snapshot(now_iso())
    for name in ("go", "busy"):
        (bench.here / name).touch()
    bench.archiver.look(1, ts(50))
    bench.until(lambda: bench.observed.ok)
    assert ts(50) == bench.observed.through


def test_what_follows_a_new_snapshot_is_stored_at_once(bench: Bench) -> None:
    """Within the interval nothing is due, unless a snapshot was taken that no stored oplog reaches."""
    (bench.here / "go").touch()
    bench.add_snapshot("2026-01-01T00:00:00Z")
    bench.store.observe("archive", Archived(1, ts(45), now_iso(), ok=True))
    bench.archiver.look(1, ts(50))
    assert not (bench.here / "began").exists()
    bench.add_snapshot(now_iso(), second=47)
    bench.archiver.look(1, ts(50))
    bench.until(lambda: bench.observed.through == ts(50))


def test_an_upload_that_fails_is_an_alert_only_when_it_is_overdue(bench: Bench) -> None:
    """A repository that is away for a minute is no alarm, one that is away for three intervals is."""
    bench.add_snapshot(now_iso())
    for name in ("go", "fail"):
        (bench.here / name).touch()
    bench.archiver.look(1, ts(50))
    bench.until(lambda: bench.observed.reason)
    assert [] == bench.store.alerts()
    bench.store.observe("archive", OLD)
    bench.until(lambda: bench.archiver.through(1) == ts(30))
    bench.archiver.look(1, Timestamp(60, 1))
    bench.until(bench.store.alerts)
    assert [("archive", "overdue")] == [(a.kind, a.cause) for a in bench.store.alerts()]


def test_an_upload_that_fails_brings_nothing_back(bench: Bench) -> None:
    """Somebody has accepted another repository meanwhile: what was in the one before is not in this one, and stays here."""
    bench.add_snapshot(now_iso())
    bench.store.observe("archive", OLD)
    bench.archiver.look(1, ts(50))
    bench.wait("began")
    bench.store.observe("archive", Archived(ids=()))
    (bench.here / "fail").touch()
    (bench.here / "go").touch()
    bench.until(lambda: bench.observed.reason)
    bench.until(lambda: bench.archiver.through(1) is None)


def test_an_upload_that_hangs_is_an_alert_and_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that does not answer: somebody is told while it hangs, and the next attempt gets its turn."""
    short = bench.config.model_copy(update={"archive_interval_minutes": 0.001})
    monkeypatch.setattr(bench.archiver, "_config", short)
    bench.add_snapshot("2026-01-01T00:00:00Z")
    bench.archiver.look(1, ts(50))
    bench.wait("began")
    bench.until(lambda: bench.archiver.look(1, ts(50)) or bench.store.alerts())
    (alert,) = bench.store.alerts()
    assert ("archive", "overdue") == (alert.kind, alert.cause)
    assert "an upload has been running for" in alert.detail["message"]
    monkeypatch.setattr("backup_agent.repository.archive.STALLED_SECONDS", 0)
    bench.until(lambda: bench.observed.reason)
    assert "doing nothing" in (bench.observed.reason or "")


def test_an_upload_that_the_daemon_ends_is_no_failure(bench: Bench) -> None:
    """Stopping the agent raises no alarm, however old the last upload is, and its next start does not wait to try again."""
    bench.add_snapshot("2026-01-01T00:00:00Z")
    bench.store.observe("archive", OLD)
    bench.archiver.look(1, ts(50))
    bench.wait("began")
    bench.archiver.stop()
    assert ([], OLD) == (bench.store.alerts(), bench.observed)


def test_an_upload_after_a_long_pause_is_no_alarm_at_once(bench: Bench) -> None:
    """The agent was stopped for hours: what it stores now is what ends that."""
    bench.add_snapshot("2026-01-01T00:00:00Z")
    bench.archiver.look(1, ts(50))
    bench.wait("began")
    bench.archiver.look(1, ts(50))
    assert [] == bench.store.alerts()


def test_an_upload_that_cannot_be_recorded_is_not_begun_again_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the state is full: restic must not be called every second until it is not."""

    def full(*_: Any) -> None:
        raise NoRoom("the state could not be written", "directory")

    monkeypatch.setattr(bench.store, "observe", full)
    (bench.here / "go").touch()
    bench.add_snapshot("2026-01-01T00:00:00Z")
    bench.archiver.look(1, ts(50))
    bench.until(lambda: bench.archiver.through(1) is None)
    (bench.here / "began").unlink()
    bench.archiver.look(1, ts(50))
    assert bench.archiver.through(1) is None
    assert not (bench.here / "began").exists()


def compared(bench: Bench, since: str, monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[tuple[str, str]]:
    """Let comparing end in an error, with a repository that was compared last at a time; returns the alerts then."""

    def fail(*_: Any) -> None:
        raise error

    bench.store.observe(agreement.ALERT, Pinned("r", since, since))
    bench.add_snapshot(now_iso())
    bench.store.observe("archive", Archived(1, ts(50), now_iso(), now_iso(), ok=True))
    monkeypatch.setattr(agreement, "compare", fail)
    monkeypatch.setattr(agreement, "due", lambda _: True)
    bench.archiver.look(1, ts(50))
    bench.archiver.stop()
    return [(alert.kind, alert.cause) for alert in bench.store.alerts()]


def test_a_comparison_that_ends_as_nobody_foresaw_is_an_alert(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: what was forged in the repository ended the thread without a word, and the alert never came."""
    assert [("repository", "unknown")] == compared(bench, now_iso(), monkeypatch, ValueError("a tag"))


@pytest.mark.parametrize(("since", "alerts"), [("2026-01-01T00:00:00Z", [("repository", "unknown")]), (None, [])])
def test_a_repository_that_cannot_be_compared_is_an_alert_after_a_while(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, since: str | None, alerts: list[tuple[str, str]]
) -> None:
    """Away for a minute is no alarm. Damaged so that restic lists nothing any more is one."""
    assert alerts == compared(bench, since or now_iso(), monkeypatch, Transient("no such host"))
