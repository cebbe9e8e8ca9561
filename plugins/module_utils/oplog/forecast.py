# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long it takes until what a backup needs next falls off the oplog. Pure: oplog record in, seconds out.

The cursor of a backup stands at an optime. It is lost once the server has dropped the entries after it, which happens when as
many bytes have been written as lie before the cursor, and as still fit into the oplog. That number of bytes, divided by a rate of
writing, is the slack.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..values import Record
from .oplog import rate_of


def slack_seconds(oplog: Record, cursor_time: float | None, source: str | None, rate: str = "p95") -> float | None:
    """Return how long until the cursor falls off if writes go on at that rate; None where that is not known.

    A member that could not be read is not replaced by another one that reaches back further: then nothing is known.
    `cursor_time` is the time of the optime up to which the backup has captured, in seconds since 1970; None stands for a cursor
    at the newest entry. `source` is the member that the backup reads; if it is not known, the member where the cursor falls off
    first counts.
    `rate` is `mean`, `p95` or `peak`. Never negative: 0 is a cursor that has fallen off already.
    """
    written = rate_of(oplog.get("write_rate") or {}, rate)
    members = [member for member in oplog["members"] if member.get("state") != "ARBITER"]
    chosen = [member for member in members if member["member"] == source] or members
    found = [_of_member(member, oplog, cursor_time, written) for member in chosen]
    known = [seconds for seconds in found if seconds is not None]
    return min(known) if known and len(known) == len(found) else None


def _of_member(member: Record, oplog: Record, cursor_time: float | None, written: float | None) -> float | None:
    if not written or not member.get("first") or not member.get("max_bytes") or member.get("used_bytes") is None:
        return None
    first, last = member["first"]["time"], member["last"]["time"]
    cursor = last if cursor_time is None else cursor_time
    if cursor < first:
        return 0.0
    before = _share(oplog, first, last, cursor) * float(member["used_bytes"])
    free = max(0.0, float(member["max_bytes"]) - float(member["used_bytes"]))
    return (before + free) / written


def _share(oplog: Record, first: float, last: float, cursor: float) -> float:
    """Return the part of a member's oplog, in bytes, that lies before the cursor."""
    if last <= first or cursor >= last:
        return 1.0
    buckets = (oplog.get("write_rate") or {}).get("buckets") or []
    whole = _written(buckets, first, last)
    return _written(buckets, first, cursor) / whole if whole else (cursor - first) / (last - first)


def _written(buckets: list[Record], start: float, end: float) -> float:
    """Return the bytes written between two times, by the buckets of the write rate; each ends where the next one starts."""
    edges = [bucket["start"] for bucket in buckets[1:]] + [float("inf")]
    spans: Iterable[tuple[float, float, float]] = (
        (max(bucket["start"], start), min(edge, end), bucket["bytes_per_second"])
        for bucket, edge in zip(buckets, edges)
    )
    return sum((float(until - since) * rate for since, until, rate in spans if until > since), 0.0)
