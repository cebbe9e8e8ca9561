"""Acts on documents: every way of writing them, every type, every size."""

from __future__ import annotations

import os
from collections.abc import Iterator

import bson
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from odd import POINTER, SYMBOL, UNDEFINED, Old, raw
from pymongo.database import Database

from acts.base import NOW, Json, act


@act
def plain_writes(db: Database[Json]) -> Iterator[None]:
    """Inserts, updates of every form, deletes."""
    db.w.insert_many(
        [{"_id": i, "n": i, "list": [1, 2, {"a": 1}], "sub": {"x": {"y": 1}}, "pad": "x" * 200} for i in range(60)]
    )
    yield
    db.w.insert_many([{"_id": i, "n": i} for i in range(60, 90)])
    db.w.update_many({"_id": {"$lt": 20}}, {"$inc": {"n": 100}, "$push": {"list": 9}, "$set": {"sub.x.z": 2}})
    db.w.update_many({"_id": {"$lt": 5}}, {"$unset": {"pad": 1}, "$pop": {"list": -1}})
    db.w.update_many({"_id": {"$gte": 20, "$lt": 25}}, [{"$set": {"list": {"$slice": ["$list", 1]}, "fresh": "$n"}}])
    db.w.replace_one({"_id": 30}, {"whole": True})
    db.w.update_one({"_id": "upserted"}, {"$set": {"a": 1}}, upsert=True)
    db.w.delete_many({"_id": {"$gte": 40, "$lt": 50}})
    db.w.find_one_and_update({"_id": 1}, {"$set": {"image": 1}})
    db.w.find_one_and_delete({"_id": 2})
    db.w.find_one_and_replace({"_id": 3}, {"replaced": 1})


@act
def every_type(db: Database[Json]) -> Iterator[None]:
    """Every type of BSON, deprecated ones too, also as `_id`, and arrays and documents of them."""
    values = [
        1.5, "text", {"a": 1}, [1, [2]], Binary(b"x", 0), Binary(b"y", 2), Binary(os.urandom(16), 4), Binary(b"u", 128),
        ObjectId(), True, NOW, None, Regex("^a", "i"), DBRef("c", 1), Code("f()"), Code("g()", {"a": 1}), 7,
        Timestamp(1, 2), Int64(2**60), Decimal128("1.10"), MinKey(), MaxKey(), float("nan"), float("-inf"), -0.0,
    ]  # fmt: skip
    far = Old(9, (2**62).to_bytes(8, "little"))
    old = [
        raw({"_id": 1, "u": UNDEFINED, "symbol": SYMBOL}),
        raw({"_id": 2, "pointer": POINTER}),
        raw({"_id": SYMBOL, "far": far}),
    ]
    no_id = (list, Regex)
    db.ty.insert_many(
        [{"_id": f"v{n}", "v": value, "in": [value], "sub": {"v": value}} for n, value in enumerate(values)]
    )
    yield
    db.command("insert", "ty", documents=old)
    db.ty2.insert_many(
        [{"_id": value, "n": 1} for value in values if not isinstance(value, no_id) and value is not None]
    )
    db.ty2.update_many({}, {"$inc": {"n": 1}})
    db.ty.update_many({}, {"$set": {"touched": True, "sub.more": 1}})
    db.command("update", "ty", updates=[{"q": {"_id": 1}, "u": {"$set": {"z": 1}}}])


@act
def strange_names(db: Database[Json]) -> Iterator[None]:
    """Names with dots and dollars, duplicate names, empty names."""
    set_field = {"field": "a.b", "input": "$$ROOT", "value": 5}
    dollars = {"_id": 1, "a.b": 1, "$c": 2, "": 3, "d": {"$e.f": 1}}
    twice = raw({"_id": 5, "x": 1, "x~": 2})
    db.command("insert", "sn", documents=[dollars, twice, {"_id": {"$ref": "a", "$id": 1}, "n": 1}])
    yield
    db.sn.update_one({"_id": 1}, [{"$replaceWith": {"$setField": set_field}}])
    db.sn.update_one({"_id": 1}, [{"$set": {"pad": "y" * 300}}])
    db.sn.update_one({"_id": 1}, [{"$set": {"more": 1}}])
    db.sn.update_one({"_id": 5}, {"$set": {"y": 1}})
    db.command("update", "sn", updates=[{"q": {"n": 1}, "u": {"$set": {"n": 2}}}])
    db.command("insert", "sn", documents=[{"_id": 9, "$first": 1, "x.y": 2}])


