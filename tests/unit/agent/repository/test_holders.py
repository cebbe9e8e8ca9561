"""A repository is removable when nobody else has a snapshot in it."""

from __future__ import annotations

import pytest

from backup_agent.repository.holders import others
from backup_agent.repository.restic import Listed


def stored(*tags: str) -> Listed:
    """Return a snapshot with these tags."""
    return Listed("id", "2026-01-01T00:00:00Z", tags)


OURS = [stored("job=orders", "agent=a1", "name=x"), stored("job=orders", "name=of-version-0.1.0")]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ([], []),
        ([stored("job=invoices"), stored("job=invoices", "agent=a1")], ["2 of the job invoices"]),
        ([stored("job=orders", "agent=b2")], ["1 of another agent of this job, b2"]),
        ([stored(), Listed("id", "2026-01-01T00:00:00Z")], ["2 that no agent has stored"]),
    ],
)
def test_whoever_else_is_there_is_named(more: list[Listed], found: list[str]) -> None:
    """Other jobs, another agent of the job, and what somebody stored by hand."""
    assert found == others([*OURS, *more], "orders", "a1")


def test_an_agent_that_does_not_know_its_name_owns_only_what_has_none() -> None:
    """Without the state, a named agent may be somebody else."""
    assert ["1 of an agent of this job, a1"] == others(OURS, "orders", None)
    assert [] == others(OURS[1:], "orders", None)
