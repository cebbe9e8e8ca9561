"""Acts on what belongs to no collection of an application: users, roles, `admin`, notes."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.database import Database

from acts.base import Json, act


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
    everywhere = {"resource": {"db": "", "collection": ""}, "actions": ["find"]}
    restrictions = [{"clientSource": ["127.0.0.1"]}]
    db.client.admin.command(
        "createRole", f"{db.name}_reader", privileges=[everywhere], roles=[], authenticationRestrictions=restrictions
    )
    db.command("grantRolesToUser", "old", roles=[{"role": f"{db.name}_reader", "db": "admin"}])
    db.client["$external"].command(
        "createUser", f"CN={db.name}", roles=[{"role": "read", "db": db.name}], customData={"n": 1}
    )


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
