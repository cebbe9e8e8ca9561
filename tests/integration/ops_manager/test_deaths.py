"""The API dies at each request of a resync that changes something, before or after it has had its effect."""

from __future__ import annotations

import pytest

from tests.integration.ops_manager.deaths import MATRIX, WRITES, a_desk, dead, die_at
from tests.ops_manager.faults import When


@pytest.mark.parametrize("method", WRITES)
def test_the_writes_of_a_resync_are_these(method: str) -> None:
    """The table that the other tests go through leaves out no request, and the last one leaves nothing behind."""
    with a_desk(method) as desk:
        ended = desk.resync()
        assert ended is not None
        assert ("done", list(WRITES[method]), {}) == (ended["state"], desk.writes, desk.nothing_left())


@pytest.mark.parametrize(("method", "number", "when"), MATRIX)
def test_a_second_run_goes_on_after_a_death(method: str, number: int, when: When) -> None:
    """Whatever a dead API has made of the request, the next run looks, ends the resync, and nothing is left behind."""
    with a_desk(method) as desk:
        die_at(desk.om, method, number, when)
        error = dead(desk)
        assert (True, list(WRITES[method][: number + 1])) == (error.retry, desk.writes)
        assert any("maintenance window" in left for left in error.details["left_behind"])
        desk.om.revive()
        ended = desk.resync()
        assert (None if (number, when) == (len(WRITES[method]) - 1, "after") else "done") == (ended and ended["state"])
        assert {} == desk.nothing_left()
        assert desk.before == desk.expiry() or method == "terminate"


@pytest.mark.release
@pytest.mark.parametrize(("method", "number", "when"), MATRIX)
def test_a_cancellation_after_a_death_puts_everything_back(method: str, number: int, when: When) -> None:
    """A cancel right after a death, by the printed id, leaves the backup as it was before."""
    with a_desk(method) as desk:
        die_at(desk.om, method, number, when)
        error = dead(desk)
        desk.om.revive()
        desk.cancel(error.details["operation_id"])
        assert {} == desk.nothing_left()
        assert desk.before == desk.expiry() or method == "terminate"
