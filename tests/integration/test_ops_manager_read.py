"""The module and the inventory plugin that only read, as users call them; and what they read of the emulator, by version."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.gathering import KINDS, gather
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.project import Project
from tests.integration.task import ROOT, play
from tests.ops_manager import Emulator
from tests.unit.plugins.small_api import KEYS, Said, SmallApi

Json = dict[str, Any]
ID = "5a0a1e7e0f2912c554080adc"
CLUSTERS = [
    {"id": "a1", "typeName": "SHARDED_REPLICA_SET", "clusterName": "shop"},
    {"id": "a2", "typeName": "REPLICA_SET", "clusterName": "shop", "shardName": "s0", "replicaSetName": "rs0"},
    {"id": "a4", "typeName": "REPLICA_SET", "clusterName": "orders", "replicaSetName": "orders"},
]


@pytest.fixture
def api() -> Iterator[SmallApi]:
    """Return a server with one project."""
    server = SmallApi()
    here = f"/groups/{ID}"
    server.page("/groups", {"id": ID, "name": "acme"})
    server.answers["GET", here] = Said({"id": ID, "name": "acme"})
    server.page(f"{here}/clusters", *CLUSTERS)
    server.page(f"{here}/backupConfigs", {"clusterId": "a4", "statusName": "STARTED"})
    server.page(f"{here}/hosts", {"hostname": "h0", "port": 27017, "replicaSetName": "orders", "clusterId": "a4"})
    yield server
    server.close()


def place(api: SmallApi) -> Json:
    """Return the option ops_manager."""
    return {"url": api.url, "public_key": KEYS[0], "private_key": KEYS[1]}


def listed(folder: Path, code: int = 0, **options: Any) -> Json:
    """Return what ansible-inventory lists for these options, or what it complained of."""
    path = folder / "acme.ops_manager_jobs.yml"
    path.write_text(yaml.safe_dump({"plugin": "mongodb_ops.backup.ops_manager_jobs", **options}))
    command = ["ansible-inventory", "-i", str(path), "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert code == done.returncode, done.stderr
    found = (
        json.loads(done.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value)) if done.stdout else {}
    )
    return {**found, "said": " ".join(done.stderr.split())}


def test_module(api: SmallApi, tmp_path: Path) -> None:
    """Played like any task, here."""
    options = {"ops_manager": place(api), "gather": ["clusters", "backup_configurations"]}
    succeeded, result = play("mongodb_ops.backup.ops_manager_info", tmp_path, options)
    assert succeeded, result
    assert ["a1", "a2", "a4"] == [cluster["id"] for cluster in result["clusters"]]
    assert KEYS[1] not in json.dumps(result)


def test_clusters(api: SmallApi, tmp_path: Path) -> None:
    """Jobs run on the controller with its own Python, in groups by project and state; the keys are nowhere."""
    found = listed(tmp_path, ops_manager={**place(api), "project": ID}, members=True)
    assert ["shop", "orders"] == found["backup_jobs"]["hosts"]
    orders = found["_meta"]["hostvars"]["orders"]
    assert ("ops_manager", "local", False) == (
        orders["backup_provider"],
        orders["ansible_connection"],
        orders["ansible_become"],
    )
    assert Path(orders["ansible_python_interpreter"]).samefile(sys.executable)
    assert (ID, "a4") == (orders["backup_ops_manager_project"], orders["backup_ops_manager_cluster"])
    assert ["orders"] == found["status_started"]["hosts"]
    assert ["shop"] == found["cluster_shop"]["hosts"]
    assert "h0_27017" in found["mongod_hosts"]["hosts"]
    assert "ansible_connection" not in found["_meta"]["hostvars"]["h0_27017"]
    assert KEYS[1] not in json.dumps(found)


def test_cached_without_keys(api: SmallApi, tmp_path: Path) -> None:
    """The second run asks nobody, and the file of the cache holds no key."""
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    options = {"ops_manager": place(api), "jobs": "replica_sets", **cache}
    first = listed(tmp_path, **options)
    asked = api.connections
    assert ["acme-shop-rs0", "acme-orders"] == first["backup_jobs"]["hosts"]
    assert first == listed(tmp_path, **options)
    assert asked == api.connections
    written = [path.read_text() for path in (tmp_path / "cache").iterdir()]
    assert written
    assert not [text for text in written if KEYS[0] in text or KEYS[1] in text]


def test_keys_from_the_environment(api: SmallApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that none is in a file."""
    monkeypatch.setenv("OM_PRIVATE", KEYS[1])
    option = {**place(api), "private_key": "{{ lookup('ansible.builtin.env', 'OM_PRIVATE') }}"}
    assert "backup_jobs" in listed(tmp_path, ops_manager=option)


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("missing required arguments: url", {"url": None}),
        ("check the pair", {"private_key": "other"}),
        ("sup", {"urll": 1}),
    ],
)
def test_says_what_is_wrong(api: SmallApi, tmp_path: Path, words: str, change: Json) -> None:
    """What is missing, misspelled or refused is named, and the key is not."""
    option = {name: value for name, value in {**place(api), **change}.items() if value is not None}
    said = listed(tmp_path, ops_manager=option)["said"]
    assert words in said
    assert KEYS[1] not in said


