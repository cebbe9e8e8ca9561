# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the rate of writing from the oplog of one member, at little cost to it.

A small oplog is read as a whole. Of a larger one, entries are sampled, then slices of every bucket are read, and then, as long as
there is time, the buckets that decide over percentile and peak. `rate_estimate` makes numbers of it.
"""

from __future__ import annotations

import contextlib
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
from ansible_collections.mongodb_ops.backup.plugins.module_utils.rate_estimate import PAGE_BYTES, Estimate, Slice
from ansible_collections.mongodb_ops.backup.plugins.module_utils.write_rate import Grid, grid, rates

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
    sample: int = 8000
    sample_seconds: float = 0.3
    sample_part: float = 0.04
    sample_bytes: int = 2_500_000_000
    #: How much is read in slices, of all buckets together.
    slice_entries: int = 300_000
    slice_bytes: int = 250_000_000


@dataclass
class Meter:
    """What was spent so far."""

    budget: Budget
    spent: float = 0.0
    entries: int = 0
    #: Whether the time ran out before everything was read that should have been, or what was read does not explain the total.
    cut_short: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - chance, not a secret

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.budget.seconds - self.spent


Oplog = Any  # a pymongo collection; this file is also imported where there is no pymongo


class TooLong(Exception):
    """The server ended a command because its time was over."""


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
        return _answer(cut, whole, sum(whole), meter.entries, meter, True)
    estimate = Estimate(cut, total)
    _slice(oplog, estimate, meter, count or 0)
    _decide(oplog, estimate, meter, count or 0, Piece(0, 0, 0, _CHEAP_ENTRIES, _CHEAP_BYTES))
    if not meter.cut_short and (estimate.undecided() or abs(1 - estimate.found()) > _WELL_FOUND):
        _sample(oplog, estimate, meter, count)
        _decide(oplog, estimate, meter, count or 0)
    meter.cut_short = meter.cut_short or abs(1 - estimate.found()) > _BADLY_FOUND
    return _answer(cut, [guess.size for guess in estimate.guesses()], total, count, meter, False)


def _answer(
    cut: Grid, found: Sequence[float], total: float, count: int | None, meter: Meter, exact: bool
) -> dict[str, Any]:
    answer = rates(cut, found)
    seconds = cut.last + 1 - cut.first
    return {
        **answer,
        "mean_bytes_per_second": round(total / seconds, 1),
        "entries_per_second": None if count is None else round(count / seconds, 3),
        "peak_at": iso(answer["peak_at"]),
        "exact": exact,
        "cut_short": meter.cut_short,
        "entries_read": meter.entries,
        "server_seconds": round(meter.spent, 3),
    }


def _all(oplog: Oplog, cut: Grid, meter: Meter) -> list[float]:
    """Read every bucket, a command for each: none of them takes so long that a connection would be given up."""
    return [_ranges(oplog, [_span(cut, index)], meter, None)[0].size for index in range(cut.count)]


def _whole(oplog: Oplog, cut: Grid, meter: Meter, total: float, count: int | None) -> list[float] | None:
    """Read a small oplog in one command; None if it is not small, or turned out to be slow."""
    budget = meter.budget
    if count is None or count > budget.whole_entries or total > budget.whole_bytes:
        return None
    bucket = {"$floor": {"$divide": [{"$subtract": [{"$tsSecond": "$ts"}, cut.first]}, cut.seconds]}}
    group = {"$group": {"_id": bucket, "size": {"$sum": _SIZE}, "entries": {"$sum": 1}}}
    found = [0.0] * cut.count
    try:
        for row in _run(oplog, [group], meter, budget.whole_seconds):
            found[min(max(0, int(row["_id"])), cut.count - 1)] += row["size"]
            meter.entries += row["entries"]
    except TooLong:
        return None
    return found


_SIZE: Mapping[str, Any] = {"$bsonSize": "$$ROOT"}


def _sample(oplog: Oplog, estimate: Estimate, meter: Meter, count: int | None) -> None:
    """Sample entries, if that is worth its time; only their second and their size leave the server."""
    budget = meter.budget
    if estimate.total > budget.sample_bytes:
        return
    size = budget.sample if count is None else min(budget.sample, int(count * budget.sample_part))
    shape = {"$project": {"_id": 0, "second": {"$tsSecond": "$ts"}, "size": _SIZE}}
    with contextlib.suppress(TooLong):
        rows = _run(oplog, [{"$sample": {"size": max(1, size)}}, shape], meter, budget.sample_seconds)
        meter.entries += len(rows)
        estimate.add_sample((row["second"], row["size"]) for row in rows)


@dataclass(frozen=True)
class Piece:
    """A stretch of a bucket to read, and what is expected to be in it."""

    index: int
    start: int
    end: int
    entries: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class Sums:
    """The entries of a stretch: their number, their bytes, and these with no entry counted above a page."""

    entries: int = 0
    size: int = 0
    capped: int = 0


#: By which part the bytes found may differ from those that there are before it is looked for the others.
_WELL_FOUND = 0.04
#: From which part on the estimate is called rough.
_BADLY_FOUND = 0.2

#: Into how many parts a bucket is cut, with a slice of each.
_PIECES = 6


def _slice(oplog: Oplog, estimate: Estimate, meter: Meter, count: int) -> None:
    """Read slices of all buckets, in an order of chance, so that those that there was no time for are like the others."""
    cut, budget = estimate.grid, meter.budget
    part = 1 / max(1.0, count / budget.slice_entries, estimate.total / budget.slice_bytes)
    order = meter.chance.sample(range(cut.count), cut.count)
    whole = Piece(0, 0, 0, count / cut.count, estimate.total / cut.count)
    _read(oplog, estimate, meter, (_pieces(cut, index, part, whole, meter.chance) for index in order))


def _decide(oplog: Oplog, estimate: Estimate, meter: Meter, count: int, most: Piece | None = None) -> None:
    """Read whole buckets, as long as one of them may change percentile or peak; with `most` only those that hold less than it."""
    while not meter.cut_short:
        guesses, whole = estimate.guesses(), sum(guess.size for guess in estimate.guesses())
        each = count / whole if whole else 0.0
        pieces = [
            Piece(index, *_span(estimate.grid, index), each * guesses[index].size, guesses[index].size)
            for index in estimate.undecided()
        ]
        if most:
            pieces = [piece for piece in pieces if piece.entries <= most.entries and piece.size <= most.size]
        if not pieces:
            return
        _read(oplog, estimate, meter, ([piece] for piece in pieces[: _RANGES if most else _AT_A_TIME]))


#: A bucket with less than this is read for next to nothing.
_CHEAP_ENTRIES, _CHEAP_BYTES = 1000, 1_000_000
#: After so many buckets it is asked anew which ones decide.
_AT_A_TIME = 8


def _pieces(cut: Grid, index: int, part: float, whole: Piece, chance: random.Random) -> list[Piece]:
    """Return which seconds of a bucket to read, here and there, so that they are so much of it; or all of it."""
    start, end = cut.span(index)
    number = min(_PIECES, max(1, round(part * (end - start))))
    stretch, length = (end - start) // number, max(1, round((end - start) * part / number))
    if length >= stretch:
        return [Piece(index, *_span(cut, index), whole.entries, whole.size)]
    share = length / (end - start)
    starts = (start + piece * stretch + chance.randrange(stretch - length + 1) for piece in range(number))
    return [Piece(index, at, at + length, whole.entries * share, whole.size * share) for at in starts]


def _read(oplog: Oplog, estimate: Estimate, meter: Meter, buckets: Iterable[list[Piece]]) -> None:
    """Read pieces of buckets, as long as there is time; what takes too long stays as it was known before."""
    for pieces in _together(buckets):
        if meter.left <= _LEAST_SECONDS:
            meter.cut_short = True
            return
        try:
            found = _ranges(oplog, [(piece.start, piece.end) for piece in pieces], meter, meter.left)
        except TooLong:
            meter.cut_short = True
            return
        for index in dict.fromkeys(piece.index for piece in pieces):
            mine = [(piece, sums) for piece, sums in zip(pieces, found) if piece.index == index]
            estimate.add_slices(index, [Slice.of(p.end - p.start, s.size, s.capped) for p, s in mine])


_LEAST_SECONDS = 0.05

#: What one command reads at most: little enough that running out of time loses little, and enough over a slow line.
_RANGES, _ENTRIES, _BYTES = 80, 150_000, 150_000_000


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


def _span(cut: Grid, index: int) -> tuple[int, int]:
    start, end = cut.span(index)
    # Entries that came since the window was read belong to the last bucket.
    return start, end + (60 if index == cut.count - 1 else 0)


def _ranges(oplog: Oplog, ranges: Sequence[tuple[int, int]], meter: Meter, seconds: float | None) -> list[Sums]:
    """Return size and number of the entries in each range of seconds, all in one command.

    The server reads a range of an oplog without reading what lies before it, because an oplog's records are kept by their `ts`.
    """
    pipelines = [_range(number, start, end) for number, (start, end) in enumerate(ranges)]
    others = [{"$unionWith": {"coll": "oplog.rs", "pipeline": pipeline}} for pipeline in pipelines[1:]]
    rows = _run(oplog, [*pipelines[0], *others], meter, seconds)
    found = {row["_id"]: Sums(row["entries"], row["size"], row["capped"]) for row in rows}
    meter.entries += sum(sums.entries for sums in found.values())
    return [found.get(number, Sums()) for number in range(len(ranges))]


_SUMS: Mapping[str, Any] = {
    "entries": {"$sum": 1},
    "size": {"$sum": "$size"},
    "capped": {"$sum": {"$min": ["$size", PAGE_BYTES]}},
}


def _range(number: int, start: int, end: int) -> list[Mapping[str, Any]]:
    between = {"$gte": Timestamp(start, 0), "$lt": Timestamp(end, 0)}
    return [
        {"$match": {"ts": between}},
        {"$project": {"_id": 0, "size": _SIZE}},
        {"$group": {"_id": {"$literal": number}, **_SUMS}},
    ]


def _run(oplog: Oplog, pipeline: Sequence[Mapping[str, Any]], meter: Meter, seconds: float | None) -> list[Any]:
    """Return the answer of the server. Raises TooLong when the time was over before it had one."""
    options = {} if seconds is None else {"maxTimeMS": max(1, int(1000 * min(seconds, meter.left)))}
    started = time.monotonic()
    try:
        return list(oplog.aggregate(list(pipeline), batchSize=20_000, **options))
    except Exception as error:
        if getattr(error, "code", None) == _TOO_LONG:
            raise TooLong from None
        raise
    finally:
        meter.spent += time.monotonic() - started
