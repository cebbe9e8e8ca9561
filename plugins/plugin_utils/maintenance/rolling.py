# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rolling maintenance of database hosts: whose backups a host concerns, how far its member is, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .inventory import Job, with_port

#: A member as oplog_window_info returns it.
Member = Mapping[str, Any]

_PRIMARY = "PRIMARY"


def jobs_on(names: Collection[str], jobs: Sequence[Job], named: str) -> list[str]:
    """Return the jobs of the replica set of the server with these names (host:port), the one that was `named` first."""
    found = [job.name for job in jobs if any(with_port(member) in names for member in job.members)]
    return list(dict.fromkeys([named, *found] if named else found))


def own_member(names: Collection[str], members: Sequence[Member]) -> Member | None:
    """Return the member that has one of these names; None where the replica set has none."""
    return next((member for member in members if member["member"] in names), None)


def behind_seconds(own: Member | None, members: Sequence[Member]) -> float | None:
    """Return how far a member is behind the newest entry of all, beyond its own delay; None where that is not known."""
    if own is None or not own["last"]:
        return None
    newest = max(member["last"]["time"] for member in members if member["last"])
    behind: float = newest - own["last"]["time"] - (own["delay_seconds"] or 0)
    return max(0.0, behind)


@dataclass(frozen=True)
class Place:
    """The place of a database host in its replica set."""

    host: str
    replica_set: str
    member: str
    state: str

    def text(self) -> str:
        """Return it in words."""
        later = " now, will be stepped down" if self.state == _PRIMARY else ""
        return f"{self.host} – {self.member}, {self.state}{later}"


def place(host: str, names: Collection[str], found: Mapping[str, Any]) -> Place:
    """Return the place of a host; `found` is what oplog_window_info returned. Raises ValueError where it is no member."""
    own = own_member(names, found["members"])
    if own is None:
        raise ValueError(f"expected {' or '.join(names)} among the members of {found['replica_set']}, found none")
    return Place(host, found["replica_set"], own["member"], own["state"])


def line_up(places: Sequence[Place]) -> dict[str, list[str]]:
    """Return the `hosts` in the order in which they are maintained, and a line of text for each in `lines`.

    Replica set after replica set; in each the secondaries first, as the set has them now, and the primary last.
    """
    line = sorted(places, key=lambda place: (place.replica_set, place.state == _PRIMARY))
    lines = [f"{number}. {place.text()}" for number, place in enumerate(line, 1)]
    return {"hosts": [place.host for place in line], "lines": lines}
