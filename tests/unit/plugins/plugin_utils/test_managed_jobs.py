# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what Ops Manager says to jobs and members."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import GiveUp
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.deployment import (
    BackupConfig,
    Cluster,
    Host,
)
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.managed_jobs import Holding, groups, jobs

WHOLE = {"id": "a1", "typeName": "SHARDED_REPLICA_SET", "clusterName": "shop"}
SHARD = {"id": "a2", "typeName": "REPLICA_SET", "clusterName": "shop", "shardName": "s0", "replicaSetName": "rs0"}
CONFIG = {"id": "a3", "typeName": "CONFIG_SERVER_REPLICA_SET", "clusterName": "shop", "replicaSetName": "csrs"}
PLAIN = {"id": "a4", "typeName": "REPLICA_SET", "clusterName": "my orders", "replicaSetName": "orders"}


def host(name: str, replica_set: str | None, cluster: str | None, **more: Any) -> Any:
    return Host.of({"hostname": name, "port": 1, "replicaSetName": replica_set, "clusterId": cluster, **more})


def holding(*clusters: dict[str, str], hosts: Any = (), name: str = "acme") -> Holding:
    config = BackupConfig.of({"clusterId": "a4", "statusName": "STARTED"})
    return Holding("p1", name, [Cluster.of(one) for one in clusters], [config], hosts)


def test_clusters() -> None:
    """A sharded cluster is one job, and its parts are none."""
    found = jobs([holding(WHOLE, SHARD, CONFIG, PLAIN)], by_replica_set=False, with_project=False)
    assert ["shop", "my_orders"] == [job["name"] for job in found]
    assert {
        "backup_provider": "ops_manager",
        "backup_replica_set": "orders",
        "backup_ops_manager_project": "p1",
        "backup_ops_manager_project_name": "acme",
        "backup_ops_manager_cluster": "a4",
        "backup_ops_manager_status": "STARTED",
    } == found[1]["variables"]
    assert "shop" == found[0]["variables"]["backup_cluster"]
    assert "backup_ops_manager_status" not in found[0]["variables"]


def test_replica_sets() -> None:
    """Each part is a job below its cluster; the whole is none."""
    found = jobs([holding(WHOLE, SHARD, CONFIG, PLAIN)], by_replica_set=True, with_project=False)
    assert ["shop-rs0", "shop-csrs", "my_orders"] == [job["name"] for job in found]
    assert ("shop", "s0") == (found[0]["variables"]["backup_cluster"], found[0]["variables"]["backup_shard"])


def test_names_over_projects() -> None:
    """A name is that of the project and the cluster; what is the same even so is told apart by its id."""
    twice = {**PLAIN, "id": "a5", "clusterName": "my.orders"}
    found = jobs(
        [holding(PLAIN, twice, SHARD, hosts=[host("h", "orders", "a4")]), holding(PLAIN, name="b")], False, True
    )
    assert ["acme-my_orders-a4", "acme-my_orders-a5", "b-my_orders"] == [job["name"] for job in found]
    assert "acme-my_orders-a4" == found[0]["members"][0]["variables"]["mongodb_job"]


@pytest.mark.parametrize("cluster", ["a1", "a2"])
def test_members(cluster: str) -> None:
    """A host bears the id of its shard or of the whole, by version; routers and hosts of others are no members."""
    hosts = [
        host("h0", "rs0", cluster, shardName="s0", replicaStateName="PRIMARY"),
        host("router", None, cluster),
        host("arb", "orders", "a4", replicaStateName="ARBITER"),
    ]
    whole, plain = jobs([holding(WHOLE, SHARD, CONFIG, PLAIN, hosts=hosts)], False, False)
    assert [("h0_1", "s0", "PRIMARY")] == [
        (one["name"], one["variables"]["backup_shard"], one["variables"]["mongodb_state"]) for one in whole["members"]
    ]
    assert [("arb_1", True)] == [(one["name"], one["variables"]["mongodb_arbiter"]) for one in plain["members"]]
    shard = jobs([holding(WHOLE, SHARD, CONFIG, PLAIN, hosts=hosts)], True, False)[0]
    assert ["h0_1"] == [one["name"] for one in shard["members"]]


def test_groups() -> None:
    """By project and by state."""
    found = groups({"backup_ops_manager_project_name": "acme", "backup_ops_manager_status": "STARTED"})
    assert ["project_acme", "status_started"] == list(found)
    assert [] == list(groups({}))


@pytest.mark.parametrize("hostile", ["-oProxyCommand=touch /tmp/x", "a b", "a\n", "{{ x }}"])
def test_a_host_that_is_no_address(hostile: str) -> None:
    """`ansible_host` is an argument of ssh."""
    with pytest.raises(GiveUp, match="do not trust that machine"):
        jobs([holding(PLAIN, hosts=[host(hostile, "orders", "a4")])], by_replica_set=False, with_project=False)
