# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files made durable. Whether they are cannot be seen; that nothing is lost on the way, and that damage is no content, can."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import durable


def test_json_is_private_and_comes_back(tmp_path: Path) -> None:
    """A shorter value replaces a longer one completely."""
    path = str(tmp_path / "value")
    for value in ({"a": [1, 2, 3]}, []):
        durable.write_json(path, value)
        assert value == durable.read_json(path)
    assert 0o600 == os.stat(path).st_mode & 0o777


def test_what_is_no_json_is_nothing(tmp_path: Path) -> None:
    """A file that a crash left half written is taken for none."""
    (tmp_path / "half").write_text('{"a": ')
    assert [None, None] == [durable.read_json(str(tmp_path / name)) for name in ("half", "missing")]


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path: Path) -> None:
    """Also when it points to a directory; what has gone already is no error."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    durable.remove(str(tmp_path / "link"))
    assert ["kept"] == os.listdir(tmp_path)
    assert ["file"] == os.listdir(tmp_path / "kept")
    durable.remove(str(tmp_path / "kept"))
    durable.remove_if_there(str(tmp_path / "kept"))
    with pytest.raises(FileNotFoundError):
        durable.remove(str(tmp_path / "kept"))


def test_room_is_that_of_the_nearest_directory_that_is_there(tmp_path: Path) -> None:
    """The target of a restore may not exist yet."""
    found = os.statvfs(tmp_path)
    free = durable.free_bytes(str(tmp_path / "a" / "b"))
    assert 0 < free <= found.f_blocks * found.f_frsize
