# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories that others can change, or could put another in the place of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.own_directory import require_own

OTHER = 61001
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")


def refusal(path: Path) -> str:
    """Return what a directory is refused with."""
    with pytest.raises(
        AskOperator, match="Expected a directory that only the account that restores can change"
    ) as refused:
        require_own(str(path))
    assert "target_not_own" == refused.value.code
    return refused.value.message


def test_own_ones(tmp_path: Path) -> None:
    """One that is there, one that is not, and one below a directory that is not; and one in a directory like /tmp."""
    (tmp_path / "a").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    for name in ("a", "b", "b/c", "shared/d"):
        require_own(str(tmp_path / name))
    assert {"a", "shared"} == {path.name for path in tmp_path.rglob("*")}  # what is not there is not made


def test_a_link_on_the_way(tmp_path: Path) -> None:
    """Also where the way out of it would lead back, and where it is the last; and a file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "file").touch()
    for name, found in (("link", "link"), ("link/b", "link"), ("file", "file"), ("file/b", "file")):
        assert f"found {tmp_path}/{found}, which is a link or a file" in refusal(tmp_path / name)


@pytest.mark.parametrize(("mode", "name"), [(0o777, "a"), (0o1777, "a"), (0o770, "a"), (0o777, "a/b"), (0o775, "a/b")])
def test_what_others_may_write(tmp_path: Path, mode: int, name: str) -> None:
    """They could put a link there, or another directory."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a").chmod(mode)
    assert f"found {tmp_path}/a, which user {os.geteuid()} and others can change; choose" in refusal(tmp_path / name)


@needs_root
@pytest.mark.parametrize("name", ["a", "a/b", "a/c"])
def test_what_is_of_another_account(tmp_path: Path, name: str) -> None:
    """It may write there whatever the mode says."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    os.chown(tmp_path / "a", OTHER, OTHER)
    assert f"{tmp_path}/a, which user {OTHER} can change" in refusal(tmp_path / name)
