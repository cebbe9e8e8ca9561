"""What a benchmark prints."""

from __future__ import annotations

from benchmarks import printing
from benchmarks.printing import Ratio


def test_the_ratio_line_is_what_scripts_read() -> None:
    """The last line names the benchmark, the ratio and the goal."""
    assert Ratio("capture", 0.8149, 0.8).line() == "ratio capture 0.81 goal 0.8"


def test_a_ratio_without_a_goal_does_not_name_one() -> None:
    """A share that is only told has no goal."""
    assert Ratio("initial_sync_of_raw_read", 0.5).line() == "ratio initial_sync_of_raw_read 0.50"


def test_amounts_come_with_their_rate() -> None:
    """Megabytes are decimal, and rates are for a second."""
    assert printing.megabytes(500_000_000, 2.0) == "500 MB, 250 MB/s"
    assert printing.operations(300_000, 6.0) == "300,000 operations, 50,000 a second"
