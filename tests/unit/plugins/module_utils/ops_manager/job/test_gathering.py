# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for over projects and clusters."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.gathering import KINDS, gather, places
from tests.unit.plugins.small_api import Said, SmallApi

WHOLE = {"id": "a1", "typeName": "SHARDED_REPLICA_SET", "clusterName": "shop"}
SHARD = {"id": "a2", "typeName": "REPLICA_SET", "clusterName": "shop", "shardName": "s0", "replicaSetName": "rs0"}
PLAIN = {"id": "a4", "typeName": "REPLICA_SET", "clusterName": "orders", "replicaSetName": "orders"}
ONE, TWO = "5a0a1e7e0f2912c554080ad1", "5a0a1e7e0f2912c554080ad2"


@pytest.fixture
def client(api: SmallApi) -> Client:
    """Return a client of a server with two projects: one with a sharded cluster, one with a replica set."""
    api.page("/groups", {"id": ONE, "name": "one"}, {"id": TWO, "name": "two"})
    for project, clusters in ((ONE, (WHOLE, SHARD)), (TWO, (PLAIN,))):
        here = f"/groups/{project}"
        api.answers["GET", here] = Said({"id": project, "name": "one" if project == ONE else "two"})
        api.page(f"{here}/clusters", *clusters)
        api.page(f"{here}/backupConfigs", *({"clusterId": c["id"], "statusName": "STARTED"} for c in clusters))
        api.page(f"{here}/alerts", {"id": "x", "clusterId": clusters[-1]["id"]}, {"id": "y"})
        api.page(f"{here}/maintenanceWindows", {"id": "w"})
        for kind in ("BACKUP", "MONITORING", "AUTOMATION"):
            api.page(f"{here}/agents/{kind}", {"typeName": kind})
        for cluster in clusters:
            api.page(f"{here}/clusters/{cluster['id']}/snapshots", {"id": f"of {cluster['id']}", "complete": True})
    return Client(Connection.from_options(api.options()))


def test_all_projects(client: Client) -> None:
    """Every record says whose it is."""
    found = gather(client, {"project": None, "cluster": None}, KINDS)
    assert list(KINDS) == list(found)
    assert [("one", "a1"), ("one", "a2"), ("two", "a4")] == [(c["project_name"], c["id"]) for c in found["clusters"]]
    assert (6, 4, 2, []) == (len(found["agents"]), len(found["alerts"]), len(found["windows"]), found["schedules"])
    assert ["of a1", "of a4"] == [snapshot["id"] for snapshot in found["snapshots"]]


def test_one_cluster(client: Client) -> None:
    """With its parts, wherever it is; what is of the project is all there."""
    found = gather(client, {"project": None, "cluster": "shop"}, KINDS)
    assert ["one"] == [project["project_name"] for project in found["projects"]]
    assert ["a1", "a2"] == [config["cluster_id"] for config in found["backup_configurations"]]
    assert (["x"], 3) == ([alert["id"] for alert in found["alerts"]], len(found["agents"]))


def test_one_part(client: Client) -> None:
    """A shard that is named is asked for its own snapshots."""
    assert ["of a2"] == [
        one["id"] for one in gather(client, {"project": ONE, "cluster": "s0"}, ["snapshots"])["snapshots"]
    ]


def test_only_what_is_asked_for(client: Client, api: SmallApi) -> None:
    """The rest costs no requests."""
    assert {"projects"} == set(gather(client, {"project": None, "cluster": None}, ["projects"]))
    assert not [asked.path for asked in api.asked if "agents" in asked.path]


@pytest.mark.parametrize("project", [None, ONE])
def test_cluster_that_is_in_none(client: Client, project: str | None) -> None:
    """An empty answer would look like one without problems."""
    with pytest.raises(FixInput, match="shopp"):
        places(client, {"project": project, "cluster": "shopp"})
