# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog record of one replica set: every member is read, and what goes wrong with one is part of the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .errors import BackupError, RetryLater, bad_option, sentence
from .oplog.oplog import Reading, judge_primary, summarize
from .oplog.rate_reading import read_rates
from .servers import connection
from .topology import Member


@dataclass(frozen=True)
class Asked:
    """What to read."""

    min_hours: float = 24
    #: Whether to estimate the rate of writing, or even to read the whole oplog for it.
    rates: bool = True
    exact: bool = False
    bucket_seconds: int | None = None

    def check(self) -> None:
        """Refuse what contradicts itself."""
        if not math.isfinite(self.min_hours) or self.min_hours < 0:
            raise bad_option("min_hours to be 0 or more", f"{self.min_hours:g}", "correct it")
        if self.bucket_seconds is not None and self.bucket_seconds < 1:
            raise bad_option("bucket_seconds to be at least 1", str(self.bucket_seconds), "leave it out")
        if self.exact and not self.rates:
            raise bad_option("rates=true together with exact=true", "rates=false", "leave one of them out")


def read_replica_set(login: connection.Login, asked: Asked) -> dict[str, Any]:
    """Return the oplog windows of all members, the rate of writing, and the verdict over them.

    Raises BackupError when the members are not known, or when none of them could be read: that is no verdict.
    """
    with connection.described("the replica set"), login.seed() as client:
        name, members = connection.members(client)
    readings = [_read(login, member, name) for member in members]
    rate, why_not = _rates(login, readings, asked) if asked.rates else (None, "it was not asked for")
    record = summarize(readings, asked.min_hours, rate, [judge_primary(readings)])
    _demand_a_window(record)
    return {"replica_set": name, **record, "write_rate": rate, "write_rate_reason": why_not}


def _rates(login: connection.Login, readings: list[Reading], asked: Asked) -> tuple[dict[str, Any] | None, str | None]:
    """Return the rate of writing, read from one member because the entries are the same on all; or why there is none."""
    chosen = _most_suitable(readings)
    if chosen is None or chosen.window is None:
        return None, "no member could be read"
    address = chosen.member.address
    if chosen.window.used_bytes is None and not asked.exact:
        return None, f"{address}: the user may not ask for the size of the oplog; with the role clusterMonitor it may"
    try:
        with connection.described(address), login.member(address) as client:
            found = read_rates(connection.oplog(client), chosen.window, asked.exact, asked.bucket_seconds)
    except BackupError as error:
        return None, f"{address}: {error.message}"
    said = f"{address}: the time did not suffice to read all deciding parts, so the estimate is rougher than usual"
    return {"member": address, **found}, said if found["cut_short"] else None


def _most_suitable(readings: list[Reading]) -> Reading | None:
    """Return the member to read from: rather a secondary than the primary, rather one without delay, then the longest window."""

    def order(reading: Reading) -> tuple[bool, bool, int]:
        member = reading.member
        return member.state == "SECONDARY", not member.delay_seconds, reading.window.seconds if reading.window else -1

    return max((reading for reading in readings if reading.window is not None), key=order, default=None)


def _read(login: connection.Login, member: Member, replica_set: str) -> Reading:
    if member.unreadable_because:
        return Reading(member, why_not=member.unreadable_because)
    try:
        with connection.described(member.address), login.member(member.address) as client:
            state, window = connection.window(client, replica_set)
    except BackupError as error:
        return Reading(member, why_not=error.message)
    return Reading(member.in_state(state), window)


def _demand_a_window(record: dict[str, Any]) -> None:
    if record["window_hours"] is not None:
        return
    found = "none: " + "; ".join(reason.rstrip(".") for reason in record["reasons"])
    message = sentence(expected="the oplog of at least one member", found=found, remedy="correct the first of these")
    raise RetryLater(message, code="nothing_measured", details=record)
