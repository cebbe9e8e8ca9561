"""A head that an agent of an earlier version has filled."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import an_agent, assert_equal

from backup_agent.replay.views import catalogue_of, drop_collection
from lab import Member, ReplicaSet


@pytest.mark.release
def test_views_that_are_held_under_another_uuid_go_with_their_database(tmp_path: Path) -> None:
    """Version 0.1.0 let the server choose the UUID of the collection for views. What is dropped at the source is dropped here."""
    with ReplicaSet("rs0", [Member(priority=2), Member(priority=0)], directory=tmp_path / "rs") as replica_set:
        with replica_set.client(w="majority") as client:
            client["Shop"]["orders"].insert_one({"_id": 1})
            client["Shop"].create_collection("view", viewOn="orders", pipeline=[])
            client["kept"]["orders"].insert_one({"_id": 1})
        with an_agent(tmp_path / "a", replica_set) as agent, replica_set.client(w="majority") as client:
            agent.start()
            agent.wait_operation()
            assert_equal(agent, replica_set)
            with agent.head(1) as head:
                ui = catalogue_of(head, "Shop")
                assert ui is not None
                drop_collection(head, "Shop", ui, "system.views")
                head["Shop"].command("create", "view", viewOn="orders", pipeline=[])
                assert ui != catalogue_of(head, "Shop")
            client.drop_database("Shop")
            client["shop"]["orders"].insert_one({"_id": 2})
            assert_equal(agent, replica_set)
