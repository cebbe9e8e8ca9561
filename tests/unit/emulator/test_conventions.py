"""What holds for every resource: pages, refusals of what is unknown, ids, spellings."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.ops_manager import Emulator
from tests.ops_manager.call import ROUTES
from tests.unit.emulator.asking import Asker

NOBODY = "0" * 24


def test_lists_come_in_pages(om: Emulator, ask: Asker) -> None:
    """Each page has its part, links to its neighbours, and the number of all."""
    names = [f"rs{number}" for number in range(5)]
    for name in names:
        om.add_replica_set(name, members=1)
    pages = [ask.get("clusters", itemsPerPage=2, pageNum=number) for number in (1, 2, 3, 4)]
    assert [one["replicaSetName"] for page in pages for one in page["results"]] == names
    relations = [{link["rel"] for link in page["links"]} for page in pages]
    assert relations == [{"self", "next"}, {"self", "next", "previous"}, {"self", "previous"}, {"self", "previous"}]
    assert {page["totalCount"] for page in pages} == {5}
    following = next(link["href"] for link in pages[0]["links"] if link["rel"] == "next")
    assert ask.get(following.removeprefix(f"{om.url}/api/public/v1.0")) == pages[1]
    assert "totalCount" not in ask.get("clusters", includeCount="false")


def test_pages_that_are_too_large(om: Emulator, ask: Asker) -> None:
    """They are refused, or cut down where the switch says so."""
    for _time in range(3):
        om.add_replica_set(members=1)
    assert len(ask.get("clusters", itemsPerPage=500)["results"]) == 3
    assert ask("GET", "clusters", itemsPerPage=501).code == (400, "INVALID_QUERY_PARAMETER")
    assert ask("GET", "clusters", pageNum=0).code == (400, "INVALID_QUERY_PARAMETER")
    om.switches.max_items_per_page = 2
    om.switches.large_page = "clamp"
    assert len(ask.get("clusters", itemsPerPage=100)["results"]) == 2
    assert len(ask.get("clusters")["results"]) == 2


def test_a_list_without_count_and_links(om: Emulator, ask: Asker) -> None:
    """For clients that rely on neither."""
    om.switches.list_count = om.switches.list_links = False
    assert ask.get("clusters") == {"results": []}


def test_bare_arrays(om: Emulator, ask: Asker, cluster: str) -> None:
    """Two lists have no frame."""
    om.add_snapshot(cluster)
    assert ask.get("agentapikeys") == []
    key = ask("POST", "agentapikeys", {"desc": "by hand"}).body
    assert ask.get("agentapikeys")[0]["key"] != key["key"]
    ranges = ask("POST", f"clusters/{cluster}/restoreJobs/restorableTimeRanges").body
    assert isinstance(ranges, list)
    assert set(ranges[0]) == {"start", "end", "snapshotId"}


def test_envelopes(ask: Asker, om: Emulator) -> None:
    """The status moves into the body, also that of an error."""
    assert ask.get("", envelope="true")["content"]["id"] == om.project_id
    assert ask.get("clusters", envelope="true")["status"] == 200
    assert ask.get(f"clusters/{NOBODY}", envelope="true")["content"]["errorCode"] == "CLUSTER_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", (404, "RESOURCE_NOT_FOUND")),
        ("POST", "backupConfigs/{cluster}/resync", (404, "RESOURCE_NOT_FOUND")),
        ("POST", "backupConfigs", (405, "METHOD_NOT_ALLOWED")),
        ("DELETE", "backupConfigs/{cluster}", (405, "METHOD_NOT_ALLOWED")),
        ("GET", f"/groups/{NOBODY}/clusters", (404, "GROUP_NOT_FOUND")),
        ("GET", "/groups/orders/clusters", (400, "INVALID_GROUP_ID")),
        ("GET", f"backupConfigs/{NOBODY}", (404, "CLUSTER_NOT_FOUND")),
        ("GET", "backupConfigs/rs0", (400, "INVALID_CLUSTER_ID")),
        ("GET", f"hosts/{NOBODY}", (404, "HOST_NOT_FOUND")),
        ("GET", "hosts/byName/nobody:27017", (404, "HOST_NOT_FOUND")),
        ("GET", f"alerts/{NOBODY}", (404, "ALERT_NOT_FOUND")),
        ("GET", "alerts?status=LOUD", (400, "INVALID_ALERT_STATUS")),
        ("GET", f"events/{NOBODY}", (404, "EVENT_NOT_FOUND")),
        ("GET", "events?minDate=yesterday", (400, "INVALID_ATTRIBUTE")),
        ("GET", f"maintenanceWindows/{NOBODY}", (404, "MAINTENANCE_WINDOW_NOT_FOUND")),
        ("GET", "maintenanceWindows/1", (400, "INVALID_WINDOW_ID")),
        ("GET", f"clusters/{{cluster}}/snapshots/{NOBODY}", (404, "SNAPSHOT_NOT_FOUND")),
        ("GET", "agents/SECRET", (400, "INVALID_AGENT_TYPE_NAME")),
        ("GET", "/globalAlerts", (401, "USER_UNAUTHORIZED")),
    ],
)
def test_what_is_not_there(ask: Asker, cluster: str, method: str, path: str, code: tuple[int, str]) -> None:
    """Each has its status and code."""
    answer = ask(method, path.format(cluster=cluster))
    assert answer.code == code
    assert {"error", "reason", "detail"} <= set(answer.body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "backupConfigs/{cluster}"),
        ("PATCH", "backupConfigs/{cluster}/snapshotSchedule"),
        ("PATCH", "clusters/{cluster}/snapshots/{snapshot}"),
        ("PATCH", "alerts/{alert}"),
        ("POST", "maintenanceWindows"),
        ("POST", "clusters/{cluster}/restoreJobs"),
    ],
)
def test_unknown_fields_are_refused(om: Emulator, ask: Asker, cluster: str, method: str, path: str) -> None:
    """So are bodies that are no objects, and values of another type."""
    snapshot, alert = om.add_snapshot(cluster), om.raise_alert("OPLOG_BEHIND", cluster)
    where = path.format(cluster=cluster, snapshot=snapshot, alert=alert)
    answer = ask(method, where, {"resync": True})
    assert answer.code == (400, "INVALID_ATTRIBUTE")
    assert "resync" in answer.body["detail"]
    assert ask(method, where, ["resync"]).code == (400, "INVALID_JSON")
    assert ask(method, where).code == (400, "INVALID_JSON")


def test_every_read_of_a_project_answers(om: Emulator, ask: Asker) -> None:
    """Nothing that is listed is broken, in either spelling, for a replica set and a sharded cluster."""
    reads = [one.path.removeprefix("/api/public/v1.0") for one in ROUTES if one.method == "GET" and "<gid>" in one.path]
    assert len(reads) > 25
    for cluster in (om.add_replica_set(), om.add_sharded_cluster()):
        host = next(iter(om.world.projects[om.project_id].hosts))
        known: dict[str, Any] = {
            "gid": om.project_id,
            "cid": cluster,
            "hid": host,
            "sid": om.add_snapshot(cluster),
            "aid": om.raise_alert("OPLOG_BEHIND", cluster),
            "kind": "BACKUP",
        }
        for spelling in ("old", "new"):
            om.switches.spelling = spelling
            for path in reads:
                for name, value in known.items():
                    path = path.replace(f"<{name}>", value)  # noqa: PLW2901
                if "<" not in path:
                    assert ask("GET", path, granularity="PT1M", period="PT1H").status == 200, path


def test_both_spellings(om: Emulator, ask: Asker, cluster: str) -> None:
    """Each has its names for the same things, and the old one understands its own."""
    om.add_snapshot(cluster)
    new = ask.get(f"backupConfigs/{cluster}")
    assert {"projectId", "sslEnabled", "storageEngineName"} <= set(new)
    assert "groupId" not in new
    filters = [ask.get(f"clusters/{cluster}/snapshots")["results"][0]["namespaceFilterList"]["filterType"]]
    delays = [set(ask.get("hosts")["results"][0]) & {"slaveDelaySec", "secondaryDelaySecs"}]
    old_body = {"storageEngine": "WIRED_TIGER"}
    assert ask.patch(f"backupConfigs/{cluster}", old_body).code == (400, "INVALID_ATTRIBUTE")
    om.switches.spelling = "old"
    old = ask.get(f"backupConfigs/{cluster}")
    assert {"groupId", "SSLEnabled", "storageEngine"} <= set(old)
    assert not {"projectId", "sslEnabled", "storageEngineName"} & set(old)
    filters.append(ask.get(f"clusters/{cluster}/snapshots")["results"][0]["namespaceFilterList"]["filterType"])
    delays.append(set(ask.get("hosts")["results"][0]) & {"slaveDelaySec", "secondaryDelaySecs"})
    assert filters == ["denyList", "blacklist"]
    assert delays == [{"secondaryDelaySecs"}, {"slaveDelaySec"}]
    assert ask.patch(f"backupConfigs/{cluster}", old_body).status == 202


def test_the_clock_may_be_wrong(om: Emulator, ask: Asker) -> None:
    """The date of the answer is that of the emulated clock."""
    om.skip(3600)
    ahead = parsedate_to_datetime(str(ask("GET", "/groups").headers["Date"])) - datetime.now(UTC)
    assert 3590 < ahead.total_seconds() <= 3600


def test_the_log_of_requests(om: Emulator, ask: Asker, cluster: str) -> None:
    """It has what was asked and the status of the answer, but no proof of a key."""
    ask("GET", "events", eventType=["A", "B"])
    ask.patch(f"backupConfigs/{cluster}", {"statusName": "STARTED"})
    first, second = om.requests
    assert first.query == {"eventType": ["A", "B"]}
    assert (second.method, second.path.rpartition("/")[0]) == ("PATCH", f"/groups/{om.project_id}/backupConfigs")
    assert (second.body, second.status) == ({"statusName": "STARTED"}, 409)
    assert "Authorization" not in second.headers