VERSIONS: list[Json] = [
    {},
    {"spelling": "old", "fractions": True, "list_links": False},
    {"list_count": False, "list_links": False, "nonce_uses": 1},
    {"list_count": False, "large_page": "clamp", "max_items_per_page": 2},
]


def client(emulator: Emulator) -> Client:
    """Return a client with all rights."""
    keys = {"public_key": emulator.public_key, "private_key": emulator.private_key}
    return Client(
        Connection.from_options({"url": emulator.url, "validate_certs": True, "timeout_seconds": 10.0, **keys})
    )


@pytest.mark.parametrize("switches", VERSIONS)
def test_the_same_of_all_versions(switches: Json) -> None:
    """Spellings, fractions of seconds and the style of lists are not seen by callers."""
    with Emulator(**switches) as emulator:
        emulator.add_replica_set("rs0")
        shop = emulator.add_sharded_cluster("shop")
        emulator.add_snapshot(shop)
        emulator.raise_alert("RESYNC_REQUIRED", shop)
        found = gather(client(emulator), {"project": "orders", "cluster": None}, KINDS)
    assert ["rs0", "shop", "shop", "shop", "shop"] == sorted(cluster["name"] for cluster in found["clusters"])
    assert {"STARTED"} == {config["status"] for config in found["backup_configurations"]}
    assert {False} == {config["tls"] for config in found["backup_configurations"]}
    assert (4, 2) == (len(found["agents"]), len(found["schedules"]))
    assert ["RESYNC_REQUIRED"] == [alert["event_type"] for alert in found["alerts"]]
    (snapshot,) = found["snapshots"]
    assert (shop, True, 3) == (snapshot["cluster_id"], snapshot["complete"], len(snapshot["parts"]))
    assert snapshot["created"]
    assert snapshot["oplog_time"]


def test_cut_and_restarted_servers_are_read_to_the_end() -> None:
    """A connection that is lost and nonces that a restart has forgotten are no errors of a read."""
    with Emulator() as emulator:
        emulator.add_replica_set("rs0")
        project = Project(client(emulator), "orders")
        for disturb in (emulator.forget_nonces, lambda: emulator.cut("GET")):
            disturb()
            assert ["rs0"] == [cluster.replica_set for cluster in project.clusters()]


def test_a_lost_write_is_not_repeated() -> None:
    """The window is there once, although its answer was lost, and a read shows it."""
    with Emulator() as emulator:
        project = Project(client(emulator), "orders")
        assert project.windows() == []
        emulator.cut("POST", when="after")
        times = {"startDate": "2090-01-01T00:00:00Z", "endDate": "2090-01-02T00:00:00Z"}
        with pytest.raises(ApiError) as caught:
            project.client.post(project.path("/maintenanceWindows"), {"alertTypeNames": ["BACKUP"], **times})
        assert caught.value.retry
        (window,) = project.windows()
        project.client.delete(project.path(f"/maintenanceWindows/{window.id}"))
        assert project.windows() == []
