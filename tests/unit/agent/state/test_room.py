"""Room on the disks, measured on real directories."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.errors import OperationFailure

from backup_agent.config import Config, load
from backup_agent.errors import Canceled, NoRoom, PreflightFailed, ResyncRequired
from backup_agent.state.room import Room, local_repository, places, says_full, unrecorded
from backup_agent.state.store import Store

MORE_THAN_ANY_DISK_MB = 2**40


def configured(tmp_path: Path, reserve_mb: int) -> Config:
    """Return a job's configuration whose directories are all on the disk of the test."""
    settings: dict[str, Any] = {
        "job": "orders",
        "directory": str(tmp_path),
        "source": {"uri": "mongodb://a.example.com:27017", "replica_set": "rs0"},
        "head": {"mongod": "/usr/bin/mongod", "socket_directory": "/run"},
        "repository": {"location": str(tmp_path / "repository"), "password_file": "/etc/password"},
        "disk_reserve_mb": reserve_mb,
    }
    (tmp_path / "repository").mkdir(exist_ok=True)
    (tmp_path / "job.yml").write_text(yaml.safe_dump(settings))
    return load(tmp_path / "job.yml")


@pytest.fixture
def full(tmp_path: Path) -> tuple[Room, Store]:
    """Give the room of a job whose disk is full: its reserve is larger than any disk."""
    store = Store(tmp_path / "state.sqlite")
    return Room(configured(tmp_path, MORE_THAN_ANY_DISK_MB), store), store


def test_directories_on_one_disk_are_one_place(tmp_path: Path) -> None:
    """An operator gets one alert for a disk, whatever is on it; what is not there yet is left out."""
    found = places(configured(tmp_path, 1), generation=1)
    assert {"directory", "repository"} == set(found)
    assert {"directory"} == {place.name for place in found.values()}


@pytest.mark.parametrize(
    ("location", "path"),
    [("/srv/r", "/srv/r"), ("local:/srv/r", "/srv/r"), ("sftp:host:/srv/r", None), ("s3:https://host/r", None)],
)
def test_only_a_local_repository_is_measured(location: str, path: str | None) -> None:
    """What is behind a protocol has no disk here."""
    assert (None if path is None else Path(path)) == local_repository(location)


def test_a_full_disk_is_an_alert_until_it_has_room(full: tuple[Room, Store], tmp_path: Path) -> None:
    """The alert says which directory, how much is free and how much is needed; a daemon that starts later closes it."""
    room, store = full
    room.look()
    room.look()
    (alert,) = store.alerts()
    assert ("disk_full", "directory") == (alert.kind, alert.cause)
    assert str(tmp_path) == alert.detail["directory"]
    assert 0 < alert.detail["free_bytes"] < alert.detail["needed_bytes"]
    Room(configured(tmp_path, 1), store).look()
    assert [] == store.alerts()


def test_status_says_what_the_daemon_could_not_write(tmp_path: Path) -> None:
    """What is measured and not in the state is shown all the same, once."""
    config = configured(tmp_path, MORE_THAN_ANY_DISK_MB)
    (shown,) = unrecorded(config, None, [])
    assert "make room" in shown.detail["message"]
    assert [] == unrecorded(config, None, [shown])
    assert [] == unrecorded(configured(tmp_path, 1), None, [])


def test_what_fails_on_a_full_disk_is_not_judged(full: tuple[Room, Store]) -> None:
    """Even what looks like a broken backup waits for room; an operator's wish and a refusal do not."""
    room, _ = full
    found = room.explain(ResyncRequired("corruption", "the head refused a batch"), "head", "directory")
    assert isinstance(found, NoRoom)
    assert "the head refused a batch" in found.message
    assert room.explain(Canceled("by an operator"), "directory") is None
    assert room.explain(PreflightFailed("disk: 5 bytes free"), "directory") is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OperationFailure("available disk space of 5 bytes is less than required minimum", code=14031),
        OperationFailure("WT_SESSION.create: 28: No space left on device", code=8),
    ],
)
def test_a_full_disk_is_known_by_its_error(error: Exception) -> None:
    """Also when room was made before anybody measured, and when another error was made of it."""
    assert says_full(error) is not None
    wrapped = RuntimeError("the step failed")
    wrapped.__cause__ = error
    assert says_full(wrapped) is not None
    assert says_full(RuntimeError("something else")) is None


def test_an_error_keeps_its_alert_for_a_moment(tmp_path: Path) -> None:
    """A disk that is measured to have room and refuses to be written (a quota) is alerted while it goes on refusing."""
    store = Store(tmp_path / "state.sqlite")
    room = Room(configured(tmp_path, 1), store)
    room.note(NoRoom("quota exceeded", "repository"))
    room.look()
    assert ["quota exceeded"] == [alert.detail["message"] for alert in store.alerts()]
