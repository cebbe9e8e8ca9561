"""Which databases and collections belong to a backup. One place, used by copy, apply, manifest and validation."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from bson.codec_options import CodecOptions
from bson.son import SON
from pymongo import MongoClient
from pymongo.errors import OperationFailure

OWN_DATABASE = "mongodb_ops_backup_head"
"""The agent's own database on the head: the applied position and the index model. Never part of a backup."""

MODEL = "model"
"""The collection there in which each collection of the head is described, by UUID."""

ADMIN_COPIED = ("system.users", "system.roles")

CONFIG_COPIED = (
    "chunks", "collections", "csrs.indexes", "databases", "placementHistory", "settings", "shards", "tags", "version",
)  # fmt: skip
"""What a config server knows of its cluster. The rest of `config` belongs to members, to sessions or to work in progress: a plain
replica set has nothing but that, and a shard's caches are filled again from the config servers."""

REMEMBERED = 4096
"""How many namespaces the cache holds. It is asked for every entry of the oplog."""

SYSTEM_VIEWS = "system.views"

ORDERED: CodecOptions[SON[str, Any]] = CodecOptions(document_class=SON, unicode_decode_error_handler="surrogateescape")
"""Keeps the order of keys, which is part of the meaning of an index. What is not UTF-8 can be looked at, and not written."""


def split(namespace: str) -> tuple[str, str]:
    """Return database and collection of a namespace."""
    database, _, collection = namespace.partition(".")
    return database, collection


def target_of(namespace: str, o: Mapping[str, Any]) -> str:
    """Return what a command entry is about: `o` names the collection in its first field, the entry only the database."""
    name = next(iter(o.values()), None)
    if not isinstance(name, str):
        return namespace
    return name if "renameCollection" in o else f"{split(namespace)[0]}.{name}"


@functools.lru_cache(REMEMBERED)
def needs_command(namespace: str) -> bool:
    """Say whether the server takes no writes to a namespace in transactions."""
    database, collection = split(namespace)
    system = collection.startswith("system.") and not collection.startswith("system.buckets.")
    return system or database in ("admin", "config")


@functools.lru_cache(REMEMBERED)
def why_not_copied(namespace: str) -> str | None:
    """Return why a namespace is not part of a backup, or None when it is."""
    database, collection = split(namespace)
    if database == "local":
        return "local belongs to the member"
    if database == "config" and collection not in CONFIG_COPIED:
        return (
            "holds sessions, records of transactions, caches and work in progress, which a restored set must not have"
        )
    if database == OWN_DATABASE:
        return "the agent's own database"
    if database == "admin" and collection.startswith("system.") and collection not in ADMIN_COPIED:
        return "internal to the server"
    if collection == "system.profile":
        return "profiles belong to the member"
    return None


def listed(
    client: MongoClient[dict[str, Any]], catalogues: bool = False, only: str | None = None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (database, the raw listCollections document) of what belongs to a backup, in order of name, `only` of one database.

    Views are among them (`type` is `view`). Their catalogue `system.views` is only with `catalogues`: reading it needs a right
    that a backup user does not have.
    """
    for database in [only] if only is not None else sorted(client.list_database_names()):
        if database in ("local", OWN_DATABASE):
            continue
        found = client.get_database(database, codec_options=ORDERED).list_collections()
        for info in sorted(found, key=lambda info: str(info["name"])):
            if (catalogues or info["name"] != SYSTEM_VIEWS) and why_not_copied(f"{database}.{info['name']}") is None:
                yield database, info


def uuid_in(info: Mapping[str, Any]) -> bytes | None:
    """Return the UUID in a listCollections document; a view has none."""
    ui = info.get("info", {}).get("uuid")
    return None if ui is None else bytes(ui)


class Whereabouts:
    """Where the collections of a server are by UUID. All of them are listed at once, and again only when that has become old."""

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        """Nothing is listed yet."""
        self._client = client
        self._found: dict[bytes, str] | None = None

    def of(self, ui: bytes, no_longer: str | None = None) -> str | None:
        """Return the namespace of a collection, or None when it was dropped: no UUID comes back.

        `no_longer` is one that it is known not to have any more. Raises PyMongo's errors.
        """
        if self._found is None or (no_longer is not None and self._found.get(ui) == no_longer):
            described = ((uuid_in(info), f"{database}.{info['name']}") for database, info in listed(self._client))
            self._found = {found: namespace for found, namespace in described if found is not None}
        return self._found.get(ui)


def described(client: MongoClient[dict[str, Any]], namespace: str) -> Mapping[str, Any] | None:
    """Return what listCollections says of a name now, or None."""
    database, name = split(namespace)
    found = client.get_database(database, codec_options=ORDERED).list_collections(filter={"name": name})
    return next(iter(found), None)


def indexes(client: MongoClient[dict[str, Any]], database: str, collection: str) -> list[SON[str, Any]]:
    """Return the finished indexes of a collection, as the server describes them, without the deprecated `ns`.

    An index whose two-phase build is still going on is listed by the server with a `buildUUID`: it is left out, because its
    commit entry will come by the oplog. Returns an empty list when the collection is gone.
    """
    command = SON([("listIndexes", collection), ("includeBuildUUIDs", True), ("cursor", {})])
    try:
        cursor = client.get_database(database, codec_options=ORDERED).cursor_command(command)
    except OperationFailure as error:
        if error.code == 26:  # NamespaceNotFound
            return []
        raise
    specs = [found.get("spec", found) for found in cursor if "buildUUID" not in found]
    return [SON([(name, value) for name, value in spec.items() if name != "ns"]) for spec in specs]


def refused_indexes(client: MongoClient[dict[str, Any]]) -> dict[bytes, dict[str, str]]:
    """Return the indexes that a head was to have and refused to build: for each collection's UUID the reasons by name."""
    found = client[OWN_DATABASE][MODEL].find({"refused": {"$exists": True}})
    return {bytes(one["_id"]): {str(r["spec"]["name"]): str(r["reason"]) for r in one["refused"]} for one in found}
