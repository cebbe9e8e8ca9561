# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rate of writing by stretches of time (buckets). Pure: bytes by bucket in, rates out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The most buckets of a window, and the lengths that they may have, in seconds.
MOST_BUCKETS = 300
LENGTHS = (10, 60, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

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
