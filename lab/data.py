"""Loading data to back up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from lab.documents import body, collection_names, identifier

if TYPE_CHECKING:
    from pymongo.collection import Collection

DATABASE = "shop"
DOCUMENT_BYTES = 1000
_BODIES = 500
_BATCH = 2000


def load(uri: str, megabytes: float, collections: int = 4, indexes: bool = True, seed: int = 1) -> int:
    """Load about so many megabytes into the database `shop` and return the number of documents.

    The collections get different sizes, the first half of everything. Each batch waits for the majority, so that a
    small oplog cannot leave the secondaries behind.
    """
    rng = random.Random(seed)
    bodies = [body(rng, DOCUMENT_BYTES) for _ in range(_BODIES)]
    loaded = 0
    with MongoClient[dict[str, Any]](uri, w="majority") as client:
        for name, share in zip(collection_names(collections), shares(collections), strict=True):
            collection = client[DATABASE][name]
            count = max(1, int(megabytes * 1_000_000 * share / DOCUMENT_BYTES))
            if indexes:
                create_indexes(collection)
            _insert(collection, rng, bodies, count)
            loaded += count
    return loaded


def shares(collections: int) -> list[float]:
    """Return what part of the data each collection gets: each half of the one before, together everything."""
    halves = [0.5**n for n in range(collections)]
    return [half / sum(halves) for half in halves]


def create_indexes(collection: Collection[dict[str, Any]]) -> None:
    """Create secondary indexes: compound, unique, multikey, hashed and partial ones."""
    collection.create_index([("status", 1), ("placed_at", -1)])
    collection.create_index("number", unique=True)
    collection.create_index("lines.sku")
    collection.create_index([("customer.city", "hashed")])
    collection.create_index("placed_at", name="paid_placed_at", partialFilterExpression={"paid": True})


def _insert(
    collection: Collection[dict[str, Any]], rng: random.Random, bodies: list[dict[str, Any]], count: int
) -> None:
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        batch = [{"_id": identifier(rng, "seed", n), "number": f"seed-{n}", **rng.choice(bodies)} for n in numbers]
        collection.insert_many(batch, ordered=False)


def concern_of_all(members: int) -> WriteConcern:
    """Return a write concern that waits for every one of so many members, but not for ever."""
    return WriteConcern(w=members, wtimeout=60_000)
