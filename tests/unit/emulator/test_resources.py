"""Windows, snapshots, alerts, events, measurements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.ops_manager import Emulator
from tests.unit.emulator.asking import Asker, wait_until


def iso(hours: float) -> str:
    """Return a time some hours from now."""
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def window(**changes: object) -> dict[str, object]:
    """Return the body of a window."""
    body: dict[str, object] = {
        "alertTypeNames": ["BACKUP"],
        "startDate": iso(-1),
        "endDate": iso(1),
        "description": "mongodb_ops.backup {}",
    }
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"startDate": None}, "MISSING_MAINTENANCE_WINDOW_START_DATE"),
        ({"endDate": None}, "MISSING_MAINTENANCE_WINDOW_END_DATE"),
        ({"alertTypeNames": None}, "MISSING_MAINTENANCE_WINDOW_ALERT_TYPE_NAME"),
        ({"alertTypeNames": []}, "MISSING_MAINTENANCE_WINDOW_ALERT_TYPE_NAME"),
        ({"alertTypeNames": ["MOON"]}, "INVALID_ENUM_VALUE"),
        ({"startDate": iso(2)}, "MAINTENANCE_WINDOW_START_DATE_AFTER_END_DATE"),
        ({"startDate": "tomorrow"}, "INVALID_ATTRIBUTE"),
    ],
)
def test_bad_windows(ask: Asker, changes: dict[str, object], code: str) -> None:
    """Each has its code, and none is there afterwards."""
    assert ask("POST", "maintenanceWindows", window(**changes)).code == (400, code)
    assert ask.get("maintenanceWindows")["totalCount"] == 0


def test_the_life_of_a_window(om: Emulator, ask: Asker) -> None:
    """It is created, prolonged, found, and gone; one that is over is not listed."""
    made = ask("POST", "maintenanceWindows", window())
    assert made.status == 200
    path = f"maintenanceWindows/{made.body['id']}"
    assert ask.get("maintenanceWindows")["results"] == [made.body]
    longer = ask.patch(path, {"endDate": iso(5)}).body
    assert longer["endDate"] > made.body["endDate"]
    assert longer["description"] == made.body["description"]
    assert ask.patch(path, {"endDate": iso(-2)}).code == (400, "MAINTENANCE_WINDOW_START_DATE_AFTER_END_DATE")
    assert ask.patch(path, {"endDate": iso(-0.5)}).status == 200
    assert ask.get("maintenanceWindows")["results"] == []
    assert ask.get(path)["id"] == made.body["id"]
    assert ask("DELETE", path).status == 204
    assert ask("GET", path).code == (404, "MAINTENANCE_WINDOW_NOT_FOUND")
    om.switches.window_created_status, om.switches.delete_status = 201, 200
    other = ask("POST", "maintenanceWindows", window())
    assert other.status == 201
    assert ask("DELETE", f"maintenanceWindows/{other.body['id']}").status == 200


def test_windows_may_hide_alerts(om: Emulator, ask: Asker, cluster: str) -> None:
    """Only where the switch says so, and only alerts of their families."""
    om.raise_alert("RESYNC_REQUIRED", cluster)
    om.raise_alert("BACKUP_AGENT_DOWN")
    ask("POST", "maintenanceWindows", window())
    assert ask.get("alerts", status="OPEN")["totalCount"] == 2
    om.switches.windows_hide_alerts = True
    assert [one["eventTypeName"] for one in ask.get("alerts", status="OPEN")["results"]] == ["BACKUP_AGENT_DOWN"]


def test_holding_and_releasing_a_snapshot(om: Emulator, ask: Asker, cluster: str) -> None:
    """Held it has no expiry; released it has one, and is deleted after that."""
    path = f"clusters/{cluster}/snapshots/{om.add_snapshot(cluster)}"
    assert "expires" in ask.get(path)
    held = ask.patch(path, {"doNotDelete": True}).body
    assert held["doNotDelete"]
    assert "expires" not in held
    released = ask.patch(path, {"expires": iso(48)}).body
    assert (released["doNotDelete"], released["expires"][:10]) == (False, iso(48)[:10])
    assert ask.patch(path, {"doNotDelete": True, "expires": iso(48)}).code == (400, "INVALID_ATTRIBUTE")
    om.timing.snapshot_deletion = 3600.0
    assert ask.patch(path, {"expires": iso(0)}).status == 200
    assert ask.patch(path, {"doNotDelete": True}).code == (409, "CANNOT_MODIFY_EXPIRED_SNAPSHOT")
    om.skip(3601)
    assert ask("GET", path).code == (404, "SNAPSHOT_NOT_FOUND")


def test_deleting_snapshots(om: Emulator, ask: Asker, cluster: str) -> None:
    """A whole one can be, a part of one cannot."""
    path = f"clusters/{cluster}/snapshots/{om.add_snapshot(cluster)}"
    assert ask("DELETE", path).status == 204
    assert ask("GET", path).status == 404
    whole = om.add_sharded_cluster()
    part = f"clusters/{om.parts(whole)[0]}/snapshots/{om.add_snapshot(whole)}"
    assert ask("DELETE", part).code == (403, "CANNOT_DELETE_FROM_CLUSTER_SNAPSHOT")
    assert len(ask.get(part)["parts"]) == 1


def test_snapshots_by_schedule(om: Emulator, ask: Asker, cluster: str) -> None:
    """One follows the other while the backup runs."""
    om.timing.snapshot_interval = om.timing.snapshot = 0.1
    om.begin_snapshot(cluster)
    assert wait_until("three", lambda: ask.get(f"clusters/{cluster}/snapshots")["totalCount"] >= 3)


def test_snapshots_on_demand(om: Emulator, ask: Asker, cluster: str) -> None:
    """Only where there is no head database."""
    assert ask("POST", f"clusters/{cluster}/snapshots/onDemandSnapshot", retentionDays=3).status == 400
    newer = om.add_replica_set("newer", fcv="4.2")
    assert ask("POST", f"clusters/{newer}/snapshots/onDemandSnapshot", retentionDays=3).status == 200
    wait_until("it", lambda: ask.get(f"clusters/{newer}/snapshots")["totalCount"] == 1)


def test_a_gap_in_the_history_of_the_oplog(om: Emulator, ask: Asker, cluster: str) -> None:
    """A resync ends a stretch; the next one begins with the next snapshot."""
    om.add_snapshot(cluster, age_hours=5)
    path = f"clusters/{cluster}/restoreJobs/restorableTimeRanges"
    assert len(ask("POST", path).body) == 1
    om.press_resync(cluster, om.code)
    ranges = wait_until("another stretch", lambda: len(ask("POST", path).body) == 2 and ask("POST", path).body)
    assert ranges[0]["end"]["date"] <= ranges[1]["start"]["date"]
    om.switches.restorable_ranges = False
    assert ask("POST", path).code == (404, "RESOURCE_NOT_FOUND")


def test_alerts_by_status(om: Emulator, ask: Asker, cluster: str) -> None:
    """Closing one moves it; acknowledging one does not."""
    first = om.raise_alert("OPLOG_BEHIND", cluster)
    om.raise_alert("RESYNC_REQUIRED", cluster, status="TRACKING")
    assert [one["id"] for one in ask.get("alerts", status="OPEN")["results"]] == [first]
    assert ask.get("alerts")["totalCount"] == 2
    shown = ask.patch(f"alerts/{first}", {"acknowledgedUntil": iso(5), "acknowledgementComment": "seen"}).body
    assert (shown["status"], shown["acknowledgingUsername"]) == ("OPEN", om.public_key)
    assert "acknowledgedUntil" not in ask.patch(f"alerts/{first}", {"acknowledgedUntil": iso(-5)}).body
    assert shown["sourceTypeName"] == "REPLICA_SET"
    om.close_alert(first)
    assert ask.get("alerts", status="OPEN")["results"] == []
    assert [one["id"] for one in ask.get("alerts", status="CLOSED")["results"]] == [first]


def test_events_by_kind_and_time(om: Emulator, ask: Asker, cluster: str) -> None:
    """The parameter may be repeated; both ends belong to the time; they do not name the cluster."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    om.raise_alert("OPLOG_BEHIND", cluster, created=long_ago)
    om.raise_alert("RESYNC_REQUIRED", cluster)
    om.raise_alert("BACKUP_AGENT_DOWN")
    assert ask.kinds("OPLOG_BEHIND", "RESYNC_REQUIRED") == ["OPLOG_BEHIND", "RESYNC_REQUIRED"]
    assert ask.kinds("RESYNC_REQUIRED") == ["RESYNC_REQUIRED"]
    assert ask.get("events", minDate=iso(-1))["totalCount"] == 2
    assert ask.get("events", maxDate="2020-01-01T00:00:00Z")["totalCount"] == 1
    assert ask.get("events", maxDate="2019-12-31T00:00:00Z")["results"] == []
    event = ask.get("events", eventType="RESYNC_REQUIRED")["results"][0]
    assert event["replicaSetName"] == "rs0"
    assert "clusterId" not in event
    om.switches.events_name_clusters = True
    om.raise_alert("RESYNC_REQUIRED", cluster)
    assert ask.get("events", eventType="RESYNC_REQUIRED")["results"][0]["clusterId"] == cluster
    om.timing.event_delay = 3600.0
    assert ask.get("events")["totalCount"] == 1


