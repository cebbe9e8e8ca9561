# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rates by bucket."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.write_rate import Grid, grid, percentile, rates

DAY = 86400


class TestGrid:
    @pytest.mark.parametrize(
        ("seconds", "window"),
        [(10, 1), (10, 1199), (60, 1200), (60, 18000), (300, 18001), (300, DAY), (600, 2 * DAY), (86400, 200 * DAY)],
    )
    def test_length(self, seconds: int, window: int) -> None:
        """At most 300 buckets of a minute at least, unless there are only minutes."""
        cut = grid(1000, 1000 + window - 1)
        assert seconds == cut.seconds
        assert 1 <= cut.count <= 300

    def test_a_window_of_years(self) -> None:
        """No fixed length fits any more, and there still are 300 buckets."""
        assert 300 == grid(0, 3000 * DAY - 1).count

    def test_last_bucket_ends_with_the_window(self) -> None:
        """A rate is bytes by the seconds that there were."""
        cut = Grid(1000, 1149, 100)
        assert (2, 100, 50, (1100, 1150)) == (cut.count, cut.length(0), cut.length(1), cut.span(1))

    @pytest.mark.parametrize(("index", "second"), [(0, 1000), (0, 1099), (1, 1100), (1, 5000), (0, 3)])
    def test_index(self, index: int, second: int) -> None:
        """What came while we read belongs to the last bucket."""
        assert index == Grid(1000, 1149, 100).index(second)


class TestPercentile:
    @pytest.mark.parametrize(("value", "values"), [(0, []), (7, [7]), (19, range(1, 21)), (95, range(1, 101))])
    def test_nearest_rank(self, value: float, values: range) -> None:
        """One in twenty lies above it."""
        assert value == percentile(list(values), 95)


class TestRates:
    def test_numbers(self) -> None:
        """The peak is the busiest bucket, the mean all bytes by all seconds."""
        found = rates(Grid(0, 399, 100), [100.0, 900.0, 100.0, 100.0])
        assert (3.0, 9.0, 100) == tuple(found[k] for k in ("mean_bytes_per_second", "peak_bytes_per_second", "peak_at"))

    def test_a_stub_at_the_end_is_no_peak(self) -> None:
        """A last bucket of a second with one large entry is not a rate of anything."""
        found = rates(Grid(0, 200, 100), [100.0, 100.0, 500.0])
        assert 1.0 == found["peak_bytes_per_second"]

    def test_one_entry(self) -> None:
        """A window of a single second has a rate, too."""
        assert 42.0 == rates(grid(7, 7), [42.0])["peak_bytes_per_second"]

    def test_few_points_for_the_chart(self) -> None:
        """Neighbours are put together, and no byte is lost."""
        cut = Grid(0, 29999, 100)
        points = rates(cut, [float(index) for index in range(300)])["buckets"]
        assert 75 == len(points)
        assert sum(range(300)) == pytest.approx(sum(point["bytes_per_second"] * 400 for point in points), rel=0.01)
