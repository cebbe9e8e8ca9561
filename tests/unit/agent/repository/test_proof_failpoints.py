"""Failure points: off unless asked for, and clear about what was asked for wrongly."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from backup_agent import failpoints
from backup_agent.errors import BadConfiguration, OperationFailed


def test_nothing_happens_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """In production a failure point does nothing."""
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)

    assert failpoints.reach("proof.restored", directory="/x") is None  # type: ignore[func-returns-value]


def test_pairs_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several points may be set, with blanks between them."""
    assert {"a": "kill", "b": "stop:1"} == failpoints.parse("a=kill, b=stop:1")
    with pytest.raises(BadConfiguration, match="name=action"):
        failpoints.parse("a")


def test_only_the_named_point_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is raised where it was asked for and nowhere else."""
    monkeypatch.setenv(failpoints.VARIABLE, "b=error,c=nonsense")
    failpoints.reach("a")

    with pytest.raises(OperationFailed, match="failure point b"):
        failpoints.reach("b")
    with pytest.raises(BadConfiguration, match="nonsense"):
        failpoints.reach("c")


def test_a_program_is_told_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets what is known of the place, and its failure is the point's failure."""
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\necho "$FAILPOINT_DIRECTORY" > "$0.out"\nexit ${FAILPOINT_CODE:-0}\n')
    script.chmod(0o700)
    monkeypatch.setenv(failpoints.VARIABLE, f"a=run:{script}")
    failpoints.reach("a", directory="/here")

    assert "/here\n" == (tmp_path / "script.out").read_text()
    with pytest.raises(OperationFailed, match="exit 3"):
        failpoints.reach("a", code=3)


def test_a_hold_lasts_as_long_as_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it was reached, waits, and is passed at once while nobody wants it."""
    monkeypatch.setenv(failpoints.VARIABLE, f"a=hold:{tmp_path}")
    failpoints.reach("a")
    (tmp_path / "a.hold").touch()
    waiting = threading.Thread(target=failpoints.reach, args=("a",))
    waiting.start()
    while not (tmp_path / "a.held").exists():
        time.sleep(0.01)
    assert waiting.is_alive()
    (tmp_path / "a.hold").unlink()
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    assert not (tmp_path / "a.held").exists()
