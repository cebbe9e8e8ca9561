# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives restored files to those who will use them: give_away.py DIRECTORY [--owner NAME] [--group NAME].

Root runs it on files of an account that may change them meanwhile. So nothing is looked at by one name and given away by another:
each file is opened, through no link, and what is open is given away if the owner of the directory owns it.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass

OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Odd(Exception):
    """There is something that a restore does not leave."""


@dataclass(frozen=True)
class Gift:
    """From whom to whom; -1 changes nothing."""

    former: int
    uid: int
    gid: int

    def give(self, opened: int, path: str) -> bool:
        """Give an open file or directory; returns whether that changed it. Raises Odd."""
        found = os.fstat(opened)
        if self.uid in (-1, found.st_uid) and self.gid in (-1, found.st_gid):
            return False
        names = 1 if stat.S_ISDIR(found.st_mode) else found.st_nlink
        if found.st_uid not in (self.former, self.uid) or names != 1:
            what = f"{path!r} of user {found.st_uid}, which has {names} names"
            raise Odd(f"expected files of user {self.former} with one name each, found {what}; find out who made it")
        os.fchown(opened, self.uid, self.gid)
        return True

    def give_entry(self, name: str, handle: int, path: str) -> bool:
        """Give what is in an open directory under a name, see `give`."""
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Odd(f"expected files and directories alone, found {path!r}; find out who made it")
        opened = os.open(name, OPEN, dir_fd=handle)
        try:
            return self.give(opened, path)
        finally:
            os.close(opened)


def give_away(directory: str, uid: int, gid: int) -> bool:
    """Give a directory and all that is in it to a user and a group; returns whether it changed. Raises Odd, OSError."""
    top, way = descend(directory)
    try:
        gift = Gift(os.fstat(top).st_uid, uid, gid)
        require_fixed(directory, way, gift.former)
        changed = gift.give(top, directory)
        for where, names, files, handle in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            for name in names + files:
                changed |= gift.give_entry(name, handle, os.path.normpath(os.path.join(directory, where, name)))
        return changed
    finally:
        os.close(top)


def descend(directory: str) -> tuple[int, list[os.stat_result]]:
    """Open a directory, one name after the other and through no link; returns it, and what those above it are. Raises Odd."""
    opened, way = os.open("/", os.O_RDONLY), []
    for name in filter(None, directory.split("/")):
        above = opened
        way.append(os.fstat(above))
        try:
            opened = os.open(name, OPEN | os.O_DIRECTORY, dir_fd=above)
        except OSError as error:
            found = f"{name} ({error.strerror})"
            raise Odd(f"expected {directory} with no link on the way, found {found}; name what it points to") from error
        finally:
            os.close(above)
    return opened, way


def require_fixed(directory: str, way: list[os.stat_result], former: int) -> None:
    """Require that only root and the owner could have put another directory there. Raises Odd."""
    for found in way:
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, former) or shared:
            above = f"a directory of user {found.st_uid} with mode {stat.S_IMODE(found.st_mode):o} above {directory}"
            raise Odd(
                f"expected a place that only root and user {former} can change, found {above}; change the owner by hand"
            )


def number(name: str | None, known: Callable[[str], int], what: str) -> int:
    """Return the number of a user or group, -1 for none. Raises Odd."""
    if name is None:
        return -1
    try:
        return known(name)
    except KeyError:
        if name.isdigit():
            return int(name)
        raise Odd(f"expected the name of a {what}, found {name!r}; correct it") from None


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--owner")
    parser.add_argument("--group")
    asked = parser.parse_args()
    try:
        uid = number(asked.owner, lambda name: pwd.getpwnam(name).pw_uid, "user")
        gid = number(asked.group, lambda name: grp.getgrnam(name).gr_gid, "group")
        print("changed" if give_away(asked.directory, uid, gid) else "as it was")
    except (Odd, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
