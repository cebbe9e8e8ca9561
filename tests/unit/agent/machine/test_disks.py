"""What a job will still write, and on which disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from backup_agent.config import Config, load
from backup_agent.machine import disks
from backup_agent.machine.disks import (
    CACHE_BYTES,
    HEAD_BYTES,
    by_device,
    parts,
    stays_free,
    sync_bytes,
    sync_slices,
)
from backup_agent.source.oplog import OplogUse
from backup_agent.state.store import Store

MB = 1024**2
DATA = 100 * MB
IDLE = OplogUse(3600, 0, 1000 * MB)


def configured(tmp_path: Path, **changes: Any) -> Config:
    """Return a job's configuration with everything below a directory."""
    settings: dict[str, Any] = {
        "job": "orders",
        "directory": str(tmp_path / "job"),
        "source": {"uri": "mongodb://a.example.com:27017", "replica_set": "rs0"},
        "head": {"mongod": "/usr/bin/mongod", "socket_directory": "/run"},
        "repository": {"location": str(tmp_path / "repository"), "password_file": "/etc/password"},
        **changes,
    }
    (tmp_path / "job.yml").write_text(yaml.safe_dump(settings))
    return load(tmp_path / "job.yml")


def needed(config: Config, oplog: OplogUse = IDLE) -> dict[str, int]:
    """Return the parts by their names, without what a head takes anyway."""
    return {
        part.name: part.bytes - (HEAD_BYTES if "head" in part.name or "scratch" in part.name else 0)
        for part in parts(config, DATA, oplog)
    }


def fill(path: Path, size: int) -> None:
    """Write a file that takes this much room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_a_new_job_needs_everything(tmp_path: Path) -> None:
    """Both heads, the slices of a sync, the scratch copy, the cache, and the first snapshot of a local repository."""
    expected = {
        "first head": DATA,
        "second head": DATA,
        "slices": DATA // 2,
        "scratch copy of the proof": DATA,
        "restic's cache": CACHE_BYTES + DATA // 50,
        "first snapshot": DATA,
    }
    assert expected == needed(configured(tmp_path))
    assert not (tmp_path / "job").exists()


def test_a_remote_repository_takes_no_room_here(tmp_path: Path) -> None:
    """Only what is written to this machine counts."""
    repository = {"location": "sftp:host:/srv", "password_file": "/etc/password"}
    assert "first snapshot" not in needed(configured(tmp_path, repository=repository))


def test_what_is_there_is_not_counted_again(tmp_path: Path) -> None:
    """Of a head that is being copied only the rest; a current one is complete, and so is a repository with a snapshot."""
    config = configured(tmp_path)
    fill(config.generation_directory(1) / "head" / "data" / "a.wt", 30 * MB)
    fill(config.generation_directory(1) / "slices" / "a", 10 * MB)
    found = needed(config)
    assert (70 * MB, DATA, 40 * MB) == (found["first head"], found["second head"], found["slices"])
    store = Store(config.state_file)
    store.switch_generation(store.new_generation().number)
    fill(tmp_path / "repository" / "snapshots" / "a", 1)
    found = needed(config)
    assert DATA == found["second head"]
    assert not {"first head", "first snapshot"} & set(found)
    fill(config.generation_directory(2) / "head" / "data" / "a.wt", 60 * MB)
    assert 40 * MB == needed(config)["second head"]


def test_slices_are_kept_for_hours(tmp_path: Path) -> None:
    """5 MB an hour for 24 hours, and those of a sync, which are never more than the whole oplog."""
    busy = OplogUse(seconds=7200, used_bytes=10 * MB, full_bytes=20 * MB)
    assert 24 * 5 * MB + 20 * MB == needed(configured(tmp_path), busy)["slices"]
    assert 5 * MB + 20 * MB == needed(configured(tmp_path, slice_keep_hours=1), busy)["slices"]


def test_a_short_window_is_taken_for_an_hour() -> None:
    """10 MB in 10 seconds may be a load of data: they say nothing of a day."""
    assert 10 * MB == OplogUse(10, 10 * MB, 16 * MB).bytes_per_hour


def test_a_window_grows_until_the_oplog_is_full() -> None:
    """Half full after 99 seconds is twice that when full; a full one reaches as far as it does."""
    assert [200, 99, 99] == [OplogUse(99, used, 20).window_seconds for used in (10, 20, 0)]


def test_the_preflight_counts_the_same() -> None:
    """A second head, a scratch copy and the slices are two and a half times the data; a gigabyte at least stays free."""
    assert 250 == sync_bytes(100)
    assert 10 == sync_slices(100, OplogUse(1, 1, 10))
    assert [1024 * MB, 2048 * MB] == [stays_free(reserve) for reserve in (0, 2048 * MB)]


def test_parts_are_added_up_by_file_system(tmp_path: Path) -> None:
    """All directories of the test are on one: one entry, named after what is there, with the reserve once."""
    found = parts(configured(tmp_path), DATA, IDLE)
    (disk,) = by_device(found, 0)
    assert str(tmp_path) == disk.path
    assert sum(part.bytes for part in found) + stays_free(0) == disk.needed_bytes
    assert 0 < disk.free_bytes


@pytest.mark.parametrize("running", [True, False])
def test_the_state_is_read_without_a_trace(tmp_path: Path, running: bool) -> None:
    """Beside a daemon that has it open and after it: no file is made, none is changed."""
    config = configured(tmp_path)
    directory = config.state_file.parent
    assert disks._current_generation(config) is None
    store = Store(config.state_file)
    assert disks._current_generation(config) is None
    store.switch_generation(store.new_generation().number)
    if not running:
        store.close()
    before = {file.name: file.stat().st_mtime_ns for file in directory.iterdir() if not file.name.endswith("-shm")}
    assert 1 == disks._current_generation(config)
    assert before == {f.name: f.stat().st_mtime_ns for f in directory.iterdir() if not f.name.endswith("-shm")}
