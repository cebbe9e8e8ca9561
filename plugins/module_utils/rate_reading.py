# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the rate of writing from the oplog of one member, at little cost to it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

try:
    from bson.timestamp import Timestamp
except ImportError:
    HAS_BSON = False
else:
    HAS_BSON = True

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog import Window, iso
from ansible_collections.mongodb_ops.backup.plugins.module_utils.write_rate import Estimate, Grid, grid, rates

#: `maxTimeMS` ran out.
_TOO_LONG = 50


@dataclass(frozen=True)
class Budget:
    """What the estimate may cost the member. Measured: 2.5 to 3.5 million small entries, or 2 to 3 GB, are read in a second."""

    #: All commands together, in seconds of the server's time.
    seconds: float = 0.8
    #: An oplog up to this size is read as a whole, if that takes no longer than `whole_seconds`.
    whole_entries: int = 1_000_000
    whole_bytes: int = 512_000_000
    whole_seconds: float = 0.5
    #: How many entries are sampled at most, and which part of all: from a twentieth on the server reads everything instead.
    sample: int = 8000
    sample_part: float = 0.04
    #: Of a bucket with more than this, slices of about this much are read.
    slice_entries: int = 2500
    slice_bytes: int = 1_500_000


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


def read_rates(
    oplog: Oplog,
    window: Window,
    exact: bool,
    bucket_seconds: int | None = None,
    budget: Budget | None = None,
) -> dict[str, Any]:
    """Return the rate of writing of one member's oplog, as `oplog_window_info` returns it.

    Needs the size of the oplog (`window.used_bytes`) unless `exact`, which reads everything however long it takes. Raises what
    pymongo raises.
    """
    cut = grid(window.first.time, window.last.time, bucket_seconds)
    meter = Meter(budget or Budget())
    total, count = float(window.used_bytes or 0), window.entries
    whole = _all(oplog, cut, meter) if exact else _whole(oplog, cut, meter, total, count)
    if whole is not None:
        return _answer(cut, whole, meter.entries, meter, True)
    estimate = Estimate(cut)
    estimate.add_sample(_sample(oplog, meter, count))
    expected = Expected(estimate, total, count or 0)
    _read(oplog, estimate, meter, [expected.pieces(index, meter) for index in estimate.most_telling_first()])
    for _round in range(_ROUNDS):
        _read(oplog, estimate, meter, expected.affordable(estimate.around(total), meter))
    return _answer(cut, estimate.bytes_by_bucket(total), count, meter, False)


def _answer(cut: Grid, found: Sequence[float], count: int | None, meter: Meter, exact: bool) -> dict[str, Any]:
    answer = rates(cut, found)
    return {
        **answer,
        "entries_per_second": None if count is None else round(count / (cut.last + 1 - cut.first), 3),
        "peak_at": iso(answer["peak_at"]),
        "exact": exact,
        "cut_short": meter.cut_short,
        "entries_read": meter.entries,
        "server_seconds": round(meter.spent, 3),
    }


def _all(oplog: Oplog, cut: Grid, meter: Meter) -> list[float]:
    """Read every bucket, a command for each: none of them takes so long that a connection would be given up."""
    return [float(_ranges(oplog, [_span(cut, index)], meter, None)[0][0]) for index in range(cut.count)]


def _whole(oplog: Oplog, cut: Grid, meter: Meter, total: float, count: int | None) -> list[float] | None:
    """Read a small oplog in one command; None if it is not small, or turned out to be slow."""
    budget = meter.budget
    if count is None or count > budget.whole_entries or total > budget.whole_bytes:
        return None
    second = {"$floor": {"$divide": [{"$subtract": [{"$tsSecond": "$ts"}, cut.first]}, cut.seconds]}}
    group = {"$group": {"_id": second, **_SUMS}}
    found = [0.0] * cut.count
    try:
        for row in _run(oplog, [group], meter, budget.whole_seconds):
            found[min(max(0, int(row["_id"])), cut.count - 1)] += row["size"]
            meter.entries += row["entries"]
    except Exception as error:
        if getattr(error, "code", None) != _TOO_LONG:
            raise
        return None
    return found


