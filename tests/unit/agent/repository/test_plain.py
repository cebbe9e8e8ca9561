"""What a forged snapshot may bring with it."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from backup_agent.repository.plain import NotPlain, make_plain_files


def mode(path: Path) -> int:
    """Return the bits of a file."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_and_directories_lose_every_special_bit(tmp_path: Path) -> None:
    """A program that came with the rights of its owner is a file like others."""
    (tmp_path / "data" / "journal").mkdir(parents=True)
    (tmp_path / "data" / "journal").chmod(0o2777)
    program = tmp_path / "data" / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o6755)
    make_plain_files(tmp_path)
    assert (0o600, 0o700, 0o700) == (mode(program), mode(tmp_path / "data"), mode(tmp_path / "data" / "journal"))


def _two_names(path: Path) -> None:
    path.write_text("x")
    os.link(path, path.with_name("the-other"))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(str(path))


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "a link"),
        (lambda path: path.symlink_to("/etc"), "a link"),
        (lambda path: path.symlink_to("nowhere"), "a link"),
        (os.mkfifo, "a pipe"),
        (_socket, "a socket"),
        (_two_names, "one of 2 names of a file"),
    ],
)
def test_anything_else_is_named(
    tmp_path: Path, plant: Callable[[Path], None], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it lies, and before anything opens it."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    (tmp_path / "data").mkdir()
    plant(Path("data/odd"))
    with pytest.raises(NotPlain, match=f"^data/odd, which is {kind}$"):
        make_plain_files(tmp_path)


def test_what_a_link_points_to_stays_as_it_is(tmp_path: Path) -> None:
    """Neither its content nor its bits change."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    outside.chmod(0o644)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "mongod.out").symlink_to(outside)
    with pytest.raises(NotPlain):
        make_plain_files(tmp_path / "tree")
    assert ("mine", 0o644) == (outside.read_text(), mode(outside))
