"""The directory of a restore: nothing of anybody else is removed, and it is known whether it is finished."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp

from backup_agent.errors import Refused
from backup_agent.restore import target as restore_target
from backup_agent.restore.plan import Restore
from backup_agent.restore.target import NAMES, WORKING, Target

PLAN = Restore("orders", "a", Timestamp(90, 1), Timestamp(95, 1), 1, 5)
RECORD = replace(PLAN, restored_at="2026-01-01T00:00:00Z")


def finished(path: Path) -> Target:
    """Return a target in which a restore has ended."""
    target = Target(path)
    with target.locked():
        target.clear()
        data = target.working / "data"
        (data / "journal").mkdir(parents=True)
        (data / "WiredTiger.turtle").write_text("checkpoint 1")
        (data / "collection.wt").write_text("x")
        target.move_into_place(data, RECORD)
    return target


def test_a_new_and_an_empty_directory_are_taken(tmp_path: Path) -> None:
    """Both, and nothing is made by looking."""
    Target(tmp_path).check()
    Target(tmp_path / "new").check()
    assert not (tmp_path / "new").exists()


def test_a_file_and_a_directory_in_use_are_refused(tmp_path: Path) -> None:
    """Nothing is removed to make room."""
    (tmp_path / "precious").write_text("x")
    with pytest.raises(Refused, match=r"found 1 files in .*, precious for one"):
        Target(tmp_path).check()
    with pytest.raises(Refused, match="expected an empty directory"):
        Target(tmp_path / "precious").check()


def test_a_finished_restore_is_known_by_its_record(tmp_path: Path) -> None:
    """The mark has gone, the files are in place, and the same plan finds that it has been done."""
    target = finished(tmp_path / "t")
    assert [".restored.json", "WiredTiger.turtle", "collection.wt", "journal"] == sorted(
        p.name for p in target.path.iterdir()
    )
    done = target.done(PLAN)
    assert done is not None
    assert "2026-01-01T00:00:00Z" == done.restored_at


@pytest.mark.parametrize("change", [{"snapshot": "b"}, {"until": Timestamp(1, 1)}, {"job": "items"}, {"generation": 2}])
def test_another_restore_is_not_taken_for_this_one(tmp_path: Path, change: dict[str, Any]) -> None:
    """It is refused with what is there."""
    target = finished(tmp_path / "t")
    assert target.done(replace(PLAN, **change)) is None
    with pytest.raises(
        Refused, match="the restore of job orders of 1970-01-01T00:01:35Z that was made at 2026"
    ) as caught:
        target.check()
    assert "a" == caught.value.details["record"].snapshot


def test_a_server_that_was_started_since_is_noticed(tmp_path: Path) -> None:
    """A directory in use is not what was restored any more."""
    target = finished(tmp_path / "t")
    (target.path / "WiredTiger.turtle").write_text("checkpoint 2")
    assert target.done(PLAN) is None
    with pytest.raises(Refused, match="on which a server has been started since"):
        target.check()


def test_what_an_unfinished_restore_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """Files that it had moved already go; a file that somebody put there meanwhile makes it refuse."""
    target = Target(tmp_path)
    target.clear()
    (target.working / NAMES).write_text(json.dumps(["journal", "a.wt"]))
    (tmp_path / "a.wt").write_text("x")
    (tmp_path / "journal").mkdir()
    (target.working / "data").mkdir()
    target.check()
    (tmp_path / "mine").write_text("x")
    with pytest.raises(Refused, match=r"found 1 files in .*, mine for one"):
        target.check()
    (tmp_path / "mine").unlink()
    target.clear()
    assert [WORKING] == [p.name for p in tmp_path.iterdir()]
    assert [] == list(target.working.iterdir())


def test_one_restore_at_a_time(tmp_path: Path) -> None:
    """The second one is told to wait, and does not remove what the first one makes."""
    with Target(tmp_path).locked(), pytest.raises(Refused, match="found one"), Target(tmp_path).locked():
        pass


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    """Then the files are a stranger's."""
    target = finished(tmp_path / "t")
    (target.path / ".restored.json").write_text("{")
    assert target.done(PLAN) is None
    with pytest.raises(Refused, match="found 4 files"):
        target.check()


def test_a_crash_while_the_mark_is_removed_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was moved is known until nothing else is left in the working directory."""

    def crash(path: Path) -> None:
        raise KeyboardInterrupt(path)

    monkeypatch.setattr(restore_target, "_remove", crash)
    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path / "t")
    monkeypatch.undo()
    target = Target(tmp_path / "t")
    assert target.done(PLAN) is None
    target.check()
    assert finished(tmp_path / "t").done(PLAN) is not None


def test_a_crash_at_the_very_end_leaves_a_finished_restore(tmp_path: Path) -> None:
    """The empty directory of the mark is nothing that anybody must clear away, and no reason to begin again."""
    target = finished(tmp_path / "t")
    target.working.mkdir()
    with pytest.raises(Refused, match="the restore of job orders of 1970-01-01T00:01:35Z that was made"):
        target.check()
    assert target.done(PLAN) is not None
    assert not target.working.exists()


def test_what_a_disk_could_not_store_is_no_finished_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is raised and the mark stays."""

    def fails(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        finished(tmp_path / "t")
    monkeypatch.undo()
    assert (tmp_path / "t" / WORKING).is_dir()
    assert Target(tmp_path / "t").done(PLAN) is None
