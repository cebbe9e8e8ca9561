# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests of a resync, and that each may be repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import Held, Journal
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import decisions, requests
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of

from .. import emulated
from ..emulated import Product, until

RESTART = {"method": "restart"}
TERMINATE = {"method": "terminate", "confirm_snapshot_loss": True}


def begun(product: Product, **changes: object) -> Journal:
    return emulated.begun(product.seen(**changes), product.wishes(**changes))


def written(product: Product) -> Journal:
    (found,) = product.seen().journals(journals.RESYNC)
    return found


class TestBegin:
    def test_writes_down_all_that_a_second_run_needs(self, product: Product) -> None:
        """What is returned is what can be read again."""
        alert = product.alert()
        made = begun(product)
        found = written(product)

        assert replace(made, ends=found.ends, made=found.made) == found
        assert (True, (alert,), product.snapshot) == (found.required, found.alerts, found.held and found.held.snapshot)
        assert found.deadline is not None

    def test_keeps_a_whole_snapshot(self, product: Product) -> None:
        """One that is being made, or that somebody else keeps, is not ours to keep and to give free."""
        product.add_snapshot(product.orders, complete=False, age_hours=0.1)
        assert product.snapshot == (begun(product).held or Held("none")).snapshot
        product.add_snapshot(product.orders, held=True, age_hours=0.1)
        assert begun(product).held is None

    def test_keeps_nothing_that_will_be_destroyed(self, product: Product) -> None:
        """What a termination deletes cannot be kept."""
        assert begun(product, **TERMINATE).held is None


class TestAlone:
    def test_the_first_goes_on(self, product: Product) -> None:
        """A run that came later is no reason to stop."""
        first = begun(product)
        product.next_second()
        second = begun(product)
        requests.alone(product.seen(), first)
        with pytest.raises(AskOperator, match=f"resync {first.id} of alice") as caught:
            requests.alone(product.seen(), second)

        assert "operation_open" == caught.value.code
        assert [first.window] == [one.window for one in product.seen().journals(journals.RESYNC)]

    def test_one_that_looks_late_gives_way(self, product: Product) -> None:
        """Its record says that it began earlier, but the other has looked, seen nothing, and gone on."""
        now = product.seen().now
        first = begun(product)
        requests.alone(product.seen(), first)
        product.next_second()
        late = requests.open_window(
            product.seen(),
            replace(first, began=iso_of(now - timedelta(minutes=1)), window=""),
            ("BACKUP",),
            first.ends or now,
        )
        with pytest.raises(AskOperator):
            requests.alone(product.seen(), late)
        assert first.window == written(product).window

    def test_of_two_in_one_second_none_goes_on_unseen(self, product: Product) -> None:
        """Which of them was first is not known, so neither relies on it."""
        second = replace(begun(product), window="")
        product.windows()[0].created = product.windows()[0].created.replace(microsecond=0)
        other = requests.open_window(product.seen(), second, ("BACKUP",), second.ends or product.seen().now)
        for window in product.windows():
            window.created = product.windows()[0].created
        with pytest.raises(AskOperator, match="begin again"):
            requests.alone(product.seen(), other)


