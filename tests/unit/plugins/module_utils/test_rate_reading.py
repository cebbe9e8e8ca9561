# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read for the rate of writing. How good the estimate is: tests/integration/test_write_rate.py, on real oplogs."""

from __future__ import annotations

import random

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.rate_reading import (
    Piece,
    _pieces,
    _span,
    _together,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.write_rate import Grid

GRID = Grid(0, 599, 300)


class TestPieces:
    @pytest.mark.parametrize("part", [1.0, 0.99])
    def test_nearly_all_of_it(self, part: float) -> None:
        """Nothing is gained by reading slices then."""
        found = _pieces(GRID, 0, part, Piece(0, 0, 0, 20, 600), random.Random(0))
        assert [(0, 300, 20)] == [(piece.start, piece.end, piece.entries) for piece in found]

    def test_six_slices_in_six_stretches(self) -> None:
        """They do not overlap, are a tenth of the bucket together, and lie in all of it."""
        found = _pieces(GRID, 1, 0.1, Piece(0, 0, 0, 5000, 1e6), random.Random(0))
        assert [0, 1, 2, 3, 4, 5] == [(piece.start - 300) // 50 for piece in found]
        assert [5] * 6 == [piece.end - piece.start for piece in found]
        assert all(piece.end <= 300 + (number + 1) * 50 for number, piece in enumerate(found))
        assert sum(piece.entries for piece in found) == pytest.approx(500)

    @pytest.mark.parametrize(("seconds", "part"), [(1, 0.0001), (3, 0.01)])
    def test_a_very_busy_oplog(self, seconds: int, part: float) -> None:
        """A second is the least that can be read, so there are fewer slices."""
        found = _pieces(GRID, 0, part, Piece(0, 0, 0, 3_000_000, 1e9), random.Random(0))
        assert [1] * seconds == [piece.end - piece.start for piece in found]


class TestSpan:
    def test_the_last_bucket_takes_what_came_since(self) -> None:
        """Entries are written while we read."""
        assert [(0, 300), (300, 660)] == [_span(GRID, index) for index in (0, 1)]


class TestTogether:
    def test_a_command_reads_only_so_much(self) -> None:
        """Many small buckets share a command, a large one has its own, and none is lost."""
        small, large = [Piece(0, 0, 1, 10, 1000.0)], [Piece(1, 1, 2, 10, 120e6)]
        found = [len(pieces) for pieces in _together([small, small, large, large, small])]
        assert [3, 2] == found
        assert [80, 20] == [len(pieces) for pieces in _together([small] * 100)]
