"""What root does before it becomes somebody else, in places where somebody else may wait for it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_agent.errors import Refused
from backup_agent.restore import place

if os.geteuid() != 0:
    pytest.skip("only root gives directories away", allow_module_level=True)

AGENT, OTHER = 61001, 61002
"""Two accounts; nobody needs to know their names."""


@pytest.fixture
def root() -> Iterator[Path]:
    """Give a directory of root that others can look into."""
    path = Path(tempfile.mkdtemp(prefix="place-")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def owned(path: Path, uid: int, mode: int = 0o755) -> Path:
    """Make a directory of an account."""
    path.mkdir()
    os.chown(path, uid, uid)
    path.chmod(mode)
    return path


def whose(path: Path) -> tuple[int, int, int]:
    """Return owner, group and mode of what is there itself."""
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def hand_over(path: Path) -> None:
    """Give it to the agent's account."""
    place.hand_over(path, AGENT, AGENT, "backup-agent")


def test_a_new_and_an_empty_directory_become_the_accounts(root: Path) -> None:
    """In a place of root; one that is the account's already stays as it is."""
    (root / "empty").mkdir()
    kept = owned(root / "kept", AGENT)
    for name in ("new", "empty", "kept"):
        hand_over(root / name)
    assert [(AGENT, AGENT, 0o700)] * 2 == [whose(root / "new"), whose(root / "empty")]
    assert (AGENT, AGENT, 0o755) == whose(kept)


def test_in_a_directory_of_the_account_root_makes_nothing(root: Path) -> None:
    """Whatever the account has put there: it goes on by itself, with its own rights."""
    mine = owned(root / "mine", AGENT)
    (mine / "link").symlink_to("/etc")
    for name in ("new", "link/new", "none/new", "link"):
        hand_over(mine / name)
    assert ["link"] == [path.name for path in mine.iterdir()]
    assert not Path("/etc/new").exists()


@pytest.mark.parametrize("way", ["link/new", "link", "to-link"])
def test_root_goes_through_no_link(root: Path, way: str) -> None:
    """On the way, or in the place of the target; what it points to is not given away."""
    (root / "real").mkdir()
    (root / "link").symlink_to(root / "real")
    (root / "to-link").symlink_to(root / "link")
    with pytest.raises(Refused, match=r"found the link or file .*; name what it points to"):
        hand_over(root / way)
    assert (0, 0, 0o755) == whose(root / "real")
    assert [] == list((root / "real").iterdir())


@pytest.mark.parametrize(("mode", "who"), [(0o775, f"group {OTHER}"), (0o2775, f"group {OTHER}"), (0o777, "everybody")])
def test_others_must_not_be_able_to_replace_what_root_makes(root: Path, mode: int, who: str) -> None:
    """A directory that a group or everybody can write: what helps is said, and it does help."""
    shared = owned(root / "shared", 0)
    os.chown(shared, 0, OTHER)
    shared.chmod(mode)
    remedy = r"take that right away \(chmod go-w\), or choose a directory that the account owns"
    with pytest.raises(Refused, match=f"root alone can change, found {shared}, which {who} can; {remedy}"):
        hand_over(shared / "new")
    assert [] == list(shared.iterdir())
    mine = owned(shared / "mine", AGENT)
    for path in (mine, mine / "new"):
        hand_over(path)
    assert (AGENT, AGENT, 0o755) == whose(mine)
    assert [] == list(mine.iterdir())
    (shared / "link").symlink_to(mine)
    for name in ("link", "link/new"):
        with pytest.raises(Refused):
            hand_over(shared / name)
    shared.chmod(mode & ~0o022)
    hand_over(shared / "new")
    assert (AGENT, AGENT, 0o700) == whose(shared / "new")


def test_in_a_directory_of_somebody_else_root_makes_nothing(root: Path) -> None:
    """Its owner can be named instead."""
    theirs = owned(root / "theirs", OTHER)
    with pytest.raises(Refused, match=f"found {theirs}, which user {OTHER} can; .* the account that owns it with --as"):
        hand_over(theirs / "new")
    assert [] == list(theirs.iterdir())


def test_in_a_directory_like_tmp_nobody_can_replace_it(root: Path) -> None:
    """But somebody can have been there first."""
    shared = owned(root / "tmp", 0, 0o1777)
    hand_over(shared / "new")
    assert (AGENT, AGENT, 0o700) == whose(shared / "new")
    owned(shared / "theirs", OTHER)
    with pytest.raises(Refused, match=rf"found {shared}/theirs of user {OTHER}"):
        hand_over(shared / "theirs")


def test_a_directory_in_use_is_not_given_away(root: Path) -> None:
    """What is in it is somebody's."""
    (root / "used").mkdir()
    (root / "used" / "precious").write_text("x")
    with pytest.raises(Refused, match="expected an empty directory of root, or one of backup-agent"):
        hand_over(root / "used")
    assert (0, 0, 0o755) == whose(root / "used")


def test_only_one_directory_is_made(root: Path) -> None:
    """Above it root makes nothing."""
    with pytest.raises(Refused, match=f"is to be made in, found no {root}/none; make it"):
        hand_over(root / "none" / "new")


def test_root_itself_works_in_places_of_root_alone(root: Path) -> None:
    """That is where nobody has been asked to give up rights: the account is root."""
    place.require_roots(root / "new")
    place.require_roots(root / "none" / "new")
    (root / "mine").mkdir()
    place.require_roots(root / "mine")
    theirs = owned(root / "theirs", OTHER)
    for path in (theirs, theirs / "new", theirs / "none" / "new"):
        with pytest.raises(Refused, match="with --as"):
            place.require_roots(path)


def test_a_secret_is_read_where_only_root_can_have_put_it(root: Path) -> None:
    """Elsewhere the link to another file could have taken its place; the account may read what it may read."""
    (root / "password").write_text("correct horse\n")
    (root / "password").chmod(0o600)
    assert b"correct horse\n" == place.secret(root / "password")
    theirs = owned(root / "theirs", OTHER)
    (theirs / "password").symlink_to(root / "password")
    (root / "link").symlink_to(root / "password")
    os.mkfifo(root / "pipe")
    refused = (theirs / "password", root / "link", root / "pipe", root / "none", root)
    assert [None] * 5 == [place.secret(path) for path in refused]
