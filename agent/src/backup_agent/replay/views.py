"""Views on the head, time series among them: a time series is a view of a collection of buckets.

`system.views` takes no `insert`, and dropping a time series drops its buckets too, so the catalogue's documents are written by
`applyOps`, the way the server's own secondaries are told of them. Each of these can be done again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.errors import OperationFailure

from backup_agent.namespaces import SYSTEM_VIEWS, uuid_in
from backup_agent.replay.index_model import uuid_binary
from backup_agent.values import REPLIES, Client

VIEW, TIME_SERIES = "view", "timeseries"
WRITTEN = {"w": 1}
"""How the head acknowledges a write. After a crash it has all that it did up to some moment (its own oplog is one sequence), so
each write is durable as soon as a later one is: the position that follows it, or the note after a copy."""
DATABASE_DIFFER_CASE = 13297
_OTHER_CASE = re.compile(r"already have: \[([^\]]+)\]")


def execute(client: Client, database: str, *command: tuple[str, Any]) -> None:
    """Run a command on the head. What it did is durable as soon as a later write is. Raises OperationFailure."""
    client[database].command(SON([*command, ("writeConcern", WRITTEN)]), codec_options=REPLIES)


def run_entry(client: Client, entry: Mapping[str, Any]) -> None:
    """Apply one oplog entry on the head by `applyOps`. Raises OperationFailure."""
    execute(client, "admin", ("applyOps", [entry]))


def apply_command(client: Client, database: str, ui: bytes, o: Mapping[str, Any]) -> None:
    """Apply the entry of a command about the collection of a UUID; as `run_entry` does.

    A server keeps a database open whose last collection was dropped, and makes no other one whose name differs in case alone. Its
    secondaries close the empty one first (`applyCommand_inlock` in the server's `oplog.cpp`), and so does this. One that has
    nothing but views counts as empty: a source that makes a collection in another case has none of them any more.
    """
    entry = SON([("op", "c"), ("ns", f"{database}.$cmd"), ("ui", uuid_binary(ui)), ("o", o)])
    try:
        run_entry(client, entry)
    except OperationFailure as error:
        other = _OTHER_CASE.search(str(error)) if error.code == DATABASE_DIFFER_CASE else None
        if other is None or _has_collections(client, other[1]):
            raise
        execute(client, other[1], ("dropDatabase", 1))
        run_entry(client, entry)


def _has_collections(client: Client, database: str) -> bool:
    infos = client[database].list_collections(filter={"type": "collection"})
    return any(info["name"] != SYSTEM_VIEWS for info in infos)


def close_database(client: Client, database: str) -> None:
    """Let the head forget a database that is empty. Heads of the versions before kept an empty collection for views there."""
    if set(client[database].list_collection_names()) <= {SYSTEM_VIEWS}:
        execute(client, database, ("dropDatabase", 1))


def drop_collection(client: Client, database: str, ui: bytes, collection: str) -> None:
    """Drop a collection, also one that the server lets no client drop."""
    apply_command(client, database, ui, SON([("drop", collection)]))


def catalogue_of(client: Client, database: str) -> bytes | None:
    """Return the UUID of the collection that holds a database's views, or None."""
    return next(map(uuid_in, client[database].list_collections(filter={"name": SYSTEM_VIEWS})), None)


def make_catalogue(client: Client, database: str, ui: bytes) -> None:
    """Make the collection that holds a database's views, if there is none."""
    if catalogue_of(client, database) is None:
        o = SON([("create", SYSTEM_VIEWS), ("idIndex", SON([("v", 2), ("key", {"_id": 1}), ("name", "_id_")]))])
        apply_command(client, database, ui, o)


def drop_catalogue(client: Client, database: str, ui: bytes | None, strict: bool) -> None:
    """Drop that collection, and with it every view of the database.

    In a copy that is not consistent yet, one with another UUID was made later, and stays. Later, another UUID is that of a head
    of the versions before.
    """
    found = catalogue_of(client, database)
    if found is not None and (strict or found == ui):
        drop_collection(client, database, found, SYSTEM_VIEWS)


def apply_entry(client: Client, entry: RawBSONDocument, strict: bool) -> None:
    """Apply an insert, an update or a delete of a view.

    A whole definition replaces what is there. A diff needs its view; while the head is made consistent that may be gone by now.
    Until then an entry for a catalogue that the source has dropped meanwhile does nothing, either: the copy holds a later one.
    """
    database, _, _ = entry["ns"].partition(".")
    if not strict and catalogue_of(client, database) not in (None, bytes(entry["ui"])):
        return
    identity = {"_id": (entry.get("o2") or entry["o"])["_id"]}
    op, o = entry["op"], entry["o"]
    make_catalogue(client, database, bytes(entry["ui"]))
    kind = "i" if op == "u" and "$v" not in o else op
    written: SON[str, Any] = SON([("op", kind), ("ns", entry["ns"]), ("o", o)])
    if kind != "d":
        written["o2"] = identity
    try:
        run_entry(client, written)
    except OperationFailure:
        if strict or kind != "u":
            raise


def drop_view(client: Client, database: str, view: str) -> None:
    """Drop a view, and of a time series nothing but the view."""
    if catalogue_of(client, database) is not None:
        identity = {"_id": f"{database}.{view}"}
        run_entry(client, SON([("op", "d"), ("ns", f"{database}.{SYSTEM_VIEWS}"), ("o", identity)]))


def put_view(client: Client, database: str, info: Mapping[str, Any]) -> None:
    """Make the view that a listCollections document describes, replacing one of that name.

    The view of a time series is made by the server, over the buckets that are there. Without them nothing is made: they were
    dropped at the source meanwhile, and the oplog says what came after.
    """
    view = str(info["name"])
    drop_view(client, database, view)
    buckets = f"system.buckets.{view}"
    if info["type"] == TIME_SERIES and not client[database].list_collection_names(filter={"name": buckets}):
        return
    execute(client, database, ("create", view), *info["options"].items())
