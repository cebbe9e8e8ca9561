"""An index that the source has and the head refuses to build: the rest is backed up, and whoever restores is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from bson.son import SON
from harness import an_agent, assert_equal, started, wait_until

from lab import Member, ReplicaSet

UNIQUE = "shop.orders number_1"


def rolling_build(replica_set: ReplicaSet, where: Path) -> None:
    """Build a unique index on the secondary alone, outside of its set; then the set gets what the index would refuse."""
    with replica_set.client(w="majority") as client:
        client["shop"]["orders"].insert_one({"_id": 1, "number": 1})
        client["shop"]["orders"].create_index("name")
    replica_set.stop_member(1)
    data = replica_set.mongods[1].directory / "data"
    with started(data, where, "--setParameter", "disableLogicalSessionCacheRefresh=true") as alone:
        alone["shop"]["orders"].create_index("number", unique=True)
    replica_set.restart_member(1)
    with replica_set.client(w="majority") as client:
        client["shop"]["orders"].insert_one({"_id": 2, "number": 1})


@pytest.mark.release
def test_an_index_with_duplicates_is_named_and_left_out(tmp_path: Path) -> None:
    """The sync succeeds, an alert and the manifest name the index, and a restore says it, until its collection is gone."""
    with ReplicaSet("rs0", [Member(priority=2), Member(priority=0)], directory=tmp_path / "rs") as replica_set:
        rolling_build(replica_set, tmp_path)
        with an_agent(tmp_path / "a", replica_set) as agent:
            agent.start()
            agent.wait_operation()
            assert_equal(agent, replica_set)
            status = wait_until("the alert", lambda: agent.status() if agent.status()["alerts"] else None)
            (alert,) = status["alerts"]
            assert ("index_refused", UNIQUE) == (alert["kind"], alert["cause"])
            assert "duplicate key" in alert["detail"]["message"]
            assert "warning" == status["verdict"]
            assert agent.call("snapshot", "--name", "now", "--prove", "--owner", "tests")[0] == 0
            agent.wait_operation()
            code, answer = agent.call("restore", "--target", str(tmp_path / "target"), "--snapshot", "now")
            assert (0, True) == (code, answer["ok"]), answer
            assert "shop.orders: index number_1 is missing" in answer["restore"]["missing_indexes"][0]
            with replica_set.client() as client:
                client["shop"].command(SON([("collMod", "orders"), ("validationLevel", "moderate")]))
                client["shop"]["orders"].create_index("number", name="again")
            assert_equal(agent, replica_set)
            with replica_set.client() as client:
                client["shop"]["orders"].drop()
                client["shop"]["others"].insert_one({"_id": 1})
            assert_equal(agent, replica_set)
            assert (
                agent.call("snapshot", "--name", "later", "--owner", "tests")[0] == 0
            )  # alerts are looked at after it
            agent.wait_operation()
            wait_until("the alert is closed", lambda: not agent.status()["alerts"])


def test_an_index_of_an_older_version_is_named_and_left_out(tmp_path: Path) -> None:
    """Version 5.0 let the entries of a log expire; a set that was upgraded still has such an index, and 6.0 makes none."""
    with ReplicaSet("rs0", [Member(priority=2), Member(priority=0)], directory=tmp_path / "rs") as replica_set:
        with replica_set.client(w="majority") as client:
            client.admin.command("setFeatureCompatibilityVersion", "5.0")
            client["shop"].create_collection("log", capped=True, size=4096)
            client["shop"]["log"].create_index("at", expireAfterSeconds=86400)
            client["shop"]["log"].create_index("number")
            client["shop"]["log"].insert_one({"_id": 1, "number": 1})
            client.admin.command("setFeatureCompatibilityVersion", "6.0")
        with an_agent(tmp_path / "a", replica_set) as agent:
            agent.start()
            agent.wait_operation()
            status = wait_until("the alert", lambda: agent.status() if agent.status()["alerts"] else None)
            (alert,) = status["alerts"]
            assert ("index_refused", "shop.log at_1") == (alert["kind"], alert["cause"])
            assert "TTL index on a capped collection" in alert["detail"]["message"]
            assert agent.call("validate", "--owner", "tests")[0] == 0
            validation = agent.wait_operation()["result"]["validation"]
            assert validation["equal"], "the rest is compared"
            assert ["shop.log: index at_1, which the head refused"] == validation["not_compared"]
            with agent.head(1) as head:
                assert ["_id_", "number_1"] == sorted(head["shop"]["log"].index_information())
