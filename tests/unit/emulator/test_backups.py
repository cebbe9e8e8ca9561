"""The states of a backup: what leads where, with which codes, and when."""

from __future__ import annotations

from functools import partial

import pytest

from tests.ops_manager import Emulator, Timing
from tests.unit.emulator.asking import Asker, wait_until

START = {"statusName": "STARTED", "syncSource": "SECONDARY"}


def put(ask: Asker, cluster: str, status: str) -> tuple[int, str | None]:
    """Ask for a state."""
    return ask.patch(f"backupConfigs/{cluster}", {"statusName": status}).code


def is_started(ask: Asker, cluster: str) -> bool:
    """Return whether a backup is started."""
    return ask.state(cluster) == "STARTED"


@pytest.mark.parametrize(
    ("state", "refusals"),
    [
        (
            "STARTED",
            {
                "STARTED": (409, "CANNOT_START_BACKUP_INVALID_STATE"),
                "TERMINATING": (409, "CANNOT_TERMINATE_BACKUP_INVALID_STATE"),
            },
        ),
        ("STOPPED", {"STOPPED": (409, "CANNOT_STOP_BACKUP_INVALID_STATE")}),
        (
            "INACTIVE",
            {
                "STOPPED": (409, "CANNOT_STOP_BACKUP_INVALID_STATE"),
                "TERMINATING": (409, "CANNOT_TERMINATE_BACKUP_INVALID_STATE"),
            },
        ),
    ],
)
def test_states_that_cannot_be_entered(
    om: Emulator, ask: Asker, state: str, refusals: dict[str, tuple[int, str]]
) -> None:
    """Each has its code, and changes nothing; two states can never be set."""
    cluster = om.add_replica_set(status=state)
    for target, code in refusals.items():
        assert put(ask, cluster, target) == code
    assert put(ask, cluster, "INACTIVE") == (403, "UNSUPPORTED_SET_BACKUP_STATE")
    assert put(ask, cluster, "PROVISIONING") == (403, "UNSUPPORTED_SET_BACKUP_STATE")
    assert put(ask, cluster, "PAUSED") == (400, "INVALID_ENUM_VALUE")
    assert ask.state(cluster) == state


def test_a_change_takes_effect_later(om: Emulator, ask: Asker, cluster: str) -> None:
    """The answer shows the new state; a GET the old one for a while; a second change is held against the new one."""
    om.timing.patch = 3600.0
    answer = ask.patch(f"backupConfigs/{cluster}", {"statusName": "STOPPED"})
    assert (answer.status, answer.body["statusName"]) == (202, "STOPPED")
    assert ask.state(cluster) == "STARTED"
    assert put(ask, cluster, "STOPPED") == (409, "CANNOT_STOP_BACKUP_INVALID_STATE")
    om.skip(3600)
    assert ask.state(cluster) == "STOPPED"


def test_a_change_takes_effect_at_once() -> None:
    """Where the switch says so, with 200."""
    with Emulator(asynchronous=False) as om:
        ask, cluster = Asker(om), om.add_replica_set()
        assert put(ask, cluster, "STOPPED") == (200, None)
        assert ask.state(cluster) == "STOPPED"


def test_terminating_deletes_all_snapshots(om: Emulator, ask: Asker, cluster: str) -> None:
    """Also those that are held; stopping deletes none, and the schedule ends with the backup."""
    om.add_snapshot(cluster)
    om.add_snapshot(cluster, held=True)
    om.timing.terminate = 3600.0
    assert put(ask, cluster, "STOPPED") == (202, None)
    wait_until("STOPPED", lambda: ask.state(cluster) == "STOPPED")
    assert len(ask.get(f"clusters/{cluster}/snapshots")["results"]) == 2
    assert put(ask, cluster, "TERMINATING") == (202, None)
    wait_until("TERMINATING", lambda: ask.state(cluster) == "TERMINATING")
    om.skip(3600)
    assert ask.state(cluster) == "INACTIVE"
    assert ask.get(f"clusters/{cluster}/snapshots", completed="all")["results"] == []
    assert ask.kinds("SNAPSHOT_DELETED_AUDIT") == ["SNAPSHOT_DELETED_AUDIT"] * 2
    assert ask("GET", f"backupConfigs/{cluster}/snapshotSchedule").status == 404
    assert ask.patch(f"backupConfigs/{cluster}", START).status == 202
    wait_until("a sync", lambda: om.syncing(cluster))


def test_a_restart_begins_a_sync_up_to_4_0(om: Emulator, ask: Asker) -> None:
    """From 4.2 on it goes on as it was; so it does below where the switch says so."""
    for fcv, resumes, syncs in (
        ("4.0", False, True),
        ("3.6", False, True),
        ("4.2", False, False),
        ("4.0", True, False),
    ):
        om.switches.restart_resumes = resumes
        cluster = om.add_replica_set(f"rs-{fcv}-{resumes}", fcv=fcv, status="STOPPED")
        assert ask.patch(f"backupConfigs/{cluster}", START).status == 202
        wait_until("STARTED", partial(is_started, ask, cluster))
        assert om.syncing(cluster) is syncs
        assert om.job(cluster).sync_source == "SECONDARY"


