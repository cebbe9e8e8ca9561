"""What a daemon that was killed has left."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backup_agent.daemon import leftovers
from tests.unit.agent.jobs import configured


def test_clear_copies_are_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while a mongod that has lost its agent still writes; what a link leads to is somebody else's."""
    config = configured(tmp_path)
    for name in ("scratch/first", "trial-abc/data", "generations/000001/data", "reports"):
        (config.directory / name).mkdir(parents=True)
        (config.directory / name / "file").touch()
    (config.directory / "trial-link").symlink_to(tmp_path)
    ending = threading.Event()
    remove = leftovers.shutil.rmtree

    def rmtree(path: Path, ignore_errors: bool) -> None:
        remove(path, ignore_errors)
        if not ending.is_set():
            ending.set()
            path.mkdir()

    monkeypatch.setattr(leftovers.shutil, "rmtree", rmtree)
    leftovers.clear(config)
    assert ending.is_set()
    assert ["generations", "reports"] == sorted(path.name for path in config.directory.iterdir())
    leftovers.clear(config)
    assert (tmp_path / "job" / "generations" / "000001" / "data" / "file").exists()


def test_what_cannot_be_removed_does_not_keep_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged."""
    config = configured(tmp_path)
    config.scratch.mkdir(parents=True)
    monkeypatch.setattr(leftovers, "ENDING_SECONDS", 0.1)
    monkeypatch.setattr(leftovers.shutil, "rmtree", lambda *_arguments, **_options: None)
    leftovers.clear(config)
    assert config.scratch.exists()
