# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which alerts, events and windows of a project are about a job."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.place import Place
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.activity import Alert
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.deployment import Cluster


def cluster(number: int, name: str, kind: str = "REPLICA_SET", part: str | None = None, shard: bool = True) -> Cluster:
    replica_set = part or (name if kind == "REPLICA_SET" else None)
    return Cluster.of(
        {
            "id": f"{number:024x}",
            "clusterName": name,
            "typeName": kind,
            "replicaSetName": replica_set,
            "shardName": part if shard else None,
        }
    )


def sharded(first: int, name: str) -> list[Cluster]:
    """Return a cluster of one shard, whose config servers have the name that they have everywhere."""
    return [
        cluster(first, name, "SHARDED_REPLICA_SET"),
        cluster(first + 1, name, part=f"{name}-0"),
        cluster(first + 2, name, "CONFIG_SERVER_REPLICA_SET", "configRS", shard=False),
    ]


SHOP, BANK, ORDERS = sharded(16, "shop"), sharded(32, "bank"), cluster(1, "orders")
ALL = [*SHOP, *BANK, ORDERS]


def place(of: Cluster) -> Place:
    return Place(ALL, of)


def alert(**fields: Any) -> Any:
    return Alert.of({"id": "a1", "eventTypeName": "RESYNC_REQUIRED", "typeName": "BACKUP", **fields})


def test_a_cluster_is_its_parts() -> None:
    """A sharded cluster has its shards and config servers, and nothing of another."""
    whole, part = place(SHOP[0]), place(SHOP[1])

    assert (["shop-0", "configRS"], {one.id for one in SHOP}) == (whole.parts, whole.ids)
    assert ("shop", "shop-0", SHOP[0]) == (whole.name, part.name, part.whole)
    assert (["shop-0"], {SHOP[1].id}, {SHOP[0].id, SHOP[1].id}) == (part.parts, part.ids, part.related)


def test_finds_names_that_do_not_tell() -> None:
    """Config servers of two clusters have the same name, and events name nothing else."""
    assert {"configRS"} == place(SHOP[0]).shared_names
    assert set() == place(SHOP[1]).shared_names
    assert [] == place(SHOP[0]).namesakes
    assert ["shop"] == [one.name for one in Place([*ALL, *sharded(48, "shop")], SHOP[1]).namesakes]


@pytest.mark.parametrize(
    ("about", "fields"),
    [
        (True, {"clusterId": SHOP[0].id}),
        (True, {"clusterId": SHOP[1].id}),
        (False, {"clusterId": BANK[1].id, "replicaSetName": "shop-0"}),
        (True, {"replicaSetName": "shop-0"}),
        (False, {"replicaSetName": "configRS", "clusterName": "bank"}),
        (True, {"replicaSetName": "configRS", "clusterName": "shop"}),
        (True, {"clusterName": "shop"}),
        (False, {"clusterName": "bank"}),
        (True, {"eventTypeName": "BACKUP_AGENT_DOWN", "typeName": "AGENT"}),
        (False, {"eventTypeName": "HOST_DOWN", "typeName": "HOST"}),
    ],
)
def test_tells_whose_an_alert_is(about: bool, fields: dict[str, Any]) -> None:
    """By its id where there is one, then by names; what names nothing is about all when it is about agents."""
    assert about is place(SHOP[0]).is_about(alert(**fields))


def test_the_alert_of_the_whole_is_about_its_part() -> None:
    """A shard that is resynced by hand is asked for by the alert of its cluster; that of its neighbour is not its own."""
    assert place(SHOP[1]).is_about(alert(clusterId=SHOP[0].id))
    assert not place(SHOP[1]).is_about(alert(clusterId=SHOP[2].id))


def test_tells_a_text_about_others() -> None:
    """Only one that names another cluster, and not this one, can be left out."""
    assert place(ORDERS).is_about_others(f'{{"cluster":"{SHOP[0].id}", cut')
    assert not place(ORDERS).is_about_others("cut before anything")
    assert not place(ORDERS).is_about_others(f"{SHOP[0].id} {ORDERS.id}")
