"""Acts on indexes: every kind and option, builds that are aborted or span the copy, keys that move, expiry."""

from __future__ import annotations

import contextlib
import datetime
import functools
import threading
import time
from collections.abc import Iterator

from pymongo.database import Database
from pymongo.errors import OperationFailure

from acts.base import FAR_SECONDS, Json, act, has, modify, spanning


@act
def indexes(db: Database[Json]) -> Iterator[None]:
    """Every kind of index, two-phase builds committed and aborted, collMod of an index."""
    db.ix.insert_many([{"_id": i, "a": i, "t": f"word{i}", "p": [i, i], "u": i, "dup": 1} for i in range(30)])
    db.ix.create_index("a", expireAfterSeconds=FAR_SECONDS)
    db.ix.create_index([("t", "text"), ("u", 1)], default_language="german", weights={"t": 5})
    db.ix.create_index("gone")
    db.ix4.create_index("a", unique=True)
    db.ix4.insert_one({"_id": "once", "a": 1})
    yield
    db.ix.create_index([("loc", "2dsphere")], name="sphere")
    db.ix.create_index([("flat", "2d")], bits=20, min=-10, max=10)
    db.ix.create_index([("$**", 1)], wildcardProjection={"a": 0, "sub.b": 0}, name="wild")
    db.ix.create_index([("sub.$**", 1)])
    db.ix.create_index([("a", -1), ("b", 1)], partialFilterExpression={"a": {"$gt": 5}}, name="partial")
    db.ix.create_index([("a", "hashed")])
    db.ix.create_index("u", unique=True, hidden=True)
    db.ix.create_index("s", sparse=True, collation={"locale": "fr", "strength": 1})
    db.ix.create_index([("old", 1)], v=1)
    db.ix.create_index([("place", "2dsphere")], name="old sphere", **{"2dsphereIndexVersion": 2})
    db.ix2.create_index([("t", "text")], name="old text", textIndexVersion=2, language_override="tongue")
    with contextlib.suppress(OperationFailure):
        db.ix.create_index("dup", unique=True)
    modify(db, "ix", index={"keyPattern": {"a": 1}, "expireAfterSeconds": FAR_SECONDS // 2})
    modify(db, "ix", index={"name": "u_1", "hidden": False})
    if has(db, (6, 0), "prepareUnique"):
        modify(db, "ix", index={"name": "partial", "prepareUnique": True})
        modify(db, "ix", index={"name": "partial", "unique": True})
        modify(db, "ix4", index={"name": "a_1", "forceNonUnique": True})
        db.ix4.insert_one({"_id": "the same", "a": 1})
    db.ix.drop_index("gone_1")
    db.ix3.create_index([("words", "text")], expireAfterSeconds=FAR_SECONDS)
    db.ix2.create_index("made_with_the_collection")
    db.ix2.create_index("second")
    db.ix2.drop_indexes()


@act
def expiring(db: Database[Json]) -> Iterator[None]:
    """Documents over their time, some deleted by the source: the head deletes those, and never one by itself."""
    switch = functools.partial(db.client.admin.command, "setParameter", 1)
    due = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    db.ex.insert_many([{"_id": i, "at": due} for i in range(5)])
    db.ex.create_index("at", expireAfterSeconds=1)
    db.ex2.create_index("at", expireAfterSeconds=1)
    yield
    db.ex.insert_many([{"_id": i, "at": due} for i in range(5, 9)])
    db.ex2.insert_many([{"_id": i, "at": due} for i in range(5)] + [{"_id": "stays"}])
    switch(ttlMonitorEnabled=True)  # the monitors of these servers sleep for a second only
    while db.ex2.count_documents({}) > 1 or db.ex.count_documents({}):
        time.sleep(0.1)
    switch(ttlMonitorEnabled=False)
    db.ex.insert_many([{"_id": i, "at": due} for i in range(9, 20)])


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


BUILD_HANGS = "hangAfterStartingIndexBuild"


@spanning
def builds_over_the_copy(db: Database[Json]) -> Iterator[None]:
    """Index builds that began before the copy: one is committed while it goes on, one aborted by its key, one by a drop."""
    admin = db.client.admin
    for name in ("ok", "bad", "dropped"):
        db[name].insert_many([{"_id": i, "k": i if name != "bad" else 1} for i in range(20)])
    admin.command("configureFailPoint", BUILD_HANGS, mode="alwaysOn")
    builders = [threading.Thread(target=_build, args=(db, name)) for name in ("ok", "bad", "dropped")]
    for builder in builders:
        builder.start()
    for name in ("ok", "bad", "dropped"):
        while not _building(db, name):
            time.sleep(0.05)
    yield
    dropper = threading.Thread(target=db.dropped.drop)
    dropper.start()
    admin.command("configureFailPoint", BUILD_HANGS, mode="off")
    for thread in (*builders, dropper):
        thread.join()
    db.dropped.insert_one({"_id": "made again"})
    assert "k_1" in db.ok.index_information()


def _build(db: Database[Json], name: str) -> None:
    with contextlib.suppress(OperationFailure):
        db[name].create_index("k", unique=True)


def _building(db: Database[Json], name: str) -> bool:
    listed = db.command("listIndexes", name, includeBuildUUIDs=True)["cursor"]["firstBatch"]
    return any("buildUUID" in found for found in listed)
