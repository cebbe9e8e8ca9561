# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a job with a verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import backup_status

from ..emulated import Product, until


def record(product: Product, operation: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return backup_status.record(product.seen(**changes), operation)


def test_a_backup_in_good_order(product: Product) -> None:
    """What the product has no number for is null; the headroom is the least that it can be."""
    found = record(product)

    assert ("tailing", "ok", []) == (found["state"], found["verdict"], found["reasons"])
    assert (None, 172860.0 - 75 * 60) == (found["backup_lag_seconds"], found["headroom_seconds"])
    assert product.snapshot == found["last_snapshot"]["name"]
    assert found["agent"]["alive"]


def old_snapshot(product: Product) -> None:
    product.snapshots(product.orders)[0].created = product.world.clock.now().replace(year=2020)


def no_snapshot(product: Product) -> None:
    product.job(product.orders).snapshots.clear()


def short_window(product: Product) -> None:
    product.measure("orders-0.example.com", "OPLOG_MASTER_TIME", [3600.0])


def no_window(product: Product) -> None:
    product.measure("orders-0.example.com", "OPLOG_MASTER_TIME", [None])


def stop(product: Product) -> None:
    product.job(product.orders).status = "STOPPED"


def no_agent(product: Product) -> None:
    for agent in product.world.projects[product.project_id].agents:
        agent.state = "STANDBY"


def sync(product: Product) -> None:
    product.never_finish_sync = True
    product.verify()
    product.press_resync(product.orders)
    until(lambda: product.seen().syncing, "the sync")


def resync_required(product: Product) -> None:
    product.alert()


def some_alert(product: Product) -> None:
    product.raise_alert("LATE_SNAPSHOT", product.orders)


@pytest.mark.parametrize(
    ("break_it", "verdict", "state", "said"),
    [
        (old_snapshot, "critical", "tailing", "more than 1.5 times its interval"),
        (no_snapshot, "critical", "tailing", "there is no complete snapshot"),
        (short_window, "critical", "tailing", "the oplog window of the primary is 1.0 h"),
        (no_window, "warning", "tailing", "give login_uri to measure it here"),
        (stop, "critical", "stopped", "the backup is STOPPED"),
        (no_agent, "critical", "tailing", "no backup agent is ACTIVE: agent-0.example.com STANDBY"),
        (sync, "warning", "resyncing", "an initial sync runs"),
        (resync_required, "critical", "resync_required", "alert Resync Required since"),
        (some_alert, "warning", "tailing", "alert LATE_SNAPSHOT since"),
    ],
)
def test_each_fault_is_found(
    product: Product, break_it: Callable[[Product], None], verdict: str, state: str, said: str
) -> None:
    """With the verdict that it deserves."""
    break_it(product)
    found = record(product)

    assert (verdict, state) == (found["verdict"], found["state"])
    assert said in "; ".join(found["reasons"])


def test_a_snapshot_without_a_shard_is_not_counted(product: Product) -> None:
    """The newest from which all can be restored is shown, and why it is not the newest."""
    shop = product.add_sharded_cluster("shop")
    good = product.add_snapshot(shop, age_hours=2)
    product.add_snapshot(shop, age_hours=1)
    flawed = max(product.snapshots(shop), key=lambda one: one.created)
    flawed.missing_shards = [product.parts(shop)[0]]
    found = record(product, cluster="shop")

    assert ("warning", good) == (found["verdict"], found["last_snapshot"]["name"])
    assert f"{flawed.id} misses shop-0" in found["reasons"][0]


def test_an_oplog_that_is_behind_has_no_headroom_that_is_known(product: Product) -> None:
    """The product says only that it is more than it should be."""
    product.raise_alert("OPLOG_BEHIND", product.orders)

    assert (None, "critical") == (record(product)["headroom_seconds"], record(product)["verdict"])


def test_an_alert_in_our_words(product: Product) -> None:
    """The one that asks for a resync has the same name as with other providers."""
    product.alert()
    (found,) = record(product)["alerts"]

    assert ("resync_required", "orders") == (found["kind"], found["detail"]["replica_set"])


def test_a_late_snapshot_while_a_resync_runs_is_expected(product: Product) -> None:
    """None is made meanwhile, so it is no alarm of its own."""
    old_snapshot(product)
    operation = {"id": "resync-1", "owner": "alice", "step": "sync", "method": "restart"}
    found = record(product, operation)

    assert ("warning", "resyncing") == (found["verdict"], found["state"])
    assert "resync resync-1 of alice is open, in step sync" in found["reasons"]
