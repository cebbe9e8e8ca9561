"""Views on the head, time series among them: a time series is a view of a collection of buckets.

`system.views` takes no `insert`, and dropping a time series drops its buckets too, so the catalogue's documents are written by
`applyOps`, the way the server's own secondaries are told of them. Each of these can be done again.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.errors import OperationFailure

from backup_agent.replay.index_model import uuid_binary
from backup_agent.values import Client

SYSTEM_VIEWS = "system.views"
VIEW, TIME_SERIES = "view", "timeseries"
JOURNALED = {"w": 1, "j": True}


def journaled(client: Client, database: str, *command: tuple[str, Any]) -> None:
    """Run a command on the head; returns when what it did is durable. Raises OperationFailure."""
    client[database].command(SON([*command, ("writeConcern", JOURNALED)]))


def run_entry(client: Client, entry: Mapping[str, Any]) -> None:
    """Apply one oplog entry on the head by `applyOps`; returns when it is durable. Raises OperationFailure."""
    journaled(client, "admin", ("applyOps", [entry]))


def apply_command(client: Client, database: str, ui: bytes, o: Mapping[str, Any]) -> None:
    """Apply the entry of a command about the collection of a UUID; as `run_entry` does."""
    run_entry(client, SON([("op", "c"), ("ns", f"{database}.$cmd"), ("ui", uuid_binary(ui)), ("o", o)]))


def make_catalogue(client: Client, database: str, ui: bytes | None = None) -> None:
    """Make the collection that holds a database's views, if there is none."""
    if not client[database].list_collection_names(filter={"name": SYSTEM_VIEWS}):
        o = SON([("create", SYSTEM_VIEWS), ("idIndex", SON([("v", 2), ("key", {"_id": 1}), ("name", "_id_")]))])
        apply_command(client, database, ui or uuid.uuid4().bytes, o)


def apply_entry(client: Client, entry: RawBSONDocument, strict: bool) -> None:
    """Apply an insert, an update or a delete of a view.

    A whole definition replaces what is there. A diff needs its view; while the head is made consistent that may be gone by now.
    """
    database, _, _ = entry["ns"].partition(".")
    identity = {"_id": (entry.get("o2") or entry["o"])["_id"]}
    op, o = entry["op"], entry["o"]
    make_catalogue(client, database)
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
    if client[database].list_collection_names(filter={"name": SYSTEM_VIEWS}):
        identity = {"_id": f"{database}.{view}"}
        run_entry(client, SON([("op", "d"), ("ns", f"{database}.{SYSTEM_VIEWS}"), ("o", identity)]))


def drop_views(client: Client, database: str) -> None:
    """Drop every view of a database."""
    for info in client[database].list_collections():
        if info["type"] in (VIEW, TIME_SERIES):
            drop_view(client, database, info["name"])


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
    journaled(client, database, ("create", view), *info["options"].items())
