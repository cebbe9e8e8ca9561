# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read for the rate of writing. How good the estimate is: tests/integration/test_write_rate.py, on real oplogs."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_commands import Budget, Meter
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_estimate import Estimate
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_reading import (
    Piece,
    _pieces,
    _slice,
    _span,
    _together,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.write_rate import Grid

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


class _Slow:
    """An oplog whose server ends every command after so many, as if its time were over. Nothing is in it."""

    def __init__(self, commands: int) -> None:
        self.left = commands
        self.ranges: list[tuple[int, int]] = []

    def aggregate(self, pipeline: list[Any], **_options: Any) -> list[Any]:
        """Take a command of `rate_commands.ranges`; remember what it asks for."""
        if not self.left:
            raise OperationFailure("operation exceeded time limit", 50)
        self.left -= 1
        others = [stage["$unionWith"]["pipeline"][0] for stage in pipeline if "$unionWith" in stage]
        asked = [match["$match"]["ts"] for match in (pipeline[0], *others)]
        self.ranges += [(ts["$gte"].time, ts["$lt"].time) for ts in asked]
        return []


class TestSlice:
    def slices(self, commands: int) -> list[tuple[int, int]]:
        """Read slices of 160 buckets, as long as there is time for so many commands."""
        oplog, meter = _Slow(commands), Meter(Budget())
        _slice(oplog, Estimate(Grid(0, 160 * 300 - 1, 300), 1e9), meter, 3_000_000)
        assert meter.cut_short is (not oplog.left)
        return oplog.ranges

    def test_every_bucket_has_two_before_any_has_more(self) -> None:
        """Where there is only time for a third of it, no bucket is left out."""
        found = Counter(start // 300 for start, end in self.slices(4))
        assert {2} == set(found.values())
        assert set(range(160)) == set(found)

    def test_all_six_in_the_end(self) -> None:
        """None is read twice, and none overlaps another."""
        found = sorted(self.slices(1000))
        assert {6} == set(Counter(start // 300 for start, end in found).values())
        assert all(one[1] <= following[0] for one, following in pairwise(found))
