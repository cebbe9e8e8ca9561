"""Acts on kinds of collections: capped, time series, clustered, views, and their options."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator

from bson import Binary
from bson.son import SON
from pymongo.database import Database

from acts.base import FAR_SECONDS, NOW, Json, act, has, modify


@act
def capped(db: Database[Json]) -> Iterator[None]:
    """Capped by size and by number: order, evictions, updates, deletes, an index."""
    db.create_collection("cap", capped=True, size=64 * 1024)
    db.create_collection("few", capped=True, size=64 * 1024, max=7)
    db.cap.insert_many([{"_id": i, "pad": "x" * 1000} for i in range(100)])
    db.few.insert_many([{"_id": -i} for i in range(20)])
    db.cap.create_index("n")
    yield
    db.cap.insert_many([{"_id": 1000 - i, "n": i, "pad": "y" * 700} for i in range(150)])
    db.cap.update_many({"n": {"$gt": 120}}, {"$set": {"n": 5}})
    db.few.insert_many([{"_id": -i} for i in range(20, 23)])
    if has(db, (6, 0), "deletes from capped collections"):
        db.few.delete_one({"_id": -20})
        db.few.insert_one({"_id": -20, "again": True})
    for number in range(30):
        db.cap.insert_one({"_id": f"s{number}", "pad": "z" * (number * 90)})
    if has(db, (6, 0), "collMod of the limits of a capped collection"):
        modify(db, "few", cappedMax=4)
        modify(db, "cap", cappedSize=128 * 1024)


@act
def outgrown(db: Database[Json]) -> Iterator[None]:
    """Capped collections that hold more than their size, until the next insert: documents grew, or one is larger than all."""
    grow = has(db, (6, 0), "documents that grow in capped collections, one larger than all of it instead")
    for name in ("og", "og2"):
        db.create_collection(name, capped=True, size=8192, max=20)
        db[name].insert_many([{"_id": i, "$n": i, "pad": "x" * 300} for i in range(15)])
        if grow:
            db[name].update_many({}, {"$set": {"pad": "y" * 900}})
        else:
            db[name].insert_one({"_id": "large", "pad": "l" * 20_000})
    yield
    db.og.insert_many([{"_id": f"later{i}", "pad": "z" * 500} for i in range(2)])
    if grow:
        db.og.update_many({}, {"$set": {"pad": "u" * 1200}})
        db.og2.update_many({}, {"$set": {"n": 1}})


@act
def made_capped(db: Database[Json]) -> Iterator[None]:
    """convertToCapped and cloneCollectionAsCapped."""
    db.mc.insert_many([{"_id": i, "pad": "x" * 300} for i in range(40)])
    yield
    db.command(SON([("cloneCollectionAsCapped", "mc"), ("toCollection", "clone"), ("size", 8192)]))
    db.command("convertToCapped", "mc", size=8192)
    db.mc.insert_many([{"_id": f"n{i}", "pad": "y" * 300} for i in range(20)])


@act
def emptied(db: Database[Json]) -> Iterator[None]:
    """`emptycapped`, a test command."""
    db.create_collection("em", capped=True, size=8192)
    db.em.insert_many([{"_id": i} for i in range(9)])
    yield
    if has(db, (6, 0), "emptycapped that a head could carry out"):  # the agent stops and says so
        db.command("emptycapped", "em")
        db.em.insert_one({"_id": 4})


@act
def time_series(db: Database[Json]) -> Iterator[None]:
    """Time series: measurements, an index, another granularity, expiry; one dropped and made again."""
    for name in ("ts", "ts2"):
        options = {"timeField": "t", "metaField": "m", "granularity": "seconds"}
        db.create_collection(name, timeseries=options, expireAfterSeconds=FAR_SECONDS)
        db[name].insert_many([{"t": NOW + datetime.timedelta(seconds=i), "m": i % 3, "v": i} for i in range(40)])
    yield
    db.ts.insert_many(
        [{"t": NOW + datetime.timedelta(seconds=i), "m": {"k": i % 2}, "v": i, "w": "x"} for i in range(40)]
    )
    db.ts.insert_one({"t": NOW + datetime.timedelta(days=2), "m": 1, "v": 1})
    db.ts.create_index([("m", 1), ("t", -1)])
    modify(db, "ts", timeseries={"granularity": "minutes"})
    modify(db, "ts", expireAfterSeconds=FAR_SECONDS // 2)
    db.ts2.drop()
    db.create_collection("ts2", timeseries={"timeField": "when"})
    db.ts2.insert_one({"when": NOW, "v": 2})
    db.create_collection("ts3", timeseries={"timeField": "when"})
    db.ts3.insert_one({"when": NOW, "v": 3})


@act
def clustered(db: Database[Json]) -> Iterator[None]:
    """Clustered collections (from 5.3), with expiry switched and taken away."""
    if not has(db, (6, 0), "clustered collections"):
        yield
        return
    for name in ("cl", "cl2"):
        key = {"key": {"_id": 1}, "unique": True, "name": "mine"}
        db.create_collection(name, clusteredIndex=key, expireAfterSeconds=FAR_SECONDS)
        db[name].insert_many([{"_id": NOW + datetime.timedelta(seconds=i)} for i in range(30)])
    yield
    db.cl.insert_many([{"_id": f"s{i}", "v": i} for i in range(30)])
    db.cl.update_many({"v": 3}, {"$set": {"v": 4}})
    db.cl.delete_many({"v": 5})
    db.cl.create_index("v")
    modify(db, "cl", expireAfterSeconds=FAR_SECONDS // 2)
    modify(db, "cl2", expireAfterSeconds="off")


@act
def views(db: Database[Json]) -> Iterator[None]:
    """Views with collations, changed, dropped, dropped with all others."""
    db.vb.insert_one({"a": 1})
    for name in ("v1", "v2", "v3"):
        db.create_collection(name, viewOn="vb", pipeline=[{"$match": {"a": 1}}], collation={"locale": "de"})
    yield
    modify(db, "v1", viewOn="v2", pipeline=[{"$project": {"a": 1}}, {"$match": {"$expr": {"$eq": ["$a", 1]}}}])
    db.v3.drop()
    db.create_collection("v4", viewOn="nothing", pipeline=[])
    db.create_collection("v3", viewOn="vb", pipeline=[])


@act
def collations(db: Database[Json]) -> Iterator[None]:
    """A default collation, under which different `_id`s are the same key."""
    db.create_collection("co", collation={"locale": "en", "strength": 2})
    db.co.insert_many([{"_id": "a", "n": 1}, {"_id": "B", "n": 2}])
    db.co.create_index("n", collation={"locale": "simple"}, name="simple")
    yield
    db.co.delete_one({"_id": "a"})
    db.co.insert_one({"_id": "A", "n": 3})
    db.co.update_one({"_id": "b"}, {"$set": {"n": 4}})
    db.co.delete_one({"_id": "A"})
    db.co.insert_one({"_id": "a", "n": 5})


@act
def validators(db: Database[Json]) -> Iterator[None]:
    """Validators, and documents that violate them legally."""
    db.va.insert_many([{"_id": i, "n": "old"} for i in range(4)])
    modify(db, "va", validator={"n": {"$type": "int"}}, validationLevel="moderate")
    yield
    db.va.update_one({"_id": 1}, {"$set": {"m": 1}})
    db.command("insert", "va", documents=[{"_id": 10, "n": "bypassed"}], bypassDocumentValidation=True)
    modify(db, "va", validator={"$jsonSchema": {"required": ["absent"]}}, validationAction="warn")
    db.va.insert_one({"_id": 11})
    modify(db, "va", validator={}, validationLevel="off")


@act
def change_streams(db: Database[Json]) -> Iterator[None]:
    """Pre-images."""
    later = has(db, (6, 0), "changeStreamPreAndPostImages, recordPreImages instead")
    wanted: Json = {"changeStreamPreAndPostImages": {"enabled": True}} if later else {"recordPreImages": True}
    db.create_collection("pre", **wanted)
    db.pre.insert_many([{"_id": i} for i in range(5)])
    yield
    db.pre.update_many({}, {"$set": {"v": 1}})
    db.pre.delete_one({"_id": 2})
    modify(db, "pre", **({"changeStreamPreAndPostImages": {"enabled": False}} if later else {"recordPreImages": False}))


@act
def encrypted(db: Database[Json]) -> Iterator[None]:
    """encryptedFields, as a driver makes them, and documents as its encryption leaves them."""
    if not has(db, (6, 0), "encryptedFields"):
        yield
        return
    names = {f"{kind}Collection": f"enxcol_.enc.{kind}" for kind in ("esc", "ecc", "ecoc")}
    fields = [{"path": "s", "bsonType": "string", "keyId": Binary(os.urandom(16), 4)}]
    db.command(SON([("create", "enc"), ("encryptedFields", {**names, "fields": fields})]))
    yield
    safe = {"_id": 1, "s": Binary(b"\x07" + b"x" * 40, 6), "__safeContent__": [Binary(b"y" * 32, 0)]}
    db.command("insert", "enc", documents=[safe, {**safe, "_id": 2}], bypassDocumentValidation=True)
    db.command("delete", "enc", deletes=[{"q": {"_id": 2}, "limit": 1}])
    db.command("update", "enc", updates=[{"q": {"_id": 1}, "u": {"$set": {"plain": 1}}}], bypassDocumentValidation=True)


@act
def storage_options(db: Database[Json]) -> Iterator[None]:
    """Options of the storage engine, for a collection, its indexes and one index."""
    zlib = {"wiredTiger": {"configString": "block_compressor=zlib"}}
    prefix = {"wiredTiger": {"configString": "prefix_compression=false"}}
    db.create_collection("so", storageEngine=zlib, indexOptionDefaults={"storageEngine": prefix})
    db.so.insert_many([{"_id": i, "n": i} for i in range(20)])
    yield
    db.create_collection("so2", storageEngine=zlib, validator={"n": {"$gt": 0}}, validationAction="warn")
    db.so2.insert_many([{"_id": i, "n": i - 5} for i in range(10)])
    db.so.create_index("n", storageEngine=prefix)
