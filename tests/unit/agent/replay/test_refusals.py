"""What an error of the head is about."""

from __future__ import annotations

import pytest
from pymongo.errors import OperationFailure

from backup_agent.replay.refusals import is_about_index, may_pass


@pytest.mark.parametrize(("code", "expected"), [(14031, True), (388, True), (11601, True), (11000, False), (67, False)])
def test_room_and_other_work_may_pass(code: int, expected: bool) -> None:
    """A full disk, a full cache and an interruption pass; a duplicate key and an index that cannot be made do not."""
    assert expected == may_pass(OperationFailure("words", code))


def test_a_conflict_passes() -> None:
    """The server says so by a label."""
    assert may_pass(OperationFailure("words", 112, {"errorLabels": ["TransientTransactionError"]}))


@pytest.mark.parametrize("code", [11000, 67, 85, 171, 197, 16755])
def test_an_index_is_refused_for_what_it_is(code: int) -> None:
    """Or for what the collection holds: the same command will be refused again."""
    assert is_about_index(OperationFailure("words", code))


@pytest.mark.parametrize("code", [24, 26, 112, 117, 146, 276, 388, 11601, 13436, 14031, None])
def test_a_head_without_time_refuses_no_index(code: int | None) -> None:
    """A lock, a conflict, another build, memory: an index that is left out for that would be missing for good."""
    assert not is_about_index(OperationFailure("words", code))
