# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpacking a delivered archive. Every member is checked before anything of it is written."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from typing import IO, Any

from ...errors import GiveUp, sentence
from . import durable

_BLOCK = 1024 * 1024
# How deep below the top the data may lie: archives have one directory around everything.
_DEPTH = 3
# More than any mongod has files.
_MOST_MEMBERS = 1_000_000
_MOST_FILLING_BLOCKS = 16
# What only describes other members is read as a whole: longer names no file system takes.
_MOST_DESCRIBING_BYTES = 64 * 1024
_DESCRIBING = frozenset(
    (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )
)


#: The header that describes all members after it.
_OF_ALL = tarfile.XGLTYPE


class _Header(tarfile.TarInfo):
    """A header as it comes, before anything is read that it announces."""

    def _proc_member(self, tarfile: Any) -> Any:
        """Go on with what the header announces. Raises GiveUp for a description that no member has.

        Only here is every header met before its content is read, in all versions of Python; a test has one of each kind.
        """
        if self.type == _OF_ALL or (self.type in _DESCRIBING and self.size > _MOST_DESCRIBING_BYTES):
            raise _unsafe(self, "a description of other members that is none of a mongod's files")
        return super()._proc_member(tarfile)  # type: ignore[misc]


def unpack(archive: str, directory: str, most_bytes: int | None = None) -> int:
    """Unpack a tar.gz into an empty directory, durably; returns how many bytes its files have.

    With `most_bytes` they have no more than that. What a member announces has to have room before it is written.

    Nothing but plain files and directories below `directory` is made: no link, no device, no owner and no mode of the archive.
    tarfile's own filters do the same, but not every Python of a target has them.
    """
    written = 0
    try:
        with gzip.open(archive) as packed, _opened(packed) as tar:
            for number, member in enumerate(tar):
                _demand_bounds(member, number, None if most_bytes is None else most_bytes - written)
                durable.demand_room(member.size, directory)
                written += _take(tar, member, directory)
                tar.members = []  # type: ignore[attr-defined]  # else all of them stay in memory
            _demand_end(packed)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, RecursionError) as error:
        raise _refused(f"one that cannot be read ({type(error).__name__})", "restore again", "broken_archive") from None
    durable.sync_directories(directory)
    return written


def _opened(packed: gzip.GzipFile) -> tarfile.TarFile:
    return tarfile.open(fileobj=packed, mode="r|", bufsize=_BLOCK, tarinfo=_Header)


def _demand_bounds(member: tarfile.TarInfo, number: int, left: int | None) -> None:
    """Refuse what goes on and on, and what is larger than it takes room in the archive."""
    if number >= _MOST_MEMBERS:
        raise _unsafe(member, f"behind {_MOST_MEMBERS} others")
    if member.issparse():
        raise _unsafe(member, "a file with holes")
    if left is not None and member.size > left:
        raise _unsafe(member, f"{member.size} bytes where the snapshot has at most {max(0, left)} more")


def _demand_end(packed: gzip.GzipFile) -> None:
    """Read to the end, where the checksum of gzip is; nothing but what fills the last block is before it."""
    for _block in range(_MOST_FILLING_BLOCKS):
        if not packed.read(_BLOCK):
            return
    raise _refused("one that goes on behind its end", "see who made it", "unsafe_archive")


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: str) -> int:
    path = os.path.join(directory, _inside(member))
    if member.isdir():
        os.makedirs(path, mode=0o700, exist_ok=True)
        return 0
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        raise _unsafe(member, "no content")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise _unsafe(member, "twice in the archive") from None
    with content, open(handle, "wb") as file:
        return _copy(content, file, member)


def _copy(content: IO[bytes], file: IO[bytes], member: tarfile.TarInfo) -> int:
    shutil.copyfileobj(content, file, _BLOCK)
    written = file.tell()
    if written != member.size:
        raise _refused("one that ends in the middle of a file", "restore again", "broken_archive")
    file.flush()
    os.fsync(file.fileno())
    return written


def _inside(member: tarfile.TarInfo) -> str:
    """Return the path of a member below the directory; refused when it is not there, or no file or directory."""
    if not (member.isreg() or member.isdir()):
        raise _unsafe(member, "neither a file nor a directory")
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts or "\0" in member.name:
        raise _unsafe(member, "outside of the directory that is restored into")
    return os.path.join(*parts) if parts else "."


def data_directory(directory: str) -> str:
    """Return where in an unpacked archive the files of the mongod are: at its top or in the one directory that it has."""
    here = directory
    for _level in range(_DEPTH):
        names = sorted(os.listdir(here))
        if "WiredTiger" in names or any(name.endswith(".ns") for name in names):
            return here
        directories = [name for name in names if os.path.isdir(os.path.join(here, name))]
        if len(directories) != 1:
            break
        here = os.path.join(here, directories[0])
    raise _refused(
        "none", "see what Ops Manager delivered", "no_data_directory", expected="a file WiredTiger in the archive"
    )


def _unsafe(member: tarfile.TarInfo, found: str) -> GiveUp:
    where = f"{member.name[:200]!r}, {found}"
    return _refused(
        where, "nothing of it was kept: see who made it", "unsafe_archive", "only files below one directory"
    )


def _refused(found: str, remedy: str, code: str, expected: str = "a whole tar.gz with data") -> GiveUp:
    return GiveUp(sentence(expected=expected, found=found, remedy=remedy), code=code)