@act
def zero_timestamps(db: Database[Json]) -> Iterator[None]:
    """`Timestamp(0, 0)` at the top level, which `insert` replaces: an update can put it there."""
    zero = Timestamp(0, 0)
    db.zt.insert_one({"_id": 1, "sub": {"t": zero}})
    db.zt.update_one({"_id": 1}, [{"$set": {"t": {"$literal": zero}, "u": 1}}])
    yield
    db.zt.insert_one({"_id": 2, "pad": "x" * 300})
    db.zt.update_one({"_id": 2}, [{"$set": {"t": {"$literal": zero}}}])
    # Not by a replacement of the whole document: the secondaries of MongoDB 6.0.5 write the time there themselves, and so
    # differ from their primary (6.0.27 does not).


@act
def huge_documents(db: Database[Json]) -> Iterator[None]:
    """Documents of 16 MB, written, changed a little, replaced."""
    limit = 16 * 1024 * 1024
    largest = {"_id": 1, "b": b""}
    largest["b"] = b"x" * (limit - len(bson.encode(largest)))
    db.hd.insert_one(largest)
    yield
    db.hd.insert_one({**largest, "_id": 2})
    db.hd.update_one({"_id": 1}, {"$set": {"b": b"y" * (8 * 1024 * 1024), "c": 1}})


@act
def retry_images(db: Database[Json]) -> Iterator[None]:
    """Retryable findAndModify: the image is kept in a collection of its own, or, as before 5.1, in an entry before it."""
    db.ri.insert_many([{"_id": i, "n": i} for i in range(12)])
    yield
    parameter = "storeFindAndModifyImagesInSideCollection"
    beside = db.client.admin.command("getParameter", 1, **{parameter: 1})[parameter]
    for first, side in ((0, True), (6, False)):
        db.client.admin.command("setParameter", 1, **{parameter: side})
        db.ri.find_one_and_update({"_id": first}, {"$inc": {"n": 1}}, return_document=True)
        db.ri.find_one_and_update({"_id": first + 1}, {"$inc": {"n": 1}}, return_document=False)
        db.ri.find_one_and_replace({"_id": first + 2}, {"whole": side})
        db.ri.find_one_and_delete({"_id": first + 3})
        db.ri.find_one_and_update({"_id": f"new{first}"}, {"$set": {"n": 1}}, upsert=True)
    db.client.admin.command("setParameter", 1, **{parameter: beside})


@act
def stored_functions(db: Database[Json]) -> Iterator[None]:
    """`system.js`, a system collection that belongs to users."""
    db["system.js"].insert_one({"_id": "kept", "value": Code("function() { return 1 }")})
    yield
    db["system.js"].insert_one({"_id": "added", "value": Code("function() { return 2 }")})
    db["system.js"].replace_one({"_id": "kept"}, {"value": Code("function() { return 3 }")})
    db["system.js"].insert_one({"_id": "gone", "value": Code("function() { return 4 }")})
    db["system.js"].delete_one({"_id": "gone"})


@act
def odd_bytes(db: Database[Json]) -> Iterator[None]:
    """Strings that are no UTF-8, which servers do not check, and fields that a document holds twice.

    Of such a field a primary changes the first alone, and its secondaries change both: here both ways give the same.
    """
    where = db["odd"]
    doubled = raw({"_id": b"bytes", "twice": 1, "twice~": 5, "pad": "x" * 300})
    where.insert_many([raw({"_id": "¤", "s": "¤"}), raw({"_id": 17, "s": "¤", "n": 0.0}), doubled])
    yield
    where.insert_one(raw({"_id": {"¤": "¤"}, "t": Timestamp(0, 0)}))
    where.update_one(raw({"_id": "¤"}), raw({"$set": {"s": "¤¤", "¤": 1}}))
    where.update_one({"_id": b"bytes"}, {"$set": {"twice": 5}})
    where.replace_one({"_id": 17}, raw({"s": ["¤"]}))
    where.insert_one(raw({"_id": "gone ¤"}))
    where.delete_one(raw({"_id": "gone ¤"}))
