# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the product has measured of the oplogs of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..api.errors import ApiError
from ..model.activity import Measurement
from ..model.deployment import Host
from ..model.project import Project

#: The length of the primary's oplog, and how far a secondary is behind, which has another name in older versions.
WINDOW, LAG, OLD_LAG = "OPLOG_MASTER_TIME", "OPLOG_REPLICATION_LAG_TIME", "OPLOG_SLAVE_LAG_MASTER_TIME"

#: The documentation does not agree with itself about the unit, so it is taken from each answer, and none is guessed.
_SECONDS = {"MILLISECONDS": 0.001, "SECONDS": 1.0, "MINUTES": 60.0, "HOURS": 3600.0, "DAYS": 86400.0}


@dataclass(frozen=True)
class Measures:
    """The smallest oplog window and the greatest replication lag of a job, in seconds; None where that is not known."""

    window_seconds: float | None = None
    replication_lag_seconds: float | None = None

    @classmethod
    def of(cls, project: Project, hosts: Sequence[Host]) -> Measures:
        """Ask the primary of each replica set for its window, and each secondary for its lag."""
        parts = {host.replica_set for host in hosts}
        primaries = [host for host in hosts if host.state == "PRIMARY"]
        windows = [_seconds(project, host, (WINDOW,)) for host in primaries]
        lags = [_seconds(project, host, (LAG, OLD_LAG)) for host in hosts if host.state == "SECONDARY"]
        whole = parts == {host.replica_set for host in primaries}
        known = [window for window in windows if window is not None]
        return cls(min(known) if whole and known and len(known) == len(windows) else None, _greatest(lags))


def _greatest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _seconds(project: Project, host: Host, names: Sequence[str]) -> float | None:
    """Return the newest value of the first metric that the product knows for this host."""
    for name in names:
        try:
            found = project.measurements(host.id, [name])
        except ApiError as error:
            # A metric that a host or a version does not have is an error there.
            if error.status not in (400, 404):
                raise
            continue
        values = [in_seconds(one) for one in found if one.name == name]
        if values and values[0] is not None:
            return values[0]
    return None


def in_seconds(measurement: Measurement) -> float | None:
    """Return the newest value in seconds; None where there is none, or its unit is not one of time."""
    factor, value = _SECONDS.get(measurement.units or ""), measurement.latest
    return None if factor is None or value is None else value * factor
