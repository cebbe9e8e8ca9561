"""The copy of a collection that changes while it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from backup_agent.sync.copying import Copier, Tally, uuid_of
from lab import ReplicaSet

Client = MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    """Give a member that is read from, and another server that is written to."""
    directory = tmp_path_factory.mktemp("pair")
    with (
        ReplicaSet("from", 1, directory=directory / "from") as source,
        ReplicaSet("to", 1, directory=directory / "to") as target,
        source.client(w="majority") as read,
        target.client() as written,
    ):
        yield read, written


def test_a_document_that_is_met_twice_is_no_failure(pair: tuple[Client, Client]) -> None:
    """Deleted and inserted again while the collection is read, a document comes again at its end, and takes its place."""
    source, head = pair
    large = source.shop.large
    large.insert_many([{"_id": n, "version": 1, "pad": os.urandom(1024 * 1024)} for n in range(24)])
    note = source.admin.command("appendOplogNote", 1, data={"msg": "begin"}, writeConcern={"w": "majority"})
    moved: list[int] = []

    def halt() -> bool:
        """Asked between two pages: the first document was in the first one."""
        if head.shop.large.find_one({"_id": 0}) is not None and not moved:
            large.delete_one({"_id": 0})
            large.insert_one({"_id": 0, "version": 2})
            moved.append(0)
        return False

    ui = uuid_of(source, "shop.large")
    assert ui is not None
    documents, _ = Copier(source, head, note["operationTime"], Tally(), halt).copy("shop.large", ui)

    assert ([0], 25) == (moved, documents), "the document was met before it was moved, and again after that"
    assert {"_id": 0, "version": 2} == head.shop.large.find_one({"_id": 0})
    assert 24 == head.shop.large.count_documents({})
