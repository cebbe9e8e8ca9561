"""The data of the benchmarks: documents like orders, and an oplog of inserts, updates and deletes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import DeleteOne, InsertOne, MongoClient, UpdateOne
from pymongo.write_concern import WriteConcern

from benchmarks.errors import Unequal
from lab.documents import body, change

Client = MongoClient[dict[str, Any]]
Write = InsertOne[dict[str, Any]] | UpdateOne | DeleteOne

DATABASE = "bench"
COLLECTIONS = ("orders", "customers", "products", "events")
INDEXES = ([("number", 1)], [("status", 1), ("placed_at", -1)])
DOCUMENT_BYTES = 1000
SMALL_DOCUMENT_BYTES = 500
BASE_DOCUMENTS = 10_000
"""How many documents each collection has before the oplog begins: what its first updates change."""

_BODIES = 500
_BATCH = 2000
_INSERTS, _UPDATES, _DELETES = 60, 30, 10
MAJORITY = WriteConcern("majority", wtimeout=300_000)


class Documents:
    """Makes documents quickly: the bodies are encoded once, each document gets its own `_id` and number."""

    def __init__(self, size_bytes: int, seed: int = 1) -> None:
        rng = random.Random(seed)
        self._bodies = [bson.encode(body(rng, size_bytes))[4:] for _ in range(_BODIES)]

    def __call__(self, number: int) -> RawBSONDocument:
        """Return the document of a number."""
        own = bson.encode({"_id": number, "number": f"n-{number}"})[4:-1]
        rest = self._bodies[number % _BODIES]
        return RawBSONDocument((4 + len(own) + len(rest)).to_bytes(4, "little") + own + rest)


def load(client: Client, megabytes: float, indexes: bool = True) -> int:
    """Load about so many megabytes, the same into each collection, and wait for a majority; returns the documents."""
    count = max(1, int(megabytes * 1e6 / DOCUMENT_BYTES / len(COLLECTIONS)))
    make = Documents(DOCUMENT_BYTES)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_insert, repeat(client), COLLECTIONS, repeat(make), repeat(count)))
    for name in COLLECTIONS if indexes else ():
        for keys in INDEXES:
            client[DATABASE][name].create_index(keys)
    settle(client)
    return count * len(COLLECTIONS)


def _insert(client: Client, name: str, make: Documents, count: int) -> None:
    collection: Any = client[DATABASE][name]
    for start in range(0, count, _BATCH):
        collection.insert_many(map(make, range(start, min(start + _BATCH, count))), ordered=False)


def settle(client: Client) -> Timestamp:
    """Wait until a majority has everything that was written; returns the optime of the note that says so."""
    done = client.admin.command("appendOplogNote", 1, data={"msg": "bench"}, writeConcern=MAJORITY.document)
    found = done["operationTime"]
    assert isinstance(found, Timestamp)
    return found


def load_base(client: Client) -> None:
    """Load the documents that the operations begin with."""
    load(client, BASE_DOCUMENTS * len(COLLECTIONS) * DOCUMENT_BYTES / 1e6, indexes=False)


def write_operations(client: Client, count: int) -> int:
    """Write about so many operations, 60 inserts, 30 updates and 10 deletes of every hundred, from a thread per collection.

    Returns how many they are.
    """
    make = Documents(SMALL_DOCUMENT_BYTES, seed=2)
    each = max(1, count // len(COLLECTIONS) // 100) * 100
    with ThreadPoolExecutor(len(COLLECTIONS)) as pool:
        list(pool.map(_write, repeat(client), COLLECTIONS, repeat(make), repeat(each)))
    settle(client)
    return each * len(COLLECTIONS)


def _write(client: Client, name: str, make: Documents, count: int) -> None:
    collection = client[DATABASE][name]
    for batch in hundreds(make, count, random.Random(name)):
        done = collection.bulk_write(batch, ordered=False)
        if (done.inserted_count, done.modified_count, done.deleted_count) != (_INSERTS, _UPDATES, _DELETES):
            raise Unequal(f"expected a batch of {_INSERTS}/{_UPDATES}/{_DELETES} writes, found {done.bulk_api_result}")


def hundreds(make: Documents, count: int, rng: random.Random) -> Iterator[list[Write]]:
    """Yield the writes, a hundred at a time, whose order does not matter: no document is met twice among them."""
    there = list(range(BASE_DOCUMENTS))
    following = BASE_DOCUMENTS
    for number in range(count // 100):
        chosen = rng.sample(range(len(there)), _UPDATES + _DELETES)
        updated, deleted = chosen[:_UPDATES], sorted(chosen[_UPDATES:], reverse=True)
        writes: list[Write] = [UpdateOne({"_id": there[at]}, _change(rng, number)) for at in updated]
        for at in deleted:
            writes.append(DeleteOne({"_id": there[at]}))
            there[at] = there[-1]
            there.pop()
        fresh: Any = [InsertOne(make(n)) for n in range(following, following + _INSERTS)]
        there.extend(range(following, following + _INSERTS))
        following += _INSERTS
        yield writes + fresh


def _change(rng: random.Random, number: int) -> dict[str, Any]:
    changes = change(rng)
    return {**changes, "$set": {**changes.get("$set", {}), "seen": number}}  # every update changes something


def hashes(client: Client) -> dict[str, str]:
    """Return the server's own hash of each collection."""
    found: dict[str, str] = client[DATABASE].command("dbHash")["collections"]
    return found


def require_equal(expected: Client, found: Client, what: str) -> None:
    """Raises Unequal unless both have the same collections, documents and indexes, and some at all."""
    one, other = hashes(expected), hashes(found)
    if not one or sorted(one) != sorted(COLLECTIONS) or one != other:
        raise Unequal(f"{what}: expected the documents of the source, found others: {one}, {other}")
    for name in one:
        left, right = (sorted(client[DATABASE][name].index_information()) for client in (expected, found))
        if left != right:
            raise Unequal(f"{what}: {name}: expected the indexes {left}, found {right}")
