# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which directories of a machine may be given to an account. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from posixpath import normpath

_OF_THE_SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
)
"""These, and everything below them."""

_SHARED = (
    "/",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/srv",
    "/tmp",  # noqa: S108 - nothing is written there
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",  # noqa: S108
)
"""These alone: a directory of one's own belongs below them."""


def refused_places(paths: Iterable[object]) -> list[str]:
    """Return a phrase for each path that must not be given to an account: others need it, or it is not clear which it is."""
    return [f"{path} ({why})" for path in paths if (why := _why_not(str(path)))]


def _why_not(path: str) -> str:
    if not path.startswith("/"):
        return "no absolute path"
    plain = normpath(path).replace("//", "/", 1)
    if plain != (path.rstrip("/") or "/"):
        return f"not its plain form, {plain}"
    if plain in _SHARED or any(plain == one or plain.startswith(f"{one}/") for one in _OF_THE_SYSTEM):
        return "a directory of the system"
    return ""