class TestPerform:
    def perform(self, product: Product, write: str, **changes: object) -> Journal | None:
        return requests.perform(write, product.seen(**changes), written(product), product.wishes(**changes))

    def test_hold_announces_before_it_stops(self, product: Product) -> None:
        """The record says that a stop may have been sent, before it is."""
        begun(product, **RESTART)
        after = self.perform(product, decisions.HOLD, **RESTART)

        assert (journals.STOPPING, [product.snapshot]) == (after and after.phase, product.held())
        assert journals.STOPPING == written(product).phase
        order = [path.split("/")[3] for _method, path in product.writes()]
        assert ["maintenanceWindows", "clusters", "maintenanceWindows", "backupConfigs"] == order

    def test_hold_again_after_a_crash(self, product: Product) -> None:
        """The same requests change nothing more."""
        begun(product)
        product.die_at("PATCH", "/maintenanceWindows")
        with pytest.raises(Exception, match="maintenanceWindows"):
            self.perform(product, decisions.HOLD)
        product.revive()
        assert journals.BEGUN == written(product).phase
        self.perform(product, decisions.HOLD)
        assert (journals.WAITING, [product.snapshot]) == (written(product).phase, product.held())

    def test_hold_of_a_snapshot_that_is_gone(self, product: Product) -> None:
        """It has expired meanwhile: there is nothing to give free later."""
        begun(product)
        product.job(product.orders).snapshots.clear()
        after = self.perform(product, decisions.HOLD)

        assert after is not None
        assert after.held is None

    @pytest.mark.parametrize(
        ("status", "phase"),
        [("INACTIVE", journals.STARTING), ("STOPPED", journals.STOPPING), ("PROVISIONING", journals.STOPPING)],
    )
    def test_hold_goes_on_from_any_state(self, product: Product, status: str, phase: str) -> None:
        """Only a backup that is off has nothing to be stopped; one that comes up meanwhile is stopped all the same."""
        begun(product, **RESTART)
        product.job(product.orders).status = status
        after = self.perform(product, decisions.HOLD, **RESTART)

        assert phase == (after and after.phase)

    def test_a_state_that_it_has_is_no_error(self, product: Product) -> None:
        """The product refuses it, which means that the first request had arrived."""
        begun(product, **RESTART)
        self.perform(product, decisions.HOLD, **RESTART)
        until(lambda: product.seen().status == "STOPPED", "the stop")
        self.perform(product, decisions.STOP, **RESTART)

        assert "STOPPED" == product.seen().status

    def test_other_refusals_are_errors(self, product: Product) -> None:
        """A key without the role for it must not be taken for a backup that is stopped."""
        begun(product, **RESTART)
        product.fault("PATCH", "/backupConfigs", error_code="USER_UNAUTHORIZED", status=403)
        with pytest.raises(Exception, match="backupConfigs"):
            self.perform(product, decisions.STOP, **RESTART)

    def test_terminate_wants_the_loss_confirmed(self, product: Product) -> None:
        """By the run that sends it, and before the record says that it was sent."""
        begun(product, **TERMINATE)
        with pytest.raises(AskOperator, match="cancel resync-"):
            self.perform(product, decisions.DELETE, **RESTART)
        assert journals.BEGUN == written(product).phase

    def test_start_names_the_source(self, product: Product) -> None:
        """And the engine where the product does not know it any more."""
        job = product.job(product.orders)
        job.status = job.accepted = "INACTIVE"
        job.settings.pop("storageEngineName")
        begun(product, sync_source="PRIMARY", **TERMINATE)
        self.perform(product, decisions.START, sync_source="PRIMARY")
        sent = next(one.body for one in product.requests if "backupConfigs" in one.path and one.method == "PATCH")

        assert {"statusName": "STARTED", "syncSource": "PRIMARY", "storageEngineName": "WIRED_TIGER"} == sent

    def test_prolong(self, product: Product) -> None:
        """The window ends later, and holds the same record."""
        before = begun(product, mute_hours=1)
        self.perform(product, decisions.PROLONG, mute_hours=5)
        after = written(product)

        assert (after.ends or product.seen().now) > (before.ends or product.seen().now) + timedelta(hours=3)
        assert replace(before, ends=after.ends, made=after.made) == after

    @pytest.mark.parametrize("write", [decisions.FINISH, decisions.GIVE_UP])
    def test_puts_everything_back(self, product: Product, write: str) -> None:
        """The snapshot expires again, and the window is gone; twice is no error."""
        begun(product)
        self.perform(product, decisions.HOLD)
        last = written(product)
        assert self.perform(product, write) is None
        requests.put_back(product.seen(), last)

        assert ([], []) == (product.held(), product.windows())
