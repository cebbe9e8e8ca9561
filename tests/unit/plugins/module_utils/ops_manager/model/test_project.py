# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A project, read from a server with real sockets."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.deployment import Cluster
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.project import (
    Project,
    parts,
    pick,
    projects,
)
from tests.unit.plugins.small_api import Said, SmallApi

ID = "5a0a1e7e0f2912c554080adc"
HERE = f"/groups/{ID}"
WHOLE = {"id": "a1", "typeName": "SHARDED_REPLICA_SET", "clusterName": "shop"}
SHARD = {"id": "a2", "typeName": "REPLICA_SET", "clusterName": "shop", "shardName": "s0", "replicaSetName": "rs0"}
CONFIG = {"id": "a3", "typeName": "CONFIG_SERVER_REPLICA_SET", "clusterName": "shop", "replicaSetName": "csrs"}
PLAIN = {"id": "a4", "typeName": "REPLICA_SET", "clusterName": "orders", "replicaSetName": "orders"}
CLUSTERS = [Cluster.of(answer) for answer in (WHOLE, SHARD, CONFIG, PLAIN)]


@pytest.fixture
def client(api: SmallApi) -> Client:
    return Client(Connection.from_options(api.options()))


class TestWhichProject:
    def test_by_id_costs_nothing(self, api: SmallApi, client: Client) -> None:
        """Only its name is asked for, and only by who wants it."""
        assert (ID, 0) == (Project(client, ID).id, api.connections)
        api.answers["GET", HERE] = Said({"id": ID, "name": "shop"})
        assert "shop" == Project(client, ID).name

    def test_by_name(self, api: SmallApi, client: Client) -> None:
        """Once, whatever is in the name."""
        api.answers["GET", "/groups/byName/a%2Fb%20c"] = Said({"id": ID, "name": "a/b c"})
        project = Project(client, "a/b c")
        assert (ID, ID, "a/b c", 1) == (project.id, project.id, project.name, len(api.asked))

    def test_by_name_in_the_list(self, api: SmallApi, client: Client) -> None:
        """Where a version has no way to ask by name."""
        api.page("/groups", {"id": "x", "name": "other"}, {"id": ID, "name": "shop"})
        assert ID == Project(client, "shop").id

    def test_unknown(self, api: SmallApi, client: Client) -> None:
        """Says what the key sees."""
        api.page("/groups", {"id": "x", "name": "other"})
        with pytest.raises(FixInput, match="0 among: other") as caught:
            _id = Project(client, "shop").id
        assert "unknown_project" == caught.value.code

    def test_none(self, client: Client) -> None:
        """A job without a project is refused before anything is asked."""
        with pytest.raises(FixInput, match="project"):
            Project(client, None)

    def test_all(self, api: SmallApi, client: Client) -> None:
        """By name, without asking for each again."""
        api.page("/groups", {"id": "2", "name": "b"}, {"id": "1", "name": "a"})
        assert [("1", "a"), ("2", "b")] == [(project.id, project.name) for project in projects(client)]
        assert 1 == len(api.asked)


class TestWhichCluster:
    @pytest.mark.parametrize(
        ("expected", "name"),
        [("a1", "shop"), ("a4", "orders"), ("a2", "a2"), ("a2", "rs0"), ("a2", "s0"), ("a3", "csrs"), ("a1", "A1")],
    )
    def test_picks(self, expected: str, name: str) -> None:
        """The name that the whole and its parts share means the whole."""
        assert expected == pick(CLUSTERS, name).id

    def test_unknown(self) -> None:
        """Names what there is, without the parts."""
        with pytest.raises(FixInput, match=r"none; there is orders \(a4\), shop \(a1\);") as caught:
            pick(CLUSTERS, "shopp")
        assert "unknown_cluster" == caught.value.code

    def test_two_of_one_name(self) -> None:
        """Is not decided by the order."""
        with pytest.raises(FixInput, match=r"2: orders \(a4\), orders \(a5\)"):
            pick([*CLUSTERS, Cluster.of({**PLAIN, "id": "a5"})], "orders")

    def test_parts(self) -> None:
        """A replica set is its only part."""
        assert ["a2", "a3"] == [part.id for part in parts(CLUSTERS, CLUSTERS[0])]
        assert ["a4"] == [part.id for part in parts(CLUSTERS, CLUSTERS[3])]


