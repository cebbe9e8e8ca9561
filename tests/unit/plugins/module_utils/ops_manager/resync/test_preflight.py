# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a resync is needed, and whether it can be begun."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import preflight

from ..emulated import Product, until


def plan(product: Product, **changes: Any) -> dict[str, Any]:
    options = product.options(**changes)
    return preflight.plan(product.seen(**changes), options)


class TestNeed:
    def test_the_alert_decides(self, product: Product) -> None:
        """And nothing else for the policy `required`."""
        assert not preflight.need(product.seen(), "required", None)[0]
        product.alert()
        needed, why = preflight.need(product.seen(), "required", None)
        assert (True, "alert RESYNC_REQUIRED since") == (needed, why[:27])

    def test_always(self, product: Product) -> None:
        """Whatever the state is."""
        assert preflight.need(product.seen(), "always", None)[0]

    def test_age(self, product: Product) -> None:
        """Of the last full sync; one that nobody knows of may be older than any age."""
        assert preflight.need(product.seen(), "older_than", 1)[0]
        product.verify()
        product.press_resync(product.orders)
        until(lambda: product.seen().last_sync(), "the sync")
        assert not preflight.need(product.seen(), "older_than", 1)[0]
        product.skip(2 * 86400)
        assert preflight.need(product.seen(), "older_than", 1)[0]

    def test_an_age_of_years_is_looked_for_as_far_back(self, product: Product) -> None:
        """A sync of 600 days ago is not older than 700."""
        product.verify()
        product.press_resync(product.orders)
        until(lambda: product.seen().last_sync(), "the sync")
        for event in product.world.projects[product.project_id].events:
            event.created -= timedelta(days=600)
        assert not preflight.need(product.seen(), "older_than", 700)[0]
        assert preflight.need(product.seen(), "older_than", 365)[0]


def stale_agent(product: Product) -> None:
    for agent in product.world.projects[product.project_id].agents:
        agent.running = False
        agent.last_conf = product.world.clock.now() - timedelta(hours=2)


def no_secondary(product: Product) -> None:
    for number in (1, 2):
        product.host(f"orders-{number}.example.com").replica_state_name = "RECOVERING"


def syncing(product: Product) -> None:
    product.never_finish_sync = True
    product.verify()
    product.press_resync(product.orders)
    until(lambda: product.seen().syncing, "the sync")


def stopped(product: Product) -> None:
    product.job(product.orders).status = "STOPPED"


class TestPlan:
    def test_good(self, product: Product) -> None:
        """All checks are shown, with what else an operator wants to know; nothing is written."""
        found = plan(product, method="restart")
        assert all(check["ok"] and not check["remedy"] for check in found["checks"])
        assert ("SECONDARY", 3, 172860.0) == (found["source"], len(found["members"]), found["window_seconds"])
        assert [] == product.writes()

    @pytest.mark.parametrize(
        ("break_it", "said"),
        [
            (stale_agent, "backup agent: agent-0.example.com ACTIVE"),
            (no_secondary, "a primary and a secondary have to be up"),
            (syncing, "an initial sync runs already"),
            (stopped, "for hand_off it has to be STARTED"),
        ],
    )
    def test_each_obstacle(self, product: Product, break_it: Callable[[Product], None], said: str) -> None:
        """It is refused with what to do, and the whole plan beside it."""
        break_it(product)
        with pytest.raises(AskOperator, match="a job that can be resynced") as caught:
            plan(product)
        assert said in caught.value.message
        assert ("preflight_failed", True) == (caught.value.code, bool(caught.value.details["plan"]["checks"]))

    @pytest.mark.parametrize(
        ("method", "status", "ok"),
        [
            ("hand_off", "STARTED", True),
            ("restart", "STOPPED", True),
            ("restart", "INACTIVE", False),
            ("terminate", "INACTIVE", True),
            ("terminate", "TERMINATING", False),
        ],
    )
    def test_each_method_begins_in_its_own_states(self, product: Product, method: str, status: str, ok: bool) -> None:
        """What has no backup cannot be restarted."""
        product.job(product.orders).status = status
        changes = {"method": method, "confirm_snapshot_loss": True}
        if ok:
            assert plan(product, **changes)
        else:
            with pytest.raises(AskOperator, match=f"state of the backup: {status}"):
                plan(product, **changes)

    @pytest.mark.parametrize(
        ("version", "said", "allowed", "ok"),
        [
            ("4.0.28", None, False, True),
            ("4.2.3", None, False, False),
            ("4.2.3", "4.0", False, True),
            ("4.2.3", "4.2", False, False),
            ("4.2.3", "4.2", True, True),
            ("4.4.0", None, False, False),
            ("10.0.0-rc1", None, False, False),
        ],
    )
    def test_versions_that_need_none(
        self, product: Product, version: str, said: str | None, allowed: bool, ok: bool
    ) -> None:
        """From 4.2 on there is nothing to resync; a server of 4.2 can be at either, so somebody has to say it."""
        for number in range(3):
            product.host(f"orders-{number}.example.com").version = version
        changes = {"feature_compatibility_version": said, "allow_fcv_4_2": allowed}
        if ok:
            assert plan(product, **changes)
        else:
            with pytest.raises(AskOperator, match="featureCompatibilityVersion"):
                plan(product, **changes)

    def test_lists_what_will_be_destroyed(self, product: Product) -> None:
        """Also where it has been confirmed."""
        with pytest.raises(AskOperator, match=f"1 will be destroyed: {product.snapshot}"):
            plan(product, method="terminate")
        found = plan(product, method="terminate", confirm_snapshot_loss=True)
        assert product.snapshot in next(check["detail"] for check in found["checks"] if check["name"] == "snapshots")

    def test_a_backup_that_is_off_has_nothing_to_lose(self, product: Product) -> None:
        """Only then the loss needs no confirmation."""
        job = product.job(product.orders)
        job.snapshots.clear()
        with pytest.raises(AskOperator, match="none will be lost"):
            plan(product, method="terminate")
        job.status = "INACTIVE"
        assert plan(product, method="terminate")

    def test_warns(self, product: Product) -> None:
        """Of what will be muted, of what is not known for certain, and of what will be lost."""
        product.measure("orders-0.example.com", "OPLOG_MASTER_TIME", [7200.0])
        product.add_snapshot(product.orders, complete=False)
        warnings = "; ".join(plan(product, method="restart")["warnings"])
        expected = (
            "BACKUP of the whole project",
            "old versions only",
            "cannot be restored",
            "is 2.0 h",
            "not be finished",
        )
        assert [] == [text for text in expected if text not in warnings]
