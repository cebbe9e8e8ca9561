"""When a step waits, and when it gives up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.errors import AutoReconnect

from backup_agent.config import load
from backup_agent.daemon import patience
from backup_agent.daemon.patience import Patience
from backup_agent.errors import Canceled, NoRoom, OperationFailed, ResyncRequired, Transient
from backup_agent.state.room import Room
from backup_agent.state.store import Store


class Waited:
    """Gives the patience of a step on a real disk, and keeps what was waited for and said."""

    def __init__(self, where: Path, reserve_mb: int = 1) -> None:
        settings: dict[str, Any] = {
            "job": "orders",
            "directory": str(where),
            "source": {"uri": "mongodb://a.example.com:27017", "replica_set": "rs0"},
            "head": {"mongod": "/usr/bin/mongod", "socket_directory": "/run"},
            "repository": {"location": "s3:https://host/r", "password_file": "/etc/password"},
            "disk_reserve_mb": reserve_mb,
        }
        (where / "job.yml").write_text(yaml.safe_dump(settings))
        self.store = Store(where / "state.sqlite")
        self.room = Room(load(where / "job.yml"), self.store)
        self.seconds: list[float] = []
        self.said: list[str] = []

    def of(self, step: str) -> Patience:
        """Return the patience of a step that begins now."""
        return Patience(self.room, step, self.seconds.append, self.said.append)


def test_what_may_pass_is_waited_for(tmp_path: Path) -> None:
    """However often: an unreachable member is no failure of the step."""
    waited = Waited(tmp_path)
    step = waited.of("validate")
    for _ in range(20):
        step.bear(Transient("no secondary"), head_died=False)
        step.bear(AutoReconnect("reset"), head_died=False)
    assert 40 == len(waited.seconds)
    assert {"waiting: no secondary", "waiting: reset"} == set(waited.said)


def test_a_head_that_dies_again_and_again_ends_the_step(tmp_path: Path) -> None:
    """Five times is no accident."""
    step = Waited(tmp_path).of("validate")
    for _ in range(patience.FAILURES - 1):
        step.bear(Transient("gone"), head_died=True)
    with pytest.raises(OperationFailed, match="step validate: gone"):
        step.bear(Transient("gone"), head_died=True)


@pytest.mark.parametrize("error", [ResyncRequired("corruption", "x"), Canceled("x"), OperationFailed("x")])
def test_what_cannot_pass_ends_the_step_at_once(tmp_path: Path, error: Exception) -> None:
    """Nothing is waited for."""
    waited = Waited(tmp_path)
    with pytest.raises(type(error)):
        waited.of("snapshot").bear(error, head_died=False)
    assert [] == waited.seconds


def test_only_what_loses_little_gives_up_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resync would lose its copy: it waits as long as it takes. A snapshot makes way for others, and its alert stays."""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", -1)
    waited = Waited(tmp_path, reserve_mb=2**40)
    for error in (Transient("lost"), ResyncRequired("corruption", "the head refused a batch")):
        waited.of("validate").bear(error, head_died=True)
    with pytest.raises(OperationFailed, match="bytes free"):
        waited.of("snapshot").bear(Transient("lost"), head_died=False)
    assert ["disk_full"] == [alert.kind for alert in waited.store.alerts()]


def test_a_repository_elsewhere_is_tried_until_it_has_room(tmp_path: Path) -> None:
    """It cannot be measured: its own error raises the alert, and only a success closes it."""
    waited = Waited(tmp_path)
    waited.of("snapshot").bear(NoRoom("restic backup: no space left", "repository"), head_died=False)
    waited.room.look()
    assert ["repository"] == [alert.cause for alert in waited.store.alerts()]
    waited.room.cleared("repository")
    assert [] == waited.store.alerts()


def test_a_restore_does_not_wait_for_the_disk_of_an_operator(tmp_path: Path) -> None:
    """The user of a restore chooses its target: the message comes at once."""
    error = OperationFailed("restore: no space left")
    error.__cause__ = NoRoom("no space left", "repository")
    with pytest.raises(OperationFailed, match="restore"):
        Waited(tmp_path).of("restore").bear(error, head_died=False)
