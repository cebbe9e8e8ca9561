"""What a database can do to a backup: one act per kind of entry, option and trap.

Each is a generator: what it does before its `yield` is the setting, what it does after it the change. So that the same act can be
copied, happen while the copy goes on, or be tailed.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator
from typing import Any

import bson
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure

Json = dict[str, Any]
Act = Callable[[Database[Json]], Iterator[None]]
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ACTS: dict[str, Act] = {}


def act(function: Act) -> Act:
    """Add an act to the list."""
    ACTS[function.__name__] = function
    return function


def server(db: Database[Json]) -> tuple[int, ...]:
    """Return the version of the server."""
    return tuple(db.client.server_info()["versionArray"][:2])


def modify(db: Database[Json], collection: str, **changes: Any) -> None:
    """Run collMod."""
    db.command(SON([("collMod", collection), *changes.items()]))


def raw_document(*elements: bytes) -> RawBSONDocument:
    """Return a document of raw elements, which PyMongo would not write."""
    body = b"".join(elements)
    return RawBSONDocument((len(body) + 5).to_bytes(4, "little") + body + b"\0")


@contextlib.contextmanager
def transaction(db: Database[Json]) -> Iterator[ClientSession]:
    """Give a session in a transaction."""
    with db.client.start_session() as session, session.start_transaction():
        yield session


# Documents ------------------------------------------------------------------------------------------------------------------


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
    old = [
        raw_document(b"\x10_id\0\x01\x00\x00\x00", b"\x06u\0", b"\x0esym\0\x03\x00\x00\x00ab\0"),
        raw_document(b"\x10_id\0\x02\x00\x00\x00", b"\x0cptr\0\x04\x00\x00\x00a.b\0" + bytes(range(12))),
        raw_document(b"\x0e_id\0\x04\x00\x00\x00abc\0", b"\x09far\0" + (2**62).to_bytes(8, "little")),
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
    twice = raw_document(b"\x10_id\0\x05\x00\x00\x00", b"\x10x\0\x01\x00\x00\x00", b"\x10x\0\x02\x00\x00\x00")
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


# Transactions ---------------------------------------------------------------------------------------------------------------


@act
def transactions(db: Database[Json]) -> Iterator[None]:
    """Committed and aborted ones, with catalogue changes inside, and one over several entries."""
    db.tx.insert_many([{"_id": i} for i in range(10)])
    yield
    with transaction(db) as session:
        db.tx.update_many({}, {"$set": {"in": 1}}, session=session)
        db.tx.delete_one({"_id": 3}, session=session)
        db.tx.insert_one({"_id": 3, "again": True}, session=session)
    with contextlib.suppress(ZeroDivisionError), transaction(db) as session:
        db.tx.delete_many({}, session=session)
        raise ZeroDivisionError
    with transaction(db) as session:
        db.create_collection("made", session=session)
        db.made.create_index("k", session=session)
        db.made.insert_one({"k": 1}, session=session)
    with transaction(db) as session:
        for number in range(5):
            db.tx.insert_one({"_id": f"big{number}", "b": os.urandom(5_000_000)}, session=session)


@act
def prepared_transactions(db: Database[Json]) -> Iterator[None]:
    """Prepared ones, committed and aborted (by the command that shards use; plain sets have it with test commands only)."""
    db.px.insert_many([{"_id": i} for i in range(4)])
    yield
    for commit in (True, False):
        with db.client.start_session() as session:
            session.start_transaction()
            db.px.update_one({"_id": int(commit)}, {"$set": {"prepared": commit}}, session=session)
            db.px.insert_one({"_id": f"p{commit}"}, session=session)
            prepared = db.client.admin.command("prepareTransaction", session=session, writeConcern={"w": "majority"})
            if commit:
                stamp = prepared["prepareTimestamp"]
                db.client.admin.command("commitTransaction", commitTimestamp=stamp, session=session)
                session._transaction.state = 0
            else:
                session.abort_transaction()


# Collections ----------------------------------------------------------------------------------------------------------------


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
    if server(db) >= (6, 0):  # an older one does not delete from them
        db.few.delete_one({"_id": -20})
        db.few.insert_one({"_id": -20, "again": True})
    for number in range(30):
        db.cap.insert_one({"_id": f"s{number}", "pad": "z" * (number * 90)})
    if server(db) >= (6, 0):
        modify(db, "few", cappedMax=4)
        modify(db, "cap", cappedSize=128 * 1024)


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
    if server(db) >= (6, 0):  # the head of an older one cannot empty it, and the agent stops and says so
        db.command("emptycapped", "em")
        db.em.insert_one({"_id": 4})


@act
def time_series(db: Database[Json]) -> Iterator[None]:
    """Time series: measurements, an index, another granularity, expiry; one dropped and made again."""
    for name in ("ts", "ts2"):
        options = {"timeField": "t", "metaField": "m", "granularity": "seconds"}
        db.create_collection(name, timeseries=options, expireAfterSeconds=10**9)
        db[name].insert_many([{"t": NOW + datetime.timedelta(seconds=i), "m": i % 3, "v": i} for i in range(40)])
    yield
    db.ts.insert_many(
        [{"t": NOW + datetime.timedelta(seconds=i), "m": {"k": i % 2}, "v": i, "w": "x"} for i in range(40)]
    )
    db.ts.insert_one({"t": NOW + datetime.timedelta(days=2), "m": 1, "v": 1})
    db.ts.create_index([("m", 1), ("t", -1)])
    modify(db, "ts", timeseries={"granularity": "minutes"})
    modify(db, "ts", expireAfterSeconds=10**6)
    db.ts2.drop()
    db.create_collection("ts2", timeseries={"timeField": "when"})
    db.ts2.insert_one({"when": NOW, "v": 2})
    db.create_collection("ts3", timeseries={"timeField": "when"})
    db.ts3.insert_one({"when": NOW, "v": 3})


@act
def clustered(db: Database[Json]) -> Iterator[None]:
    """Clustered collections (from 5.3), with expiry switched and taken away."""
    if server(db) < (6, 0):
        yield
        return
    for name in ("cl", "cl2"):
        key = {"key": {"_id": 1}, "unique": True, "name": "mine"}
        db.create_collection(name, clusteredIndex=key, expireAfterSeconds=10**9)
        db[name].insert_many([{"_id": NOW + datetime.timedelta(seconds=i)} for i in range(30)])
    yield
    db.cl.insert_many([{"_id": f"s{i}", "v": i} for i in range(30)])
    db.cl.update_many({"v": 3}, {"$set": {"v": 4}})
    db.cl.delete_many({"v": 5})
    db.cl.create_index("v")
    modify(db, "cl", expireAfterSeconds=5 * 10**8)
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
def indexes(db: Database[Json]) -> Iterator[None]:
    """Every kind of index, two-phase builds committed and aborted, collMod of an index."""
    db.ix.insert_many([{"_id": i, "a": i, "t": f"word{i}", "p": [i, i], "u": i, "dup": 1} for i in range(30)])
    db.ix.create_index("a", expireAfterSeconds=10**9)
    db.ix.create_index([("t", "text"), ("u", 1)], default_language="german", weights={"t": 5})
    db.ix.create_index("gone")
    yield
    db.ix.create_index([("loc", "2dsphere")], name="sphere")
    db.ix.create_index([("flat", "2d")], bits=20, min=-10, max=10)
    db.ix.create_index([("$**", 1)], wildcardProjection={"a": 0, "sub.b": 0}, name="wild")
    db.ix.create_index([("sub.$**", 1)])
    db.ix.create_index([("a", -1), ("b", 1)], partialFilterExpression={"a": {"$gt": 5}}, name="partial")
    db.ix.create_index([("a", "hashed")])
    db.ix.create_index("u", unique=True, hidden=True)
    db.ix.create_index("s", sparse=True, collation={"locale": "fr", "strength": 1})
    with contextlib.suppress(OperationFailure):
        db.ix.create_index("dup", unique=True)
    modify(db, "ix", index={"keyPattern": {"a": 1}, "expireAfterSeconds": 5 * 10**8})
    modify(db, "ix", index={"name": "u_1", "hidden": False})
    if server(db) >= (6, 0):
        modify(db, "ix", index={"name": "partial", "prepareUnique": True})
        modify(db, "ix", index={"name": "partial", "unique": True})
    db.ix.drop_index("gone_1")
    db.ix2.create_index("made_with_the_collection")
    db.ix2.create_index("second")
    db.ix2.drop_indexes()


@act
def expiring(db: Database[Json]) -> Iterator[None]:
    """Documents that are over their time: the head never expires them by itself."""
    db.ex.create_index("at", expireAfterSeconds=3600)
    yield
    db.ex.insert_many([{"_id": i, "at": datetime.datetime.now(datetime.UTC)} for i in range(5)])


@act
def swapped_keys(db: Database[Json]) -> Iterator[None]:
    """Unique keys that move from one document to another."""
    db.sk.create_index("k", unique=True)
    db.sk.insert_many([{"_id": i, "k": i} for i in range(10)])
    yield
    for _ in range(3):
        for one, other in ((0, 1), (2, 3), (1, 2)):
            keys = [db.sk.find_one({"_id": number})["k"] for number in (one, other)]  # type: ignore[index]
            for number, key in ((one, "free"), (other, keys[0]), (one, keys[1])):
                db.sk.update_one({"_id": number}, {"$set": {"k": key}})
        db.sk.delete_one({"_id": 9})
        db.sk.insert_one({"_id": 8.5, "k": "nine"})
        db.sk.delete_one({"_id": 8.5})
        db.sk.insert_one({"_id": 9, "k": "nine"})


@act
def renames(db: Database[Json]) -> Iterator[None]:
    """Renames within a database, over another collection, and to another database."""
    other = db.client[f"{db.name}_other"]
    for name in ("r1", "r2", "r3", "r4"):
        db[name].insert_many([{"_id": f"{name}{i}", "k": i} for i in range(12)])
        db[name].create_index("k", unique=True)
    yield
    db.r1.rename("r1b")
    db.r1b.insert_one({"_id": "after", "k": "x"})
    db.r2.rename("r3", dropTarget=True)
    db.client.admin.command(SON([("renameCollection", f"{db.name}.r4"), ("to", f"{other.name}.r4")]))
    other.r4.insert_one({"_id": "there", "k": "y"})
    db.r1.insert_one({"_id": "new r1"})


@act
def made_again(db: Database[Json]) -> Iterator[None]:
    """Dropped and made again under the same name, with other options; names that change places."""
    db.create_collection("ma", collation={"locale": "en"})
    db.ma.insert_many([{"_id": i, "v": 1} for i in range(20)])
    db.p.insert_one({"_id": "p"})
    db.q.insert_one({"_id": "q"})
    yield
    db.ma.drop()
    db.ma.insert_many([{"_id": i, "v": 2} for i in range(10)])
    db.ma.drop()
    db.create_collection("ma", capped=True, size=4096)
    db.ma.insert_one({"_id": 3, "v": 3})
    db.p.rename("tmp")
    db.q.rename("p")
    db.tmp.rename("q")
    db.p.insert_one({"_id": 1})


@act
def out_and_merge(db: Database[Json]) -> Iterator[None]:
    """`$out` (a temporary collection that is renamed), over an older result too, and `$merge`."""
    db.om.insert_many([{"_id": i, "n": i % 3} for i in range(30)])
    list(db.om.aggregate([{"$out": "result"}]))
    yield
    list(db.om.aggregate([{"$group": {"_id": "$n", "c": {"$sum": 1}}}, {"$out": "result"}]))
    list(db.om.aggregate([{"$merge": {"into": "merged"}}]))


@act
def dropped_database(db: Database[Json]) -> Iterator[None]:
    """A whole database with views and time series, dropped; another made again under its name."""
    for name in ("gone", "again"):
        other = db.client[f"{db.name}_{name}"]
        other.c.insert_many([{"_id": i} for i in range(30)])
        other.create_collection("v", viewOn="c", pipeline=[])
        other.create_collection("t", timeseries={"timeField": "t"})
        other.t.insert_one({"t": NOW})
    yield
    db.client.drop_database(f"{db.name}_gone")
    db.client.drop_database(f"{db.name}_again")
    db.client[f"{db.name}_again"].c.insert_one({"_id": "new"})


@act
def change_streams(db: Database[Json]) -> Iterator[None]:
    """Pre-images."""
    if server(db) < (6, 0):
        db.create_collection("pre", recordPreImages=True)
    else:
        db.create_collection("pre", changeStreamPreAndPostImages={"enabled": True})
    db.pre.insert_many([{"_id": i} for i in range(5)])
    yield
    db.pre.update_many({}, {"$set": {"v": 1}})
    db.pre.delete_one({"_id": 2})
    if server(db) >= (6, 0):
        modify(db, "pre", changeStreamPreAndPostImages={"enabled": False})


@act
def encrypted(db: Database[Json]) -> Iterator[None]:
    """encryptedFields, as a driver makes them, and documents as its encryption leaves them."""
    if server(db) < (6, 0):
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
def users_and_roles(db: Database[Json]) -> Iterator[None]:
    """Users and roles of a database, made, changed, dropped."""
    db.command("createUser", "old", pwd="secret", roles=["read"])
    yield
    db.command("createRole", "own", privileges=[], roles=["read"])
    db.command("createUser", "new", pwd="secret", roles=["own"])
    db.command("updateUser", "old", roles=["readWrite"], pwd="other")
    db.command("createUser", "gone", pwd="secret", roles=[])
    db.command("dropUser", "gone")


@act
def in_admin(db: Database[Json]) -> Iterator[None]:
    """Ordinary collections of `admin`."""
    name = f"{db.name}_c"
    admin = db.client.admin
    admin[name].insert_many([{"_id": i} for i in range(5)])
    yield
    admin[name].update_one({"_id": 1}, {"$set": {"n": 1}})
    admin[name].delete_one({"_id": 2})
    admin[name].insert_one({"_id": 9})
    admin[name].create_index("n")


@act
def notes(db: Database[Json]) -> Iterator[None]:
    """Oplog notes and dbCheck, which change nothing."""
    db.no.insert_one({"_id": 1})
    yield
    db.client.admin.command("appendOplogNote", 1, data={"applyOps": "no"})
    db.command("dbCheck", "no")


def begin(client: MongoClient[Json], name: str) -> list[Iterator[None]]:
    """Do the first part of every act in a database of that name."""
    running = [function(client[name]) for function in ACTS.values()]
    for one in running:
        next(one)
    return running


def finish(running: list[Iterator[None]]) -> None:
    """Do the second part of every act that was begun."""
    for one in running:
        assert next(one, "done") == "done"
