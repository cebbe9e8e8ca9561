"""A head that does not start: what its end says of its files, tried with programs that end in each way."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent.config import Config
from backup_agent.daemon import runtime as module
from backup_agent.daemon.runtime import Runtime
from backup_agent.errors import ResyncRequired, Transient
from backup_agent.source.connections import SourceSet
from backup_agent.state.room import Room
from backup_agent.state.store import Store


def runtime(where: Path, program: str) -> Runtime:
    """Return a runtime whose head is this shell program."""
    mongod = where / "mongod"
    mongod.write_text(f"#!/bin/sh\n{program}\n")
    mongod.chmod(0o755)
    config = Config.model_validate(
        {
            "job": "orders",
            "directory": str(where / "job"),
            "disk_reserve_mb": 1,
            "source": {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0"},
            "head": {"mongod": str(mongod)},
            "repository": {"location": str(where / "repo"), "password_file": str(where / "pw")},
        }
    )
    return Runtime(config, SourceSet(config), 1, Room(config, Store(config.state_file)))


@pytest.mark.parametrize("program", ["exit 1", "exit 14", "kill -ABRT $$"])
def test_a_head_that_fails_three_times_is_corruption(tmp_path: Path, program: str) -> None:
    """An error of its own ends the job at the third time, an abort of the server's too."""
    found = runtime(tmp_path, program)
    for _ in range(module.HEAD_ATTEMPTS - 1):
        with pytest.raises(Transient):
            found.start_head()
    with pytest.raises(ResyncRequired, match="3 times") as caught:
        found.start_head()
    assert "corruption" == caught.value.cause


@pytest.mark.parametrize("program", ["kill -KILL $$", "kill -TERM $$", "exit 0"])
def test_a_head_that_is_ended_by_others_is_started_again(tmp_path: Path, program: str) -> None:
    """The kernel kills it when memory is short, an operator may: that is never corruption."""
    found = runtime(tmp_path, program)
    for _ in range(module.HEAD_ATTEMPTS + 2):
        with pytest.raises(Transient, match="it ended"):
            found.start_head()


def test_a_head_that_starts_slowly_is_given_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recovery after a crash may take longer than a start: the next one may take twice as long, up to a limit."""
    monkeypatch.setattr(module, "START_SECONDS", 0.1)
    monkeypatch.setattr(module, "LONGEST_START_SECONDS", 0.3)
    found = runtime(tmp_path, "exec sleep 60")
    for seconds in ("0.1", "0.2", "0.3", "0.3"):
        with pytest.raises(Transient, match=f"in {seconds} s"):
            found.start_head()
        assert not found.head.alive
