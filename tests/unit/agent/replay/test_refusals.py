"""What an error of the head is about."""

from __future__ import annotations

import pytest
from pymongo.errors import OperationFailure

from backup_agent.replay.refusals import may_pass


@pytest.mark.parametrize(("code", "expected"), [(14031, True), (388, True), (11601, True), (11000, False), (67, False)])
def test_room_and_other_work_may_pass(code: int, expected: bool) -> None:
    """A full disk, a full cache and an interruption pass; a duplicate key and an index that cannot be made do not."""
    assert expected == may_pass(OperationFailure("words", code))


def test_a_conflict_passes() -> None:
    """The server says so by a label."""
    assert may_pass(OperationFailure("words", 112, {"errorLabels": ["TransientTransactionError"]}))
