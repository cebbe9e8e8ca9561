"""The inventory plugin against a real replica set and a real sharded cluster, asked like users ask: with ansible-inventory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Member, ReplicaSet
from lab.sharding import ShardedCluster
from tests.integration.task import ROOT

Json = dict[str, Any]
PLUGIN = "mongodb_ops.backup.backup_jobs"


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Return a set with a login, a hidden member, an arbiter, and a member with tags."""
    members = [Member(priority=2), Member(hidden=True), Member(arbiter=True)]
    with ReplicaSet("orders", members, directory=tmp_path_factory.mktemp("orders"), auth=True) as replica_set:
        with replica_set.client() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"][0]["tags"] = {"dc": "east", "use": "app"}
            client.admin.command("replSetReconfig", {**config, "version": config["version"] + 1})
        yield replica_set


def listed(folder: Path, *arguments: str, code: int = 0, **options: Any) -> Json:
    """Return what ansible-inventory lists for these options of the plugin; or what it complained of."""
    path = folder / "shop.backup_jobs.yml"
    path.write_text(yaml.safe_dump({"plugin": PLUGIN, "connect_timeout_seconds": 2, **options}))
    command = ["ansible-inventory", "-i", str(path), "--list", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert code == done.returncode, done.stderr
    return {
        **(json.loads(done.stdout, object_hook=plain) if done.stdout else {}),
        "said": " ".join(done.stderr.split()),
    }


def plain(value: Json) -> Any:
    """Take values out of what marks them as not to be evaluated, and leave out what is always there."""
    value.pop("ansible_local", None)
    return value.get("__ansible_unsafe", value)


def name_of(address: str) -> str:
    """Return the inventory name of a member."""
    return address.replace(":", "_")


def login(replica_set: ReplicaSet) -> Json:
    """Return the options of the login."""
    assert replica_set.root is not None
    return {"login_uri": replica_set.bare_uri, "login_user": "root", "login_password": replica_set.root.password}


def test_a_replica_set_is_a_job_with_its_members(orders: ReplicaSet, tmp_path: Path) -> None:
    """The job has what the playbooks take, each member its state and its tags, and no password is in any variable."""
    found = listed(tmp_path, **login(orders))
    names = [name_of(address) for address in orders.addresses]
    hosts = found["_meta"]["hostvars"]
    assert {
        "backup_replica_set": "orders",
        "backup_source_uri": f"mongodb://{orders.addresses[0]}/?replicaSet=orders",
    } == hosts["orders"]
    assert ["orders"] == found["backup_jobs"]["hosts"]
    assert sorted(names) == sorted(found["mongod_hosts"]["hosts"])
    first, hidden, arbiter = (hosts[name] for name in names)
    assert ("PRIMARY", {"dc": "east", "use": "app"}) == (first["mongodb_state"], first["mongodb_tags"])
    assert (True, True) == (hidden["mongodb_hidden"], arbiter["mongodb_arbiter"])
    assert ("127.0.0.1", orders.addresses[0]) == (first["ansible_host"], first["mongodb_member"])
    assert [names[0]] == found["state_PRIMARY"]["hosts"] == found["tag_dc_east"]["hosts"]
    assert orders.root is not None
    assert orders.root.password not in str(found)


def test_constructed_variables_and_groups(orders: ReplicaSet, tmp_path: Path) -> None:
    """As in other plugins."""
    options = {
        "compose": {"backup_agent_host": "'backup1'"},
        "groups": {"late": "mongodb_delay_seconds | default(0) > 0", "readable": "mongodb_priority | default(0) > 0"},
        "keyed_groups": [{"key": "mongodb_state", "prefix": "is"}],
    }
    found = listed(tmp_path, **login(orders), **options)
    assert "backup1" == found["_meta"]["hostvars"]["orders"]["backup_agent_host"]
    assert [name_of(orders.addresses[0])] == found["readable"]["hosts"] == found["is_PRIMARY"]["hosts"]
    assert "late" not in found


def test_the_cache_is_used_and_holds_no_password(orders: ReplicaSet, tmp_path: Path) -> None:
    """The second run needs no server; a run that flushes the cache does."""
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = listed(tmp_path, **login(orders), **cached)
    gone = {**login(orders), "login_uri": "mongodb://127.0.0.1:1/"}
    assert first == listed(tmp_path, **gone, **cached)
    (kept,) = (tmp_path / "cache").iterdir()
    assert "backup_source_uri" in kept.read_text()
    assert orders.root is not None
    assert orders.root.password not in kept.read_text()
    assert "backup_jobs" not in listed(tmp_path, "--flush-cache", **gone, **cached)


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ("found no server that listens there", {"login_uri": "mongodb://127.0.0.1:1/"}),
        ("check login_user, login_password", {"login_user": "root", "login_password": "wrong"}),
    ],
)
def test_what_is_wrong_is_said(expected: str, options: Json, orders: ReplicaSet, tmp_path: Path) -> None:
    """One sentence, the same as that of the modules."""
    found = listed(tmp_path, **{"login_uri": orders.bare_uri, **options})
    assert expected in found["said"]
    assert "backup_jobs" not in found


def test_a_sharded_cluster(tmp_path: Path) -> None:
    """One job for each shard and one for the config servers; a shard that is down still is one."""
    with ShardedCluster(tmp_path) as cluster:
        found = listed(tmp_path, login_uri=cluster.config.bare_uri, cluster="shop")
        for number in range(2):
            cluster.shards[1].kill_member(number)
        down = listed(tmp_path, login_uri=cluster.config.bare_uri, cluster="shop")
    jobs = ["shop-cfg", "shop-sh0", "shop-sh1"]
    assert jobs == sorted(found["backup_jobs"]["hosts"]) == sorted(down["backup_jobs"]["hosts"])
    hosts = found["_meta"]["hostvars"]
    assert ("sh0", "shop") == (hosts["shop-sh0"]["backup_replica_set"], hosts["shop-sh0"]["backup_cluster"])
    assert 6 == len(found["mongod_hosts"]["hosts"])
    assert {"shop-sh1", *(name_of(one) for one in cluster.shards[1].addresses)} == set(found["shard_sh1"]["hosts"])
    assert set(jobs) < set(found["cluster_shop"]["hosts"])
    assert "the shard sh1" in down["said"]
    assert hosts["shop-sh1"]["backup_source_uri"] == down["_meta"]["hostvars"]["shop-sh1"]["backup_source_uri"]


def test_a_set_that_is_called_localhost_is_no_job(tmp_path: Path) -> None:
    """Its job would be the controller: tasks for the machine of its agent would be run here, without a connection."""
    with ReplicaSet("localhost", [Member(priority=1)], directory=tmp_path / "set") as replica_set:
        found = listed(tmp_path, login_uri=replica_set.bare_uri, compose={"backup_agent_host": "'backup1'"})
    assert "found localhost, the controller" in found["said"]
    assert {} == found["_meta"]["hostvars"]
