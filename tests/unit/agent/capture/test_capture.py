"""Capture that is stopped: nothing is written after that."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import bson
import pytest
from bson.timestamp import Timestamp

from backup_agent.capture.capture import Capture
from backup_agent.capture.slices import SliceWriter, files
from backup_agent.config import Config
from backup_agent.source.connections import SourceSet
from backup_agent.state.room import Room
from backup_agent.state.store import Store


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """Give a capture of a set that nobody asks yet."""
    config = Config.model_validate(
        {
            "job": "orders",
            "directory": str(tmp_path / "job"),
            "source": {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0"},
            "head": {"mongod": "/usr/bin/mongod"},
            "repository": {"location": str(tmp_path / "repo"), "password_file": str(tmp_path / "pw")},
        }
    )
    writer = SliceWriter(tmp_path / "slices", 1)
    room = Room(config, Store(config.state_file))
    return Capture(SourceSet(config), writer, Timestamp(1, 1), room)


def page(seconds: int) -> list[bytes]:
    """Return a page of one entry."""
    return [bson.encode({"ts": Timestamp(seconds, 1), "t": 1, "op": "n"})]


def test_a_page_that_comes_after_the_stop_is_left(capture: Capture, tmp_path: Path) -> None:
    """What was on its way when capture was stopped is read again by the next one, and not written beside it."""
    capture._append(page(1))
    capture.stop()
    capture._append(page(2))
    assert Timestamp(1, 1) == capture.view.captured
    assert 1 == len(files(tmp_path / "slices"))


def test_the_stop_waits_for_a_write(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping returns only when the thread has ended: its slices are closed next."""
    monkeypatch.setattr("backup_agent.capture.capture.STOP_SECONDS", 0.01)
    writing, goes_on = threading.Event(), threading.Event()

    def slow() -> str:
        writing.set()
        goes_on.wait()
        return "nobody"

    monkeypatch.setattr(capture, "_choose", slow)
    monkeypatch.setattr(capture, "_follow", lambda _member: None)
    capture.start()
    assert writing.wait(10)
    threading.Timer(0.2, goes_on.set).start()
    capture.stop()
    assert goes_on.is_set()
    assert not capture.is_alive()


def test_the_stop_does_not_wait_for_a_member(capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member at rest answers after seconds. What it says then is not written."""
    asked, answers = threading.Event(), threading.Event()

    class Cursor:
        def next_page(self) -> list[bytes]:
            asked.set()
            answers.wait()
            return page(1)

    monkeypatch.setattr(capture, "_choose", lambda: "a.example.com:27017")
    monkeypatch.setattr(capture, "_follow", lambda _: capture._append(capture._next_page(cast(Any, Cursor()))))
    capture.start()
    asked.wait()
    capture.stop()
    assert capture.is_alive()
    answers.set()
    capture.join()
    assert [] == files(tmp_path / "slices")