class TestReading:
    def test_lists(self, api: SmallApi, client: Client) -> None:
        """Each list from where the API has it, with its filter."""
        for path in ("/clusters", "/backupConfigs", "/agents/BACKUP", "/alerts", "/hosts", "/maintenanceWindows"):
            api.page(HERE + path, {"id": "1", "clusterId": "1"})
        project = Project(client, ID)
        assert ["1"] == [one.id for one in project.clusters()]
        assert ["1"] == [one.cluster_id for one in project.backup_configs()]
        assert 1 == len(project.agents("BACKUP"))
        assert ["1"] == [one.id for one in project.alerts("OPEN")]
        assert ["OPEN"] == api.asked[-1].query["status"]
        assert ["1"] == [one.id for one in project.hosts("c1")]
        assert ["c1"] == api.asked[-1].query["clusterId"]
        assert ["1"] == [one.id for one in project.windows()]

    def test_events(self, api: SmallApi, client: Client) -> None:
        """The oldest first, and none that a version without these filters has returned as well."""
        found = [
            {"id": "3", "eventTypeName": "A", "created": "2026-01-03T00:00:00Z"},
            {"id": "2", "eventTypeName": "A", "created": "2026-01-02T00:00:00Z"},
            {"id": "1", "eventTypeName": "A", "created": "2026-01-01T00:00:00Z"},
            {"id": "0", "eventTypeName": "B", "created": "2026-01-03T00:00:00Z"},
        ]
        api.page(f"{HERE}/events", *found)
        since = datetime(2026, 1, 2, 0, 0, 0, 700000, tzinfo=timezone.utc)
        events = Project(client, ID).events(["A", "C"], since)
        # The API has whole seconds, so what has happened in the same one counts.
        assert ["2", "3"] == [event.id for event in events]
        assert {"eventType": ["A", "C"], "minDate": ["2026-01-02T00:00:00Z"]}.items() <= api.asked[0].query.items()

    @pytest.mark.parametrize(
        ("expected", "completed", "asked"),
        [(["3", "1"], True, None), (["2"], False, ["false"]), (["3", "2", "1"], None, ["all"])],
    )
    def test_snapshots(
        self, api: SmallApi, client: Client, expected: list[str], completed: bool | None, asked: list[str] | None
    ) -> None:
        """The newest first; a version that does not know the parameter is no danger."""
        found: list[dict[str, Any]] = [
            {"id": "1", "complete": True, "created": {"date": "2026-01-01T00:00:00Z"}},
            {"id": "2", "complete": False, "created": {"date": "2026-01-02T00:00:00Z"}},
            {"id": "3", "complete": True, "created": {"date": "2026-01-03T00:00:00Z"}},
        ]
        api.page(f"{HERE}/clusters/c1/snapshots", *found)
        snapshots = Project(client, ID).snapshots("c1", completed)
        assert expected == [snapshot.id for snapshot in snapshots]
        assert asked == api.asked[0].query.get("completed")

    def test_schedule(self, api: SmallApi, client: Client) -> None:
        """None is no error; another refusal is one."""
        project = Project(client, ID)
        assert project.schedule("c1") is None
        api.answers["GET", f"{HERE}/backupConfigs/c1/snapshotSchedule"] = Said({}, 403)
        with pytest.raises(ApiError):
            project.schedule("c1")

    def test_measurements(self, api: SmallApi, client: Client) -> None:
        """Over the last hour, each metric by its name."""
        points = [{"timestamp": "2026-01-01T00:00:00Z", "value": 3600.0}]
        api.answers["GET", f"{HERE}/hosts/h1/measurements"] = Said(
            {"measurements": [{"name": "OPLOG_MASTER_TIME", "units": "SECONDS", "dataPoints": points}]}
        )
        found = Project(client, ID).measurements("h1", ["OPLOG_MASTER_TIME"])
        assert [3600.0] == [one.latest for one in found]
        assert {"granularity": ["PT1M"], "period": ["PT1H"], "m": ["OPLOG_MASTER_TIME"]} == api.asked[0].query