def test_measurements(om: Emulator, ask: Asker, cluster: str) -> None:
    """In the units of the switch, with points that have no value; a metric of another host is refused."""
    primary, secondary = (ask.get(f"hosts/byName/rs0-{number}.example.com:27017")["id"] for number in (0, 1))
    om.measure("rs0-0.example.com", "OPLOG_MASTER_TIME", [7200.0, None])
    asked = {"granularity": "PT1M", "period": "PT1H", "m": "OPLOG_MASTER_TIME"}

    def shown() -> tuple[str, list[float | None]]:
        found = ask.get(f"hosts/{primary}/measurements", **asked)["measurements"][0]
        return found["units"], [point["value"] for point in found["dataPoints"]]

    assert shown() == ("SECONDS", [7200.0, None])
    om.switches.oplog_units = "MILLISECONDS"
    assert shown() == ("MILLISECONDS", [7200000.0, None])
    om.switches.oplog_units = "HOURS"
    assert shown() == ("HOURS", [2.0, None])
    path = f"hosts/{secondary}/measurements"
    assert ask("GET", path, **asked).code == (400, "INVALID_METRIC_NAME")
    assert ask("GET", path, period="PT1H").code == (400, "INVALID_GRANULARITY")
    assert ask("GET", path, granularity="PT1M").code == (400, "INVALID_PERIOD")
    assert ask("GET", path, granularity="PT1M", period="1h").code == (400, "INVALID_PERIOD")


