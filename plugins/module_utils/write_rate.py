# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rate of writing by stretches of time (buckets). Pure: counts and samples in, rates out.

What is known of an oplog for nothing is its size. Where it cannot be read as a whole, the bytes are spread over the buckets by a
sample, and the buckets that decide are read. WiredTiger's random cursor takes a random page and then a random entry of it, so
that a sampled entry stands for a page of bytes, or for itself where it is larger than a page: an entry of 16 MB among small
ones is sampled as often as a page of a hundred of them. A sample of the sizes alone is off by orders of magnitude then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: WiredTiger's pages for collections hold about this much, uncompressed (`leaf_page_max`).
PAGE_BYTES = 32 * 1024

#: The most buckets of a window, and the lengths that they may have, in seconds.
MOST_BUCKETS = 300
LENGTHS = (10, 60, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

#: An entry of this size weighs as much as thousands of the usual ones.
_HEAVY_BYTES = 1_000_000

#: A chart needs no more points.
_MOST_POINTS = 96


@dataclass(frozen=True)
class Grid:
    """A window cut into buckets of equal length, from its first second on."""

    first: int
    last: int
    seconds: int

    @property
    def count(self) -> int:
        """How many buckets there are; the last one ends with the window."""
        return max(1, math.ceil((self.last + 1 - self.first) / self.seconds))

    def index(self, second: int) -> int:
        """Return the bucket that a second belongs to; entries that came meanwhile belong to the last one."""
        return min(max(0, (second - self.first) // self.seconds), self.count - 1)

    def span(self, index: int) -> tuple[int, int]:
        """Return the first second of a bucket and the one after its end."""
        start = self.first + index * self.seconds
        return start, min(start + self.seconds, self.last + 1)

    def length(self, index: int) -> int:
        """Return how many seconds of the window are in a bucket."""
        start, end = self.span(index)
        return max(1, end - start)


def grid(first: int, last: int, wanted: int | None = None) -> Grid:
    """Cut a window into buckets of the length wanted, else of the shortest that makes at most 300 (of at least a minute each,
    unless the window has only minutes)."""
    if wanted:
        return Grid(first, last, wanted)
    window = last + 1 - first
    fitting = [length for length in LENGTHS if window <= length * MOST_BUCKETS and (length >= 60 or window < 1200)]
    return Grid(first, last, fitting[0] if fitting else math.ceil(window / MOST_BUCKETS))


@dataclass
class Estimate:
    """What is known of each bucket: read (exact or from slices of it), or only sampled."""

    grid: Grid
    #: Bytes of the buckets that were read, and which of them were read as a whole.
    read: dict[int, float] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    #: How many entries of each bucket were sampled, and the bytes that they stand for.
    sampled: dict[int, int] = field(default_factory=dict)
    weights: dict[int, float] = field(default_factory=dict)
    #: Buckets in which very large entries were sampled: how many of these there are matters, and the sample does not tell.
    heavy: set[int] = field(default_factory=set)

    def add_sample(self, entries: Iterable[tuple[int, int]]) -> None:
        """Take sampled entries, each as its second and its size."""
        for second, size in entries:
            index = self.grid.index(second)
            self.sampled[index] = self.sampled.get(index, 0) + 1
            self.weights[index] = self.weights.get(index, 0.0) + max(PAGE_BYTES, size)
            if size > _HEAVY_BYTES:
                self.heavy.add(index)

    def bytes_by_bucket(self, total: float) -> list[float]:
        """Return the bytes of every bucket: those that were read, and the others by their part of what is left of the total."""
        unread = [index for index in range(self.grid.count) if index not in self.read]
        smoothed = self._smoothed(unread)
        left = max(0.0, total - sum(self.read.values()))
        weight = sum(smoothed.values())
        scale = left / weight if weight else 0.0
        return [self.read.get(index, smoothed.get(index, 0.0) * scale) for index in range(self.grid.count)]

    def _smoothed(self, unread: Sequence[int]) -> dict[int, float]:
        """Return the weights without the part of their spread that is only chance.

        Chance alone makes the square roots of counts vary by a quarter, whatever they are (Anscombe's transform). What
        varies more does so because the buckets differ. Without this the busiest twentieth of equal buckets looks busy.
        """
        counts = [self.sampled.get(index, 0) for index in unread]
        roots = [math.sqrt(count + 0.375) for count in counts]
        if len(roots) < 3:
            return {index: self.weights.get(index, 0.0) for index in unread}
        mean = sum(roots) / len(roots)
        variance = sum((root - mean) ** 2 for root in roots) / (len(roots) - 1)
        kept = math.sqrt(max(0.0, 1 - 0.25 / variance)) if variance else 0.0
        smoothed = {}
        for index, count, root in zip(unread, counts, roots):
            each = self.weights[index] / count if count else float(PAGE_BYTES)
            smoothed[index] = each * max(0.0, (mean + kept * (root - mean)) ** 2 - 0.375)
        return smoothed

    def most_telling_first(self, percent: float = 95) -> list[int]:
        """Return the buckets that were not read in the order in which reading them helps.

        That is some with very large entries, some of the busiest, and then those closest to the percentile, which chance may have
        put on its wrong side.
        """
        unread = [index for index in range(self.grid.count) if index not in self.read]
        roots = {index: math.sqrt(self.sampled.get(index, 0)) for index in unread}
        limit = percentile([math.sqrt(self.sampled.get(index, 0)) for index in range(self.grid.count)], percent)
        heaviest = sorted(self.heavy & set(unread), key=lambda index: -self.weights[index])[:10]
        busiest = sorted(unread, key=lambda index: -self.weights.get(index, 0.0))[:5]
        closest = sorted(unread, key=lambda index: abs(roots[index] - limit))
        return list(dict.fromkeys([*heaviest, *busiest, *closest]))

    def around(self, total: float, percent: float = 95, ranks: int = 4) -> list[int]:
        """Return the buckets beside the percentile, and the busiest one, as far as they were not read as a whole."""
        found = self.bytes_by_bucket(total)
        order = sorted(range(self.grid.count), key=found.__getitem__)
        rank = max(0, math.ceil(len(order) * percent / 100) - 1)
        beside = sorted(range(len(order)), key=lambda position: abs(position - rank))[: 2 * ranks + 1]
        return [index for index in [*(order[position] for position in beside), order[-1]] if index not in self.whole]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed (nearest rank); 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def rates(cut: Grid, bytes_by_bucket: Sequence[float]) -> dict[str, Any]:
    """Return mean, 95th percentile and peak in bytes per second, when the peak was, and points for a chart.

    A last bucket of less than half the length says little and is left out, unless it is the only one.
    """
    used = [i for i in range(cut.count) if i == 0 or cut.length(i) * 2 >= cut.seconds]
    by_second = [bytes_by_bucket[i] / cut.length(i) for i in used]
    peak = max(range(len(by_second)), key=by_second.__getitem__)
    whole = sum(cut.length(i) for i in range(cut.count))
    return {
        "bucket_seconds": cut.seconds,
        "mean_bytes_per_second": round(sum(bytes_by_bucket) / whole, 1),
        "p95_bytes_per_second": round(percentile(by_second, 95), 1),
        "peak_bytes_per_second": round(by_second[peak], 1),
        "peak_at": cut.span(used[peak])[0],
        "buckets": _points(cut, bytes_by_bucket),
    }


def _points(cut: Grid, bytes_by_bucket: Sequence[float]) -> list[Mapping[str, Any]]:
    """Return at most 96 points, each the mean of neighbouring buckets."""
    step = math.ceil(cut.count / _MOST_POINTS)
    points: list[Mapping[str, Any]] = []
    for start in range(0, cut.count, step):
        together = range(start, min(start + step, cut.count))
        seconds = sum(cut.length(index) for index in together)
        written = sum(bytes_by_bucket[index] for index in together)
        points.append({"start": cut.span(start)[0], "bytes_per_second": round(written / seconds, 1)})
    return points
