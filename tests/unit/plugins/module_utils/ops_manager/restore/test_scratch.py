# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a scratch mongod that need none; tests/integration/test_ops_manager_restore.py has the rest."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import bson
import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import scratch as scratch_module
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.scratch import (
    Damaged,
    Scratch,
    _layout,
    shortened,
)


def test_a_layout_is_read_from_beside_the_files(tmp_path: Path) -> None:
    """Without its options a mongod refuses such files; without the file there are none."""
    path = tmp_path / "storage.bson"
    assert [] == _layout(str(path))
    path.write_bytes(b"no bson")
    assert [] == _layout(str(path))
    path.write_bytes(bson.encode({"storage": {"options": {"directoryPerDB": True, "directoryForIndexes": False}}}))
    assert ["--directoryperdb"] == _layout(str(path))


def test_of_a_log_entry_the_message_is_shown() -> None:
    """Times and threads come first; a text of another kind is shown from its beginning."""
    assert '"msg":"broken"}' == shortened('{"t":1,"ctx":"main","msg":"broken"}\n')
    assert "text" == shortened(" text ")


def program(tmp_path: Path, text: str) -> Scratch:
    """Return a scratch mongod that is a program of ours."""
    path = tmp_path / "mongod"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Scratch(str(path), str(tmp_path), 256, 0.3)


def start(scratch: Scratch) -> None:
    """Start it and use it for nothing."""
    with scratch.running():
        pass


def test_one_that_ends_is_of_damaged_files(tmp_path: Path) -> None:
    """The status is told, and the directory of the socket is gone."""
    scratch = program(tmp_path, "exit 14")
    with pytest.raises(Damaged, match="status 14 while it started"):
        start(scratch)
    assert not os.path.exists(scratch._own)


def test_one_that_does_not_answer_says_nothing_about_the_files(tmp_path: Path) -> None:
    """It is stopped; the caller may have to wait longer."""
    scratch = program(tmp_path, "exec sleep 60")
    with pytest.raises(RetryLater, match=r"none in 0\.3 s"):
        start(scratch)
    assert not scratch.alive


def test_one_that_does_not_stop_is_killed_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one on these files would find them locked otherwise."""
    monkeypatch.setattr(scratch_module, "_STOP_SECONDS", 0.2)
    scratch = program(tmp_path, "trap '' TERM; while true; do sleep 0.1; done")
    with pytest.raises(subprocess.TimeoutExpired):
        start(scratch)
    assert scratch._process is not None
    assert -signal.SIGKILL == scratch._process.returncode


def test_one_that_was_told_to_stop_says_nothing_either(tmp_path: Path) -> None:
    """Nor one that the kernel killed for want of memory."""
    for name in ("TERM", "KILL"):
        with pytest.raises(RetryLater, match="killed"):
            start(program(tmp_path, f"kill -{name} $$"))


def test_one_that_is_not_there(tmp_path: Path) -> None:
    """It is the input that has to be corrected."""
    with pytest.raises(FixInput, match="No such file"):
        start(Scratch(str(tmp_path / "none"), str(tmp_path), 256, 1))
