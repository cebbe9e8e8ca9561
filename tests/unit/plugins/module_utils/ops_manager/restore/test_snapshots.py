# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of a job, and their states."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import snapshots

from ..emulated import Product


def change(product: Product, state: str, check_mode: bool = False, name: str | None = None) -> dict[str, object]:
    return snapshots.set_state(product.seen(), name or product.snapshot, state, check_mode)


def test_is_kept_once(product: Product) -> None:
    """Twice is no change, and sends nothing."""
    assert change(product, "held")["changed"]
    sent = product.writes()
    assert not change(product, "held")["changed"]
    assert ([product.snapshot], sent) == (product.held(), product.writes())


def test_is_given_free_with_the_end_of_a_new_one(product: Product) -> None:
    """Which end it had is not known any more; it is not deleted at once."""
    change(product, "held")
    assert change(product, "released")["changed"]
    job = product.seen()
    expires = job.snapshots[0].expires

    assert expires is not None
    assert expires > job.now + timedelta(days=1.9)
    assert not change(product, "released")["changed"]


def test_is_deleted(product: Product) -> None:
    """One that is gone already is no error, also when it goes while it is being deleted."""
    assert change(product, "absent")["changed"]
    assert not change(product, "absent")["changed"]
    again = product.add_snapshot(product.orders)
    product.fault("DELETE", "/snapshots", error_code="SNAPSHOT_NOT_FOUND")
    assert change(product, "absent", name=again)["changed"]


@pytest.mark.parametrize("state", ["held", "absent"])
def test_check_mode_writes_nothing(product: Product, state: str) -> None:
    """The change is predicted."""
    assert change(product, state, check_mode=True)["changed"]
    assert [] == product.writes()


@pytest.mark.parametrize("state", ["present", "held", "released"])
def test_one_that_is_not_there(product: Product, state: str) -> None:
    """None can be made by a name."""
    with pytest.raises(AskOperator, match="made by the schedule of the product only"):
        change(product, state, name="nightly")


def test_record(product: Product) -> None:
    """One that is being made is not good yet."""
    product.add_snapshot(product.orders, complete=False, age_hours=0.1)
    running, good = (snapshots.record(one) for one in product.seen().snapshots)

    assert ("running", "good", product.snapshot) == (running["state"], good["state"], good["name"])


@pytest.mark.parametrize("missing", ["mongod", "scratch_directory"])
def test_a_proof_needs_a_mongod_and_a_place(product: Product, missing: str) -> None:
    """Without the option that names it there is nothing to start, or nothing to restore into; nothing is ordered then."""
    options = product.options(**{"mongod": "/m", "scratch_directory": "/scratch", missing: None})
    connection = Connection.from_options(options)

    with pytest.raises(FixInput, match=rf"ops_manager\.{missing}"):
        snapshots.prove(product.seen(), product.snapshot, connection, options, False)
    assert [] == product.writes()
