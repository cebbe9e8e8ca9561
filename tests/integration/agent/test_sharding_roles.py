"""The mongods of a sharded cluster: each replica set of it is a job, that of the config servers too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import Client, Json, an_agent, assert_equal, contents, started, wait_until

from lab.sharding import ShardedCluster

NAMESPACE = "shop.orders"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShardedCluster]:
    """Give a cluster with a sharded collection of two chunks, both on the first shard."""
    with ShardedCluster(tmp_path_factory.mktemp("cluster")) as running:
        running.shard_collection(NAMESPACE, {"customer": 1})
        with running.shards[0].client(w="majority") as client:
            client.shop.orders.insert_many([{"_id": i, "customer": i % 100, "n": 0} for i in range(2000)])
        running.split(NAMESPACE, {"customer": 50})
        with running.shards[1].client(w="majority") as client:  # an empty set has no snapshot that could be proven
            client.shop.unsharded.insert_one({"_id": 1})
        yield running


def orders(client: Client) -> int:
    """Return how many orders a member holds."""
    return client.shop.orders.count_documents({})


@pytest.mark.release
def test_every_replica_set_of_a_cluster_is_a_job(cluster: ShardedCluster, tmp_path: Path) -> None:
    """Three agents copy, a chunk migrates and updates name documents by their shard key: data and metadata stay equal.

    The snapshot of the config servers then starts as a config server of its own, and knows where the chunks were.
    """
    sets = [cluster.config, *cluster.shards]
    with ExitStack() as stack:
        agents = [stack.enter_context(an_agent(tmp_path / s.name, s, archive_interval_minutes=0.02)) for s in sets]
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.wait_operation()
        with cluster.shards[0].client() as first:
            first.shop.orders.update_many({"customer": {"$lt": 50}}, {"$inc": {"n": 1}})
        cluster.move_last_chunk(NAMESPACE, to=1)
        with cluster.shards[1].client() as second:
            assert orders(second) == 1000
            second.shop.orders.update_many({}, {"$set": {"moved": True}})
        compared = [assert_equal(agent, replica_set) for agent, replica_set in zip(agents, sets, strict=True)]
        for agent in agents:
            assert agent.call("validate", "--level", "digest", "--owner", "tests")[0] == 0
        assert [True] * 3 == [agent.wait_operation()["result"]["validation"]["equal"] for agent in agents]
        assert agents[0].call("snapshot", "--name", "moved", "--owner", "tests")[0] == 0
        agents[0].wait_operation()
        target = tmp_path / "target"
        assert agents[0].call("restore", "--target", str(target), "--snapshot", "moved")[0] == 0
    assert {"config.chunks", "config.databases", "config.shards"} <= set(compared[0])
    assert "shop.orders" in compared[1]
    assert "shop.orders" in compared[2]
    require_config_server(target, tmp_path, compared[0])


def require_config_server(target: Path, where: Path, expected: Json) -> None:
    """Start a restored directory as the first config server of a new set, and compare its metadata.

    It knows its shards by their sets' names, and where to find none of them.
    """
    with started(target, where) as client:
        found = contents(client)
        assert ["sh0/restored.invalid:1", "sh1/restored.invalid:1"] == sorted(
            s["host"] for s in client.config.shards.find()
        )
    assert sorted(expected) == sorted(found)
    assert ["config.shards"] == [name for name in expected if expected[name] != found[name]]
    with started(target, where, "--configsvr", "--replSet", "again") as client:
        members = [{"_id": 0, "host": str(where / "s.sock")}]
        client.admin.command("replSetInitiate", {"_id": "again", "configsvr": True, "members": members})
        wait_until("the new set has a primary", lambda: client.admin.command("hello")["isWritablePrimary"])
        moved = client.config.chunks.find_one({"shard": "sh1"})
        assert moved is not None
        assert {"customer": 50} == moved["min"]
