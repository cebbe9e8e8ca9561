"""Digests read from a real server, at the present and at a past cluster time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from harness import wait_until
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from backup_agent.compare import digest
from backup_agent.compare.digest import Side, Span
from lab import ReplicaSet

MANY = 30_000
MIXED = [
    None,
    1,
    2.5,
    10**12,
    Decimal128("7.1"),
    "a",
    "b",
    {"k": 1},
    b"bytes",
    ObjectId(),
    True,
    datetime(2024, 1, 1, tzinfo=UTC),
    Timestamp(5, 1),
]
Client = MongoClient[dict[str, Any]]


def named(found: list[digest.Difference]) -> list[str]:
    """Return differences as text."""
    return [f"{one.kind} _id {one.id}" for one in found]


@pytest.fixture(scope="module")
def replica_set() -> Iterator[ReplicaSet]:
    with ReplicaSet(members=2, auth=True) as found:
        yield found


@pytest.fixture
def primary(replica_set: ReplicaSet) -> Iterator[Client]:
    with replica_set.client(w="majority") as client:
        for name in ("one", "two"):
            client.drop_database(name)
            client[name].big.insert_many([{"_id": number, "text": "x" * 900} for number in range(MANY)])
            client[name].mixed.insert_many([{"_id": value} for value in MIXED])
            client[name].create_collection("fast", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "by id"})
            client[name].fast.insert_many([{"_id": value} for value in MIXED])
            client[name].create_collection("french", collation={"locale": "fr", "strength": 1})
            client[name].french.insert_many([{"_id": value} for value in ("z", "é", "A", "b", 3)])
        yield client


@pytest.fixture
def secondary(replica_set: ReplicaSet, primary: Client) -> Iterator[Client]:
    assert replica_set.backup
    with replica_set.member(replica_set.secondaries()[0]).client(**replica_set.backup.options) as client:
        yield client


def _committed(primary: Client, secondary: Client) -> Timestamp:
    """Return the secondary's commit point, when it has heard of all that the primary has acknowledged so far."""

    def commit_point(member: Client) -> Timestamp:
        found: Timestamp = member.admin.command("replSetGetStatus")["optimes"]["lastCommittedOpTime"]["ts"]
        return found

    wanted = commit_point(primary)
    wait_until("the secondary hears of the commit point", lambda: commit_point(secondary) >= wanted, 60)
    return commit_point(secondary)


@pytest.mark.parametrize("collection", ["big", "mixed", "fast", "french"])
def test_equal_collections_have_equal_digests(primary: Client, secondary: Client, collection: str) -> None:
    """The same documents have the same digest in two databases, several batches long, clustered or with a collation."""
    at = _committed(primary, secondary)
    one, two = (digest.read(Side(secondary, name, collection, at)) for name in ("one", "two"))

    assert one == two
    assert secondary.one[collection].estimated_document_count() == one.documents


def test_the_past_is_read(primary: Client, secondary: Client) -> None:
    """A read at a cluster time sees what was there then, on a secondary, with the rights of a backup user."""
    at = _committed(primary, secondary)
    before = digest.read(Side(secondary, "one", "big", at))
    primary.one.big.update_one({"_id": 5}, {"$set": {"text": "y"}})
    primary.one.big.insert_one({"_id": -1})

    assert before == digest.read(Side(secondary, "one", "big", at))
    assert before.documents + 1 == digest.read(Side(secondary, "one", "big", _committed(primary, secondary))).documents


@pytest.mark.parametrize("collection", ["big", "mixed", "fast", "french"])
def test_ranges_are_a_partition(secondary: Client, collection: str) -> None:
    """Ranges that follow each other hold every document once, also across types and with a collation."""
    side = Side(secondary, "one", collection)
    lower, total, step = None, 0, 7000 if collection == "big" else 3
    while True:
        upper = digest.bound_after(side, lower, step)
        found = digest.read(side, Span(lower, upper))
        assert found.documents == step or upper is None
        total, lower = total + found.documents, upper
        if upper is None:
            break

    assert digest.read(side).documents == total


def test_ids_alone_and_limits(secondary: Client) -> None:
    """Reading only `_id` or a limited number gives a digest of just that."""
    side = Side(secondary, "one", "big")

    assert MANY == digest.read(side, ids_only=True).documents
    assert digest.read(side, ids_only=True).bytes < digest.read(side).bytes / 10
    assert 10 == digest.read(side, limit=10).documents


def test_a_uuid_follows_a_rename_and_knows_a_drop(primary: Client, secondary: Client) -> None:
    """A collection addressed by UUID is found under its new name; a dropped one is an error, not an empty collection."""
    uuid = next(info for info in primary.one.list_collections() if info["name"] == "big")["info"]["uuid"]
    before = digest.read(Side(secondary, "one", uuid, _committed(primary, secondary)))
    primary.one.big.rename("renamed")

    assert before == digest.read(Side(secondary, "one", uuid, _committed(primary, secondary)))
    primary.one.renamed.drop()
    with pytest.raises(OperationFailure, match="Unable to resolve"):
        digest.read(Side(secondary, "one", uuid, _committed(primary, secondary)))


def test_differences_are_named(primary: Client, secondary: Client) -> None:
    """Missing, extra and changed documents are named, at the edges and in the middle, at most as many as asked for."""
    primary.two.big.delete_many({"_id": {"$in": [0, MANY - 1]}})
    primary.two.big.update_one({"_id": 20_000}, {"$set": {"text": "x" * 899 + "y"}})
    primary.two.big.insert_one({"_id": "extra"})
    at = _committed(primary, secondary)
    one, two = Side(secondary, "one", "big", at), Side(secondary, "two", "big", at)

    assert ["missing _id 0", "changed _id 20000", f"missing _id {MANY - 1}", 'extra _id "extra"'] == named(
        digest.differences(one, two)
    )
    assert ["missing _id 0"] == named(digest.differences(one, two, most=1))
    assert [] == digest.differences(one, one)


def test_ids_equal_by_collation_are_one_document(primary: Client, secondary: Client) -> None:
    """Where a collation makes two values one `_id`, other bytes are a change, not a loss and an addition."""
    primary.two.french.delete_one({"_id": "é"})
    primary.two.french.insert_one({"_id": "E"})

    found = digest.differences(Side(secondary, "one", "french"), Side(secondary, "two", "french"))

    assert ['changed _id "\\u00e9"'] == named(found)


def test_a_reader_that_stops_leaves_no_cursor(secondary: Client) -> None:
    """A read that is given up closes its cursor on the server."""
    before = secondary.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
    reader = digest.growing(Side(secondary, "one", "big"))
    next(reader)

    assert before + 1 == secondary.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
    reader.close()
    assert before == secondary.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
