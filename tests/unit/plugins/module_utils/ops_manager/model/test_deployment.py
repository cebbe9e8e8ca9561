# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of what is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model import deployment


@pytest.mark.parametrize(
    ("sharded", "part", "answer"),
    [
        (True, False, {"typeName": "SHARDED_REPLICA_SET", "clusterName": "shannon", "shardName": "shannon-0"}),
        (True, False, {"typeName": "SHARDED", "clusterName": "shannon"}),
        (False, True, {"typeName": "REPLICA_SET", "clusterName": "shannon", "shardName": "shannon-0"}),
        (False, True, {"typeName": "CONFIG_SERVER_REPLICA_SET", "clusterName": "shannon"}),
        (False, False, {"typeName": "REPLICA_SET", "clusterName": "liffey", "replicaSetName": "liffey"}),
        (False, False, {"typeName": "SOMETHING_NEW"}),
    ],
)
def test_kinds_of_clusters(sharded: bool, part: bool, answer: dict[str, Any]) -> None:
    """The type alone does not tell a shard from a replica set."""
    found = deployment.Cluster.of({"id": "1", **answer})
    assert (sharded, part) == (found.is_sharded, found.is_part)
    assert answer["typeName"] == found.type


@pytest.mark.parametrize(
    "answer",
    [
        {"projectId": "9", "sslEnabled": False, "storageEngine": "WIRED_TIGER", "statusName": "STARTED"},
        {"groupId": "9", "SSLEnabled": False, "storageEngineName": "WIRED_TIGER", "statusName": "STARTED"},
    ],
)
def test_both_spellings_of_a_backup(answer: dict[str, Any]) -> None:
    """Versions differ in the names of fields, and callers do not."""
    found = deployment.BackupConfig.of({"clusterId": "1", **answer})
    assert ("9", False, "WIRED_TIGER", "STARTED") == (found.project_id, found.tls, found.storage_engine, found.status)
    assert found.excluded_namespaces is None


def test_schedule() -> None:
    """Off, which is 0, is not the same as not said."""
    found = deployment.Schedule.of({"snapshotIntervalHours": 6, "dailySnapshotRetentionDays": 0})
    assert (6, 0, None) == (found.interval_hours, found.daily_retention_days, found.point_in_time_hours)


@pytest.mark.parametrize("delay", [{"slaveDelaySec": 3600}, {"secondaryDelaySecs": 3600}])
def test_host(delay: dict[str, int]) -> None:
    """Hidden is that of the replica set, not that of the web page."""
    answer = {"id": "22", "hostname": "a", "port": 26000, "hidden": True, "hiddenSecondary": False, **delay}
    found = deployment.Host.of(answer)
    assert ("a:26000", False, 3600) == (found.address, found.hidden, found.delay_seconds)