def test_hosts_of_a_cluster(om: Emulator, ask: Asker) -> None:
    """Those of all its parts; a mongos has no cluster; an alias leads to its host."""
    whole = om.add_sharded_cluster(shards=2)
    om.add_replica_set()
    assert ask.get("hosts", clusterId=whole)["totalCount"] == 9
    assert ask.get("hosts", clusterId=om.parts(whole)[0])["totalCount"] == 3
    mongos = [one for one in ask.get("hosts")["results"] if "clusterId" not in one]
    assert [one["typeName"] for one in mongos] == ["SHARD_MONGOS"]
    om.host("rs0-0.example.com").aliases.append("10.0.0.7")
    assert ask.get("hosts/byName/10.0.0.7:27017")["hostname"] == "rs0-0.example.com"


def test_a_document_of_automation_that_was_changed_meanwhile(om: Emulator, ask: Asker) -> None:
    """The slower change is refused."""
    project = om.world.projects[om.project_id]
    project.automation = {"version": 7, "processes": []}
    read = ask.get("automationConfig")
    assert ask("PUT", "automationConfig", read).status == 200
    assert ask("PUT", "automationConfig", read).code == (409, "AUTOMATION_CONFIG_CONCURRENT_MODIFICATION")
    assert ask.get("automationStatus")["goalVersion"] == 8
