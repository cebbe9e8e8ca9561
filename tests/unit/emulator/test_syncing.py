"""Syncs: the button, the events in order, what starts a sync over, and the snapshot that follows."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.ops_manager import Emulator
from tests.unit.emulator.asking import Asker, wait_until

PHASES = [
    "SYNC_PENDING_AUDIT",
    "SYNC_REQUIRED_AUDIT",
    "INITIAL_SYNC_STARTED_AUDIT",
    "INITIAL_SYNC_FINISHED_AUDIT",
    "RS_STATE_CHANGED_AUDIT",
]


def press(om: Emulator, cluster: str) -> None:
    """Press the button until it counts."""
    assert om.press_resync(cluster, om.code) == "started"


def test_the_button_asks_for_a_code(om: Emulator, cluster: str) -> None:
    """The first press begins nothing, and a wrong code begins nothing. The press after the right code begins the resync."""
    assert om.press_resync(cluster) == "code asked for"
    with pytest.raises(ValueError, match="wrong"):
        om.verify("1")
    assert om.press_resync(cluster) == "code asked for"
    assert not om.syncing(cluster)
    om.verify(om.code)
    assert om.press_resync(cluster) == "started"
    assert om.syncing(cluster)
    assert om.press_resync(cluster) == "code asked for"


def test_there_is_no_button_where_there_is_no_resync(om: Emulator) -> None:
    """There is no button for a stopped backup, nor for a backup by checkpoints."""
    with pytest.raises(RuntimeError, match="STOPPED"):
        press(om, om.add_replica_set("a", status="STOPPED"))
    with pytest.raises(RuntimeError, match=r"4\.2"):
        press(om, om.add_replica_set("b", fcv="4.2"))


def test_a_resync_of_a_replica_set(om: Emulator, ask: Asker, cluster: str) -> None:
    """Events in order, the alert closes, snapshots stay, a new one is first incomplete and then complete."""
    om.timing.snapshot = 3600.0
    old = om.add_snapshot(cluster)
    alert = om.raise_alert("RESYNC_REQUIRED", cluster)
    press(om, cluster)
    assert ask.get("alerts", status="OPEN")["results"][0]["id"] == alert
    wait_until("the end of the sync", lambda: not om.syncing(cluster))
    assert ask.kinds() == ["RESYNC_REQUIRED", *PHASES, "RESYNC_PERFORMED"]
    assert ask.get("alerts", status="OPEN")["results"] == []
    closed = ask.get(f"alerts/{alert}")
    assert closed["status"] == "CLOSED"
    assert "resolved" in closed
    path = f"clusters/{cluster}/snapshots"
    assert [one["id"] for one in ask.get(path)["results"]] == [old]
    running = ask.get(path, completed="false")["results"]
    assert len(running) == 1
    om.skip(3600)
    assert [one["id"] for one in ask.get(path)["results"]] == [running[0]["id"], old]


def test_no_snapshot_is_made_during_a_sync(om: Emulator, ask: Asker, cluster: str) -> None:
    """No snapshot is made by schedule or by hand, and a running snapshot is given up."""
    om.begin_snapshot(cluster)
    om.never_finish_sync = True
    press(om, cluster)
    wait_until("a sync", lambda: "INITIAL_SYNC_STARTED_AUDIT" in ask.kinds())
    with pytest.raises(RuntimeError, match="syncs"):
        om.begin_snapshot(cluster)
    assert ask.get(f"clusters/{cluster}/snapshots", completed="all")["results"] == []
    om.never_finish_sync = False
    wait_until("a snapshot", lambda: ask.get(f"clusters/{cluster}/snapshots")["results"])


def test_each_part_of_a_sharded_cluster_syncs(om: Emulator, ask: Asker) -> None:
    """Each has its events in order; the alert closes when the last one is ready; then there is one snapshot."""
    whole = om.add_sharded_cluster(shards=2)
    om.raise_alert("RESYNC_REQUIRED", om.parts(whole)[1])
    press(om, whole)
    wait_until("a snapshot", lambda: ask.get(f"clusters/{whole}/snapshots")["results"])
    events = list(reversed(ask.get("events")["results"]))
    for name in ("shop-0", "shop-1", "shop-config"):
        of_part = [one["eventTypeName"] for one in events if one.get("replicaSetName") == name]
        assert [kind for kind in of_part if not kind.startswith("RESYNC")] == PHASES
    kinds = [one["eventTypeName"] for one in events]
    assert kinds[-2:] == ["CLUSTER_STATE_CHANGED_AUDIT", "RESYNC_PERFORMED"]
    snapshot = ask.get(f"clusters/{whole}/snapshots")["results"][0]
    assert [one["replicaSetName"] for one in snapshot["parts"]] == ["shop-0", "shop-1", "shop-config"]


def test_one_shard_syncs_alone(om: Emulator, ask: Asker) -> None:
    """By the button of the shard; only its own alert closes."""
    whole = om.add_sharded_cluster(shards=2)
    first, second, _config = om.parts(whole)
    alerts = [om.raise_alert("RESYNC_REQUIRED", part) for part in (first, second)]
    press(om, second)
    wait_until("the end of the sync", lambda: not om.syncing(whole))
    assert [ask.get(f"alerts/{one}")["status"] for one in alerts] == ["OPEN", "CLOSED"]
    assert ask.kinds("INITIAL_SYNC_FINISHED_AUDIT") == ["INITIAL_SYNC_FINISHED_AUDIT"]


def test_a_restart_of_the_working_agent_starts_a_sync_over(om: Emulator, ask: Asker, cluster: str) -> None:
    """A restart of the standby does not; the sync ends once."""
    om.never_finish_sync = True
    press(om, cluster)
    started = "INITIAL_SYNC_STARTED_AUDIT"
    wait_until("a sync", lambda: ask.kinds(started) == [started])
    begun = om.job(cluster).sync
    om.restart_agent("agent-1.example.com")
    assert om.job(cluster).sync is begun
    om.restart_agent("agent-0.example.com")
    wait_until("another sync", lambda: ask.kinds(started) == [started] * 2)
    om.never_finish_sync = False
    wait_until("the end of the sync", lambda: not om.syncing(cluster))
    assert ask.kinds("INITIAL_SYNC_FINISHED_AUDIT") == ["INITIAL_SYNC_FINISHED_AUDIT"]


def test_without_an_agent_nothing_syncs(om: Emulator, ask: Asker, cluster: str) -> None:
    """A standby takes over; when none is left the sync waits for one."""
    om.stop_agent("agent-0.example.com")
    states = {one["hostname"]: one["stateName"] for one in ask.get("agents/BACKUP")["results"]}
    assert states == {"agent-0.example.com": "STANDBY", "agent-1.example.com": "ACTIVE"}
    om.stop_agent("agent-1.example.com")
    press(om, cluster)
    wait_until("a sync", lambda: "INITIAL_SYNC_STARTED_AUDIT" in ask.kinds())
    assert om.syncing(cluster)
    om.start_agent("agent-1.example.com")
    wait_until("the end of the sync", lambda: not om.syncing(cluster))


def test_the_last_call_of_an_agent(om: Emulator, ask: Asker) -> None:
    """It moves on while the agent runs, stands still while it does not, and rises after a restart."""
    om.switches.fractions = True

    def last() -> datetime:
        return datetime.fromisoformat(ask.get("agents/BACKUP")["results"][0]["lastConf"].replace("Z", "+00:00"))

    before = last()
    wait_until("a call", lambda: last() > before)
    om.timing.agent_restart = 0.3
    om.restart_agent("agent-0.example.com")
    stopped = last()
    wait_until("a call after the restart", lambda: last() > stopped)
    assert (last() - stopped).total_seconds() >= 0.3


def test_a_stop_ends_a_sync(om: Emulator, ask: Asker, cluster: str) -> None:
    """No event of it follows, and no snapshot."""
    om.timing.sync = 3600.0
    press(om, cluster)
    assert ask.patch(f"backupConfigs/{cluster}", {"statusName": "STOPPED"}).status == 202
    wait_until("STOPPED", lambda: ask.state(cluster) == "STOPPED")
    assert not om.syncing(cluster)
    assert om.world.agenda.waiting((cluster, "sync")) == 0
    assert "INITIAL_SYNC_FINISHED_AUDIT" not in ask.kinds()


def test_a_sync_tells_nothing_where_the_events_are_not_listed(om: Emulator, ask: Asker, cluster: str) -> None:
    """Only the change of state and the end remain."""
    om.switches.sync_events = False
    om.raise_alert("RESYNC_REQUIRED", cluster)
    press(om, cluster)
    wait_until("the end of the sync", lambda: not om.syncing(cluster))
    assert ask.kinds() == ["RESYNC_REQUIRED", "RS_STATE_CHANGED_AUDIT", "RESYNC_PERFORMED"]