def test_provisioning_comes_first(ask: Asker, om: Emulator) -> None:
    """Where the switch says so, between INACTIVE and STARTED."""
    om.switches.provisioning = True
    om.timing.provision = 3600.0
    cluster = om.add_replica_set(status="INACTIVE")
    assert ask.patch(f"backupConfigs/{cluster}", {**START, "storageEngineName": "WIRED_TIGER"}).status == 202
    wait_until("PROVISIONING", lambda: ask.state(cluster) == "PROVISIONING")
    om.skip(3600)
    assert ask.state(cluster) == "STARTED"


def test_what_needs_a_sync_source(om: Emulator, ask: Asker, cluster: str) -> None:
    """Another engine, encryption and more namespaces are refused without one, and sync with one."""
    path = f"backupConfigs/{cluster}"
    assert ask.patch(path, {"excludedNamespaces": ["a", "b.c"]}).status == 202
    wait_until("the filter", lambda: ask.get(path)["excludedNamespaces"] == ["a", "b.c"])
    assert not om.syncing(cluster)
    changes = ({"storageEngineName": "MEMORY_MAPPED"}, {"encryptionEnabled": True}, {"excludedNamespaces": ["a"]})
    for change in changes:
        assert ask.patch(path, change).code == (409, "MISSING_SYNC_SOURCE")
    om.never_finish_sync = True
    assert ask.patch(path, {"excludedNamespaces": ["a"], "syncSource": "rs0-1.example.com:27017"}).status == 202
    wait_until("a sync", lambda: om.syncing(cluster))
    assert ask.patch(path, {"syncSource": "elsewhere.example.com"}).code == (400, "INVALID_ATTRIBUTE")


@pytest.mark.parametrize(
    ("switch", "status", "syncs"), [("ignore", 202, False), ("sync", 202, True), ("refuse", 400, False)]
)
def test_a_sync_source_alone(switch: str, status: int, syncs: bool) -> None:
    """Nobody has documented it, so it is a switch."""
    with Emulator(sync_source_alone=switch, asynchronous=True, timing=Timing(patch=0.0)) as om:
        cluster = om.add_replica_set()
        assert Asker(om).patch(f"backupConfigs/{cluster}", {"syncSource": "SECONDARY"}).status == status
        assert om.syncing(cluster) is syncs


def test_both_filters_at_once_are_refused(ask: Asker, cluster: str) -> None:
    """An empty list beside an absent one is allowed."""
    path = f"backupConfigs/{cluster}"
    both = {"excludedNamespaces": [], "includedNamespaces": ["a"]}
    assert ask.patch(path, both).code == (400, "INVALID_FILTERLIST")
    assert ask.patch(path, {"excludedNamespaces": [], "includedNamespaces": None}).status == 202


def test_a_sharded_cluster_is_changed_as_a_whole(om: Emulator, ask: Asker) -> None:
    """It has a configuration for each part, which refuses a change and says where to make it."""
    whole = om.add_sharded_cluster(shards=2)
    assert len(ask.get("backupConfigs")["results"]) == 4
    kinds = [(one["typeName"], one.get("shardName")) for one in ask.get("clusters")["results"]]
    assert kinds == [
        ("SHARDED_REPLICA_SET", "shop-0"),
        ("REPLICA_SET", "shop-0"),
        ("REPLICA_SET", "shop-1"),
        ("CONFIG_SERVER_REPLICA_SET", None),
    ]
    for part in om.parts(whole):
        answer = ask.patch(f"backupConfigs/{part}", {"statusName": "STOPPED"})
        assert answer.code == (409, "CANNOT_MODIFY_SHARD_BACKUP_CONFIG")
        assert whole in answer.body["detail"]
    assert put(ask, whole, "STOPPED") == (202, None)
    wait_until("STOPPED", lambda: {ask.state(one) for one in (whole, *om.parts(whole))} == {"STOPPED"})


def test_schedules(om: Emulator, ask: Asker, cluster: str) -> None:
    """Bad values have their codes; what is not sent stays."""
    path = f"backupConfigs/{cluster}/snapshotSchedule"
    assert ask.patch(path, {"snapshotIntervalHours": 8}).body["snapshotRetentionDays"] == 2
    assert ask.get(path)["snapshotIntervalHours"] == 8
    assert ask.patch(path, {"snapshotIntervalHours": 7}).code == (400, "INVALID_SNAPSHOT_INTERVAL")
    checkpoint = {"clusterCheckpointIntervalMin": 15}
    code = "CANNOT_SET_CLUSTER_CHECKPOINT_INTERVAL_FOR_REPLICA_SET"
    assert ask.patch(path, checkpoint).code == (409, code)
    assert ask.patch(f"backupConfigs/{om.add_sharded_cluster()}/snapshotSchedule", checkpoint).status == 200
    idle = om.add_replica_set("idle", status="INACTIVE")
    assert ask.patch(f"backupConfigs/{idle}/snapshotSchedule", {"snapshotIntervalHours": 8}).status == 409
