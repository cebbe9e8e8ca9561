"""Sizes and durations of validation's ranges."""

from __future__ import annotations

import pytest

from backup_agent.compare import ranges, sides


@pytest.mark.parametrize(("history", "expected"), [(300, 60), (100, 60), (50, 30), (5, 3)])
def test_a_range_stays_within_the_history(history: float, expected: float) -> None:
    """A range takes at most 60 s and 60 % of the member's snapshot history."""
    assert expected == pytest.approx(sides.budget_seconds(history))


@pytest.mark.parametrize(
    ("size", "elapsed", "target", "expected"),
    [
        (1000, 1, 2, 2000),
        (1000, 0, 2, 4000),
        (1000, 4, 2, 500),
        (1000, 100, 2, 100),
        (3, 100, 2, 1),
        (10**9, 1, 1, 50_000_000),
    ],
)
def test_ranges_adapt_to_their_speed(size: int, elapsed: float, target: float, expected: int) -> None:
    """The next range is sized by the last one's speed, grows fourfold at most and never vanishes."""
    assert expected == ranges.next_size(size, elapsed, target)
