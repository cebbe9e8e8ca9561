"""Acts on names: renames, collections and databases that are dropped and made again."""

from __future__ import annotations

from collections.abc import Iterator

from bson.code import Code
from bson.son import SON
from pymongo.database import Database

from acts.base import NOW, Json, act


@act
def renames(db: Database[Json]) -> Iterator[None]:
    """Renames within a database, over another collection, and to another database."""
    other = db.client[f"{db.name}_other"]
    db.create_collection("rc", capped=True, size=8192, max=6)
    db.rc.insert_many([{"_id": i} for i in range(9)])
    for name in ("r1", "r2", "r3", "r4", "r5"):
        db[name].insert_many([{"_id": f"{name}{i}", "k": i} for i in range(12)])
        db[name].create_index("k", unique=True)
    yield
    db.r1.rename("r1b")
    db.r1b.insert_one({"_id": "after", "k": "x"})
    db.r2.rename("r3", dropTarget=True)
    db.client.admin.command(SON([("renameCollection", f"{db.name}.r4"), ("to", f"{other.name}.r4")]))
    other.r4.insert_one({"_id": "there", "k": "y"})
    other.r5.insert_one({"_id": "in the way"})
    renamed = SON([("renameCollection", f"{db.name}.r5"), ("to", f"{other.name}.r5"), ("dropTarget", True)])
    db.client.admin.command(renamed)
    db.rc.rename("rc2")
    db.rc2.insert_many([{"_id": f"more{i}"} for i in range(4)])
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
    db.result.create_index("c", unique=True, sparse=True)
    yield
    list(db.om.aggregate([{"$group": {"_id": "$n", "c": {"$max": "$_id"}}}, {"$out": "result"}]))
    list(db.om.aggregate([{"$merge": {"into": "merged"}}]))
    list(db.om.aggregate([{"$out": {"db": f"{db.name}_other", "coll": "result"}}]))


@act
def dropped_database(db: Database[Json]) -> Iterator[None]:
    """A whole database with views and time series, dropped; another made again under its name."""
    for name in ("gone", "again"):
        other = db.client[f"{db.name}_{name}"]
        other.c.insert_many([{"_id": i} for i in range(30)])
        other.create_collection("v", viewOn="c", pipeline=[])
        other["system.js"].insert_one({"_id": "f", "value": Code("function () { return 1; }")})
        other.create_collection("t", timeseries={"timeField": "t"})
        other.t.insert_one({"t": NOW})
    yield
    db.client.drop_database(f"{db.name}_gone")
    db.client.drop_database(f"{db.name}_again")
    db.client[f"{db.name}_again"].create_collection("v", capped=True, size=4096)
    db.client[f"{db.name}_again"].v.insert_one({"_id": "no view"})
    db.client[f"{db.name}_again"].c.insert_one({"_id": "new"})


@act
def another_case(db: Database[Json]) -> Iterator[None]:
    """A database that is dropped, and one that is made under a name that differs in case alone; and views without a view."""
    before, after = db.client[f"{db.name}_Case"], db.client[f"{db.name}_case"]
    before.c.insert_one({"_id": 1})
    before.create_collection("v", viewOn="c", pipeline=[])
    db.create_collection("no_longer", viewOn="c", pipeline=[])
    yield
    db.client.drop_database(before.name)
    after.c.insert_one({"_id": 2})
    db.no_longer.drop()
