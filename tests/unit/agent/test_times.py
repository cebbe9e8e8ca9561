"""Ages, with clocks that are set back."""

from __future__ import annotations

import pytest

from backup_agent.times import iso_in, lately


@pytest.mark.parametrize(("seconds_from_now", "expected"), [(-5, True), (-100, False), (3600, False), (10**8, False)])
def test_a_time_in_the_future_is_not_lately(seconds_from_now: int, expected: bool) -> None:
    """A clock that was set back leaves such times behind: what waits until they are old enough would never be due."""
    assert expected == lately(iso_in(seconds_from_now), 60)
