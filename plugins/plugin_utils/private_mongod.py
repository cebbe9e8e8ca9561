# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that open restored data to the account that owns the files, and to nobody else. Pure."""

from __future__ import annotations

import hashlib
from shlex import quote
from urllib.parse import quote as percent

_LONGEST = 107
# Longest path of a socket on Linux, in bytes (unix(7)).


def private_mongod(target: str, mongod: str = "mongod") -> dict[str, list[str]]:
    """Return the lines of shell that `start` a mongod on a directory, and those that `connect` to it.

    It listens on a socket in a directory that its owner alone can enter, and on no port: without --auth, whoever gets as far as
    the server may read everything. Documents that have expired since stay, so that they can be looked at.
    """
    directory = _directory(target)
    socket = f"{directory}/mongod.sock"
    uri = quote(f"mongodb://{percent(socket, safe='')}/")
    return {
        "start": [
            f"install -d -m 0700 {quote(directory)} && \\",
            f"{quote(mongod)} --dbpath={quote(target)} \\",
            f"--bind_ip={quote(socket)} --nounixsocket \\",
            "--setParameter=ttlMonitorEnabled=false",
        ],
        "connect": [f"mongosh {uri}", f"mongodump --uri={uri} --out=DIRECTORY"],
    }


def _directory(target: str) -> str:
    """Return where the socket is to be: with the data, or where the path is too long for a socket, in a short one.

    In /tmp somebody can have been there first. Then `install` fails for every account but root, and nothing is started: an
    account may not change the mode of what is not its own.
    """
    beside = f"{target.rstrip('/')}/.socket"
    if len(f"{beside}/mongod.sock".encode()) <= _LONGEST:
        return beside
    return f"/tmp/restored-{hashlib.sha256(target.encode()).hexdigest()[:12]}"  # noqa: S108 - see above
