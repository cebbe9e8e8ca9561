# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One job as the product shows it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import MAINTENANCE, RESYNC

from ..emulated import Product, begun, until


def synced(product: Product, cluster: str) -> None:
    """Let a person resync a cluster."""
    product.verify()
    product.press_resync(cluster)
    until(lambda: not product.syncing(cluster), "the sync")


def test_each_thing_is_asked_for_once(product: Product) -> None:
    """A project may allow a hundred requests a minute, and many jobs share it."""
    job = product.seen()
    for _again in range(3):
        _found = job.status, job.schedule, job.agents, job.hosts, job.alerts, job.snapshots, job.windows
        _found = job.syncs(), job.syncing, job.last_sync()
    paths = [one.path for one in product.requests if one.path.count("/") > 2]

    assert sorted(set(paths)) == sorted(paths)


def test_events_are_asked_for_again_only_when_older_ones_are_needed(product: Product) -> None:
    """What is younger has been read along with them."""
    job = product.seen()
    _found = job.syncs(job.now - timedelta(days=1)), job.syncs(job.now), job.syncs()
    asked = [one for one in product.requests if one.path.endswith("/events")]

    assert 2 == len(asked)
    assert all("minDate" in one.query for one in asked)


def test_a_cluster_that_is_not_there(product: Product) -> None:
    """The refusal names what there is."""
    with pytest.raises(FixInput, match="orders"):
        product.seen(cluster="oders")


def test_tells_the_newest_sync(product: Product) -> None:
    """When it ended, and under which id it can be asked for."""
    assert (None, None) == (product.seen().last_sync(), product.seen().newest_resync_id)
    synced(product, product.orders)
    job = product.seen()
    end = job.last_sync()

    assert end is not None
    assert (job.now - end).total_seconds() < 60
    assert str(job.newest_resync_id).endswith("-observed")
    assert job.logs_syncs


def test_one_of_two_namesakes_is_not_told_from_the_other(product: Product) -> None:
    """Its sync is nobody's proof; that one of them may be running is enough not to disturb it."""
    other = product.add_replica_set("orders")
    product.never_finish_sync = True
    product.verify()
    product.press_resync(other)
    job = product.seen(cluster=product.orders)
    until(lambda: product.seen(cluster=product.orders).syncing, "the event")

    assert [] == job.syncs()
    assert job.last_sync() is None
    product.switches.events_name_clusters = True
    product.never_finish_sync = False
    synced(product, other)
    told = product.seen(cluster=other)
    assert told.last_sync() is not None


def test_finds_its_own_alerts(product: Product) -> None:
    """Those of its parts as well, and those that name nobody, but not those of other clusters."""
    shop = product.add_sharded_cluster("shop")
    for part in product.parts(shop)[:2]:
        product.raise_alert("RESYNC_REQUIRED", part)
    product.raise_alert("BACKUP_AGENT_DOWN")
    product.raise_alert("OPLOG_BEHIND", product.orders)
    product.raise_alert("RESYNC_REQUIRED", product.orders, status="TRACKING")
    whole, orders = product.seen(cluster="shop"), product.seen()

    assert 2 == len(whole.requiring)
    assert ["BACKUP_AGENT_DOWN", "RESYNC_REQUIRED", "RESYNC_REQUIRED"] == sorted(
        str(one.event_type) for one in whole.alerts
    )
    assert ["BACKUP_AGENT_DOWN", "OPLOG_BEHIND"] == sorted(str(one.event_type) for one in orders.alerts)
    assert orders.required is None


def test_the_snapshots_of_a_part_are_those_of_its_cluster(product: Product) -> None:
    """The product keeps and gives free whole ones only."""
    shop = product.add_sharded_cluster("shop")
    kept = product.add_snapshot(shop)
    job = product.seen(cluster="shop-1")

    assert ([kept], f"/clusters/{shop}/snapshots") == ([one.id for one in job.snapshots], job.snapshots_path)


def test_reads_what_a_snapshot_lacks(product: Product) -> None:
    """One without a shard is complete all the same, as the product says it."""
    shop = product.add_sharded_cluster("shop")
    product.add_snapshot(shop)
    product.snapshots(shop)[0].missing_shards = [product.parts(shop)[1]]
    (found,) = product.seen(cluster="shop").snapshots

    assert (True, False, ("shop-1",)) == (found.complete, found.whole, found.missing_shards)


def test_adds_up_what_has_to_be_copied(product: Product) -> None:
    """Of each shard the member that has the most."""
    product.add_sharded_cluster("shop")
    job = product.seen(cluster="shop")
    most: dict[str, int] = {}
    for host in job.hosts:
        size = (host.data_bytes or 0) + (host.index_bytes or 0)
        most[str(host.replica_set)] = max(size, most.get(str(host.replica_set), 0))

    assert {"shop-0", "shop-1", "shop-config"} == set(most)
    assert sum(most.values()) == job.data_bytes


def test_sorts_records_by_kind_and_place(product: Product) -> None:
    """Those of the same cluster are its own; those of a part or of the whole stand in its way."""
    shop = product.add_sharded_cluster("shop")
    wishes = product.wishes()
    part = product.seen(cluster="shop-1")
    mine = begun(part, wishes)
    begun(product.seen(), wishes)
    whole = product.seen(cluster=shop)

    assert [mine.window] == [one.window for one in product.seen(cluster="shop-1").journals(RESYNC)]
    assert ([], [mine.window]) == (
        [one.window for one in whole.journals(RESYNC)],
        [one.window for one in whole.overlapping(RESYNC)],
    )
    assert [] == product.seen(cluster="shop-0").overlapping(RESYNC)
    assert [] == product.seen().journals(MAINTENANCE)


def test_an_unreadable_record_that_names_nobody_stops_all(product: Product) -> None:
    """It may be anybody's."""
    begun(product.seen(), product.wishes())
    product.windows()[0].description = journals.PREFIX + "oops"

    with pytest.raises(AskOperator, match="another one in window"):
        product.seen().journals(RESYNC)


def test_an_alert_counts_as_closed_when_it_is_seen_so(product: Product) -> None:
    """One that is not in the list may be hidden; the one that asked is asked for itself."""
    product.switches.windows_hide_alerts = True
    alert = product.alert()
    journal = begun(product.seen(), product.wishes())
    assert (False, False) == (product.seen().view(journal).required, product.seen().view(journal).closed)
    product.close_alert(alert)

    assert product.seen().view(journal).closed


def test_what_others_mute_is_said(product: Product) -> None:
    """Windows of ours are known, and others may hide what happens to the backup."""
    job = product.seen()
    body = {
        "alertTypeNames": ["BACKUP"],
        "startDate": "2020-01-01T00:00:00Z",
        "endDate": "2099-01-01T00:00:00Z",
        "description": "patching",
    }
    job.write("post", "/maintenanceWindows", body)
    job.write("post", "/maintenanceWindows", {**body, "alertTypeNames": ["HOST"]})
    job.write("post", "/maintenanceWindows", {**body, "startDate": "2098-01-01T00:00:00Z"})
    begun(job, product.wishes())

    assert ["patching until 2099-01-01T00:00:00Z"] == product.seen().muted_by_others
