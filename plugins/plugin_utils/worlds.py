# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service of a job sees of its machine: what is its own, and nothing of the other jobs there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .job_options import name_of, variable

Variables = Mapping[str, Any]


def job_world(
    own: Mapping[str, Iterable[str]], others: Iterable[Variables], state_directory: str
) -> dict[str, list[str]]:
    """Return the paths of a unit: `bound` and `bound_writable` below the directories that all jobs share, `writable`, `hidden`.

    `own` has the paths that the job reads and writes (`read`, `write`) and the directories that it shares with all jobs of its
    machine (`shared`), which are empty but for what is the job's own. `others` are the variables of those jobs: what they have
    elsewhere is hidden, as far as the inventory knows it and the job has nothing there itself.
    """
    shared = [_plain(path) for path in own["shared"]]
    read, write = (_paths(own[kind]) for kind in ("read", "write"))
    theirs = {
        path for its in others for path in (*_private(its, state_directory), _repository(its)) if path.startswith("/")
    }
    return {
        "bound": [path for path in read if _below(path, shared) and not _below(path, write)],
        "bound_writable": [path for path in write if _below(path, shared)],
        "writable": [path for path in write if not _below(path, shared)],
        "hidden": sorted(
            path
            for path in theirs
            if not _below(path, shared) and not any(_touch(path, mine) for mine in (*read, *write))
        ),
    }


def shared_places(own: Mapping[str, str], others: Iterable[Variables], state_directory: str) -> list[str]:
    """Return a phrase for each other job of a machine that has a directory, or the repository, of this job.

    `own` has its `directory` and its `repository`. What lies within something of another job counts as well.
    """
    places = {_plain(path) for path in own.values()}
    found = []
    for its in others:
        theirs = {_directory(its, state_directory), _repository(its)} - {""}
        found += [
            f"{path} of the job {name_of(its)}" for path in sorted(theirs) if any(_touch(path, one) for one in places)
        ]
    return found


def _directory(its: Variables, state_directory: str) -> str:
    return _plain(variable(its, "backup_directory") or f"{state_directory}/{name_of(its)}")


def _repository(its: Variables) -> str:
    return _plain(variable(its, "backup_repository") or "")


def _private(its: Variables, state_directory: str) -> list[str]:
    """Return what only the agent of a job is to read, wherever it is."""
    tls = variable(its, "backup_source_tls") or {}
    more = (
        tls.get("certificate_key_file"),
        variable(its, "backup_socket_directory"),
        variable(its, "backup_agent_config"),
    )
    return [_directory(its, state_directory), *(_plain(path) for path in more if path)]


def _paths(paths: Iterable[str]) -> list[str]:
    return sorted({_plain(path) for path in paths if path and str(path).startswith("/")})


def _plain(path: object) -> str:
    return str(path).rstrip("/")


def _below(path: str, directories: Iterable[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in directories)


def _touch(one: str, other: str) -> bool:
    """Say whether one of two paths is within the other, or the same; locations of restic elsewhere are the same or not."""
    if not (one.startswith("/") and other.startswith("/")):
        return one == other
    return _below(one, [other]) or _below(other, [one])
