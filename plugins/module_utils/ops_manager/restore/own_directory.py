# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory that nobody else can change: root would write where another account's links lead, and hand its files to it."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack

from ...errors import AskOperator, sentence

_ROOT = 0
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def require_own(path: str) -> None:
    """Require that a directory is this account's, and that nobody but it and root can change it or what is on the way.

    No link may be on the way. What is not there yet is nobody's. Raises AskOperator.
    """
    # Where there is no O_PATH, a directory on the way has to be readable.
    look = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
    names = os.path.abspath(path).strip(os.sep).split(os.sep)
    with ExitStack() as stack:
        here: int | None = None
        for number in range(len(names) + 1):
            way = os.sep + os.sep.join(names[:number])
            try:
                here = os.open(names[number - 1] if number else os.sep, look, dir_fd=here)
            except FileNotFoundError:
                return
            except OSError as error:
                raise _refused(
                    f"{way}, which is a link or a file ({error.strerror})", "name what it points to"
                ) from None
            stack.callback(os.close, here)
            _require_unchanged(way, os.fstat(here), is_last=number == len(names))


def _require_unchanged(way: str, found: os.stat_result, is_last: bool) -> None:
    """In a directory like /tmp nobody can replace what is not theirs, but anybody can add a name."""
    owners = {os.geteuid()} if is_last else {_ROOT, os.geteuid()}
    is_shared = bool(found.st_mode & _OTHERS) and (is_last or not found.st_mode & stat.S_ISVTX)
    if found.st_uid not in owners or is_shared:
        who = f"user {found.st_uid}{' and others' if is_shared else ''}"
        raise _refused(
            f"{way}, which {who} can change",
            "choose another, or make it that account's alone; restore_owner gives it away afterwards",
        )


def _refused(found: str, remedy: str) -> AskOperator:
    message = sentence(
        expected="a directory that only the account that restores can change", found=found, remedy=remedy
    )
    return AskOperator(message, code="target_not_own")
