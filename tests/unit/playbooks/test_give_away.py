# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root gives restored files away, below directories that others own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if os.geteuid() != 0:
    pytest.skip("only root gives files away", allow_module_level=True)

SCRIPT = Path(__file__).resolve().parents[3] / "playbooks" / "files" / "give_away.py"
AGENT, SERVER, OTHER = 61001, 61002, 61003


@pytest.fixture
def root() -> Iterator[Path]:
    """Give a directory of root that others can look into."""
    path = Path(tempfile.mkdtemp(prefix="give-")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def restored(root: Path) -> Path:
    """Give what the agent's account has restored."""
    path = root / "restored"
    (path / "journal").mkdir(parents=True)
    for name in ("a.wt", "journal/log"):
        (path / name).write_text("x")
    for one in (path, *path.rglob("*")):
        os.chown(one, AGENT, AGENT)
        one.chmod(0o700 if one.is_dir() else 0o4755)
    return path


def give(directory: Path, *arguments: str) -> tuple[int, str]:
    """Run the script as a task does; returns its exit status and what it says."""
    words = arguments or ("--owner", str(SERVER), "--group", str(SERVER))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(directory), *words], capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def owners(path: Path) -> set[tuple[int, int]]:
    """Return who owns what is in a tree."""
    return {(one.lstat().st_uid, one.lstat().st_gid) for one in (path, *path.rglob("*"))}


def test_all_of_it_is_given_once(restored: Path) -> None:
    """The second time nothing is changed. A program comes without its owner's rights."""
    assert (0, "changed") == give(restored)
    assert {(SERVER, SERVER)} == owners(restored)
    assert 0 == (restored / "a.wt").stat().st_mode & 0o6000
    assert (0, "as it was") == give(restored)


@pytest.mark.parametrize(
    ("arguments", "wanted"), [(("--owner", str(SERVER)), (SERVER, AGENT)), (("--group", str(SERVER)), (AGENT, SERVER))]
)
def test_either_is_enough(restored: Path, arguments: tuple[str, ...], wanted: tuple[int, int]) -> None:
    """The other one stays as it was."""
    assert (0, "changed") == give(restored, *arguments)
    assert {wanted} == owners(restored)


def _file(path: Path) -> None:
    path.write_text("mine")


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (lambda path, foreign: path.symlink_to(foreign), "expected files and directories alone, found"),
        (lambda path, foreign: path.symlink_to(foreign.parent), "expected files and directories alone, found"),
        (lambda path, _foreign: os.mkfifo(path), "expected files and directories alone, found"),
        (lambda path, foreign: os.link(foreign, path), f"expected files of user {AGENT} with one name each, found"),
        (lambda path, _foreign: _file(path), f"expected files of user {AGENT} with one name each, found"),
    ],
    ids=["link", "link to a directory", "pipe", "second name", "file of root"],
)
def test_nothing_of_anybody_else_is_given(
    root: Path, restored: Path, plant: Callable[[Path, Path], object], named: str
) -> None:
    """It is named, and what it leads to keeps its owner."""
    (root / "elsewhere").mkdir()
    foreign = root / "elsewhere" / "shadow"
    _file(foreign)
    plant(restored / "journal" / "odd", foreign)
    code, said = give(restored)
    assert (1, True) == (code, said.startswith(f"{named} '{restored}/journal/odd'")), said
    assert {(0, 0)} == owners(root / "elsewhere")


@pytest.mark.parametrize("way", ["link", "link/restored"])
def test_no_link_leads_there(root: Path, restored: Path, way: str) -> None:
    """Neither in the place of the directory nor above it."""
    (root / "link").symlink_to(restored if way == "link" else root)
    code, said = give(root / way)
    assert (1, True) == (code, "found link (Not a directory); name what it points to" in said), said
    assert {(AGENT, AGENT)} == owners(restored)


@pytest.mark.parametrize(("owner", "mode"), [(OTHER, 0o755), (0, 0o777), (AGENT, 0o775)])
def test_nobody_else_may_have_put_it_there(root: Path, restored: Path, owner: int, mode: int) -> None:
    """Somebody who owns the directory above it could put any other into its place."""
    os.chown(root, owner, owner)
    root.chmod(mode)
    code, said = give(restored)
    assert (1, True) == (code, f"a directory of user {owner} with mode {mode:o} above {restored}" in said), said
    assert {(AGENT, AGENT)} == owners(restored)


def test_below_a_directory_of_its_owner_it_is_given(root: Path, restored: Path) -> None:
    """Whatever the owner put there was the owner's."""
    os.chown(root, AGENT, AGENT)
    assert (0, "changed") == give(restored)


def test_a_user_that_is_not_there_is_named(restored: Path) -> None:
    """Before anything is changed."""
    assert (1, "expected the name of a user, found 'no-such'; correct it") == give(restored, "--owner", "no-such")
    assert {(AGENT, AGENT)} == owners(restored)
