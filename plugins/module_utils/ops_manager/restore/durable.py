# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and names on a disk, made durable: what could not be stored raises OSError instead of being lost later."""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import suppress
from typing import Any

from ...errors import AskOperator, sentence


def remove(path: str) -> None:
    """Remove a file, a link or a whole directory."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def remove_if_there(path: str) -> None:
    """Remove what may have gone already."""
    try:
        remove(path)
    except FileNotFoundError:
        pass


def sync(path: str) -> None:
    """Make a file, or the names in a directory, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does not do this with directories
            raise
    finally:
        os.close(handle)


def sync_directories(root: str) -> None:
    """Make the names in a directory and in all below it durable; the files were synced when they were written."""
    for directory, _names, _files in os.walk(root):
        sync(directory)


def write_json(path: str, value: Any) -> None:
    """Write a small file durably, readable for its owner only: in the place of what has its name, and through no link."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())


def read_json(path: str) -> Any:
    """Return what a file holds; None where it is not there, is a link, or holds no JSON."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def demand_room(needed: int, path: str) -> None:
    """Raise AskOperator where the disk of a path has fewer bytes free than are needed."""
    free = free_bytes(path)
    if needed > free:
        message = sentence(
            expected=f"{needed} bytes free on the disk of {path}",
            found=f"{free}",
            remedy="make room, or choose another target",
        )
        raise AskOperator(message, code="no_room", details={"needed_bytes": needed, "free_bytes": free})


def free_bytes(path: str) -> int:
    """Return the room on the disk of a path, which need not be there yet."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free
