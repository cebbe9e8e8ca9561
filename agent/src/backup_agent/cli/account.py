"""Root does the work of a job as the account that the job belongs to, and never gets its own rights back.

Others name the programs that a job runs, and whoever has a repository's password can store any tree in it. What they reach is
then what that account reaches anyway.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backup_agent.config import Written
from backup_agent.errors import BadConfiguration

ROOT = 0


@dataclass(frozen=True)
class Account:
    """Who does the work."""

    name: str
    uid: int
    gid: int
    home: str


def is_root() -> bool:
    """Whether this process has root's rights, and so has to give them up."""
    return os.geteuid() == ROOT


def named(name: str) -> Account:
    """Return the account of this name. Raises BadConfiguration."""
    try:
        return _of(pwd.getpwnam(name))
    except KeyError:
        raise BadConfiguration(f"--as: expected the name of an account, found {name!r}; correct it") from None


def owner(status: os.stat_result) -> Account:
    """Return who owns a file. On a machine that does not know the account it has its number for a name."""
    try:
        return _of(pwd.getpwuid(status.st_uid))
    except KeyError:
        return Account(str(status.st_uid), status.st_uid, status.st_gid, "/")


def of_job(path: Path, written: Written, directory: Path) -> Account:
    """Return who does the work of a job: the owner of its directory, as long as root alone says what the job is.

    Where that is root, or nothing is there yet, it is the first other one who owns what is above, and so could put something
    there, or a link to somewhere else. Root works only where all of the way is root's. Somebody else's configuration names what
    its owner may name. Raises BadConfiguration for one that several can write.
    """
    if written.status.st_uid != ROOT:
        return owner(written.status)
    if stat.S_IMODE(written.status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadConfiguration(
            f"expected a configuration that root alone can write, found {path}, which others can; look through "
            "it, then chmod go-w it"
        )
    return owner(next((found for found in _way(directory) if found.st_uid != ROOT), written.status))


def _way(directory: Path) -> Iterator[os.stat_result]:
    """Yield what is on the way to a directory, the nearest first: links themselves before what they lead to."""
    real = Path(os.path.realpath(directory))
    for path in (directory, real, *directory.parents, *real.parents):
        for look in (os.lstat, os.stat):
            with suppress(OSError):  # it is not there, or the link leads nowhere
                yield look(path)


def of_repository(location: str) -> Account:
    """Return who works from a repository alone: the owner of one on a disk, unless that is root. Raises BadConfiguration."""
    path = Path(location.removeprefix("local:"))
    found = owner(path.stat()) if path.is_dir() else None
    if found is None or found.uid == ROOT:
        raise BadConfiguration(
            "expected an account that works from this repository, found root; name one with --as: the one that is to own the "
            "restored files, such as backup-agent or mongodb (or --as root, if you trust everybody who had its password)"
        )
    return found


def become(account: Account) -> None:
    """Let root be this account from now on, for good."""
    if account.uid == ROOT:
        return
    os.initgroups(account.name, account.gid)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    os.environ.update(HOME=account.home, USER=account.name, LOGNAME=account.name)
    _require_for_good(account)


def _require_for_good(account: Account) -> None:
    try:
        os.setresuid(ROOT, ROOT, ROOT)
    except PermissionError:
        if os.getresuid() == (account.uid,) * 3 and os.getresgid() == (account.gid,) * 3:
            return
    raise SystemExit(
        f"backup-agent: expected to be {account.name} for good, found that root's rights come back; report this"
    )


def _of(found: pwd.struct_passwd) -> Account:
    return Account(found.pw_name, found.pw_uid, found.pw_gid, found.pw_dir)
