"""The benchmark of the write rate: what it compares. People judge what it measures."""

from __future__ import annotations

import pytest

from benchmarks import oplog_rates
from benchmarks.errors import Unequal
from lab.oplogs import SHAPES

EXACT = {"p95_bytes_per_second": 200.0, "peak_bytes_per_second": 400.0}


def test_errors_are_parts_of_the_exact_rate() -> None:
    """An estimate that is too high has a positive one."""
    found = {"p95_bytes_per_second": 220.0, "peak_bytes_per_second": 300.0}
    assert oplog_rates.off(found, EXACT, "p95") == pytest.approx(0.1)
    assert oplog_rates.off(found, EXACT, "peak") == pytest.approx(-0.25)


def test_an_estimate_that_is_off_gives_no_ratio() -> None:
    """However fast it is; for the shapes for which it is promised, in both directions."""
    oplog_rates.demand("uniform", 0.15)
    oplog_rates.demand("mixed", 0.5)
    for error in (0.151, -0.151):
        with pytest.raises(Unequal, match="the 95th percentile of huge within 15%, found it off by"):
            oplog_rates.demand("huge", error)


def test_an_oplog_of_large_entries_has_fewer() -> None:
    """Three million entries of 9 kB would be 26 GB."""
    assert 3_000_000 == oplog_rates.entries(SHAPES["uniform"], 300_000)
    assert 100_000 < oplog_rates.entries(SHAPES["mixed"], 300_000) < 400_000


def test_all_promised_shapes_are_there() -> None:
    """A shape that was renamed would be promised to nobody."""
    assert set(oplog_rates.REQUIRED) <= set(SHAPES)
