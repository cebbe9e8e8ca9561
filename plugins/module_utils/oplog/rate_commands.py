# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands by which an oplog is read for its rate of writing: what they may cost, and what they have cost."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

try:
    from bson.timestamp import Timestamp
    from pymongo.errors import OperationFailure
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

from .lost_place import asked_again
from .rate_estimate import CAP_BYTES

#: `maxTimeMS` ran out.
_TOO_LONG = 50


@dataclass(frozen=True)
class Budget:
    """What the estimate may cost the member. Measured: 2 to 3.5 million small entries, or 2 to 3 GB, are read in a second."""

    #: All commands together, in seconds of the server's time.
    seconds: float = 0.8
    #: An oplog up to this size is read as a whole, if that takes no longer than `whole_seconds`.
    whole_entries: int = 1_000_000
    whole_bytes: int = 512_000_000
    whole_seconds: float = 0.5
    #: How many entries are sampled at most, in what time, and which part of all: from a twentieth on the server reads everything
    #: instead. It looks at every page once for each `$sample` (85 ms for a GB, seen on 6.0.5), so a large oplog is not sampled.
    sample: int = 3000
    sample_seconds: float = 0.25
    sample_part: float = 0.04
    sample_bytes: int = 2_500_000_000
    #: How much is read in slices, of all buckets together.
    slice_entries: int = 200_000
    slice_bytes: int = 200_000_000


@dataclass
class Meter:
    """What was spent so far."""

    budget: Budget
    spent: float = 0.0
    entries: int = 0
    #: Whether the time ran out before everything was read that should have been.
    cut_short: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - chance, not a secret

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.budget.seconds - self.spent


Oplog = Any  # a pymongo collection; this file is also imported where there is no pymongo


class TooLong(Exception):
    """The server ended a command because its time was over."""


@dataclass(frozen=True)
class Sums:
    """The entries of a stretch: their number, their bytes, and these with no entry counted above `CAP_BYTES`."""

    entries: int = 0
    size: int = 0
    capped: int = 0


#: The size of an entry.
SIZE: Mapping[str, Any] = {"$bsonSize": "$$ROOT"}


def ranges(oplog: Oplog, ranges: Sequence[tuple[int, int]], meter: Meter, seconds: float | None) -> list[Sums]:
    """Return size and number of the entries in each range of seconds, all in one command.

    The server reads a range of an oplog without reading what lies before it, because an oplog's records are kept by their `ts`.
    """
    pipelines = [_range(number, start, end) for number, (start, end) in enumerate(ranges)]
    others = [{"$unionWith": {"coll": "oplog.rs", "pipeline": pipeline}} for pipeline in pipelines[1:]]
    rows = run(oplog, [*pipelines[0], *others], meter, seconds)
    found = {row["_id"]: Sums(row["entries"], row["size"], row["capped"]) for row in rows}
    meter.entries += sum(sums.entries for sums in found.values())
    return [found.get(number, Sums()) for number in range(len(ranges))]


_SUMS: Mapping[str, Any] = {
    "entries": {"$sum": 1},
    "size": {"$sum": "$size"},
    "capped": {"$sum": {"$min": ["$size", CAP_BYTES]}},
}


def _range(number: int, start: int, end: int) -> list[Mapping[str, Any]]:
    between = {"$gte": Timestamp(start, 0), "$lt": Timestamp(end, 0)}
    return [
        {"$match": {"ts": between}},
        {"$project": {"_id": 0, "size": SIZE}},
        {"$group": {"_id": {"$literal": number}, **_SUMS}},
    ]


def run(oplog: Oplog, pipeline: Sequence[Mapping[str, Any]], meter: Meter, seconds: float | None) -> list[Any]:
    """Return the answer of the server. Raises TooLong when the time was over before it had one."""
    options = {} if seconds is None else {"maxTimeMS": max(1, int(1000 * min(seconds, meter.left)))}
    started = time.monotonic()
    try:
        return asked_again(lambda: list(oplog.aggregate(list(pipeline), batchSize=20_000, **options)))
    except OperationFailure as error:
        if error.code == _TOO_LONG:
            raise TooLong from None
        raise
    finally:
        meter.spent += time.monotonic() - started
