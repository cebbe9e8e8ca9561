"""Documents as an application might write them: nested, of many types, and different from each other."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId

if TYPE_CHECKING:
    import random

COLLECTIONS = ("orders", "customers", "products", "events")
STATUSES = ("new", "paid", "packed", "shipped", "returned")
CITIES = ("Århus", "Cork", "Gdańsk", "Lyon", "Porto", "Αθήνα", "東京")
_EPOCH = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def collection_names(count: int) -> list[str]:
    """Return the names of the first `count` collections."""
    return [COLLECTIONS[n] if n < len(COLLECTIONS) else f"events_{n}" for n in range(count)]


def identifier(rng: random.Random, prefix: str, number: int) -> Any:
    """Return an `_id`: mostly strings, some object ids, numbers or documents, as in a collection with a history."""
    kind = number % 10
    if kind == 0:
        return ObjectId(rng.randbytes(12))
    if kind == 1:
        return Int64(rng.getrandbits(62))
    if kind == 2:
        return {"shop": prefix, "n": number}
    return f"{prefix}-{number:09d}"


def document(rng: random.Random, prefix: str, number: int, size_bytes: int) -> dict[str, Any]:
    """Return a document of about `size_bytes` (at least some 350 bytes)."""
    return {"_id": identifier(rng, prefix, number), "number": f"{prefix}-{number}", **body(rng, size_bytes)}


def body(rng: random.Random, size_bytes: int) -> dict[str, Any]:
    """Return everything of a document but what makes it unique."""
    return {
        "status": rng.choice(STATUSES),
        "customer": {"name": f"name {rng.randrange(9999)}", "city": rng.choice(CITIES), "points": rng.randrange(1000)},
        "total": Decimal128(f"{rng.randrange(100_000) / 100:.2f}"),
        "weight": rng.random() * 30,
        "paid": rng.random() < 0.5,
        "placed_at": _EPOCH + datetime.timedelta(milliseconds=rng.randrange(10**10)),
        "lines": [line(rng) for _ in range(rng.randrange(1, 4))],
        "tags": rng.sample(STATUSES, rng.randrange(3)),
        "token": Binary(rng.randbytes(12)),
        "coupon": rng.choice((None, "SPRING", 5, 2.5)),
        "note": text(rng, max(0, size_bytes - 350)),
    }


def line(rng: random.Random) -> dict[str, Any]:
    """Return one line of an order."""
    return {"sku": f"sku-{rng.randrange(500)}", "count": rng.randrange(1, 9), "price": rng.randrange(1, 9999) / 100}


def text(rng: random.Random, length: int) -> str:
    """Return text that does not compress to nothing."""
    return rng.randbytes((length + 1) // 2).hex()[:length]


def change(rng: random.Random) -> dict[str, Any]:
    """Return an update: sets, unsets, increments, array changes; most become `$v: 2` diffs in the oplog."""
    return rng.choice(_CHANGES)(rng)


_CHANGES = (
    lambda rng: {"$set": {"status": rng.choice(STATUSES), "customer.city": rng.choice(CITIES)}},
    lambda rng: {"$inc": {"customer.points": rng.randrange(9), "revision": 1}, "$set": {"changed_at": _EPOCH}},
    lambda rng: {"$unset": {"coupon": ""}, "$set": {f"extra.k{rng.randrange(5)}": rng.random()}},
    lambda rng: {"$push": {"lines": {"$each": [line(rng)], "$slice": -6}}},
    lambda rng: {"$set": {"lines.0.count": rng.randrange(99), "lines.0.price": rng.random()}},
    lambda rng: {"$pull": {"tags": rng.choice(STATUSES)}, "$currentDate": {"touched_at": True}},
    lambda rng: {"$addToSet": {"tags": rng.choice(STATUSES)}, "$unset": {"extra": ""}},
    lambda rng: {"$set": {"customer": {"name": f"name {rng.randrange(99)}", "city": rng.choice(CITIES)}}},
)
