# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the rate of writing from the oplog of one member, at little cost to it.

A small oplog is read as a whole. Of a larger one slices of every bucket are read; entries are sampled where these leave doubt.
Then, as long as there is time, the buckets are read that decide over percentile and peak. `rate_estimate` makes numbers of it.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..values import iso_of
from .oplog import Window
from .rate_commands import SIZE, Budget, Meter, Oplog, TooLong, ranges, run
from .rate_estimate import Estimate, Slice
from .write_rate import Grid, grid, rates


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
    _decide(oplog, estimate, meter, count or 0, cheap=True)
    if not meter.cut_short and (estimate.undecided() or abs(1 - estimate.found()) > _WELL_FOUND):
        _sample(oplog, estimate, meter, count)
        _decide(oplog, estimate, meter, count or 0)
    meter.cut_short = estimate.unsure() > _ROUGH or abs(1 - estimate.found()) > _BADLY_FOUND
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
        "peak_at": iso_of(answer["peak_at"]),
        "exact": exact,
        "cut_short": meter.cut_short,
        "entries_read": meter.entries,
        "server_seconds": round(meter.spent, 3),
    }


def _all(oplog: Oplog, cut: Grid, meter: Meter) -> list[float]:
    """Read every bucket, a command for each: none of them takes so long that a connection would be given up."""
    return [ranges(oplog, [_span(cut, index)], meter, None)[0].size for index in range(cut.count)]


def _whole(oplog: Oplog, cut: Grid, meter: Meter, total: float, count: int | None) -> list[float] | None:
    """Read a small oplog in one command; None if it is not small, or turned out to be slow."""
    budget = meter.budget
    if count is None or count > budget.whole_entries or total > budget.whole_bytes:
        return None
    bucket = {"$floor": {"$divide": [{"$subtract": [{"$tsSecond": "$ts"}, cut.first]}, cut.seconds]}}
    group = {"$group": {"_id": bucket, "size": {"$sum": SIZE}, "entries": {"$sum": 1}}}
    found = [0.0] * cut.count
    try:
        for row in run(oplog, [group], meter, budget.whole_seconds):
            found[min(max(0, int(row["_id"])), cut.count - 1)] += row["size"]
            meter.entries += row["entries"]
    except TooLong:
        return None
    return found


#: What a sample leaves for reading what it showed.
_KEPT_SECONDS = 0.1


def _sample(oplog: Oplog, estimate: Estimate, meter: Meter, count: int | None) -> None:
    """Sample entries, if that is worth its time; only their second and their size leave the server."""
    budget = meter.budget
    if estimate.total > budget.sample_bytes:
        return
    size = budget.sample if count is None else min(budget.sample, int(count * budget.sample_part))
    shape = {"$project": {"_id": 0, "second": {"$tsSecond": "$ts"}, "size": SIZE}}
    # Where bytes are missing only the sample can tell where they are, so it may take longer.
    missing = abs(1 - estimate.found()) > _WELL_FOUND
    seconds = meter.left - _KEPT_SECONDS if missing else budget.sample_seconds
    with contextlib.suppress(TooLong):
        rows = run(oplog, [{"$sample": {"size": max(1, size)}}, shape], meter, seconds)
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

    def part(self, entries: float, size: float) -> float:
        """Return which part of it has no more than so many entries and bytes."""
        return 1 / max(1.0, self.entries / entries, self.size / size)


#: By which part the bytes found may differ from those that there are before it is looked for the others.
_WELL_FOUND = 0.04
#: From which part on the estimate is called rough, and from which uncertainty of the percentile on.
_BADLY_FOUND = 0.2
_ROUGH = 0.1

#: Into how many parts a bucket is cut, with a slice of each.
_PIECES = 6


def _slice(oplog: Oplog, estimate: Estimate, meter: Meter, count: int) -> None:
    """Read slices of all buckets: two of each first, because a slow member may leave no time for more.

    A bucket that nothing was read of can only be taken for the mean of the others, which is far from an idle one where nearly all
    is written in a few. The order is one of chance, so that those that there was no time for are like the others.
    """
    cut, budget = estimate.grid, meter.budget
    whole = Piece(0, 0, 0, count / cut.count, estimate.total / cut.count)
    part = whole.part(budget.slice_entries / cut.count, budget.slice_bytes / cut.count)
    order = meter.chance.sample(range(cut.count), cut.count)
    plan = [_pieces(cut, index, part, whole, meter.chance) for index in order]
    _read(oplog, estimate, meter, (pieces[:: _PIECES // 2] for pieces in plan))
    rest = ([piece for number, piece in enumerate(pieces) if number % (_PIECES // 2)] for pieces in plan)
    if not meter.cut_short:
        _read(oplog, estimate, meter, (pieces for pieces in rest if pieces), also=True)


def _decide(oplog: Oplog, estimate: Estimate, meter: Meter, count: int, cheap: bool = False) -> None:
    """Read more of the buckets that may change percentile or peak, as long as there are such; with `cheap` only small ones.

    A large bucket is read in longer slices first, and as a whole when that has not decided it.
    """
    seen: set[int] = set()
    while not meter.cut_short:
        guesses = estimate.guesses()
        wholes = [_whole_bucket(estimate, index, guesses[index].size, count) for index in estimate.undecided()]
        if cheap:
            wholes = [whole for whole in wholes if whole.entries <= _CHEAP_ENTRIES and whole.size <= _CHEAP_BYTES]
        if not wholes:
            return
        some = wholes[: _RANGES if cheap else _AT_A_TIME]
        parts = {whole.index: 1.0 if whole.index in seen else whole.part(_MUCH_ENTRIES, _MUCH_BYTES) for whole in some}
        pieces = [_pieces(estimate.grid, whole.index, parts[whole.index], whole, meter.chance) for whole in some]
        _read(oplog, estimate, meter, pieces)
        seen.update(parts)


def _whole_bucket(estimate: Estimate, index: int, size: float, count: int) -> Piece:
    """Return all of a bucket that holds so many bytes; its entries are taken for as large as they are on average."""
    return Piece(index, *_span(estimate.grid, index), count * size / (estimate.total or 1.0), size)


#: A bucket with less than this is read for next to nothing.
_CHEAP_ENTRIES, _CHEAP_BYTES = 1500, 1_000_000
#: And of one with more than this longer slices are read at first.
_MUCH_ENTRIES, _MUCH_BYTES = 40_000, 30_000_000
#: After so many buckets the ones that decide are looked for again.
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


def _read(oplog: Oplog, estimate: Estimate, meter: Meter, buckets: Iterable[list[Piece]], also: bool = False) -> None:
    """Read pieces of buckets, as long as there is time; what takes too long stays as it was known before.

    They take the place of what was read of these buckets, or with `also` come beside it and must not overlap it.
    """
    for pieces in _together(buckets):
        if meter.left <= _LEAST_SECONDS:
            meter.cut_short = True
            return
        try:
            found = ranges(oplog, [(piece.start, piece.end) for piece in pieces], meter, meter.left)
        except TooLong:
            meter.cut_short = True
            return
        for index in dict.fromkeys(piece.index for piece in pieces):
            mine = [(piece, sums) for piece, sums in zip(pieces, found) if piece.index == index]
            slices = [Slice(p.end - p.start, s.capped, s.size - s.capped, s.entries) for p, s in mine]
            estimate.add_slices(index, slices, also)


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
