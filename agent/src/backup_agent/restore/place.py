"""What root does for a restore before it becomes another account: it makes the directory, and reads the password.

Root goes through no link here, and works in no directory that somebody else could change meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from backup_agent.errors import Refused

ROOT = 0
SECRET_BYTES = 64 * 1024
_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def require_roots(path: Path) -> None:
    """Require a place for root itself: nobody else can change what is on the way, and what is there is root's. Raises Refused."""
    with suppress(FileNotFoundError), _parent(path, ROOT) as parent:
        found = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        if found.st_uid != ROOT:
            raise _not_for(path, found.st_uid, "root")


def hand_over(path: Path, uid: int, gid: int, name: str) -> None:
    """Give an account a directory that is empty, or made here: the last thing that root does. Raises Refused.

    What lies in a directory of the account is its own affair: it makes that itself, and root touches nothing there.
    """
    try:
        with _parent(path, uid) as parent:
            if parent is not None:
                _hand_over(path, parent, (uid, gid), name)
    except FileNotFoundError as error:
        raise Refused(
            f"expected the directory that {path} is to be made in, found no {error.filename}; make it"
        ) from None


def _hand_over(path: Path, parent: int, account: tuple[int, int], name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(path.name, 0o700, dir_fd=parent)
    with ExitStack() as stack:
        opened = _opened(path, os.O_DIRECTORY | _READ, parent, stack)
        found = os.fstat(opened)
        if found.st_uid == account[0]:
            return
        if found.st_uid != ROOT or os.listdir(opened):
            raise _not_for(path, found.st_uid, name)
        os.fchown(opened, *account)
        os.fchmod(opened, 0o700)


def secret(path: Path) -> bytes | None:
    """Return what root may read; None where somebody else could have put another file there: the account reads that itself."""
    with suppress(OSError, Refused), _parent(path, ROOT) as parent, ExitStack() as stack:
        opened = _opened(path, _READ, parent, stack)
        if stat.S_ISREG(os.fstat(opened).st_mode):
            return os.read(opened, SECRET_BYTES)
    return None


@contextmanager
def _parent(path: Path, uid: int) -> Iterator[int | None]:
    """Open the directory that a path is in, one name after the other; None when the account owns one on the way, or the path.

    Then root does nothing there, whoever may change what is above. Raises FileNotFoundError, and Refused for a link, and for a
    directory in which somebody else could replace what is next.
    """
    with ExitStack() as stack:
        here: int | None = None
        refused: Refused | None = None
        for way in reversed(path.parents):
            here = _opened(way, _LOOK, here, stack)
            found = os.fstat(here)
            if found.st_uid == uid != ROOT:
                refused, here = None, None
                break
            refused = refused or _not_fixed(way, found)
            if refused is not None and uid == ROOT:  # nothing further down is safe for root, also what is not there yet
                raise refused
        if refused is not None and not _owns(uid, path.name, here):
            raise refused
        yield None if refused else here


def _owns(uid: int, name: str, parent: int | None) -> bool:
    """Whether an account, which is not root, has a directory of this name there."""
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        return found.st_uid == uid != ROOT and stat.S_ISDIR(found.st_mode)
    return False


def _opened(path: Path, flags: int, above: int | None, stack: ExitStack) -> int:
    try:
        found = os.open(path.name or path, flags, dir_fd=above)
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    except OSError as error:
        raise Refused(
            f"expected a directory, found the link or file {path}; name what it points to, or choose another ({error.strerror})"
        ) from None
    stack.callback(os.close, found)
    return found


def _not_fixed(way: Path, found: os.stat_result) -> Refused | None:
    """Nobody but root can rename what is in a directory that only root writes, or in one like /tmp what is not theirs."""
    others = stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_mode & stat.S_ISVTX:
        others = 0
    if found.st_uid != ROOT:
        who = f"user {found.st_uid}{' and others' if others else ''}"
        remedy = "choose another directory, or name the account that owns it with --as"
    elif others:
        who = "everybody" if others & stat.S_IWOTH else f"group {found.st_gid}"
        remedy = "take that right away (chmod go-w), or choose a directory that the account owns"
    else:
        return None
    return Refused(f"expected a place that root alone can change, found {way}, which {who} can; {remedy}")


def _not_for(path: Path, uid: int, name: str) -> Refused:
    return Refused(
        f"expected an empty directory of root, or one of {name}, as the target, found {path} of user {uid}; "
        "give it to that account, name its owner with --as, or choose another directory"
    )