def _sample(oplog: Oplog, meter: Meter, count: int | None) -> list[tuple[int, int]]:
    """Sample entries; only their second and their size leave the server. Returns none when that takes too long."""
    budget = meter.budget
    size = budget.sample if count is None else max(1, min(budget.sample, int(count * budget.sample_part)))
    shape = {"$project": {"_id": 0, "second": {"$tsSecond": "$ts"}, "size": {"$bsonSize": "$$ROOT"}}}
    for smaller in (size, size // 20):
        try:
            rows = _run(oplog, [{"$sample": {"size": max(1, smaller)}}, shape], meter, _SAMPLE_PART * meter.left)
        except Exception as error:
            if getattr(error, "code", None) != _TOO_LONG:
                raise
            # Pages of 16 MB that have to come from a slow disk: then fewer of them.
            continue
        meter.entries += len(rows)
        return [(row["second"], row["size"]) for row in rows]
    meter.cut_short = True
    return []


#: The part of the time that is left which a sample may take.
_SAMPLE_PART = 0.45


@dataclass(frozen=True)
class Piece:
    """A stretch of a bucket to read, and what is expected to be in it."""

    index: int
    start: int
    end: int
    entries: float
    size: float


def _read(oplog: Oplog, estimate: Estimate, meter: Meter, wanted: list[list[Piece]]) -> None:
    """Read these buckets, as long as there is time; what takes too long stays as it was sampled."""
    for pieces in _together(wanted):
        if meter.left <= 0.05:
            meter.cut_short = True
            return
        try:
            sums = _ranges(oplog, [(piece.start, piece.end) for piece in pieces], meter, meter.left)
        except Exception as error:
            if getattr(error, "code", None) != _TOO_LONG:
                raise
            meter.cut_short = True
            return
        _take(estimate, pieces, sums)


#: What one command reads at most: little enough that running out of time loses little, and enough over a slow line.
_RANGES, _ENTRIES, _BYTES = 80, 300_000, 200_000_000

_SUMS: Mapping[str, Any] = {"size": {"$sum": {"$bsonSize": "$$ROOT"}}, "entries": {"$sum": 1}}


def _together(buckets: Iterable[list[Piece]]) -> Iterator[list[Piece]]:
    """Yield the pieces of several buckets at a time, all of a bucket together."""
    pieces: list[Piece] = []
    for more in buckets:
        both = [*pieces, *more]
        much = sum(piece.entries for piece in both) > _ENTRIES or sum(piece.size for piece in both) > _BYTES
        if pieces and (much or len(both) > _RANGES):
            yield pieces
            both = more
        pieces = both
    if pieces:
        yield pieces


class Expected:
    """What a bucket is expected to hold, by its sample."""

    def __init__(self, estimate: Estimate, total: float, count: int) -> None:
        self._estimate = estimate
        sampled = sum(estimate.sampled.values())
        self._entries = count / (sampled or estimate.grid.count)
        self._bytes = total / (sum(estimate.weights.values()) or estimate.grid.count)
        #: Without a sample every bucket is expected to hold the same.
        self._without = 0 if sampled else 1

    def pieces(self, index: int, meter: Meter) -> list[Piece]:
        """Return the parts of a bucket to read: all of it where it is small, else some seconds here and there."""
        start, end = self._estimate.grid.span(index)
        entries = self._estimate.sampled.get(index, self._without) * self._entries
        size = self._estimate.weights.get(index, self._without) * self._bytes
        if index in self._estimate.heavy:
            return [Piece(index, start, end, entries, size)]
        budget = meter.budget
        part = 1 / max(1.0, entries / budget.slice_entries, size / budget.slice_bytes)
        stretch = (end - start) // _PIECES
        length = max(1, round((end - start) * part / _PIECES))
        if length >= stretch:
            return [Piece(index, start, end, entries, size)]
        share = length / (end - start)
        starts = (start + piece * stretch + meter.chance.randrange(stretch - length + 1) for piece in range(_PIECES))
        return [Piece(index, at, at + length, entries * share, size * share) for at in starts]

    def affordable(self, indexes: Sequence[int], meter: Meter) -> list[list[Piece]]:
        """Return as many of these buckets, each as a whole, as there is time to read."""
        entries, size = 0.0, 0.0
        found = []
        for index in indexes:
            entries += self._estimate.sampled.get(index, self._without) * self._entries
            size += self._estimate.weights.get(index, self._without) * self._bytes
            if entries < _ENTRIES_A_SECOND * meter.left and size < _BYTES_A_SECOND * meter.left:
                found.append([Piece(index, *self._estimate.grid.span(index), entries, size)])
        return found


#: How often the buckets beside the percentile, which others then may be, are read as a whole.
_ROUNDS = 3

#: What a server reads in a second at least, in memory: half of what was measured.
_ENTRIES_A_SECOND, _BYTES_A_SECOND = 1_200_000, 1_000_000_000

#: Into how many parts a bucket is cut, with a slice of each.
_PIECES = 4


def _take(estimate: Estimate, pieces: Sequence[Piece], sums: Sequence[tuple[int, int]]) -> None:
    """Note what was read of each bucket; slices that differ much from each other say less than the sample."""
    for index in dict.fromkeys(piece.index for piece in pieces):
        mine = [(piece.end - piece.start, found[0]) for piece, found in zip(pieces, sums) if piece.index == index]
        seconds, size = sum(span for span, found in mine), sum(found for span, found in mine)
        length = estimate.grid.length(index)
        sampled = estimate.sampled.get(index, 0)
        if seconds >= length or _relative_error([found / span for span, found in mine]) ** 2 * sampled < 1:
            estimate.read[index] = size * length / seconds
        if seconds >= length:
            estimate.whole.add(index)


def _relative_error(slices: Sequence[float]) -> float:
    """Return the standard error of the mean of some slices, relative to it (of a sample: one over the root of its number)."""
    mean = sum(slices) / len(slices)
    if not mean:
        return math.inf
    variance = sum((value - mean) ** 2 for value in slices) / (len(slices) - 1)
    return math.sqrt(variance / len(slices)) / mean


def _span(cut: Grid, index: int) -> tuple[int, int]:
    start, end = cut.span(index)
    # Entries that came since the window was read belong to the last bucket.
    return start, end + (60 if index == cut.count - 1 else 0)


def _ranges(
    oplog: Oplog, ranges: Sequence[tuple[int, int]], meter: Meter, seconds: float | None
) -> list[tuple[int, int]]:
    """Return size and number of the entries in each range of seconds, all in one command.

    The server reads a range of an oplog without reading what lies before it, because an oplog's records are kept by their `ts`.
    """
    pipelines = [_range(number, start, end) for number, (start, end) in enumerate(ranges)]
    others = [{"$unionWith": {"coll": "oplog.rs", "pipeline": pipeline}} for pipeline in pipelines[1:]]
    rows = _run(oplog, [*pipelines[0], *others], meter, seconds)
    found = {row["_id"]: (row["size"], row["entries"]) for row in rows}
    meter.entries += sum(entries for size, entries in found.values())
    return [found.get(number, (0, 0)) for number in range(len(ranges))]


def _range(number: int, start: int, end: int) -> list[Mapping[str, Any]]:
    between = {"$gte": Timestamp(start, 0), "$lt": Timestamp(end, 0)}
    return [{"$match": {"ts": between}}, {"$group": {"_id": {"$literal": number}, **_SUMS}}]


def _run(oplog: Oplog, pipeline: Sequence[Mapping[str, Any]], meter: Meter, seconds: float | None) -> list[Any]:
    options = {} if seconds is None else {"maxTimeMS": max(1, int(1000 * min(seconds, meter.left)))}
    started = time.monotonic()
    try:
        return list(oplog.aggregate(list(pipeline), batchSize=20_000, **options))
    finally:
        meter.spent += time.monotonic() - started
