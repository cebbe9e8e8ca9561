"""The raw read limit: documents in raw batches, as fast as the driver takes them, and dropped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from benchmarks.data import COLLECTIONS, DATABASE

Client = MongoClient[dict[str, Any]]


def read_all(clients: Sequence[Client], threads: int) -> tuple[float, int]:
    """Read the collections of all members at once, with so many threads for each; returns seconds and bytes."""
    began = time.monotonic()
    with ThreadPoolExecutor(threads * len(clients)) as pool:
        sizes = [pool.submit(_size, _of(client, DATABASE, name), {}) for name in COLLECTIONS for client in clients]
        size = sum(future.result() for future in sizes)
    return time.monotonic() - began, size


def read_oplog(client: Client, first: Timestamp, last: Timestamp) -> tuple[float, int]:
    """Read a range of the oplog, both ends included; returns seconds and bytes."""
    began = time.monotonic()
    size = _size(_of(client, "local", "oplog.rs"), {"ts": {"$gte": first, "$lte": last}})
    return time.monotonic() - began, size


def _of(client: Client, database: str, name: str) -> Collection[dict[str, Any]]:
    return client[database].get_collection(name, read_concern=ReadConcern("majority"))


def _size(collection: Collection[dict[str, Any]], wanted: dict[str, Any]) -> int:
    return sum(map(len, collection.find_raw_batches(wanted)))
