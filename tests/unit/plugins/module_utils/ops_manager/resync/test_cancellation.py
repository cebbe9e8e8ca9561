# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canceling a resync in every state that it can be found in."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import Journal
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import (
    cancellation,
    decisions,
    requests,
)

from ..emulated import Product, begun, until

RESTART = {"method": "restart", "poll_seconds": 30.0}
TERMINATE = {"method": "terminate", "confirm_snapshot_loss": True, "poll_seconds": 30.0}


def stopped(product: Product, **changes: object) -> Journal:
    """Return the record of a resync whose backup is stopped."""
    job, wishes = product.seen(), product.wishes(**changes)
    journal = requests.perform(decisions.HOLD, job, begun(job, wishes), wishes)
    assert journal is not None
    until(lambda: product.seen().status == "STOPPED", "the stop")
    return journal


def cancel(product: Product, journal: Journal, **changes: object) -> list[str]:
    return cancellation.cancel(product.seen(), journal, product.wishes(**changes))


def test_starts_what_was_stopped(product: Product) -> None:
    """And puts back the rest."""
    notes = cancel(product, stopped(product, **RESTART), **RESTART)
    until(lambda: product.seen().status == "STARTED", "the start")

    assert "started again" in notes[0]
    assert ([], []) == (product.held(), product.windows())


def test_a_button_that_nobody_pressed(product: Product) -> None:
    """Nothing was stopped, so nothing is started, whatever somebody else has done to the backup."""
    journal = begun(product.seen(), product.wishes())
    product.job(product.orders).status = "TERMINATING"

    assert [] == cancel(product, journal)
    assert [] == product.windows()


def test_a_request_on_its_way(product: Product) -> None:
    """A terminating backup shows that it is stopped for a moment; the record stays until that is over."""
    journal, wishes = stopped(product, **TERMINATE), product.wishes(**TERMINATE)
    product.timing.patch = product.timing.terminate = 3600.0
    after = requests.perform(decisions.DELETE, product.seen(), journal, wishes)
    assert after is not None
    with pytest.raises(RetryLater, match="STOPPED, after a request"):
        cancel(product, after, **TERMINATE)
    product.skip(3600)
    assert "TERMINATING" == product.seen().status
    with pytest.raises(AskOperator, match="wait until it is INACTIVE"):
        cancel(product, after, **TERMINATE)
    assert 1 == len(product.windows())
    product.skip(3600)
    assert "INACTIVE" == product.seen().status
    product.timing.patch = 0.1
    cancel(product, after, **TERMINATE)
    until(lambda: product.seen().status == "STARTED", "the start")
    assert [] == product.windows()


@pytest.mark.parametrize(("status", "kept"), [("STOPPED", True), ("STARTED", False)])
def test_a_start_that_is_refused(product: Product, status: str, kept: bool) -> None:
    """The product says the same whether it has started already or cannot; the code checks which of the two it is."""
    journal = stopped(product, **RESTART)
    seen = product.seen()
    assert "STOPPED" == seen.status
    product.job(product.orders).status = status
    product.fault("PATCH", "/backupConfigs", error_code="CANNOT_START_BACKUP_INVALID_STATE")
    if kept:
        with pytest.raises(RetryLater, match="a start that the product refused"):
            cancellation.cancel(seen, journal, product.wishes(**RESTART))
    else:
        cancellation.cancel(seen, journal, product.wishes(**RESTART))

    assert kept is bool(product.seen().journals(journals.RESYNC))


def test_the_record_goes_last(product: Product) -> None:
    """When the product dies in between, it still names what is left to do."""
    journal = stopped(product, **RESTART)
    product.die_at("PATCH", "/snapshots")
    with pytest.raises(Exception, match="snapshots"):
        cancel(product, journal, **RESTART)
    product.revive()
    (left,) = product.seen().journals(journals.RESYNC)
    # The start that was sent before it died shows later; until then the answer is to cancel again.
    until(lambda: product.seen().status == "STARTED", "the start")
    cancel(product, left, **RESTART)

    assert ([], []) == (product.held(), product.windows())
