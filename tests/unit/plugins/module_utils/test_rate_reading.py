# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read for the rate of writing. How good the estimate is: tests/integration/test_write_rate.py, on real oplogs."""

from __future__ import annotations

import math

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.rate_reading import (
    Budget,
    Expected,
    Meter,
    Piece,
    _relative_error,
    _take,
    _together,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.write_rate import Estimate, Grid


def estimate(*counts: int) -> Estimate:
    """Return buckets of 100 seconds with so many sampled entries each."""
    found = Estimate(Grid(0, 100 * len(counts) - 1, 100))
    found.add_sample((100 * index, 300) for index, count in enumerate(counts) for _each in range(count))
    return found


class TestPieces:
    def test_a_small_bucket_is_read_as_a_whole(self) -> None:
        """Nothing is gained by reading slices of it."""
        pieces = Expected(estimate(1, 1), 600.0, 20).pieces(1, Meter(Budget()))
        assert [(100, 200)] == [(piece.start, piece.end) for piece in pieces]

    @pytest.mark.parametrize(("total", "count"), [(1e6, 100_000), (100e6, 100)])
    def test_a_large_one_in_slices(self, total: float, count: int) -> None:
        """Whether it has many entries or many bytes: a slice in each quarter, and not more than the budget."""
        budget = Budget(slice_entries=2500, slice_bytes=2_000_000)
        pieces = Expected(estimate(1, 1), total, count).pieces(1, Meter(budget))
        assert [0, 1, 2, 3] == [(piece.start - 100) // 25 for piece in pieces]
        assert all(100 <= piece.start < piece.end <= 200 for piece in pieces)
        assert sum(piece.entries for piece in pieces) <= 1.7 * budget.slice_entries
        assert sum(piece.size for piece in pieces) <= 2 * budget.slice_bytes

    def test_very_large_entries_are_counted(self) -> None:
        """Slices would find all of them or none."""
        found = estimate(1, 1)
        found.add_sample([(150, 16_000_000)])
        assert 1 == len(Expected(found, 1e9, 100_000).pieces(1, Meter(Budget())))


class TestTogether:
    def test_a_command_reads_only_so_much(self) -> None:
        """Many small buckets share a command, a large one has its own, and none is lost."""
        small, large = [Piece(0, 0, 1, 10, 1000.0)], [Piece(1, 1, 2, 10, 150e6)]
        found = [len(pieces) for pieces in _together([small, small, large, large, small])]
        assert [3, 2] == found
        assert [80, 20] == [len(pieces) for pieces in _together([small] * 100)]


class TestTake:
    def test_even_slices_are_believed(self) -> None:
        """A quarter was read, so there is four times as much."""
        found = estimate(9)
        pieces = [Piece(0, start, start + 5, 1, 1.0) for start in (0, 25, 50, 75, 95)]
        _take(found, pieces, [(100, 5)] * 5)
        assert {0: 2000.0} == found.read

    def test_uneven_slices_are_not(self) -> None:
        """One slice hit a burst: the sample, which is spread over all of the bucket, says more."""
        found = estimate(9)
        pieces = [Piece(0, start, start + 5, 1, 1.0) for start in (0, 25, 50, 75)]
        _take(found, pieces, [(100, 5), (9000, 50), (100, 5), (0, 0)])
        assert {} == found.read

    def test_a_whole_bucket_is_exact(self) -> None:
        """Also when it is empty."""
        found = estimate(0)
        _take(found, [Piece(0, 0, 100, 0, 0.0)], [(0, 0)])
        assert {0: 0.0} == found.read

    def test_nothing_in_any_slice(self) -> None:
        """Then nothing is known about how far that is off."""
        assert math.inf == _relative_error([0, 0, 0, 0])
