"""The schedule and the retention of snapshots, which are pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from backup_agent.repository import snapshot
from backup_agent.state.records import Snapshot

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def _snapshot(hours_ago: int, state: str = "good", proven: bool = False, held: bool = False) -> Snapshot:
    created = (NOW - timedelta(hours=hours_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    at, proven_at = Timestamp(1, 1), created if proven else None
    return Snapshot(f"h{hours_ago}", "id", 1, at, created, state, held, proven_at, 1, 1, "r")


ANY = st.lists(
    st.builds(_snapshot, st.integers(0, 200), st.sampled_from(["good", "good", "bad"]), st.booleans(), st.booleans()),
    max_size=12,
    unique_by=lambda s: s.name,
)


@given(ANY, st.integers(1, 6))
def test_retention_never_removes_what_must_stay(snapshots: list[Snapshot], keep_last: int) -> None:
    """Held snapshots, the newest good ones and the newest proven one stay, in whatever order they are listed."""
    removed = set(snapshot.retention(snapshots, keep_last))
    newest = sorted(snapshots, key=lambda s: s.created_at, reverse=True)
    good = [s for s in newest if s.state == "good"]

    assert not removed & {s.name for s in snapshots if s.held}
    assert not removed & {s.name for s in good[:keep_last]}
    assert not removed & {s.name for s in [s for s in good if s.proven_at][:1]}


@given(ANY, st.integers(1, 6))
def test_retention_removes_once(snapshots: list[Snapshot], keep_last: int) -> None:
    """After retention there is nothing more to remove."""
    removed = snapshot.retention(snapshots, keep_last)
    left = [s for s in snapshots if s.name not in removed]

    assert [] == snapshot.retention(left, keep_last)


@pytest.mark.parametrize(
    ("snapshots", "removed"),
    [
        ([], []),
        ([_snapshot(1), _snapshot(2)], []),
        ([_snapshot(1), _snapshot(2), _snapshot(3), _snapshot(4)], ["h4", "h3"]),
        ([_snapshot(1), _snapshot(2), _snapshot(3, proven=True), _snapshot(4, proven=True)], ["h4"]),
        ([_snapshot(1), _snapshot(2), _snapshot(3, held=True)], []),
        ([_snapshot(1, "bad"), _snapshot(2), _snapshot(3), _snapshot(4, "bad")], ["h4"]),
        ([_snapshot(1, "bad"), _snapshot(2, "bad"), _snapshot(3, "bad")], []),
        ([_snapshot(1), _snapshot(2), _snapshot(3, "bad", proven=True), _snapshot(4, proven=True)], ["h3"]),
    ],
)
def test_retention_keeps_two(snapshots: list[Snapshot], removed: list[str]) -> None:
    """With two to keep, older good and bad ones go, oldest first; a bad one is never the proven one."""
    assert removed == snapshot.retention(snapshots, 2)


def test_snapshots_of_others_push_no_scheduled_one_out() -> None:
    """The review's attack: eight snapshots by hand made retention remove seven good ones."""
    scheduled = [replace(_snapshot(hours), name=f"scheduled-{hours}") for hours in (20, 26, 32)]
    junk = [_snapshot(hours) for hours in range(1, 9)]
    assert [] == snapshot.retention(scheduled + junk, 3, by_schedule=True)
    assert [] == snapshot.retention(scheduled + junk, 4, by_schedule=True)
    assert ["h40", "scheduled-32"] == snapshot.retention([*scheduled, *junk, _snapshot(40)], 2, by_schedule=True)


@pytest.mark.parametrize(
    ("hours_ago", "interval", "expected"),
    [
        ([], 6, True),
        ([], 0, False),
        ([5], 6, False),
        ([6], 6, True),
        ([9, 1], 6, False),
        ([-100], 6, True),
        ([-100, 1], 6, False),
    ],
)
def test_a_snapshot_is_due_after_its_interval(hours_ago: list[int], interval: float, expected: bool) -> None:
    """The newest snapshot counts, times in the future do not, and an interval of 0 means on demand only."""
    assert expected == snapshot.due([_snapshot(hours) for hours in hours_ago], interval, NOW)


@pytest.mark.parametrize("name", ["", "a b", "a,b", "-x", "../x", "x\n"])
def test_names_that_could_not_be_tags_or_directories_are_refused(name: str) -> None:
    """A snapshot's name becomes a tag and a directory, so it has letters, digits and a few signs."""
    assert snapshot.NAME.match(name) is None
