"""What comes out of a repository is files and directories, and nothing that reaches further.

Whoever has the repository's password can store any tree. A link in it would let the mongod that is started on it, or root who
gives it to somebody, write elsewhere; a program in it could come back with the rights of its owner.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600


class NotPlain(Exception):
    """Something else was found."""


def make_plain_files(root: Path) -> None:
    """Require files and directories alone below a directory, and let only this account own and read them; special bits go.

    Raises NotPlain, naming what was found, and OSError.
    """
    for directory, names, files, handle in os.fwalk(root, follow_symlinks=False):
        for name in (*names, *files):
            _make_plain(name, handle, Path(directory).relative_to(root))


def _make_plain(name: str, handle: int, where: Path) -> None:
    found = os.stat(name, dir_fd=handle, follow_symlinks=False)
    mode = found.st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise NotPlain(f"{where / name}, which is {_kind(mode)}")
    if stat.S_ISREG(mode) and found.st_nlink > 1:
        raise NotPlain(f"{where / name}, which is one of {found.st_nlink} names of a file")
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except PermissionError:
        raise NotPlain(f"{where / name}, which its owner may not read") from None
    try:
        if (
            os.geteuid() == 0
        ):  # what root restores has the owner that the snapshot says; the unit's sandbox has no fchown
            os.fchown(opened, 0, os.getegid())
        os.fchmod(opened, DIRECTORY_MODE if stat.S_ISDIR(mode) else FILE_MODE)
    finally:
        os.close(opened)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "nothing that a backup has")
